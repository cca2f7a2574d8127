"""A short timeline of small entries is scanned, any other has an index: the behaviour is the same."""

from __future__ import annotations

import pytest

from handoff.domain.identity import parse_identity
from handoff.domain.touchpoint import Participant, Touchpoint
from handoff.services.timeline.participation import refer
from handoff.services.timeline.recording import record
from handoff.store.repositories.timelines import read_places
from handoff.store.store import Store
from tests.samples import NOON, record_all, timeline, touchpoint

SHORT = 16
SIZES = (1, SHORT - 1, SHORT, SHORT + 1, 3 * SHORT)
ANNA = "user:anna"


def home_of(store: Store, tenant: str, text: str = ANNA) -> bytes:
    return store.hashes(tenant).identity(parse_identity(text))


async def has_index(store: Store, tenant: str) -> bool:
    key = store.keys.index(home_of(store, tenant))
    return bool(await store.connection.call("EXISTS", key, key=key))


def message(number: int, text: str = "") -> Touchpoint:
    return touchpoint(f"e{number}", ANNA, text=text or f"words {number}", at=NOON + number * 7 % 5)


@pytest.mark.parametrize("size", SIZES)
async def test_a_retry_is_recognised_and_a_reused_id_refused(store: Store, tenant: str, size: int) -> None:
    events = [message(number) for number in range(size)]
    await record_all(store, tenant, events)
    assert await has_index(store, tenant) == (size > SHORT)
    assert {it.status for it in await record(store, tenant, events)} == {"duplicate"}
    others = await record(store, tenant, [message(number, "other words") for number in range(size)])
    assert {it.code for it in others} == {"id_reused"}
    assert len(await timeline(store, tenant)) == size


@pytest.mark.parametrize("size", SIZES)
async def test_every_touchpoint_is_found_by_its_id(store: Store, tenant: str, size: int) -> None:
    await record_all(store, tenant, [message(number) for number in range(size)])
    home, hashes = home_of(store, tenant), store.hashes(tenant)
    ids = [hashes.event("native", f"e{number}") for number in range(size)]
    found = await read_places(store.connection, store.keys, [(home, id_) for id_ in [*ids, b"?" * 16]])
    assert [it.id if it else None for it in found] == [*ids, None]
    assert await read_places(store.connection, store.keys, [(b"?" * 16, ids[0])]) == [None]


async def test_a_large_entry_is_not_looked_through_again_and_again(store: Store, tenant: str) -> None:
    noise = "".join(chr(0x4E00 + (number * 7919) % 20_000) for number in range(1_000))
    await record_all(store, tenant, [message(0), message(1, noise), message(2)])
    assert await has_index(store, tenant)
    statuses = [it.status for it in await record(store, tenant, [message(0), message(1, noise), message(2)])]
    assert statuses == ["duplicate"] * 3


@pytest.mark.parametrize("size", SIZES)
async def test_whatever_is_taken_back_is_found(store: Store, tenant: str, size: int) -> None:
    gone, later = size // 2, range(100, 103)
    deletion = touchpoint("gone", ANNA, type="message.deleted", amends=f"e{gone}", text=None, at=NOON + 9)
    await record_all(store, tenant, [message(number) for number in range(size)])
    await record_all(store, tenant, [deletion])
    await record_all(store, tenant, [message(number) for number in later])
    texts = {it.text for it in await timeline(store, tenant) if not it.deleted and it.text}
    assert texts == {f"words {number}" for number in (*range(size), *later) if number != gone}
    assert [it.status for it in await record(store, tenant, [message(gone), deletion])] == ["duplicate"] * 2
    (reused,) = await record(store, tenant, [message(gone, "what was taken back")])
    assert reused.code == "id_reused"


@pytest.mark.parametrize("size", SIZES)
async def test_a_reference_is_filed_once(store: Store, tenant: str, size: int) -> None:
    await record_all(store, tenant, [message(0)])
    anna = Participant(parse_identity(ANNA), "cc")
    events = [touchpoint(f"of {n}", "user:bob", participants=(anna,), at=NOON + n) for n in range(size)]
    await record_all(store, tenant, events)
    bob, hashes = home_of(store, tenant, "user:bob"), store.hashes(tenant)
    ids = [hashes.event("native", it.event_id) for it in events]
    assert [await refer(store, tenant, bob, id_) for id_ in ids] == [1] * size
    assert [await refer(store, tenant, bob, id_) for id_ in ids] == [0] * size
    assert await has_index(store, tenant) == (size + 1 > SHORT)
    assert {it.status for it in await record(store, tenant, [message(0)])} == {"duplicate"}
    assert len(await timeline(store, tenant)) == size + 1
