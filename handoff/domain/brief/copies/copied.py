"""The copies among a customer's touchpoints.

The result depends on the touchpoints alone, not on the order of their arrival. Each touchpoint is looked at
once: equal ids and equal words meet in dictionaries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from itertools import combinations
from typing import Any

from msgspec import Struct, field

from handoff.domain.clock import DAY, MINUTE, Micros
from handoff.domain.identity import ASSURANCE_RANK

from ..packs.tokens import has_digit, tokens_of
from ..shapes import TimelineItem
from .own_words import compared, is_rendering_of
from .stated_ids import ID_KEYS, MESSAGE_ID, stated_ids
from .transcripts import CopiedTranscript, SpokenLately

STATED_WITHIN: Micros = 7 * DAY  # between two touchpoints with an equal id
INFERRED_WITHIN: Micros = 10 * MINUTE  # between two touchpoints that only have equal words
SAME_TEXT, PLATFORM_ID = "same_text", "platform_id"
MAX_MESSAGES = (
    8  # with one id and different words, the latest: anyone may write one id into any number of mails
)
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


class Cluster(Struct, eq=False):
    """Touchpoints that record one act by one rule, if it `holds` for them."""

    reason: str
    items: list[TimelineItem]
    holds: bool = True


class Copies(Struct, kw_only=True, eq=False):
    """The copies and transcripts among the touchpoints taken so far, oldest first.

    `apart` are touchpoints that an agent declared to be acts of their own.
    """

    apart: frozenset[str] = frozenset()
    copies: dict[str, Copy] = field(default_factory=dict)
    """By the id of the copy."""
    transcripts: dict[str, CopiedTranscript] = field(default_factory=dict)
    """By the id of the mail."""
    newest: Micros | None = None
    lately: SpokenLately = field(default_factory=SpokenLately)
    by_id: dict[tuple[bool, str, str], list[Cluster]] = field(default_factory=dict)
    by_words: dict[tuple[bool, str], Cluster] = field(default_factory=dict)
    """The latest touchpoints with the same words."""
    clusters: dict[str, list[Cluster]] = field(default_factory=dict)
    """Those of two or more, by the ids of their touchpoints."""
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
        """The copies by the touchpoint that they are shown with, in the order of time."""
        found: dict[str, list[Copy]] = {}
        for copy in sorted(self.copies.values(), key=lambda it: _place(it.item)):
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
        touched: list[TimelineItem] = []
        for item in messages:
            transcript = self.lately.take(item)
            if item.id in self.apart:
                continue
            if transcript is not None:
                self.transcripts[item.id] = transcript
            touched += self._take_ids(item)
            touched += self._take_words(item)
        return self._regroup(touched, messages) if touched else True

    def _take_ids(self, item: TimelineItem) -> list[TimelineItem]:
        touched: list[TimelineItem] = []
        for kind, (value, _names_one) in _ids(item).items():
            clusters = self.by_id.setdefault((item.type in _RECEIVED, kind, value), [])
            cluster = next(
                (it for it in clusters[-MAX_MESSAGES:] if _is_same_message(it.items, item, kind)), None
            )
            if cluster is None:
                clusters.append(Cluster(MESSAGE_ID if kind == MESSAGE_ID else PLATFORM_ID, [item]))
            else:
                self._grow(cluster, item)
                touched.append(item)
        return touched

    def _take_words(self, item: TimelineItem) -> list[TimelineItem]:
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
            return []
        touched = [one for it in self.unfiled for one in self._file_words(it)]
        self.unfiled.clear()
        return touched

    def _file_words(self, item: TimelineItem) -> Sequence[TimelineItem]:
        received = item.type in _RECEIVED
        # Customers who write on two channels ask twice. One mail arrives by several routes.
        if not item.text or (received and item.channel != "email"):
            return ()
        words = compared(item.text)
        if len(words) < MIN_INFERRED:
            return ()
        latest = self.by_words.get((received, words))
        if latest is None or item.occurred_at - latest.items[-1].occurred_at > INFERRED_WITHIN:
            self.by_words[received, words] = Cluster(SAME_TEXT, [item])
            return ()
        self._grow(latest, item)
        if not latest.holds:  # and it never will again
            return ()
        latest.holds = _is_one_message(latest.items)
        return latest.items

    def _grow(self, cluster: Cluster, item: TimelineItem) -> None:
        if len(cluster.items) == 1:
            self.clusters.setdefault(cluster.items[0].id, []).append(cluster)
        cluster.items.append(item)
        self.clusters.setdefault(item.id, []).append(cluster)

    def _regroup(self, touched: Sequence[TimelineItem], new: Collection[TimelineItem]) -> bool:
        """Find the copies among these touchpoints again, and among those that record the same acts."""
        arrived, done, unchanged = {it.id for it in new}, set[str](), True
        for item in touched:
            if item.id in done:
                continue
            members, clusters = self._around(item)
            done |= members
            found = _grouped(clusters)
            for id_ in members:
                before, after = self.copies.get(id_), found.get(id_)
                if before == after:
                    continue
                unchanged = unchanged and id_ in arrived
                if after is None:
                    del self.copies[id_]
                else:
                    self.copies[id_] = after
        return unchanged

    def _around(self, item: TimelineItem) -> tuple[set[str], list[Cluster]]:
        """The touchpoints that clusters connect with this one, and these clusters, the certain ones first."""
        members, clusters, unread = {item.id}, list[Cluster](), [item.id]
        while unread:
            for cluster in self.clusters.get(unread.pop(), ()):
                if not cluster.holds or any(it is cluster for it in clusters):
                    continue
                clusters.append(cluster)
                fresh = {it.id for it in cluster.items} - members
                members |= fresh
                unread += fresh
        return members, sorted(clusters, key=lambda it: (it.reason == SAME_TEXT, _place(it.items[0])))


def _grouped(clusters: Iterable[Cluster]) -> dict[str, Copy]:
    """The copies among touchpoints that these clusters connect."""
    groups: dict[str, list[TimelineItem]] = {}
    reasons: dict[str, str] = {}
    for cluster in clusters:
        first = cluster.items[0]
        joined = groups.setdefault(first.id, [first])
        reasons.setdefault(first.id, cluster.reason)
        for item in cluster.items[1:]:
            other = groups.get(item.id, [item])
            if other is joined or (cluster.reason == SAME_TEXT and _meet(joined, other)):
                continue
            joined += other
            for member in other:
                groups[member.id] = joined
                reasons.setdefault(member.id, cluster.reason)
    found: dict[str, Copy] = {}
    for group in {id(it): it for it in groups.values()}.values():
        shown = min(group, key=_rank)
        for item in group:
            if item is not shown:
                found[item.id] = Copy(item, shown.id, reasons[item.id])
    return found


def _ids(item: TimelineItem) -> dict[str, tuple[str, bool]]:
    if ID_KEYS.isdisjoint(item.data):
        return {}
    found: dict[str, tuple[str, bool]] = item.once("stated ids", partial(stated_ids, item.data))
    return found


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
    theirs = _ids(other)
    for kind, (value, names_one) in _ids(one).items():
        if names_one and kind in theirs and theirs[kind][0] != value:
            return True
    here, there = _about(one), _about(other)
    return bool(here and there) and here.isdisjoint(there)


def _about(item: TimelineItem) -> set[str]:
    """The numbers that a message is about, beside those in its text."""
    stated: list[Any] = [item.subject, *(item.data.get(name) for name in _ABOUT)]
    words = (word for it in stated if isinstance(it, str | int) for word in tokens_of(str(it)))
    return {word for word in words if has_digit(word)}
