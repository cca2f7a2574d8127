"""The proof that a promise was kept, as data: by what was promised, on any channel."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from handoff.domain.brief.lines import word
from handoff.domain.brief.matters import Matter
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.brief.signals import MOVING, Acts
from handoff.domain.brief.signals.references import references_of
from handoff.domain.brief.story import Story
from handoff.domain.clock import MINUTE, Micros

TRACKED = "event.tracked"
_STEPS = frozenset({"article.viewed", "search.performed", "page.viewed", "handoff.completed"})
CHANGING = (MOVING - _STEPS) | {TRACKED, "message.deleted", "identity.linked", "identity.unlinked"}
"""Types of touchpoints that may prove a promise, or show that a complaint is not settled."""


class ProofRule(Struct, frozen=True, kw_only=True):
    """The touchpoints that prove promises of one kind.

    `acts` are those of a touchpoint's signal, `events` names of vendors' events. `near`: only in the
    conversation or the matter of the promise. In its own conversation, only what follows after a pause of
    `pause`: the next sentence of a chat is not yet the message that was promised.
    """

    acts: int = 0
    events: frozenset[str] = frozenset()
    near: bool = False
    pause: Micros = 0


PROOFS: Mapping[str, ProofRule] = {
    "call": ProofRule(acts=Acts.TALK),
    "write": ProofRule(acts=Acts.ANSWER, near=True, pause=5 * MINUTE),
    "refund": ProofRule(events=frozenset({"order.refunded", "payment.refunded", "refund.succeeded"})),
    "send": ProofRule(events=frozenset({"order.shipped", "order.delivered", "shipment.sent"})),
    "visit": ProofRule(events=frozenset({"visit.completed", "appointment.completed"})),
}
"""By what was promised. A promise of another kind needs a report."""


def with_events(events: Mapping[str, frozenset[str]]) -> Mapping[str, ProofRule]:
    """The rules, with more names of events that prove a promise."""
    names = {act: PROOFS[act].events if act in PROOFS else frozenset[str]() for act in events}
    more = {
        act: ProofRule(
            acts=PROOFS[act].acts if act in PROOFS else 0,
            events=names[act] | added,
            near=act in PROOFS and PROOFS[act].near,
            pause=PROOFS[act].pause if act in PROOFS else 0,
        )
        for act, added in events.items()
    }
    return {**PROOFS, **more}


def proof_of(
    story: Story, made: TimelineItem, made_at: Micros, rule: ProofRule | None
) -> TimelineItem | None:
    """The first touchpoint that proves the promise of `made`, None if there is none yet."""
    if rule is None:
        return None
    for item in story.items:
        if item.occurred_at > made_at and _proves(story, item, made, made_at, rule):
            return item
    return None


def _proves(story: Story, item: TimelineItem, made: TimelineItem, made_at: Micros, rule: ProofRule) -> bool:
    if item.type == TRACKED:
        return word(item.data.get("name")).casefold() in rule.events and _same_subject(story, item, made)
    signal = story.signals.get(item.id)
    if signal is None or not signal.acts & rule.acts:
        return False
    if item.transcribed is not None and signal.acts & Acts.ANSWER:
        return False  # a transcript proves nothing; the call that it is of may
    if item.conversation == made.conversation:
        return item.occurred_at >= made_at + rule.pause
    return not rule.near or _in_matter(story, item, made)


def _in_matter(story: Story, item: TimelineItem, made: TimelineItem) -> bool:
    """Whether both belong to one matter, or to the conversations of one."""
    matter = matter_of(story, made)
    if matter is None:
        return False
    return story.matter_of.get(item.id) is matter or item.conversation in matter.conversations


def _same_subject(story: Story, item: TimelineItem, made: TimelineItem) -> bool:
    """False if both name orders, cases, and the like, and none of them is the same."""
    named = {it.value for it in references_of(item, story.rules.packs) if it.kind == "joining"}
    matter = matter_of(story, made)
    known = {it.value for it in references_of(made, story.rules.packs) if it.kind == "joining"}
    if not known and matter is not None:
        known = {it.value for it in matter.references.values() if it.kind == "joining"}
    return not (named and known) or not named.isdisjoint(known)


def matter_of(story: Story, item: TimelineItem) -> Matter | None:
    """The matter of a touchpoint, or of the one that it was read from; else the only one of its
    conversation."""
    found = story.matter_of.get(item.id) or story.matter_of.get(word(item.data.get("touchpoint")))
    if found is not None:
        return found
    here = story.folded.by_conversation.get(item.conversation) or ()
    return here[0] if len(here) == 1 else None
