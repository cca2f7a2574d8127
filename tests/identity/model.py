"""Who is who, as simply as it can be said: sets and lists, the whole tenant at once, no store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product

from handoff.domain.identity import Identity, parse_identity

Pair = frozenset[str]


@dataclass(frozen=True)
class Said:
    """A statement: `pairs` are those it speaks of, `over` the ids of the statements it overrules."""

    id: str
    one: str
    other: str
    same: bool
    verified: bool
    agent: bool
    at: tuple[int, bytes]
    pairs: frozenset[Pair]
    over: frozenset[str] = frozenset()
    taken_back: bool = False


def pairs(left: Iterable[str], right: Iterable[str]) -> frozenset[Pair]:
    return frozenset(frozenset(it) for it in product(left, right))


@dataclass
class Model:
    """One tenant. `touchpoints` maps what was recorded to its home."""

    seen: set[str] = field(default_factory=set)
    said: dict[str, Said] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)
    touchpoints: dict[str, str] = field(default_factory=dict)

    def standing(self, same: bool) -> list[Said]:
        gone = {
            id_
            for by in self.said.values()
            if not by.same and not by.taken_back
            for id_ in by.over
            if id_ in self.said and frozenset((self.said[id_].one, self.said[id_].other)) in by.pairs
        }
        return [
            it
            for it in self.said.values()
            if it.same == same and not it.taken_back and (not same or it.id not in gone)
        ]

    def apart(self) -> dict[Pair, int]:
        """The pairs that somebody keeps apart, with since when."""
        found: dict[Pair, int] = {}
        for it in self.standing(same=False):
            for pair in self.kept_apart_by(it):
                found[pair] = min(it.at[0], found.get(pair, it.at[0]))
        return found

    def kept_apart_by(self, it: Said) -> frozenset[Pair]:
        return it.pairs.difference(*(by.pairs for by in self.standing(same=True) if it.id in by.over))

    def edges(self) -> list[Said]:
        return [
            it
            for it in self.standing(same=True)
            if it.verified and it.one != it.other and "reference" not in (_type(it.one), _type(it.other))
        ]

    def shared(self) -> set[str]:
        """Marked, or verified for two logins of one space (the pool is too small for twenty)."""
        apart, found = self.apart(), set(self.marked)
        for name in self.seen:
            if _type(name) == "user":
                continue
            near = [
                it
                for it in self.edges()
                if name in (it.one, it.other)
                and (it.agent or apart.get(frozenset((it.one, it.other)), 2**63) > it.at[0])
            ]
            near = [it for it in near if it.agent] or near
            logins = {other for it in near for other in (it.one, it.other) if _type(other) == "user"}
            if len({parse_identity(it).space for it in logins}) < len(logins):
                found.add(name)
        return found

    def customers(self) -> set[frozenset[str]]:
        """The partition: the strongest, then the earliest statements first."""
        shared, apart = self.shared(), self.apart()
        groups = {name: frozenset({name}) for name in self.seen}
        for it in sorted(self.edges(), key=lambda it: (not it.agent, it.at)):
            if it.one in shared or it.other in shared:
                continue
            both = groups[it.one] | groups[it.other]
            logins = [parse_identity(name).space for name in both if _type(name) == "user"]
            allowed = len(set(logins)) == len(logins) and not any(pair <= both for pair in apart)
            if groups[it.one] != groups[it.other] and allowed:
                groups |= dict.fromkeys(both, both)
        return set(groups.values())

    def customer_of(self, name: str) -> frozenset[str]:
        return next(group for group in self.customers() if name in group)

    def timelines(self) -> dict[frozenset[str], set[str]]:
        """What was recorded of each customer."""
        found: dict[frozenset[str], set[str]] = {group: set() for group in self.customers()}
        for what, home in self.touchpoints.items():
            found[self.customer_of(home)].add(what)
        return found

    def links(self, one: str, other: str) -> tuple[frozenset[Pair], frozenset[str]]:
        """What an agent's link of the two speaks of, and the objections that it overrules."""
        left, right = self.customer_of(one), self.customer_of(other)
        between = pairs(left, right)
        over = [it for it in self.standing(same=False) if self.kept_apart_by(it) & between]
        about = {pair for it in over for pair in it.pairs & between}
        here = {name for pair in about for name in pair & left} | {one}
        there = {name for pair in about for name in pair & right} | {other}
        return pairs(here, there), frozenset(it.id for it in over)

    def add(self, it: Said) -> None:
        self.said.setdefault(it.id, it)

    def take_back(self, id_: str) -> None:
        self.said[id_] = replace(self.said[id_], taken_back=True)


def _type(name: str) -> str:
    found: Identity = parse_identity(name)
    return found.type
