"""The state behind a story: the signals of its touchpoints, the languages, and the matters.

New touchpoints that are later than all others extend a state. Any other change rebuilds it. The brief is the
same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import Struct, field

from handoff.domain.clock import Micros

from .copies import Copies
from .courtesies import parted
from .heard import has_derived, heard
from .lines import word
from .matters import Folded, taking_all
from .matters.joining import amounts, content_words
from .packs import tokens_of
from .rules import BriefRules
from .shapes import TimelineItem
from .signals import MOVING, Signal, extract
from .steps import Steps

GUESSED = 200  # characters of a text that its language is guessed from
MIN_GUESSED = 15
READ = 1_000  # characters of a message that are compared with others
_FORMS = frozenset({"form.submitted", "form.failed"})
_ENDINGS = frozenset({"conversation.resolved", "conversation.reopened"})
MAX_NAMES, MAX_NAME = 100, 100  # people in one story whose names are known, characters of one name


class StoryState(Struct, kw_only=True, eq=False):
    """Everything that later touchpoints build on. Made and changed by `advancing` only."""

    items: list[TimelineItem] = field(default_factory=list)
    """Oldest first, with those that were deleted and copies."""
    standing: list[TimelineItem] = field(default_factory=list)
    """Those that were not deleted, with what was heard instead of derived texts."""
    by_id: dict[str, TimelineItem] = field(default_factory=dict)
    by_type: dict[str, list[TimelineItem]] = field(default_factory=dict)
    """Standing touchpoints by type, oldest first."""
    signals: dict[str, Signal] = field(default_factory=dict)
    languages: dict[str, str] = field(default_factory=dict)
    conversations: set[str] = field(default_factory=set)
    stated_names: set[str] = field(default_factory=set)
    own_names: frozenset[str] = frozenset()
    """Beginnings of the words of the customer's names: they are in everything that is written to them."""
    name_words: frozenset[str] = frozenset()
    resolved: set[str] = field(default_factory=set)
    folded: Folded = field(default_factory=Folded)
    copies: Copies = field(default_factory=Copies)
    last_at: Micros | None = None
    """When the newest signal happened."""

    @property
    def everything(self) -> list[TimelineItem]:
        """The touchpoints without copies, with those that were deleted."""
        copies = self.copies
        return [it for it in self.items if copies.counts(it)] if copies.exist else self.items


def advancing(
    state: StoryState | None,
    items: Sequence[TimelineItem],
    rules: BriefRules,
    apart: frozenset[str] = frozenset(),
) -> Steps[StoryState]:
    """The state after these touchpoints, given oldest first: `state` itself where they extend it.

    `apart` are those that are acts of their own, whatever they resemble.

    A caller that stops in between must not use `state` again.
    """
    if state is not None and state.copies.apart == apart:
        known = len(state.items)
        # Lists compare identical elements without looking into them.
        fits = state.items == items[:known] and not _changes_what_was_heard(state.items, items[known:])
        if fits and (yield from _taking(state, items[known:], rules)):
            return state
    fresh = StoryState(copies=Copies(apart=apart))
    yield from _taking(fresh, items, rules)
    return fresh


def standing_of(items: Sequence[TimelineItem], copies: Copies) -> list[TimelineItem]:
    """The touchpoints that the rules read, of those given: without copies, and what was derived from them."""
    return heard([it for it in items if copies.counts(it)] if copies.exist else items)


def _changes_what_was_heard(known: Sequence[TimelineItem], items: Sequence[TimelineItem]) -> bool:
    """Whether new touchpoints may change an earlier utterance: derived texts, or an original that one
    waits for."""
    return bool(items) and (has_derived(items) or has_derived(known))


