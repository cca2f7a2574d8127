"""The promises and complaints of one customer, as their touchpoints leave them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from msgspec import Struct

from handoff.domain.brief.lines import stated_time, word
from handoff.domain.brief.matters import Matter
from handoff.domain.brief.sections.candidates import PROMISES
from handoff.domain.brief.sections.feelings import answers_complaint
from handoff.domain.brief.sections.promised import DISMISSED, Promise, stated_promises
from handoff.domain.brief.shapes import TimelineItem
from handoff.domain.brief.story import Story
from handoff.domain.clock import Micros
from handoff.domain.touchpoint import LATEST

from .proof import PROOFS, ProofRule, matter_of, proof_of

SOURCE = "ledger"
"""The source of touchpoints that the ledger records. Its report of a break is not one of ours."""
KEPT, BROKEN, RESOLVED = "kept", "broken", "resolved"


class PromiseFact(Struct, frozen=True, kw_only=True):
    """A promise. `id` is the touchpoint that made it; `renewed_at` is when it was last promised.

    `ended` is `kept`, `broken` (if reported), `dismissed`, or empty. `proof` is the touchpoint that
    shows it, and `unrecorded` is set if a rule found it and no touchpoint reports it yet.
    """

    id: str
    conversation: str
    channel: str
    filed_at: Micros
    """When its touchpoint occurred, which is later than the words if somebody confirmed them."""
    made_at: Micros
    renewed_at: Micros
    due: Micros | None
    act: str
    ended: str = ""
    ended_at: Micros = 0
    proof: str = ""
    unrecorded: TimelineItem | None = None


class ComplaintFact(Struct, frozen=True, kw_only=True):
    """The complaint about one matter. `id` is the touchpoint that the clock began with, `since` when.

    `ended` is `resolved`, `dismissed`, or empty. `reopened` counts how often it was resolved and returned,
    `asked_at` is when the customer last spoke of it. `undone` are the deleted reports of a remedy.
    """

    id: str
    others: tuple[str, ...]
    """Further complaints about the same matter."""
    conversation: str
    channel: str
    filed_at: Micros
    since: Micros
    ended: str = ""
    ended_at: Micros = 0
    proof: str = ""
    reopened: int = 0
    asked_at: Micros = 0
    undone: frozenset[str] = frozenset()


def spoken_at(item: TimelineItem) -> Micros:
    """The time of the words, which may be before somebody confirmed them."""
    stated = stated_time(item.data.get("said_at"))
    return item.occurred_at if stated is None else min(stated, item.occurred_at)


def promises_of(story: Story, rules: Mapping[str, ProofRule] = PROOFS) -> list[PromiseFact]:
    """The promises that were made; what is only reported as kept or broken is none."""
    found = stated_promises(story.of(PROMISES))
    facts = [made for it in found if (made := _promise(story, it, rules)) is not None]
    deleted = [it for it in story.everything if it.deleted and it.type == "promise.made"]
    return facts + [_withdrawn(it) for it in deleted]


def _promise(story: Story, promise: Promise, rules: Mapping[str, ProofRule]) -> PromiseFact | None:
    steps = promise.proof
    made = next((it for it in steps if it.type == "promise.made"), None)
    if made is None:
        return None
    act = next((name for it in steps if (name := word(it.data.get("act")))), "other")
    fact = PromiseFact(
        id=made.id,
        conversation=made.conversation,
        channel=made.channel,
        filed_at=made.occurred_at,
        made_at=spoken_at(made),
        renewed_at=max(spoken_at(it) for it in steps if it.type == "promise.made"),
        due=stated_time(promise.due),
        act=act,
    )
    ends = [it for it in steps if it.type == f"promise.{promise.state}"]
    if promise.state in (DISMISSED, KEPT) and ends:
        return _ended(fact, promise.state, ends[0], word(ends[0].data.get("proof")))
    proof = proof_of(story, made, fact.renewed_at, rules.get(act))
    if proof is not None:
        return msgspec.structs.replace(_ended(fact, KEPT, proof, proof.id), unrecorded=proof)
    given_up = [it for it in ends if promise.state == BROKEN and it.source != SOURCE]
    return _ended(fact, BROKEN, given_up[-1], "") if given_up else fact


def _ended(fact: PromiseFact, how: str, item: TimelineItem, proof: str) -> PromiseFact:
    return msgspec.structs.replace(fact, ended=how, ended_at=item.occurred_at, proof=proof or item.id)


def _withdrawn(item: TimelineItem) -> PromiseFact:
    """A promise whose touchpoint somebody deleted."""
    at = item.occurred_at
    return PromiseFact(
        id=item.id,
        conversation=item.conversation,
        channel=item.channel,
        filed_at=at,
        made_at=at,
        renewed_at=at,
        due=None,
        act="other",
        ended=DISMISSED,
        ended_at=at,
    )


_OPENED, _RESOLVING = frozenset({"complaint.opened"}), frozenset({"complaint.resolved"})
_DISMISSING = frozenset({"complaint.dismissed"})


def complaints_of(story: Story, known: Collection[str] = ()) -> list[ComplaintFact]:
    """One for each matter that was complained about. `known` are ids that the ledger already has: an entry
    keeps its id if an earlier complaint arrives late."""
    groups: dict[object, list[TimelineItem]] = {}
    matters: dict[object, Matter | None] = {}
    for item in story.of(_OPENED):
        matter = matter_of(story, item)
        place: object = id(matter) if matter is not None else item.conversation
        groups.setdefault(place, []).append(item)
        matters[place] = matter
    facts = [_complaint(story, group, matters[place], known) for place, group in groups.items()]
    deleted = [it for it in story.everything if it.deleted and it.type in _OPENED and it.id in known]
    return [*map(_never_opened, deleted), *facts]


def _complaint(
    story: Story, group: Sequence[TimelineItem], matter: Matter | None, known: Collection[str]
) -> ComplaintFact:
    dismissals = story.of(_DISMISSING)
    standing = [it for it in group if not any(answers_complaint(end, it) for end in dismissals)]
    ours = standing or group
    first = next((it for it in ours if it.id in known), min(ours, key=lambda it: (spoken_at(it), it.id)))
    ends = [
        end
        for end in (story.of(_RESOLVING) if standing else dismissals)
        if any(answers_complaint(end, it) for it in ours)
    ]
    again = _asked_again(standing, matter)
    places = [it.occurred_at for it in ends]
    stretches = zip(places, [*places[1:], LATEST], strict=False)
    returned = [any(end < at < following for at in again) for end, following in stretches]
    last = ends[-1] if ends and not (standing and returned[-1]) else None
    return ComplaintFact(
        id=first.id,
        others=tuple(it.id for it in group if it.id != first.id),
        conversation=first.conversation,
        channel=first.channel,
        filed_at=first.occurred_at,
        since=min(spoken_at(it) for it in ours),
        ended="" if last is None else (RESOLVED if standing else DISMISSED),
        ended_at=last.occurred_at if last is not None else 0,
        proof=last.id if last is not None else "",
        reopened=sum(returned) if standing else 0,
        asked_at=max(again, default=0),
        undone=frozenset(it.id for it in story.everything if it.deleted and it.type in _RESOLVING),
    )


def _never_opened(item: TimelineItem) -> ComplaintFact:
    """A complaint whose touchpoint somebody deleted."""
    return ComplaintFact(
        id=item.id,
        others=(),
        conversation=item.conversation,
        channel=item.channel,
        filed_at=item.occurred_at,
        since=item.occurred_at,
        ended=DISMISSED,
        ended_at=item.occurred_at,
        proof=item.id,
    )


def _asked_again(complaints: Sequence[TimelineItem], matter: Matter | None) -> list[Micros]:
    """When the customer spoke of it: later complaints, and what they asked in the same matter."""
    times = [it.occurred_at for it in complaints if it.direction == "inbound"]
    times += [spoken_at(it) for it in complaints if it.direction != "inbound"]
    return times + ([ask.signal.at for ask in matter.asks] if matter is not None else [])
