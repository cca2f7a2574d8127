"""The input and output types of the rules."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from handoff.domain.clock import Micros
from handoff.domain.handoff import Hop


class Transcribed(Struct, frozen=True, kw_only=True):
    """The mark of words that were derived from something else: by what, and its confidence if stated.

    `kind` is `transcript` or `ocr`.
    """

    by: str
    kind: str
    confidence: float | None = None


class TimelineItem(Struct, frozen=True):
    """A touchpoint of the customer's own as the rules read it. `id` is its public id.

    `by` is what kind of actor it was (`bot`, `agent`, …), `name` who. `recorded_at` is 0 where nobody
    knows. `identity` is the handle it is filed under. Of a `deleted` one nothing but its place is left.
    """

    id: str
    type: str
    channel: str
    direction: str
    visibility: str
    assurance: str
    occurred_at: Micros
    conversation: str
    subject: str | None = None
    text: str | None = None
    by: str | None = None
    name: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    traits: dict[str, Any] = field(default_factory=dict)
    deleted: bool = False
    recorded_at: Micros = 0
    late: bool = False
    source: str = ""
    language: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    identity: str = ""
    claims: tuple[str, ...] = ()
    """Types of the handles that it only claims to be the customer's."""
    made: dict[Any, Any] | None = None
    """Results computed from this touchpoint alone, cached where that is allowed."""
    transcribed: Transcribed | None = None
    """Set if the words are not typed but derived: of an utterance, see `heard`."""

    def once(self, name: Hashable, make: Callable[[], Any]) -> Any:
        """The result of `make` for this touchpoint alone, computed once where caching is allowed."""
        if self.made is None:
            return make()
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]


class BriefLine(Struct, frozen=True, kw_only=True):
    """One statement of the brief and the touchpoints that prove it.

    `count` is how many touchpoints support it; `touchpoints` names the newest of them, oldest first.
    `assurance` is that of the least sure among them.
    """

    code: str
    params: dict[str, Any]
    count: int
    touchpoints: tuple[str, ...]
    assurance: str
    text: str
    candidate: bool | UnsetType = UNSET
    """True if recognised in a text and not yet confirmed."""
    id: str | UnsetType = UNSET
    """The id by which a candidate is confirmed or dismissed."""


class Effort(Struct, frozen=True, kw_only=True):
    """The customer's effort so far; times in RFC 3339, waiting in whole minutes.

    A contact is a stretch of what the customer did in one conversation without a long pause: five
    chat messages in a row are one. `repeated` counts how often they had to repeat the same words.
    """

    contacts: int
    channels: tuple[str, ...]
    switches: int
    transfers: int
    repeated: int
    since: str | None
    waiting_since: str | None
    waiting_minutes: int
    talks: int = 0
    talked_seconds: int = 0
    text: str = ""


class Summary(Struct, frozen=True, kw_only=True):
    """The text of a plugged-in summariser for the brief, and its name. Not a rule's statement: no
    touchpoint proves it."""

    text: str
    by: str
    machine_made: bool = True


class CustomerLanguage(Struct, frozen=True, kw_only=True):
    """The customer's language: `stated` by a trait, or `recognised` in what they wrote."""

    language: str
    source: Literal["stated", "recognised"]


class Brief(Struct, frozen=True, kw_only=True):
    """The sections in the order in which they are of use; `left_out` counts the lines of each
    section that did not fit."""

    why_now: tuple[BriefLine, ...]
    wants: tuple[BriefLine, ...]
    tried: tuple[BriefLine, ...]
    answered: tuple[BriefLine, ...] = ()
    promised: tuple[BriefLine, ...]
    known: tuple[BriefLine, ...]
    feelings: tuple[BriefLine, ...]
    effort: Effort
    left_out: dict[str, int] = field(default_factory=dict)
    language: CustomerLanguage | None = None
    summary: Summary | None = None


class EarlierHandoff(Struct, frozen=True, kw_only=True):
    """A handoff of the customer, pending ones included: what its sender passed on, and its state."""

    id: str
    sender: str
    to: str
    reason: str
    state: str
    requested_at: Micros
    owner: str | None = None
    context: Any = None


class CandidateWords(Struct, frozen=True):
    """A message from an unverified sender that names one of the customer's references."""

    item: TimelineItem
    reference: str


class Pending(Struct, frozen=True, kw_only=True):
    """The handoff that this brief is for; `hops` are those before it in the chain, oldest first."""

    id: str
    reason: str
    sender: str
    to: str
    requested_at: Micros
    hops: tuple[Hop, ...] = ()
    by: str = ""
    """The name of the one who requested it."""
