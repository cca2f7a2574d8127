"""A sealed store: what it holds about a person opens with that person's key only."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from handoff.codec.body import LOCKED
from handoff.codec.member import read_member
from handoff.domain.errors import ConfigurationError, NotFound
from handoff.services.customers.customer import by_key
from handoff.services.timeline.recording import prepare, record
from handoff.store.repositories.recorder import DUPLICATE, REUSED, STORED, Recorded
from handoff.store.store import Store
from tests.conftest import opened
from tests.samples import NOON, record_all, timeline, touchpoint

from .conftest import destroy_key, opened_sealed, sealing

CANARY = "canary-4711"


async def stored(store: Store) -> bytes:
    """Everything in the store, keys and values, as one server dumps it."""
    found: list[bytes] = []
    keys = await store.connection.call("KEYS", "*")
    for key in keys:
        kind = (await store.connection.call("TYPE", key)).decode()
        if kind == "none":  # expired meanwhile
            continue
        reads: dict[str, tuple[Any, ...]] = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "zset": ("ZRANGE", key, 0, -1),
            "set": ("SMEMBERS", key),
            "list": ("LRANGE", key, 0, -1),
            "stream": ("XRANGE", key, "-", "+"),
        }
        found += [key, repr(await store.connection.call(*reads[kind])).encode()]
    return b"\n".join(found)


def home_of(store: Store, tenant: str, identity: str = "user:anna") -> bytes:
    return store.hashes(tenant).identity(touchpoint("x", identity).home.identity)


async def field(store: Store, home: bytes, name: str) -> bytes | None:
    found: bytes | None = await store.connection.call("HGET", store.keys.record(home), name)
    return found


def unreadable(store: Store) -> dict[str, int]:
    assert store.sealing is not None
    return store.sealing.unreadable


async def member_of(store: Store, home: bytes, at: int = 0) -> bytes:
    (raw,) = await store.connection.call("ZRANGE", store.keys.timeline(home), at, at)
    return bytes(raw)


async def test_nothing_of_a_touchpoint_is_in_clear(sealed_store: Store, tenant: str) -> None:
    stated = touchpoint(
        "a",
        f"user:{CANARY}-home",
        f"email:{CANARY}@example.com",
        text=f"{CANARY} text",
        subject=f"{CANARY} subject",
        data={CANARY: f"{CANARY} data"},
        traits={"name": f"{CANARY} name"},
        attachments=({"name": f"{CANARY}.pdf"},),
        actor={"name": f"{CANARY} actor"},
    )
    await record_all(sealed_store, tenant, [stated])
    assert CANARY.encode() not in await stored(sealed_store)
    (view,) = await timeline(sealed_store, tenant, f"user:{CANARY}-home")
    assert (view.text, view.subject) == (f"{CANARY} text", f"{CANARY} subject")
    assert view.identity == f"user:{CANARY}-home"


async def test_the_canary_is_found_in_a_clear_store(own_clear: Store, tenant: str) -> None:
    """The search above finds what is there."""
    await record_all(own_clear, tenant, [touchpoint("a", f"user:{CANARY}")])
    assert CANARY.encode() in await stored(own_clear)


@pytest.fixture
async def own_clear(fresh_valkey: str) -> Any:
    async with opened(fresh_valkey) as store:
        yield store


async def test_retries_and_reused_ids_are_recognised(sealed_store: Store, tenant: str) -> None:
    def item(text: str) -> Any:
        stated = touchpoint("a", text=text)
        return prepare(stated, sealed_store.hashes(tenant), sealed_store.keys)

    answers = await sealed_store.recorder.record([item("words"), item("words"), item("other words")])
    assert [it.status for it in answers if isinstance(it, Recorded)] == [STORED, DUPLICATE, REUSED]
    again = await sealed_store.recorder.record([item("words"), item("other words")])
    assert [it.status for it in again if isinstance(it, Recorded)] == [DUPLICATE, REUSED]


async def test_one_call_for_a_home_whose_key_is_known(sealed_store: Store, tenant: str) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a")])
    before = sealed_store.connection.round_trips
    await record_all(sealed_store, tenant, [touchpoint(f"e{n}") for n in range(20)])
    assert sealed_store.connection.round_trips == before + 1


async def test_a_new_home_costs_no_further_call(sealed_store: Store, tenant: str) -> None:
    before = sealed_store.connection.round_trips
    await record_all(
        sealed_store, tenant, [touchpoint("a"), touchpoint("b", "user:bob", "email:b@example.com")]
    )
    assert sealed_store.connection.round_trips == before + 1


async def test_a_home_that_another_server_sealed_costs_one_further_call(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a")])
    async with opened_sealed(valkey, sealing(keys_folder)) as other:
        before = other.connection.round_trips
        await record_all(other, tenant, [touchpoint("b", at=NOON + 1)])
        assert other.connection.round_trips == before + 2
        assert [it.text for it in await timeline(other, tenant)] == ["text of a", "text of b"]


async def test_two_servers_that_race_on_a_new_home_store_one_key_and_lose_nothing(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    async with opened_sealed(valkey, sealing(keys_folder)) as other:
        stores = (sealed_store, other)
        for round_ in range(10):
            home = f"user:racer{round_}"
            events = [touchpoint(f"{round_}-{n}", home, f"email:r{round_}@example.com") for n in range(12)]
            calls = [record(stores[n % 2], tenant, [it]) for n, it in enumerate(events)]
            results = await asyncio.gather(*calls)
            assert [it.status for (it,) in results] == ["accepted"] * 12
            for store in stores:
                texts = {it.text for it in await timeline(store, tenant, home)}
                assert texts == {f"text of {round_}-{n}" for n in range(12)}
    assert not unreadable(sealed_store)


async def test_another_persons_body_does_not_open(sealed_store: Store, tenant: str) -> None:
    """A body that was moved to another identity is shown as unreadable, and counted."""
    await record_all(sealed_store, tenant, [touchpoint("a", text="of anna"), touchpoint("b", "user:bob")])
    anna, bob = home_of(sealed_store, tenant), home_of(sealed_store, tenant, "user:bob")
    moved = await member_of(sealed_store, anna)
    await sealed_store.connection.call("DEL", sealed_store.keys.timeline(bob))
    await sealed_store.connection.call("ZADD", sealed_store.keys.timeline(bob), 0, moved)
    (view,) = await timeline(sealed_store, tenant, "user:bob")
    assert view.text is None
    assert view.data == {"name": "sealed_body"}
    assert unreadable(sealed_store)["body"] >= 1


async def test_another_persons_key_opens_nothing(sealed_store: Store, tenant: str) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a", text="of anna"), touchpoint("b", "user:bob")])
    anna, bob = home_of(sealed_store, tenant), home_of(sealed_store, tenant, "user:bob")
    key = await field(sealed_store, anna, "k")
    await sealed_store.connection.call("HSET", sealed_store.keys.record(bob), "k", key)
    with pytest.raises(NotFound):
        await by_key(sealed_store, tenant, bob)
    assert unreadable(sealed_store)["key"] >= 1


@pytest.mark.parametrize("where", ["nonce", "text", "tag", "type", "id"])
async def test_a_flipped_bit_is_found(sealed_store: Store, tenant: str, where: str) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a", text="of anna")])
    home = home_of(sealed_store, tenant)
    raw = await member_of(sealed_store, home)
    body_at = len(raw) - len(read_member(raw, home).raw[42:])
    at = {"nonce": body_at, "text": body_at + 14, "tag": len(raw) - 1, "type": 33, "id": 20}[where]
    changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
    member = read_member(changed, home, sealed_store.sealing and sealed_store.sealing.known(home))
    assert member.body().text is None
    assert read_member(raw, home, member.lock).body().text == "of anna"


async def test_flags_may_change(sealed_store: Store, tenant: str) -> None:
    """An edit marks the original; its sealed text still opens."""
    await record_all(sealed_store, tenant, [touchpoint("a", text="first")])
    edit = touchpoint("b", type="message.edited", amends="a", text="second", at=NOON + 1)
    await record_all(sealed_store, tenant, [edit])
    views = await timeline(sealed_store, tenant)
    assert views[0].text == "second"
    deletion = touchpoint("c", type="message.deleted", amends="a", text=None, at=NOON + 2)
    await record_all(sealed_store, tenant, [deletion])
    assert (await timeline(sealed_store, tenant))[0].deleted


async def test_a_destroyed_key_takes_everything_with_it(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    """Also for a process that has the key and the text in its caches, and also after a new beginning."""
    await record_all(sealed_store, tenant, [touchpoint("a", text="of anna")])
    assert (await timeline(sealed_store, tenant))[0].text == "of anna"
    home = home_of(sealed_store, tenant)
    old = await field(sealed_store, home, "k")
    async with opened_sealed(valkey, sealing(keys_folder)) as other:
        await destroy_key(other, home)
    with pytest.raises(NotFound):
        await by_key(sealed_store, tenant, home)
    await record_all(sealed_store, tenant, [touchpoint("b", "user:bob", "user:anna", at=NOON + 1)])
    await record_all(sealed_store, tenant, [touchpoint("c", text="later", at=NOON + 2)])
    assert await field(sealed_store, home, "k") not in (None, old)
    raw = await member_of(sealed_store, home)
    assert sealed_store.sealing is not None
    lock = sealed_store.sealing.key(home, await field(sealed_store, home, "k"))
    assert read_member(raw, home, lock).body() == LOCKED


async def test_a_known_key_is_never_set_again(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    """A process that has the destroyed key in memory writes with a new one."""
    await record_all(sealed_store, tenant, [touchpoint("a")])
    home = home_of(sealed_store, tenant)
    old = await field(sealed_store, home, "k")
    async with opened_sealed(valkey, sealing(keys_folder)) as other:
        await destroy_key(other, home)
    await record_all(sealed_store, tenant, [touchpoint("b", text="later", at=NOON + 1)])
    assert await field(sealed_store, home, "k") not in (None, old)
    assert [it.text for it in await timeline(sealed_store, tenant)] == [None, "later"]


async def test_what_was_stored_before_stays_readable(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with opened(fresh_valkey) as store:
        await record_all(store, tenant, [touchpoint("a", "user:anna", "email:a@example.com")])
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("b", text=CANARY, at=NOON + 1)])
        results = await record(store, tenant, [touchpoint("a"), touchpoint("b", text=CANARY)])
        assert [it.status for it in results] == ["duplicate", "duplicate"]
        assert [it.text for it in await timeline(store, tenant)] == ["text of a", CANARY]
        assert CANARY.encode() not in await stored(store)


async def test_a_sealed_store_does_not_open_without_its_keys(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await record_all(store, tenant, [touchpoint("a")])
    with pytest.raises(ConfigurationError, match="the store is sealed"):
        async with opened(fresh_valkey):
            pass
    with pytest.raises(ConfigurationError, match="not the master key"):
        async with opened_sealed(fresh_valkey, sealing(tmp_path, "another master key of 32 characters!")):
            pass
    with pytest.raises(ConfigurationError, match="missing"):
        async with opened_sealed(fresh_valkey, sealing(tmp_path / "elsewhere")):
            pass


async def test_a_store_of_an_older_format_is_not_sealed(fresh_valkey: str, tmp_path: Path) -> None:
    async with opened(fresh_valkey) as store:
        await store.connection.call("HSET", "handoff:meta", "format", 1)
    with pytest.raises(ConfigurationError, match="handoff store upgrade"):
        async with opened_sealed(fresh_valkey, sealing(tmp_path)):
            pass