def _taking(state: StoryState, items: Sequence[TimelineItem], rules: BriefRules) -> Steps[bool]:
    """Add touchpoints. False where what is already folded would have come out differently."""
    state.items += items
    if not state.copies.take(items):
        return False  # something that stood for itself is shown with another now
    standing = standing_of(items, state.copies)
    known_in = {it.conversation: state.languages.get(it.conversation) for it in standing if state.standing}
    own_names = state.own_names
    signals = yield from _finding(state, standing, rules)
    if state.standing and state.own_names != own_names:
        return False  # earlier messages are compared without these names
    filed(state, standing)
    if state.last_at is not None and any(it.at <= state.last_at for it in signals):
        return False
    seen = state.conversations
    if any(state.languages.get(name) != before for name, before in known_in.items() if name in seen):
        return False  # earlier messages are read in the language of their conversation
    state.standing += standing
    seen.update(it.conversation for it in standing)
    if signals:
        state.last_at = max(it.at for it in signals)
    by_id, names = state.by_id, state.own_names
    known_words: dict[str, set[str]] = {}

    def words(signal: Signal, *, plain: bool = False) -> set[str]:
        if plain:
            return content_words(by_id[signal.id].text or "", frozenset()) - names
        found = known_words.get(signal.id)
        if found is None:
            found = known_words[signal.id] = _about(by_id[signal.id], rules) - names
        return found

    yield from taking_all(state.folded, signals, words)
    return True


def filed(state: StoryState, standing: Sequence[TimelineItem]) -> None:
    """Add touchpoints that were not deleted to what finds them."""
    by_type, last, group = state.by_type, "", list[TimelineItem]()
    for item in standing:
        state.by_id[item.id] = item
        if item.type != last:
            last = item.type
            group = by_type.setdefault(last, [])
        group.append(item)
        if last in _ENDINGS:
            _end(state, item)


def _end(state: StoryState, item: TimelineItem) -> None:
    if item.type == "conversation.resolved":
        state.resolved.add(item.conversation)
    else:
        state.resolved.discard(item.conversation)


def _finding(state: StoryState, items: Sequence[TimelineItem], rules: BriefRules) -> Steps[list[Signal]]:
    found: list[Signal] = []
    languages, names, packs = state.languages, state.name_words, rules.packs
    for item in items:
        if item.name or item.traits:
            if item.direction == "inbound":
                state.own_names |= _own_names(item)
            names = _with_names(names, state.stated_names, item)
        known = languages.get(item.conversation)
        language = item.language or known
        if language is None and item.text and len(item.text) >= MIN_GUESSED and item.direction != "internal":
            language = packs.guess(tokens_of(item.text[:GUESSED]))
        if language is not None and language is not known:
            language = language[:2].lower()
            languages[item.conversation] = language
        if item.type in MOVING:
            signal = item.once((language, names), partial(extract, item, rules, language, names))
            if signal is not None:
                state.signals[item.id] = signal
                found.append(signal)
            yield
    state.name_words = names
    return found


def _with_names(names: frozenset[str], stated: set[str], item: TimelineItem) -> frozenset[str]:
    """The words of names, with those that a touchpoint adds; `stated` are the names known so far."""
    for name in (item.name, item.traits.get("name") if item.traits else None):
        if isinstance(name, str) and name not in stated and len(stated) < MAX_NAMES:
            stated.add(name)
            names |= frozenset(tokens_of(name[:MAX_NAME]))
    return names


def _own_names(item: TimelineItem) -> set[str]:
    stated = (item.name, item.traits.get("name") if item.traits else None)
    names = (it[:MAX_NAME] for it in stated if isinstance(it, str))
    return set[str]().union(*(content_words(it, frozenset()) for it in names))


def _about(item: TimelineItem, rules: BriefRules) -> set[str]:
    """The content words of a message or a form."""
    parts = [item.subject or "", parted((item.text or "")[:READ])[0]]
    if item.type in _FORMS:
        fields = item.data.get("fields")
        parts += [word(item.data.get("form")) or word(item.data.get("name"))]
        parts += [word(it) for it in fields.values()] if isinstance(fields, dict) else []
    text = " ".join(parts)
    return content_words(text, rules.packs.common).union(amounts(text))
