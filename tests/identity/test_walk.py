"""Walks through the evidence: every start identity leads to the same customers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.evidence import (
    MAX_COMPONENT,
    Evidence,
    EvidenceClass,
    Node,
    Statement,
    resolve,
)
from handoff.domain.identity import Assurance
from handoff.store.repositories.components import STEP, Component, EvidenceReader, walk
from handoff.store.repositories.identities import IdentityRecord, PointerTo, is_crowded, kind_of
from tests.examples import examples
from tests.identity.test_resolve import LIMITS, components, key, node, piece

EXAMPLES = settings(max_examples=examples(80), deadline=None)


class InMemoryReader(EvidenceReader):
    """A reader of records in memory that counts reads."""

    def __init__(self, nodes: dict[bytes, Node], pieces: Iterable[Evidence]) -> None:
        self.records: dict[bytes, IdentityRecord] = {}
        self.asked: set[bytes] = set()
        self.rounds = 0
        own: dict[bytes, list[Evidence]] = {name: [] for name in nodes}
        pointers: dict[bytes, list[PointerTo]] = {name: [] for name in nodes}
        for evidence in pieces:
            own[evidence.one].append(evidence)
            for end in evidence.ends[1:]:
                pointers[end].append(PointerTo(evidence.id, evidence.one, kind_of(evidence)))
        self._stored = {
            name: IdentityRecord(
                key=name,
                identity=it.identity,
                recorded_at=it.recorded_at,
                last_arrival=0,
                shared_mark=it.shared_mark,
                counts={},
                own_assurance=None,
                references={},
                episodes=(),
                evidence=tuple(own[name]),
                pointers=tuple(pointers[name]),
                withdrawals=(),
                crowded=is_crowded(own[name], pointers[name]),
            )
            for name, it in nodes.items()
        }

    async def read(self, wanted: Iterable[bytes]) -> None:
        missing = set(wanted) - self.asked
        self.rounds += bool(missing)
        self.asked |= missing
        self.records |= {name: self._stored[name] for name in missing if name in self._stored}


def walked(
    nodes: dict[bytes, Node], pieces: Iterable[Evidence], *start: bytes
) -> tuple[Component, InMemoryReader]:
    reading = InMemoryReader(nodes, pieces)
    return asyncio.run(walk(reading, start)), reading


def group_from(nodes: dict[bytes, Node], pieces: Iterable[Evidence], start: bytes) -> tuple[bytes, ...]:
    found, _ = walked(nodes, pieces, start)
    return resolve(found.nodes, found.evidence, LIMITS).group_of(start).members


@pytest.mark.no_cover
@EXAMPLES
@given(components())
def test_from_every_identity_the_customer_is_what_all_evidence_gives(
    case: tuple[dict[bytes, Node], list[Evidence]],
) -> None:
    nodes, pieces = case
    whole = resolve(nodes, pieces, LIMITS)
    for start in nodes:
        found, _ = walked(nodes, pieces, start)
        judged = resolve(found.nodes, found.evidence, LIMITS)
        for reached in found.reached:
            assert judged.group_of(reached).members == whole.group_of(reached).members
            assert (reached in judged.shared) == (reached in whole.shared)
        assert set(whole.group_of(start).members) <= set(found.reached)


@pytest.mark.no_cover
@EXAMPLES
@given(components(), st.data())
def test_from_several_start_identities_too(
    case: tuple[dict[bytes, Node], list[Evidence]], data: st.DataObject
) -> None:
    nodes, pieces = case
    start = data.draw(st.lists(st.sampled_from(sorted(nodes)), min_size=1, max_size=4))
    found, _ = walked(nodes, pieces, *start)
    whole, judged = resolve(nodes, pieces, LIMITS), resolve(found.nodes, found.evidence, LIMITS)
    assert [judged.group_of(it).members for it in start] == [whole.group_of(it).members for it in start]


def test_a_box_of_thousands_is_not_read_through() -> None:
    """info@, verified for 3 000 people: one of them is read with a part of it, and has their own."""
    nodes, pieces = {key(0): node(0)}, []
    for number in range(1, 3001):
        nodes[key(number)] = node(number, "user")
        pieces.append(piece(number, number, 0))
        nodes[key(number + 5000)] = node(number + 5000, "phone")
        pieces.append(piece(number + 5000, number, number + 5000))
    assert set(group_from(nodes, pieces, key(2000))) == {key(2000), key(7000)}
    assert group_from(nodes, pieces, key(0)) == (key(0),)
    _, reading = walked(nodes, pieces, key(2000))
    assert len(reading.asked) <= STEP + 3
    assert reading.rounds == 3


def test_a_flood_of_claims_hides_nothing_and_is_not_read() -> None:
    """A thousand strangers typed anna's address into a form."""
    nodes = {key(0): node(0), key(1): node(1, "user")}
    claims = []
    for number in range(2, 1002):
        nodes[key(number)] = node(number, "anonymous")
        claims.append(piece(number, number, 0, assurance=Assurance.CLAIMED))
    pieces = [*claims, piece(5000, 1, 0)]
    for start in (key(0), key(1)):
        found, reading = walked(nodes, pieces, start)
        assert set(found.reached) == {key(0), key(1)}
        assert len(reading.asked) == 2


