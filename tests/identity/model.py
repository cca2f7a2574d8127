"""A simple model of identities: sets and lists of a whole tenant, without a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import product

from handoff.domain.identity import Identity, parse_identity

Pair = frozenset[str]
_MEXICAN = frozenset({"phone:+5215512345678", "phone:+525512345678"})
SPELLINGS = {name: _MEXICAN - {name} for name in _MEXICAN}


@dataclass(frozen=True)
class IdentityStatement:
    """A statement about `pairs` of identities. `over` has the ids of the statements that it overrules."""

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


@dataclass(frozen=True)
class StatedFact:
    """When a touchpoint happened, its home, and the names in it that are verified."""

    at: int
    home: str
    sure: frozenset[str]


@dataclass(frozen=True)
class Assigned:
    """An assignment to a person: of a touchpoint, or of the home's only conversation."""

    id: str
    what: str
    home: str
    person: str
    whole: bool
    at: tuple[int, bytes]


@dataclass
class Model:
    """One tenant. `touchpoints` maps what was recorded to its home."""

    seen: set[str] = field(default_factory=set)
    statements: dict[str, IdentityStatement] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)
    touchpoints: dict[str, str] = field(default_factory=dict)
    stated: dict[str, StatedFact] = field(default_factory=dict)
    assigned: dict[str, Assigned] = field(default_factory=dict)

    def standing(self, same: bool) -> list[IdentityStatement]:
        gone = {
            id_
            for by in self.statements.values()
            if not by.same and not by.taken_back
            for id_ in by.over
            if id_ in self.statements
            and frozenset((self.statements[id_].one, self.statements[id_].other)) in by.pairs
        }
        return [
            it
            for it in self.statements.values()
            if it.same == same and not it.taken_back and (not same or it.id not in gone)
        ]

    def apart(self) -> dict[Pair, int]:
        """The pairs that are kept apart, with the time of the earliest statement."""
        found: dict[Pair, int] = {}
        for statement in self.standing(same=False):
            for pair in self.kept_apart_by(statement):
                found[pair] = min(statement.at[0], found.get(pair, statement.at[0]))
        return found

    def kept_apart_by(self, statement: IdentityStatement) -> frozenset[Pair]:
        overruling = [by.pairs for by in self.standing(same=True) if statement.id in by.over]
        return statement.pairs.difference(*overruling)

    def edges(self) -> list[IdentityStatement]:
        return [
            it
            for it in self.standing(same=True)
            if it.verified and it.one != it.other and "reference" not in (_type(it.one), _type(it.other))
        ]

    def shared(self) -> set[str]:
        """Marked, or verified for two accounts of one space (the pool is too small for twenty)."""
        found = set(self.marked)
        for name in self.seen:
            if _type(name) == "user":
                continue
            near = map(parse_identity, self.near(name))
            accounts = [it for it in near if it.type in ("user", "whatsapp.user")]
            if len({(it.type, it.space) for it in accounts}) < len(accounts):
                found.add(name)
        return found

    def near(self, name: str) -> set[str]:
        """The names that the strongest statements join with this one."""
        apart = self.apart()
        near = [
            it
            for it in self.edges()
            if name in (it.one, it.other)
            and (it.agent or apart.get(frozenset((it.one, it.other)), 2**63) > it.at[0])
        ]
        near = [it for it in near if it.agent] or near
        return {other for it in near for other in (it.one, it.other)} - {name}

    def owner(self, what: str) -> frozenset[str] | None:
        """The person to whom a touchpoint on a shared identity belongs."""
        stated = self.stated[what]
        given = [
            it for it in self.assigned.values() if it.home == stated.home and (it.whole or it.what == what)
        ]
        if given:
            return self.customer_of(max(given, key=lambda it: it.at).person)
        if _type(stated.home) != "anonymous" or stated.home in self.marked:
            return None
        seen = self.logins(stated.home)
        before = max((at for at in seen if at <= stated.at), default=None)
        after = min((at for at in seen if at >= stated.at), default=None)
        if after is None:
            return None
        people = seen[after] if before is None else seen[before] | seen[after]
        return next(iter(people)) if len(people) == 1 else None

    def logins(self, device: str) -> dict[int, frozenset[frozenset[str]]]:
        """The people with touchpoints on a device, by time."""
        shared = self.shared()
        people = {name: self.customer_of(name) for name in self.near(device) - shared}
        found: dict[int, frozenset[frozenset[str]]] = {}
        for fact in self.stated.values():
            if fact.home not in fact.sure or device not in fact.sure:
                continue
            others = fact.sure - {device} if fact.home == device else {fact.home}
            here = frozenset(people[name] for name in others if name in people)
            if here:
                found[fact.at] = found.get(fact.at, frozenset()) | here
        many = len({person for here in found.values() for person in here}) > 4
        return {} if many else found

    def customers(self) -> set[frozenset[str]]:
        """The partition: the strongest, then the earliest statements first."""
        shared, apart = self.shared(), self.apart()
        groups = {name: frozenset({name}) for name in self.seen}
        for edge in sorted(self.edges(), key=lambda it: (not it.agent, it.at)):
            if edge.one in shared or edge.other in shared:
                continue
            both = groups[edge.one] | groups[edge.other]
            logins = [parse_identity(name).space for name in both if _type(name) == "user"]
            allowed = len(set(logins)) == len(logins) and not any(pair <= both for pair in apart)
            if groups[edge.one] != groups[edge.other] and allowed:
                groups |= dict.fromkeys(both, both)
        return set(groups.values())

    def customer_of(self, name: str) -> frozenset[str]:
        return next(group for group in self.customers() if name in group)

    def timelines(self) -> dict[frozenset[str], set[str]]:
        """The touchpoints of each customer; a shared identity shows also what belongs to somebody."""
        found: dict[frozenset[str], set[str]] = {group: set() for group in self.customers()}
        shared = self.shared()
        for what, home in self.touchpoints.items():
            found[self.customer_of(home)].add(what)
            owner = self.owner(what) if home in shared else None
            if owner is not None and not owner & shared:
                found[owner].add(what)
        return found

    def respelt(self, group: frozenset[str]) -> set[frozenset[str]]:
        """The other customers with a spelling of one of the group's numbers, unless they are kept apart."""
        shared, apart, found = self.shared(), self.apart(), set()
        for name in group:
            for spelling in SPELLINGS.get(name, frozenset()) & self.seen - group - shared:
                other = self.customer_of(spelling)
                if not any(pair <= group | other and pair & group and pair & other for pair in apart):
                    found.add(other)
        return found

    def links(self, one: str, other: str) -> tuple[frozenset[Pair], frozenset[str]]:
        """The pairs that an agent's link of the two concerns, and the objections that it overrules."""
        left, right = self.customer_of(one), self.customer_of(other)
        between = pairs(left, right)
        over = [it for it in self.standing(same=False) if self.kept_apart_by(it) & between]
        about = {pair for it in over for pair in it.pairs & between}
        here = {name for pair in about for name in pair & left} | {one}
        there = {name for pair in about for name in pair & right} | {other}
        return pairs(here, there), frozenset(it.id for it in over)

    def add(self, statement: IdentityStatement) -> None:
        self.statements.setdefault(statement.id, statement)

    def take_back(self, id_: str) -> None:
        self.statements[id_] = replace(self.statements[id_], taken_back=True)


def _type(name: str) -> str:
    found: Identity = parse_identity(name)
    return found.type
