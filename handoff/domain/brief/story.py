"""Everything that the sections are written from: touchpoints, their signals, the matters they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from handoff.domain.clock import HOUR, Micros
from handoff.domain.said import Candidate

from .copies import Copies
from .excerpts import excerpt
from .lines import word
from .matters import Folded, Matter, MatterState
from .rules import BriefRules
from .shapes import CandidateWords, EarlierHandoff, Pending, TimelineItem
from .signals import Acts, NamedReference, Signal
from .state import StoryState, advancing
from .steps import Steps, finish

_TRACKED = frozenset({"event.tracked"})

SHOWN_AFTER_ANSWER: Micros = 72 * HOUR  # an answered wish stays on the first screen


class Story(Struct, kw_only=True):
    """The content of a brief as of `now`; `items` are the touchpoints not deleted, oldest first.

    `left_out` counts what the sections leave out beyond the lines that do not fit.
    """

    items: Sequence[TimelineItem]
    everything: Sequence[TimelineItem]
    """With those that were deleted. Copies are in neither."""
    by_id: Mapping[str, TimelineItem]
    by_type: Mapping[str, Sequence[TimelineItem]]
    signals: dict[str, Signal]
    folded: Folded
    languages: Mapping[str, str]
    """Conversation -> the language it is held in, where that is known."""
    names: Set[str] = frozenset()
    """Words of the names of the people in it."""
    rules: BriefRules
    now: Micros
    pending: Pending | None = None
    handoffs: Sequence[EarlierHandoff] = ()
    internal: bool = True
    """Whether the reader may see notes."""
    matter_of: dict[str, Matter] = field(default_factory=dict)
    copies: Copies = field(default_factory=Copies)
    left_out: Counter[str] = field(default_factory=Counter)
    resolved: Set[str] = frozenset()
    """Conversations that were resolved and not reopened."""
    candidates: Sequence[CandidateWords] = ()
    """Messages from unverified senders about the same matters."""
    tenant: str = "default"
    zone: ZoneInfo | None = None
    """The customer's time zone, once somebody asked for it."""
    offered: Sequence[tuple[Candidate, TimelineItem]] | None = None
    """Promises that are shown as candidates, once somebody asked for them."""

    def of(self, types: Set[str]) -> Sequence[TimelineItem]:
        """The standing touchpoints of these types, oldest first."""
        found = types & self.by_type.keys()
        if len(found) < 2:
            return self.by_type[next(iter(found))] if found else ()
        return [it for it in self.items if it.type in found]

    def live(self) -> list[Matter]:
        """The matters that are still wanted: what waits first, then the newest."""
        found = [it for it in self.folded.matters if self._wanted(it)]
        found.sort(key=lambda it: (it.doubted, not it.waits, it.claimed, -it.touched_at, it.number))
        return found

    def _wanted(self, matter: Matter) -> bool:
        if not matter.unsettled or matter.dormant(self.now):
            return False
        if matter.state is MatterState.OPEN or not matter.answers:
            return True
        return self.now - matter.answers[-1].at <= SHOWN_AFTER_ANSWER

    def references(self) -> list[NamedReference]:
        """References that the live matters are about, the newest first, without claimed ones."""
        return [
            it
            for matter in self.live()
            if not matter.claimed
            for it in reversed(matter.references.values())
            if it.kind == "joining"
        ]

    def waiting_since(self) -> Micros | None:
        """Since when the customer waits. A claimed matter counts where nothing else waits, one that
        failed a check only where there are no others at all."""
        waiting = [it for it in self.folded.matters if it.waits and not it.dormant(self.now)]
        sure = [it for it in waiting if not it.claimed or it.about] or [
            it for it in waiting if not it.doubted
        ]
        if all(it.doubted for it in self.folded.matters):
            sure = waiting
        return min((since for it in sure if (since := it.waiting_since) is not None), default=None)

    def waiting_by_conversation(self) -> dict[str, Micros]:
        """Since when somebody waits in each conversation in which somebody does."""
        found: dict[str, Micros] = {}
        for matter in self.folded.matters:
            waits = set(matter.waits)
            for signal in (*(ask.signal for ask in matter.asks), *matter.nudges) if waits else ():
                if (signal.at, signal.arrival) in waits:
                    found[signal.conversation] = min(found.get(signal.conversation, signal.at), signal.at)
                    for twin in self.twins(signal.id):
                        found[twin] = min(found.get(twin, signal.at), signal.at)
        return found

    def twins(self, touchpoint: str) -> list[str]:
        """The other conversations that show the act of a touchpoint."""
        if not self.copies.copies:
            return []
        return [it.item.conversation for it in self.copies.copies.values() if it.of == touchpoint]

    def assigned(self) -> dict[str, str]:
        """Conversation -> the person whom the vendor's platform assigned it to."""
        found: dict[str, str] = {}
        for item in self.of(_TRACKED):
            if item.data.get("name") == "conversation.assigned":
                found[item.conversation] = assignee(item)
        return {conversation: name for conversation, name in found.items() if name}

    def settled(self, item: TimelineItem) -> bool:
        """Whether a touchpoint belongs to something that is settled."""
        matter = self.matter_of.get(item.id)
        if matter is not None:
            return not matter.unsettled
        here = self.folded.by_conversation.get(item.conversation)
        if here:
            return not any(it.unsettled for it in here)
        return item.conversation in self.resolved

    def words(self, item: TimelineItem) -> str:
        """The words of a message for a line."""
        return excerpt(item, self.rules.packs, self.languages.get(item.conversation), self.names)

    def answered_after(self, at: Micros) -> bool:
        """Whether a person of ours was in touch with them after a time."""
        return any(it.at > at for it in self.signals.values() if it.acts & (Acts.ANSWER | Acts.TALK))


