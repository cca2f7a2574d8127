"""`resolve` partitions identities, depending on the evidence only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.evidence import (
    MAX_COMPONENT,
    MAX_STRONG_NEIGHBOURS,
    Evidence,
    EvidenceClass,
    Node,
    Resolution,
    Statement,
    resolve,
)
from handoff.domain.identity import REFERENCE, Assurance, Identity
from tests.examples import examples

EXAMPLES = settings(max_examples=examples(80), deadline=None)
LIMITS = {"user": 1, "phone": 2}
TYPES = ("user", "user", "email", "phone", "anonymous", "crm.contact", REFERENCE)


def node(number: int, type_: str = "email", space: str = "", *, at: int = 0, shared: bool = False) -> Node:
    return Node(identity=Identity(type_, space, str(number)), recorded_at=at, shared_mark=shared)


def key(number: int) -> bytes:
    return number.to_bytes(16, "big")


def piece(number: int, one: int, other: int, **fields: Any) -> Evidence:
    """A verified, automatic `same`, by default."""
    given: dict[str, Any] = {
        "statement": Statement.SAME,
        "assurance": Assurance.VERIFIED,
        "evidence_class": EvidenceClass.AUTOMATIC,
        "recorded_at": number,
        **fields,
    }
    return Evidence(
        id=key(1000 + number),
        one=key(one),
        other=key(other),
        source="test",
        touchpoint=None,
        who="source:test",
        **given,
    )


@st.composite
def components(draw: st.DrawFn) -> tuple[dict[bytes, Node], list[Evidence]]:
    """Identities with any statements about them, in the order of the statements."""
    count = draw(st.integers(1, 9))
    nodes = {
        key(number): node(
            number,
            draw(st.sampled_from(TYPES)),
            draw(st.sampled_from(["", "", "shop"])),
            at=draw(st.integers(0, 3)),
            shared=draw(st.integers(0, 11)) == 0,
        )
        for number in range(count)
    }
    numbers = st.integers(0, count - 1)
    pieces: list[Evidence] = []
    for number in range(draw(st.integers(0, 14))):
        agent = draw(st.integers(0, 3)) == 0
        against = agent and draw(st.booleans())
        opposite = Statement.SAME if against else Statement.NOT_SAME
        earlier = [it.id for it in pieces if it.statement is opposite]
        over = draw(st.lists(st.sampled_from(earlier), max_size=2, unique=True)) if agent and earlier else []
        one, other = draw(numbers), draw(numbers)
        sides: dict[str, Any] = {}
        if agent and draw(st.booleans()):
            left = draw(st.sets(numbers, min_size=1, max_size=3)) | {one}
            sides = {
                "left": tuple(map(key, sorted(left))),
                "right": tuple(
                    key(it) for it in sorted((draw(st.sets(numbers, max_size=3)) | {other}) - left)
                ),
            }
            if not sides["right"]:
                sides = {}
        pieces.append(
            piece(
                number,
                one,
                other,
                statement=Statement.NOT_SAME if against else Statement.SAME,
                assurance=draw(st.sampled_from([Assurance.VERIFIED, Assurance.VERIFIED, *Assurance])),
                evidence_class=EvidenceClass.AGENT if agent else EvidenceClass.AUTOMATIC,
                recorded_at=draw(st.integers(0, 5)),
                withdrawn=draw(st.integers(0, 7)) == 0,
                over=tuple(over),
                **sides,
            )
        )
    return nodes, pieces


def groups(resolution: Resolution) -> set[frozenset[bytes]]:
    return {frozenset(group.members) for group in resolution.groups}


def together(resolution: Resolution, *numbers: int) -> bool:
    return set(map(key, numbers)) <= set(resolution.group_of(key(numbers[0])).members)


@pytest.mark.no_cover
@EXAMPLES
@given(components(), st.randoms(use_true_random=False))
def test_no_order_of_evidence_or_identities_changes_anything(
    case: tuple[dict[bytes, Node], list[Evidence]], random: Any
) -> None:
    nodes, pieces = case
    names, shuffled = list(nodes), pieces * 2
    random.shuffle(names)
    random.shuffle(shuffled)
    again = resolve({name: nodes[name] for name in names}, shuffled, LIMITS)
    expected = resolve(nodes, pieces, LIMITS)
    assert again.groups == expected.groups
    assert again.shared == expected.shared


@EXAMPLES
@given(components())
def test_every_identity_is_in_exactly_one_customer(case: tuple[dict[bytes, Node], list[Evidence]]) -> None:
    nodes, pieces = case
    found = resolve(nodes, pieces, LIMITS)
    members = [member for group in found.groups for member in group.members]
    assert sorted(members) == sorted(nodes)
    assert all(group.root in group.members for group in found.groups)


@EXAMPLES
@given(components())
def test_guards_hold_for_any_evidence(case: tuple[dict[bytes, Node], list[Evidence]]) -> None:
    nodes, pieces = case
    found = resolve(nodes, pieces, LIMITS)
    overruled = {it.id for it in pieces for by in standing_refusals(pieces) if overrules(by, it)}
    joined_by = [
        it
        for it in pieces
        if it.statement is Statement.SAME
        and it.assurance is Assurance.VERIFIED
        and not it.withdrawn
        and it.id not in overruled
    ]
    for group in found.groups:
        spread = {member for member in group.members if len(group.members) > 1}
        connected = reachable(group.root, joined_by, group.members)
        assert connected == set(group.members), "only verified, standing evidence joins"
        counts = [(nodes[it].identity.type, nodes[it].identity.space) for it in group.members]
        for type_, limit in LIMITS.items():
            assert all(counts.count((type_, space)) <= limit for space in ("", "shop"))
        assert not spread & found.shared, "what belongs to several people joins nobody"
        assert all(nodes[it].identity.type != REFERENCE for it in spread)
        for one, other in combinations(group.members, 2):
            assert not kept_apart(one, other, pieces, overruled)


def standing_refusals(pieces: Sequence[Evidence]) -> list[Evidence]:
    return [it for it in pieces if it.statement is Statement.NOT_SAME and not it.withdrawn]


def concerns(evidence: Evidence, one: bytes, other: bytes) -> bool:
    left, right = evidence.sides
    return (one in left and other in right) or (other in left and one in right)


def overrules(by: Evidence, evidence: Evidence) -> bool:
    return evidence.id in by.over and concerns(by, evidence.one, evidence.other)


def kept_apart(one: bytes, other: bytes, pieces: Sequence[Evidence], overruled: set[bytes]) -> bool:
    """Whether a standing `not_same` speaks of the two, and no standing `same` overrules that."""

    over = {
        id_
        for it in pieces
        if it.statement is Statement.SAME
        and not it.withdrawn
        and it.id not in overruled
        and concerns(it, one, other)
        for id_ in it.over
    }
    return any(concerns(it, one, other) and it.id not in over for it in standing_refusals(pieces))


def reachable(start: bytes, edges: Sequence[Evidence], within: Sequence[bytes]) -> set[bytes]:
    seen, todo = set[bytes](), [start]
    while todo:
        at = todo.pop()
        if at not in seen and at in within:
            seen.add(at)
            todo += [other for it in edges if at in it.pair for other in it.pair]
    return seen


@EXAMPLES
@given(components(), st.data())
def test_taking_back_the_last_word_of_an_agent_restores_everything(
    case: tuple[dict[bytes, Node], list[Evidence]], data: st.DataObject
) -> None:
    """A split withdrawn; a link and what withdraws it: who is who is what it was."""
    nodes, pieces = case
    before = groups(resolve(nodes, pieces, LIMITS))
    numbers = st.integers(0, len(nodes) - 1)
    one, other = data.draw(numbers), data.draw(numbers)
    if together(resolve(nodes, pieces, LIMITS), one, other):
        return
    agent = {"evidence_class": EvidenceClass.AGENT, "recorded_at": 100}
    linked = piece(500, one, other, over=tuple(it.id for it in standing_refusals(pieces)), **agent)
    undone = piece(501, one, other, statement=Statement.NOT_SAME, over=(linked.id,), **agent)
    assert groups(resolve(nodes, [*pieces, linked, undone], LIMITS)) == before
    split = piece(502, one, other, statement=Statement.NOT_SAME, withdrawn=True, **agent)
    assert groups(resolve(nodes, [*pieces, split], LIMITS)) == before


def test_an_agents_link_stands_above_what_senders_state() -> None:
    nodes = {key(1): node(1, "user"), key(2): node(2, "user"), key(3): node(3, "phone")}
    stated = [piece(1, 1, 3), piece(2, 2, 3)]
    assert resolve(nodes, stated).shared == {key(3)}
    confirmed = [*stated, piece(3, 2, 3, evidence_class=EvidenceClass.AGENT)]
    found = resolve(nodes, confirmed)
    assert found.shared == set()
    assert together(found, 2, 3)
    assert [it.reason for it in found.group_of(key(1)).conflicts] == ["two_users"]


def test_what_senders_state_after_an_agent_denied_it_makes_nothing_shared() -> None:
    nodes = {key(1): node(1, "user"), key(2): node(2, "user"), key(3): node(3, "phone")}
    denied = piece(
        3, 2, 3, statement=Statement.NOT_SAME, evidence_class=EvidenceClass.AGENT, over=(key(1002),)
    )
    found = resolve(nodes, [piece(1, 1, 3), piece(2, 2, 3), denied, piece(9, 2, 3)])
    assert found.shared == set()
    assert together(found, 1, 3)
    assert not together(found, 2, 3)


def test_a_user_in_two_spaces_is_no_conflict_and_two_in_one_space_are() -> None:
    nodes = {key(1): node(1, "user", "de"), key(2): node(2, "user", "fr"), key(3): node(3, "user", "fr")}
    found = resolve(nodes, [piece(1, 1, 2), piece(2, 1, 3)])
    assert together(found, 1, 2)
    assert not together(found, 1, 3)


def test_two_logins_are_never_joined_by_a_path_of_weak_handles() -> None:
    """user 1 - email 3 - anonymous 4 - phone 5 - user 2: whatever came first, both stay."""
    nodes = {
        key(number): node(number, type_)
        for number, type_ in enumerate(("user", "email", "anonymous", "phone", "user"), 1)
    }
    path = [(1, 2), (2, 3), (3, 4), (4, 5)]
    for last in range(4):
        order = [*path[last:], *path[:last]]
        found = resolve(nodes, [piece(at, *pair) for at, pair in enumerate(order)])
        assert not together(found, 1, 5)
        assert len(found.groups) == 2
        assert [it.reason for it in found.groups[0].conflicts] == ["two_users"]


def test_more_than_the_allowed_strong_neighbours_make_an_identity_shared() -> None:
    def star(count: int, type_: str) -> Resolution:
        nodes = {key(0): node(0, "phone")} | {key(it): node(it, type_) for it in range(1, count + 1)}
        return resolve(nodes, [piece(it, it, 0) for it in range(1, count + 1)])

    assert star(MAX_STRONG_NEIGHBOURS, "email").shared == set()
    assert star(MAX_STRONG_NEIGHBOURS + 1, "email").shared == {key(0)}
    assert star(MAX_STRONG_NEIGHBOURS + 1, "anonymous").shared == set(), "browsers come and go"


def test_an_identity_shared_by_a_crowd_joins_no_customers() -> None:
    """An info@ box of 600 people: each of them keeps their own handles."""
    nodes = {key(0): node(0, "email")}
    pieces = []
    for number in range(1, 601):
        nodes |= {key(number): node(number, "user"), key(number + 1000): node(number, "phone")}
        pieces += [piece(number, number, 0), piece(number + 1000, number, number + 1000)]
    found = resolve(nodes, pieces)
    assert not found.oversized
    assert together(found, 7, 1007)
    assert found.group_of(key(0)).members == (key(0),)


def test_an_oversized_component_is_left_unmerged_but_not_its_neighbours_behind_a_shared_identity() -> None:
    count = MAX_COMPONENT + 1
    nodes = {key(it): node(it, "user" if it == 0 else "anonymous") for it in range(count)}
    nodes |= {key(9000): node(9000, "email", shared=True), key(9001): node(9001, "user", "x")}
    nodes[key(9002)] = node(9002, "email")
    chain = [piece(it, it - 1, it) for it in range(1, count)]
    others = [piece(9000, 0, 9000), piece(9001, 9001, 9000), piece(9002, 9001, 9002)]
    found = resolve(nodes, chain + others)
    assert found.oversized
    assert all(found.group_of(key(it)).members == (key(it),) for it in range(count))
    assert together(found, 9001, 9002)
    assert not resolve({it: nodes[it] for it in nodes if it != key(1)}, chain + others).oversized


def test_the_id_comes_from_the_earliest_login_else_from_the_earliest_identity() -> None:
    nodes = {
        key(1): node(1, "email", at=1),
        key(2): node(2, "user", "a", at=9),
        key(3): node(3, "user", "b", at=5),
    }
    edges = [piece(1, 1, 2), piece(2, 1, 3)]
    assert resolve(nodes, edges).groups[0].root == key(3)
    assert resolve({it: nodes[it] for it in (key(1),)}, edges).groups[0].root == key(1)


def test_a_self_link_is_nothing() -> None:
    found = resolve({key(1): node(1)}, [piece(1, 1, 1), piece(2, 1, 1, statement=Statement.NOT_SAME)])
    assert groups(found) == {frozenset({key(1)})}
    assert found.groups[0].conflicts == ()


def test_evidence_is_never_changed_by_judging_it() -> None:
    one = piece(1, 1, 2)
    taken = piece(2, 1, 2, statement=Statement.NOT_SAME, over=(one.id,))
    resolve({key(1): node(1), key(2): node(2)}, [one, taken])
    assert msgspec.structs.asdict(one)["withdrawn"] is False
