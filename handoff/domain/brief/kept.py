"""A story's state as it is kept between looks at a customer: touchpoints and signals in columns, then the
matters. Values that follow from others are computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from handoff.domain.clock import Micros

from .copies import Copies
from .heard import has_derived
from .kept_items import KeptItems, Sparse, keeping_items, restored_items
from .matters import Ask, Folded, Matter, MatterState
from .matters.matter import given_in
from .shapes import TimelineItem
from .signals import NamedReference, Signal, Speaker, signal_of
from .state import StoryState, filed, standing_of
from .steps import Steps

VERSION = 3
"""Raised when columns, or the state they stand for, change without a new version of the rules."""

_SPEAKERS = tuple(Speaker)
_STATES = tuple(MatterState)
Segment = tuple[str, bool]
"""A conversation, and whether it is only claimed."""


class KeptReference(Struct, frozen=True, array_like=True):
    """A `NamedReference`."""

    kind: str
    label: str
    value: str
    shown: str

    def restored(self) -> NamedReference:
        return NamedReference(self.kind, self.label, self.value, self.shown)


def _reference(one: NamedReference) -> KeptReference:
    return KeptReference(one.kind, one.label, one.value, one.shown)


class KeptSignals(Struct, frozen=True, array_like=True):
    """Signals in their order: the number of the touchpoint, and what was found in it."""

    items: list[int]
    speakers: list[int]
    acts: list[int]
    references: Sparse[list[KeptReference]]


class KeptMatter(Struct, frozen=True, array_like=True):
    """A `Matter`; signals by number."""

    claimed: bool
    whose: str
    state: int
    opened_at: Micros
    touched_at: Micros
    references: list[KeptReference]
    before: dict[str, str]
    conversations: list[str]
    last_conversation: str
    last_callback: str
    asks: list[int]
    unseen: list[int]
    """Which of the asks."""
    waits: list[tuple[Micros, Micros]]
    answers: list[int]
    steps: list[int]
    nudges: list[int]
    ends: tuple[int, int, int]
    """Held, confirmed, settled; -1 for none."""
    how: str
    returned: int
    about: int
    filed: list[str]
    """Values of references by which it is found, because one of our answers named them."""


class KeptStory(Struct, frozen=True, array_like=True):
    """A `StoryState`."""

    items: KeptItems
    signals: KeptSignals
    languages: dict[str, str]
    stated_names: list[str]
    own_names: list[str]
    name_words: list[str]
    last_at: Micros | None
    matters: list[KeptMatter]
    loose: list[list[int]]
    """Of the fold: unclear, steps, none, talks, nudges. The third were announced transfers."""
    by_conversation: dict[str, list[int]]
    segments: list[tuple[Segment, list[int]]]
    last_in: list[tuple[Segment, Micros]]
    apart: list[str]
    """Of the copies, which are found again."""


def keeping_story(state: StoryState) -> Steps[KeptStory]:
    """The columns of a state, which must not change meanwhile."""
    folded = state.folded
    numbers = {id_: number for number, id_ in enumerate(state.signals)}
    loose = (folded.unclear, folded.steps, (), folded.talks, folded.loose_nudges)
    items = yield from keeping_items(state.items)
    signals = _signals(state)
    yield
    matters = []
    for matter in folded.matters:
        matters.append(_matter(matter, numbers, folded))
        yield
    return KeptStory(
        items,
        signals,
        state.languages,
        sorted(state.stated_names),
        sorted(state.own_names),
        sorted(state.name_words),
        state.last_at,
        matters,
        [_numbers(it, numbers) for it in loose],
        {name: _of(matters) for name, matters in folded.by_conversation.items()},
        [(place, _of(matters)) for place, matters in folded.segments.items()],
        list(folded.last_in.items()),
        sorted(state.copies.apart),
    )


def _signals(state: StoryState) -> KeptSignals:
    # An utterance has the id, and so the number, of the derived text that it was made of.
    places = {it.id: number for number, it in enumerate(state.items)}
    found = list(state.signals.values())
    return KeptSignals(
        [places[it.id] for it in found],
        [_SPEAKERS.index(it.speaker) for it in found],
        [it.acts for it in found],
        {
            number: [_reference(one) for one in it.references]
            for number, it in enumerate(found)
            if it.references
        },
    )


def _numbers(signals: Iterable[Signal], numbers: Mapping[str, int]) -> list[int]:
    return [numbers[it.id] for it in signals]


def _of(matters: Iterable[Matter]) -> list[int]:
    return [it.number for it in matters]


def _matter(matter: Matter, numbers: Mapping[str, int], folded: Folded) -> KeptMatter:
    held, confirmed, settled = (
        numbers[it.id] if it else -1 for it in (matter.held, matter.confirmed, matter.settled)
    )
    return KeptMatter(
        matter.claimed,
        matter.whose,
        _STATES.index(matter.state),
        matter.opened_at,
        matter.touched_at,
        [_reference(it) for it in matter.references.values()],
        matter.before,
        sorted(matter.conversations),
        matter.last_conversation,
        matter.last_callback,
        [numbers[it.signal.id] for it in matter.asks],
        [number for number, it in enumerate(matter.asks) if it.unseen],
        matter.waits,
        _numbers(matter.answers, numbers),
        _numbers(matter.steps, numbers),
        _numbers(matter.nudges, numbers),
        (held, confirmed, settled),
        matter.how,
        matter.returned,
        matter.about,
        sorted(it for it in matter.given if matter in folded.by_reference.get(it, ())),
    )


# --- Back ---


def restoring_story(kept: KeptStory) -> Steps[StoryState]:
    """The state that the columns were made of. IndexError or KeyError where they contradict each other."""
    items = restored_items(kept.items)
    yield
    copies = Copies(apart=frozenset(kept.apart))
    copies.take(items)
    yield
    standing = standing_of(items, copies)
    signals = _restored_signals(kept.signals, _numbered(items, standing))
    yield
    state = StoryState(
        items=items,
        signals={it.id: it for it in signals},
        languages=kept.languages,
        stated_names=set(kept.stated_names),
        own_names=frozenset(kept.own_names),
        name_words=frozenset(kept.name_words),
        folded=(yield from _restoring_folded(kept, signals)),
        copies=copies,
        last_at=kept.last_at,
    )
    state.standing = standing
    state.conversations = {it.conversation for it in state.standing}
    yield
    filed(state, state.standing)
    return state


def _numbered(items: Sequence[TimelineItem], standing: Sequence[TimelineItem]) -> Sequence[TimelineItem]:
    """The touchpoints by number, with what was heard instead of derived texts."""
    if not has_derived(items):
        return items
    by_id = {it.id: it for it in standing}
    return [by_id.get(it.id, it) for it in items]


def _restored_signals(kept: KeptSignals, items: Sequence[TimelineItem]) -> list[Signal]:
    named: list[tuple[NamedReference, ...]] = [()] * len(kept.items)
    for number, references in kept.references.items():
        named[number] = tuple([it.restored() for it in references])
    return [
        signal_of(items[at], _SPEAKERS[speaker], acts, references)
        for at, speaker, acts, references in zip(kept.items, kept.speakers, kept.acts, named, strict=True)
    ]


def _restoring_folded(kept: KeptStory, signals: Sequence[Signal]) -> Steps[Folded]:
    matters = []
    for number, one in enumerate(kept.matters, start=1):
        matters.append(_restored_matter(one, number, signals))
        yield
    unclear, steps, _former, talks, nudges = ([signals[at] for at in it] for it in kept.loose)
    folded = Folded(
        matters=matters,
        unclear=unclear,
        steps=steps,
        talks=talks,
        loose_nudges=nudges,
        by_conversation={name: [matters[at - 1] for at in it] for name, it in kept.by_conversation.items()},
        segments={place: [matters[at - 1] for at in it] for place, it in kept.segments},
        last_in=dict(kept.last_in),
    )
    for matter, one in zip(matters, kept.matters, strict=True):
        for value in dict.fromkeys((*matter.references, *one.filed)):
            folded.by_reference.setdefault(value, []).append(matter)
        for key in dict.fromkeys([it.signal.key for it in matter.asks]):
            folded.by_key.setdefault(key, []).append(matter)
    return folded


def _restored_matter(kept: KeptMatter, number: int, signals: Sequence[Signal]) -> Matter:
    asks = [Ask(signals[at]) for at in kept.asks]
    for at in kept.unseen:
        asks[at] = Ask(asks[at].signal, True)
    answers = [signals[at] for at in kept.answers]
    held, confirmed, settled = (signals[at] if at >= 0 else None for at in kept.ends)
    return Matter(
        number=number,
        claimed=kept.claimed,
        whose=kept.whose,
        state=_STATES[kept.state],
        opened_at=kept.opened_at,
        touched_at=kept.touched_at,
        references={it.value: it.restored() for it in kept.references},
        before=kept.before,
        conversations=set(kept.conversations),
        last_conversation=kept.last_conversation,
        last_callback=kept.last_callback,
        asks=asks,
        waits=kept.waits,
        answers=answers,
        given=given_in(answers),
        steps=[signals[at] for at in kept.steps],
        nudges=[signals[at] for at in kept.nudges],
        held=held,
        confirmed=confirmed,
        settled=settled,
        how=kept.how,
        returned=kept.returned,
        about=kept.about,
        keys={it.signal.key for it in asks if it.signal.key},
    )