def assignee(item: TimelineItem) -> str:
    """The person whom an assignment names, empty for a bot or nobody."""
    stated = item.data.get("assignee")
    if isinstance(stated, dict):
        return "" if "bot" in word(stated.get("type")) else word(stated.get("name"))
    return word(stated)


def read_story(
    items: Sequence[TimelineItem],
    *,
    now: Micros,
    rules: BriefRules,
    pending: Pending | None,
    handoffs: Sequence[EarlierHandoff],
    internal: bool,
    tenant: str = "default",
    state: StoryState | None = None,
    apart: frozenset[str] = frozenset(),
) -> tuple[Story, StoryState]:
    """The story of these touchpoints, given oldest first, and its state."""
    return finish(
        reading_story(
            items,
            now=now,
            rules=rules,
            pending=pending,
            handoffs=handoffs,
            internal=internal,
            tenant=tenant,
            state=state,
            apart=apart,
        )
    )


def reading_story(
    items: Sequence[TimelineItem],
    *,
    now: Micros,
    rules: BriefRules,
    pending: Pending | None,
    handoffs: Sequence[EarlierHandoff],
    internal: bool,
    tenant: str = "default",
    state: StoryState | None = None,
    apart: frozenset[str] = frozenset(),
) -> Steps[tuple[Story, StoryState]]:
    """`read_story` in steps.

    `state` belongs to an earlier story of the same customer. This work may change it in place: it is of no
    use to others before the end, nor if the work stops in between. `apart` is as for `advancing`.
    """
    state = yield from advancing(state, items, rules, apart)
    story = Story(
        items=state.standing,
        everything=state.everything,
        by_id=state.by_id,
        by_type=state.by_type,
        signals=state.signals,
        folded=state.folded,
        copies=state.copies,
        languages=state.languages,
        names=state.name_words,
        rules=rules,
        now=now,
        pending=pending,
        handoffs=handoffs,
        internal=internal,
        tenant=tenant,
        resolved=state.resolved,
    )
    for matter in state.folded.matters:
        for signal in (*matter.steps, *matter.answers, *matter.nudges, *(ask.signal for ask in matter.asks)):
            story.matter_of[signal.id] = matter
    return story, state
