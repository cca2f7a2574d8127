"""The copies among a customer's touchpoints.

The result depends on the touchpoints alone, not on the order of their arrival. Each touchpoint is looked at
once: equal ids and equal words meet in dictionaries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations
from typing import Any

from msgspec import Struct, field

from handoff.domain.clock import DAY, MINUTE, Micros
from handoff.domain.identity import ASSURANCE_RANK

from ..packs.tokens import has_digit, tokens_of
from ..shapes import TimelineItem
from .own_words import compared, is_rendering_of
from .stated_ids import MESSAGE_ID, stated_ids
from .transcripts import SpokenLately, Transcript

STATED_WITHIN: Micros = 7 * DAY  # between two touchpoints with an equal id
INFERRED_WITHIN: Micros = 10 * MINUTE  # between two touchpoints that only have equal words
SAME_TEXT = "same_text"
MIN_INFERRED = 20  # letters and digits: "yes" and "thank you" are on every channel

_RECEIVED = frozenset({"message.received", "email.received", "email.auto_replied"})
_SENT = frozenset({"message.sent", "email.sent"})
MESSAGES = _RECEIVED | _SENT
"""Types of touchpoints that may have copies."""
_ABOUT = ("order", "order_id", "reference", "case", "ticket", "invoice", "booking", "claim", "shipment")
"""Members of `data` in which senders state what a message is about."""
_RANKS = {str(it.value): rank for it, rank in ASSURANCE_RANK.items()}


DeliveryRoute = tuple[str, str]
"""A source and a channel: one source may report an email and an SMS."""


class Copy(Struct, frozen=True):
    """A touchpoint that is shown with another one, `of`. `why` is `message_id`, `platform_id` or
    `same_text`."""

    item: TimelineItem
    of: str
    why: str


class Copies(Struct, kw_only=True, eq=False):
    """The copies and transcripts among the touchpoints taken so far, oldest first.

    `apart` are touchpoints that an agent declared to be acts of their own.
    """

    apart: frozenset[str] = frozenset()
    copies: dict[str, Copy] = field(default_factory=dict)
    """By the id of the copy."""
    transcripts: dict[str, Transcript] = field(default_factory=dict)
    """By the id of the mail."""
    newest: Micros | None = None
    lately: SpokenLately = field(default_factory=SpokenLately)
    by_id: dict[tuple[bool, str, str], list[list[TimelineItem]]] = field(default_factory=dict)
    by_words: dict[tuple[bool, str], list[list[TimelineItem]]] = field(default_factory=dict)
    recent: list[TimelineItem] = field(default_factory=list)
    """Within `INFERRED_WITHIN` before the newest."""
    unfiled: list[TimelineItem] = field(default_factory=list)
    """Those of the recent ones whose words nobody had to compare yet."""
    routes: dict[DeliveryRoute, int] = field(default_factory=dict)
    """How many of the recent ones came by each route."""

    @property
    def exist(self) -> bool:
        return bool(self.copies or self.transcripts)

    def counts(self, item: TimelineItem) -> bool:
        """Whether a touchpoint stands for itself in a brief."""
        return item.id not in self.copies and item.id not in self.transcripts

    def by_shown(self) -> dict[str, list[Copy]]:
        """The copies by the touchpoint that they are shown with."""
        found: dict[str, list[Copy]] = {}
        for copy in self.copies.values():
            found.setdefault(copy.of, []).append(copy)
        return found

    def take(self, items: Sequence[TimelineItem]) -> bool:
        """Add touchpoints, given oldest first. False where earlier ones would have come out differently:
        then start again with all of them."""
        messages = [
            it for it in items if it.type in MESSAGES and it.visibility == "public" and not it.deleted
        ]
        if not messages:
            return True
        if self.newest is not None and messages[0].occurred_at <= self.newest:
            return False
        self.newest = messages[-1].occurred_at
        messages.sort(key=_place)
        touched = False
        for item in messages:
            transcript = self.lately.take(item)
            if item.id in self.apart:
                continue
            if transcript is not None:
                self.transcripts[item.id] = transcript
            touched |= self._take_ids(item)
            touched |= self._take_words(item)
        return self._regroup(messages) if touched else True

    def _take_ids(self, item: TimelineItem) -> bool:
        touched, received = False, item.type in _RECEIVED
        for kind, (value, _names_one) in stated_ids(item.data).items():
            clusters = self.by_id.setdefault((received, kind, value), [])
            cluster = next((it for it in clusters if _is_same_message(it, item, kind)), None)
            if cluster is None:
                clusters.append([item])
            else:
                cluster.append(item)
                touched = True
        return touched

    def _take_words(self, item: TimelineItem) -> bool:
        """Compare the words of touchpoints that are near each other in time and came by different routes."""
        since = item.occurred_at - INFERRED_WITHIN
        while self.recent and self.recent[0].occurred_at < since:
            self.routes[_route(self.recent.pop(0))] -= 1
        while self.unfiled and self.unfiled[0].occurred_at < since:
            self.unfiled.pop(0)
        route = _route(item)
        self.routes[route] = self.routes.get(route, 0) + 1
        self.recent.append(item)
        self.unfiled.append(item)
        if self.routes[route] == len(self.recent):
            return False
        touched = [self._file_words(it) for it in self.unfiled]
        self.unfiled.clear()
        return any(touched)

    def _file_words(self, item: TimelineItem) -> bool:
        received = item.type in _RECEIVED
        # Customers who write on two channels ask twice. One mail arrives by several routes.
        if not item.text or (received and item.channel != "email"):
            return False
        words = compared(item.text)
        if len(words) < MIN_INFERRED:
            return False
        runs = self.by_words.setdefault((received, words), [])
        if runs and item.occurred_at - runs[-1][-1].occurred_at <= INFERRED_WITHIN:
            runs[-1].append(item)
            return True
        runs.append([item])
        return False

    def _regroup(self, new: Collection[TimelineItem]) -> bool:
        before, self.copies = self.copies, self._found()
        if any(self.copies.get(id_) != copy for id_, copy in before.items()):
            return False
        return self.copies.keys() - before.keys() <= {it.id for it in new}

    def _found(self) -> dict[str, Copy]:
        groups: dict[str, list[TimelineItem]] = {}
        reasons: dict[str, str] = {}
        for reason, cluster in self._clusters():
            joined = groups.setdefault(cluster[0].id, [cluster[0]])
            reasons.setdefault(cluster[0].id, reason)
            for item in cluster[1:]:
                other = groups.get(item.id, [item])
                if other is joined or (reason == SAME_TEXT and _meet(joined, other)):
                    continue
                joined += other
                for member in other:
                    groups[member.id] = joined
                    reasons.setdefault(member.id, reason)
        found: dict[str, Copy] = {}
        for group in {id(it): it for it in groups.values()}.values():
            shown = min(group, key=_rank)
            for item in group:
                if item is not shown:
                    found[item.id] = Copy(item, shown.id, reasons[item.id])
        return found

    def _clusters(self) -> Iterator[tuple[str, list[TimelineItem]]]:
        """Touchpoints that record one act, the certain ones first."""
        for (_received, kind, _value), clusters in self.by_id.items():
            for cluster in clusters:
                if len(cluster) > 1:
                    yield MESSAGE_ID if kind == MESSAGE_ID else "platform_id", cluster
        for runs in self.by_words.values():
            for run in runs:
                if len(run) > 1 and _is_one_message(run):
                    yield SAME_TEXT, run


def _place(item: TimelineItem) -> tuple[Micros, str]:
    return item.occurred_at, item.id


def _rank(item: TimelineItem) -> tuple[bool, bool, int, Micros, str]:
    """The touchpoint of one act that is shown: what knows that a program wrote it, then what has the words,
    then the surest, then the first."""
    return (
        item.type != "email.auto_replied",
        not item.text,
        -_RANKS.get(item.assurance, 0),
        item.occurred_at,
        item.id,
    )


def _route(item: TimelineItem) -> DeliveryRoute:
    return item.source, item.channel


def _meet(one: Sequence[TimelineItem], other: Sequence[TimelineItem]) -> bool:
    return bool({_route(it) for it in one} & {_route(it) for it in other})


def _is_same_message(cluster: Sequence[TimelineItem], item: TimelineItem, kind: str) -> bool:
    """Whether a touchpoint with the id of others is their message: anyone may write any id into a mail.

    A platform has one mail twice if it was sent to two of its inboxes.
    """
    first = cluster[0]
    return (
        item.occurred_at - first.occurred_at <= STATED_WITHIN
        and (kind == MESSAGE_ID or all(it.source != item.source for it in cluster))
        and is_rendering_of(first.text, item.text)
    )


def _is_one_message(run: Sequence[TimelineItem]) -> bool:
    """Whether touchpoints with equal words are one message: one by each route, and nothing against it."""
    if len({_route(it) for it in run}) < len(run):
        return False  # a template for two orders, or the same words sent twice
    return not any(_contradict(one, other) for one, other in combinations(run, 2))


def _contradict(one: TimelineItem, other: TimelineItem) -> bool:
    theirs = stated_ids(other.data)
    for kind, (value, names_one) in stated_ids(one.data).items():
        if names_one and kind in theirs and theirs[kind][0] != value:
            return True
    here, there = _about(one), _about(other)
    return bool(here and there) and here.isdisjoint(there)


def _about(item: TimelineItem) -> set[str]:
    """The numbers that a message is about, beside those in its text."""
    stated: list[Any] = [item.subject, *(item.data.get(name) for name in _ABOUT)]
    words = (word for it in stated if isinstance(it, str | int) for word in tokens_of(str(it)))
    return {word for word in words if has_digit(word)}
