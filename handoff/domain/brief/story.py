"""Everything that the sections are written from: touchpoints, their signals, the matters they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec import Struct, field

from handoff.domain.clock import HOUR, Micros

from .excerpts import excerpt
from .lines import word
from .matters import Folded, Matter, MatterState, fold
from .matters.joining import content_words
from .packs import tokens_of
from .rules import BriefRules
from .shapes import CandidateWords, EarlierHandoff, Pending, TimelineItem
from .signals import Acts, NamedReference, Signal, extract

SHOWN_AFTER_ANSWER: Micros = 72 * HOUR  # an answered wish stays on the first screen
GUESSED = 200  # characters of a text that its language is guessed from
MIN_GUESSED = 15


class Story(Struct, kw_only=True):
    """The content of a brief as of `now`; `items` are the touchpoints not deleted, oldest first.

    `left_out` counts what the sections leave out beyond the lines that do not fit.
    """

    items: Sequence[TimelineItem]
    everything: Sequence[TimelineItem]
    """With those that were deleted."""
    by_id: Mapping[str, TimelineItem]
    signals: Mapping[str, Signal]
    folded: Folded
    languages: Mapping[str, str]
    """Conversation -> the language it is held in, where that is known."""
    rules: BriefRules
    now: Micros
    pending: Pending | None = None
    handoffs: Sequence[EarlierHandoff] = ()
    internal: bool = True
    """Whether the reader may see notes."""
    matter_of: dict[str, Matter] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    resolved: frozenset[str] = frozenset()
    """Conversations that were resolved and not reopened."""
    candidates: Sequence[CandidateWords] = ()
    """Messages from unverified senders about the same matters."""

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
        sure = [it for it in waiting if not it.claimed] or [it for it in waiting if not it.doubted]
        if all(it.doubted for it in self.folded.matters):
            sure = waiting
        return min((since for it in sure if (since := it.waiting_since) is not None), default=None)

    def waiting_by_conversation(self) -> dict[str, Micros]:
        """Since when somebody waits in each conversation in which somebody does."""
        found: dict[str, Micros] = {}
        for matter in self.folded.matters:
            for signal in (*(ask.signal for ask in matter.asks), *matter.nudges):
                if (signal.at, signal.arrival) in matter.waits:
                    found[signal.conversation] = min(found.get(signal.conversation, signal.at), signal.at)
        return found

    def assigned(self) -> dict[str, str]:
        """Conversation -> the person whom the vendor's platform assigned it to."""
        found: dict[str, str] = {}
        for item in self.items:
            if item.type == "event.tracked" and item.data.get("name") == "conversation.assigned":
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
        return excerpt(item, self.rules.packs, self.languages.get(item.conversation))

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
) -> Story:
    """The story of these touchpoints, given oldest first."""
    standing = [it for it in items if not it.deleted]
    by_id = {it.id: it for it in standing}
    signals, languages = _signals(standing, rules)
    folded = fold(signals.values(), lambda it: _about(by_id[it.id], rules, languages))
    story = Story(
        items=standing,
        everything=items,
        by_id=by_id,
        signals=signals,
        folded=folded,
        languages=languages,
        rules=rules,
        now=now,
        pending=pending,
        handoffs=handoffs,
        internal=internal,
        resolved=_resolved(standing),
    )
    for matter in folded.matters:
        for signal in (*matter.steps, *matter.answers, *matter.nudges, *(ask.signal for ask in matter.asks)):
            story.matter_of[signal.id] = matter
    return story


def _resolved(items: Sequence[TimelineItem]) -> frozenset[str]:
    done: set[str] = set()
    for item in items:
        if item.type == "conversation.resolved":
            done.add(item.conversation)
        elif item.type == "conversation.reopened":
            done.discard(item.conversation)
    return frozenset(done)


def _signals(items: Sequence[TimelineItem], rules: BriefRules) -> tuple[dict[str, Signal], dict[str, str]]:
    found: dict[str, Signal] = {}
    languages: dict[str, str] = {}
    stated: set[str] = set()
    names: frozenset[str] = frozenset()
    for item in items:
        for name in (item.name, item.traits.get("name") if item.traits else None):
            if isinstance(name, str) and name not in stated and len(stated) < 100:
                stated.add(name)
                names |= frozenset(tokens_of(name[:100]))
        language = item.language or languages.get(item.conversation)
        if language is None and item.text and len(item.text) >= MIN_GUESSED and item.direction != "internal":
            language = rules.packs.guess(tokens_of(item.text[:GUESSED]))
        if language is not None:
            language = language[:2].lower()
            languages[item.conversation] = language
        signal = item.once((language, names), partial(extract, item, rules, language, names))
        if signal is not None:
            found[item.id] = signal
    return found, languages


def _about(item: TimelineItem, rules: BriefRules, languages: Mapping[str, str]) -> set[str]:
    pack = rules.packs.by_language.get(languages.get(item.conversation, ""))
    common = pack.function_words | pack.fillers if pack else frozenset[str]()
    return content_words(f"{item.subject or ''} {item.text or ''}", common)