def test_an_agents_link_is_found_among_many_senders_links() -> None:
    """A phone verified for 300 users is unassigned until an agent links it."""
    nodes = {key(0): node(0, "phone")} | {key(it): node(it, "user") for it in range(1, 301)}
    pieces = [piece(it, it, 0) for it in range(1, 301)]
    assert group_from(nodes, pieces, key(0)) == (key(0),)
    pieces.append(piece(999, 300, 0, evidence_class=EvidenceClass.AGENT))
    assert group_from(nodes, pieces, key(0)) == (key(300), key(0))
    assert group_from(nodes, pieces, key(300)) == (key(300), key(0))
    found, _ = walked(nodes, pieces, key(1), key(2), key(0))
    assert resolve(found.nodes, found.evidence).group_of(key(0)).members == (key(300), key(0))
    pieces.append(
        piece(
            1000,
            300,
            0,
            statement=Statement.NOT_SAME,
            evidence_class=EvidenceClass.AGENT,
            over=(key(1999),),
        )
    )
    assert group_from(nodes, pieces, key(0)) == (key(0),)


def test_a_customer_with_more_neighbours_than_one_round_reads() -> None:
    """250 browsers of one login; one of them is another login's too, so it is unassigned."""
    count = 2 * STEP + 50
    nodes = {key(it): node(it, "user" if it == 0 else "anonymous") for it in range(count + 1)}
    nodes[key(5000)] = node(5000, "user")
    pieces = [piece(it, 0, it) for it in range(1, count + 1)] + [piece(5000, 5000, count)]
    everybody = set(group_from(nodes, pieces, key(0)))
    assert everybody == {key(it) for it in range(count)}
    assert set(group_from(nodes, pieces, key(1))) == everybody
    assert group_from(nodes, pieces, key(count)) == (key(count),)


def test_a_component_above_the_limit_stands_alone_from_everywhere() -> None:
    count = MAX_COMPONENT + 60
    nodes = {key(it): node(it, "user" if it == 0 else "anonymous") for it in range(count)}
    pieces = [piece(it, 0, it) for it in range(1, count)]
    for start in (0, 1, count - 1):
        assert group_from(nodes, pieces, key(start)) == (key(start),)
    found, _ = walked(nodes, pieces, key(0))
    assert resolve(found.nodes, found.evidence).oversized


def test_a_crowd_is_not_read_to_its_end() -> None:
    count = 12 * MAX_COMPONENT
    nodes = {key(it): node(it, "user" if it == 0 else "anonymous") for it in range(count)}
    _, reading = walked(nodes, [piece(it, 0, it) for it in range(1, count)], key(0))
    assert len(reading.asked) <= STEP + 1
    _, reading = walked(nodes, [piece(it, 0, it) for it in range(1, count)], key(9))
    assert len(reading.asked) <= STEP + 2
    tree = [piece(it, (it - 1) // 2, it) for it in range(1, count)]
    _, reading = walked(nodes, tree, key(0))
    assert len(reading.asked) < 2 * 2 * MAX_COMPONENT, "two more levels than the limit has"


def test_many_orders_make_no_component() -> None:
    """A business with 700 order numbers: they find it, and are not read with it."""
    nodes = {key(0): node(0, "user"), key(1): node(1, "email")}
    nodes |= {key(it): node(it, "reference") for it in range(2, 702)}
    pieces = [piece(it, 0, it, finds=True) for it in range(2, 702)] + [piece(1, 0, 1)]
    found, reading = walked(nodes, pieces, key(1))
    assert set(found.reached) == {key(0), key(1)}
    assert len(reading.asked) == 2
