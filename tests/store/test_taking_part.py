"""Customers who take part in each other's touchpoints: each page has each touchpoint once, in its place."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.domain.clock import SECOND
from handoff.domain.identity import Assurance, parse_identity
from handoff.domain.touchpoint import Participant, Touchpoint
from handoff.services.timeline.participation import refer
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.examples import examples
from tests.samples import NOON, handle, pages, record_all, touchpoint

ANNA = ("user:anna", "email:anna@example.com", "anonymous:a1")
BOB = "user:bob"
people = st.sampled_from([*ANNA, BOB])
events = st.lists(
    st.tuples(st.integers(0, 3), people, st.frozensets(people, max_size=3)), min_size=1, max_size=16
)


def _event(number: int, step: int, home: str, parts: frozenset[str]) -> Touchpoint:
    """Each at a time of its own, by which the order is known."""
    others = tuple(Participant(parse_identity(it), "cc") for it in sorted(parts))
    at = NOON + step * SECOND + number
    return touchpoint(f"event{number}", home, at=at, participants=others)


async def _happened(store: Store, tenant: str, touchpoints: list[Touchpoint]) -> None:
    known = [
        touchpoint("login", *(handle(it, Assurance.VERIFIED) for it in ANNA), at=NOON - 2),
        touchpoint("bob", BOB, at=NOON - 1),
    ]
    await record_all(store, tenant, [*known, *touchpoints])
    hashes = store.hashes(tenant)
    for stated in touchpoints:
        id_ = hashes.event("native", stated.event_id)
        await refer(store, tenant, hashes.identity(stated.home.identity), id_)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(events, st.integers(1, 6), st.booleans())
async def test_what_two_of_a_customers_identities_share_comes_once_and_as_their_own(
    store: Store, drawn: list[tuple[int, str, frozenset[str]]], limit: int, ascending: bool
) -> None:
    tenant = fresh_tenant()
    touchpoints = [_event(number, *it) for number, it in enumerate(drawn)]
    await _happened(store, tenant, touchpoints)
    for asked, own in (ANNA[1], ANNA), (BOB, (BOB,)):
        expected: list[tuple[str | None, str, bool]] = [
            (it.text, str(it.home.identity), str(it.home.identity) not in own)
            for it in sorted(touchpoints, key=lambda it: it.occurred_at, reverse=not ascending)
            if {str(it.home.identity), *(str(part.identity) for part in it.participants)} & {*own}
        ]
        first = ("text of login", ANNA[0], False) if asked != BOB else ("text of bob", BOB, False)
        expected.insert(0 if ascending else len(expected), first)
        found = await pages(store, tenant, asked, limit=limit, ascending=ascending)
        views = [view for page in found for view in page]
        assert [(it.text, it.identity, it.participant_of is not None) for it in views] == expected
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
