"""The configuration of the rules: the language packs, and the declarations of the sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from handoff.domain.clock import DAY, MINUTE, Micros
from handoff.domain.said import SpeechRules
from handoff.domain.said.announcing import AnnouncedKind

from .packs.pack import Packs, compile_packs


class SourceRules(Struct, frozen=True, kw_only=True):
    """A source's declarations: who writes our outbound messages there, and the forms that need no answer.

    Names of forms are as `lines.same` compares them.
    """

    outbound: Literal["bot", "person"] | None = None
    no_answer_forms: frozenset[str] = frozenset()


class FollowRule(Struct, frozen=True, kw_only=True):
    """The touchpoints by which an announcement of one kind has come true, and the time for it.

    They follow `within` the announcement, or up to `before` it. `late`: for so long after its time, what
    follows is still what was announced. `events` are names of vendors' events.
    """

    within: Micros
    late: Micros
    before: Micros
    types: frozenset[str]
    events: frozenset[str] = frozenset()


FOLLOW_RULES: Mapping[AnnouncedKind, FollowRule] = {
    "transfer": FollowRule(
        within=3 * MINUTE,
        late=30 * MINUTE,
        before=MINUTE // 12,
        types=frozenset({"handoff.requested", "handoff.offered", "handoff.accepted", "handoff.transferred"}),
        events=frozenset({"conversation.assigned", "conversation.transferred", "call.transferred"}),
    ),
    "callback": FollowRule(
        within=10 * MINUTE,
        late=DAY,
        before=MINUTE,
        types=frozenset(
            f"callback.{it}"
            for it in ("requested", "scheduled", "rescheduled", "due", "attempted", "missed", "completed")
        )
        | {"call.started", "call.ended"},
        events=frozenset({"callback.scheduled", "call.scheduled", "meeting.booked"}),
    ),
    "mail": FollowRule(
        within=30 * MINUTE,
        late=DAY,
        before=15 * MINUTE,
        types=frozenset({"email.sent"}),
        events=frozenset({"email.sent", "mail.sent"}),
    ),
}
"""The rules by the kind of announcement, where the configuration has none."""


class BriefRules(Struct, frozen=True, kw_only=True):
    """Everything the rules need beside the touchpoints. Sources by name."""

    packs: Packs = field(default_factory=lambda: compile_packs(()))
    sources: Mapping[str, SourceRules] = field(default_factory=dict)
    time_zone: str = "UTC"
    """Of customers whose zone is not known."""
    day_ends: int = 17 * 60
    """When the business day ends, in minutes after midnight."""
    following: Mapping[str, Mapping[AnnouncedKind, FollowRule]] = field(default_factory=dict)
    """By tenant: the rules of announcements, where they are not `FOLLOW_RULES`."""
    speech_key: bytes = b""
    """Keys the ids of candidates."""

    def speech(self) -> SpeechRules:
        """The rules of promises and complaints."""
        return SpeechRules(grammars=self.packs.grammars, key=self.speech_key, day_ends=self.day_ends)

    def follow_rules(self, tenant: str) -> Mapping[AnnouncedKind, FollowRule]:
        """The rules of this tenant, by the kind of announcement."""
        return self.following.get(tenant) or FOLLOW_RULES
