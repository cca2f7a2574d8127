"""Retention in a sealed store: sweeps open what they have to look at, and keep no keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from handoff.domain.evidence import Statement
from handoff.domain.identity import Assurance
from handoff.domain.retention.rules import RetentionRule
from handoff.domain.touchpoint import Touchpoint
from handoff.services.customers.links import Attribution, agent_evidence, write_evidence
from handoff.store.repositories.identities import HOLD
from handoff.store.repositories.recorder import Pointer
from handoff.store.repositories.retention.scan import ScanPlace
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.retention.test_sweep import (
    DECLARED,
    EXAMPLES,
    check_consistent,
    check_what_is_left,
    days_ago,
    everything_is_old,
    histories,
    members_of,
    policy_of,
    record_of,
    rule_sets,
    swept,
)
from tests.samples import handle, record_all, timeline, touchpoint

from .conftest import opened_sealed, sealing
from .test_timelines import field, home_of, unreadable


@settings(EXAMPLES, max_examples=8)
@given(histories(), st.lists(rule_sets, min_size=1, max_size=2), st.integers(0, 30))
async def test_what_is_left_is_inside_the_horizons(
    sealed_store: Store, events: list[Touchpoint], rules: list[list[RetentionRule]], cut: int
) -> None:
    await check_what_is_left(sealed_store, fresh_tenant(), events, cut, rules, [])


async def test_the_channel_of_a_sealed_touchpoint_counts(sealed_store: Store, tenant: str) -> None:
    """A declared channel has its name in the content, which is sealed."""
    texts = [touchpoint(f"e{n}", at=days_ago(20 + n), seq=n, channel=DECLARED) for n in range(40)]
    others = [touchpoint(f"o{n}", at=days_ago(20 + n), seq=100 + n, channel="branch") for n in range(3)]
    await record_all(sealed_store, tenant, [*texts, *others])
    policy = policy_of(
        tenant, RetentionRule(days=10, channels=[DECLARED]), RetentionRule(days=3000, channels=["branch"])
    )
    policy.replace(policy.rules, policy.tenants, [*policy.channels, "branch"])
    state = await swept(sealed_store, policy)
    assert state.deleted.touchpoints == {f"{DECLARED}/messages": 40}
    assert {it.channel for it in await timeline(sealed_store, tenant)} == {"branch"}


async def test_a_chain_of_sealed_edits_is_mended(sealed_store: Store, tenant: str) -> None:
    """Which touchpoint an edit amends is in its content. The clock of this one's sender was wrong."""
    edit: dict[str, Any] = {"type": "message.edited", "amends": "original", "text": "second"}
    original = touchpoint("original", at=days_ago(5), seq=1, text="first")
    await record_all(sealed_store, tenant, [original, touchpoint("edit", at=days_ago(20), seq=2, **edit)])
    home, id_ = home_of(sealed_store, tenant), sealed_store.hashes(tenant).event("native", "original")
    index = sealed_store.keys.index(home)
    assert await sealed_store.connection.call("HGET", index, b"a" + id_)
    await swept(sealed_store, policy_of(tenant, RetentionRule(days=10)))
    await check_consistent(sealed_store, tenant, "user:anna")
    assert await sealed_store.connection.call("HGET", index, b"a" + id_) is None
    assert [it.text for it in await timeline(sealed_store, tenant)] == ["first"]


async def test_an_identity_goes_with_its_key_and_what_agents_stated(sealed_store: Store, tenant: str) -> None:
    """Links and withdrawals of agents are sealed: whom they tie is read from them."""
    people = [handle(it, Assurance.VERIFIED) for it in ("user:anna", "user:otto")]
    await record_all(
        sealed_store, tenant, [touchpoint(f"e{n}", it, at=days_ago(20)) for n, it in enumerate(people)]
    )
    one, other = (home_of(sealed_store, tenant, str(it.identity)) for it in people)
    by = Attribution(who="mia", reason="the same voice")
    piece = agent_evidence(one, other, Statement.SAME, by)
    await write_evidence(sealed_store, tenant, piece)
    stored = await sealed_store.connection.call("HGET", sealed_store.keys.record(one), b"e" + piece.id)
    assert stored[8:9] == b"\x01"
    name, taken_back = b"w" + piece.id, msgpack.packb(["mia", days_ago(15), "another voice"])
    stated = await sealed_store.of(tenant).people.sealed(one, name, taken_back)
    assert b"voice" not in stated
    await sealed_store.recorder.point([Pointer(one, sealed_store.keys.record(one), ((name, stated),))])
    state = await swept(sealed_store, everything_is_old(policy_of(tenant, RetentionRule(days=10))))
    assert state.deleted.identities >= 2
    for home in (one, other):
        assert await sealed_store.connection.call("EXISTS", sealed_store.keys.record(home)) == 0
    await record_all(sealed_store, tenant, [touchpoint("new", at=days_ago(1))])
    assert [it.text for it in await timeline(sealed_store, tenant)] == ["text of new"]


async def test_what_does_not_open_stays_and_stops_nothing(sealed_store: Store, tenant: str) -> None:
    """A sweep passes over an identity without its key, deletes of all others, and logs it."""
    await record_all(sealed_store, tenant, [touchpoint("a", at=days_ago(20))])
    await record_all(sealed_store, tenant, [touchpoint("b", "user:bob", at=days_ago(20))])
    home = home_of(sealed_store, tenant)
    await sealed_store.connection.call("HDEL", sealed_store.keys.record(home), "k")
    with capture_logs() as logs:
        await swept(sealed_store, policy_of(tenant, RetentionRule(days=10)))
    assert "retention_cannot_read_identity" in {it["event"] for it in logs}
    assert len(await members_of(sealed_store, tenant, "user:anna")) == 1
    assert await members_of(sealed_store, tenant, "user:bob") == []


async def test_a_scan_leaves_no_keys_behind(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    """Of another worker, which opened none yet."""
    await record_all(sealed_store, tenant, [touchpoint(f"e{n}", f"user:u{n}") for n in range(50)])
    homes = {home_of(sealed_store, tenant, f"user:u{n}") for n in range(50)}
    async with opened_sealed(valkey, sealing(keys_folder), tenant) as other:
        place: ScanPlace | None = ScanPlace()
        plain: dict[bytes, bytes] = {}
        while place is not None:
            step = await other.identities.step(place)
            plain |= {it.home: it.plain for it in step.records}
            place = step.next
        assert {home for home in homes if plain[home]} == homes
        assert other.sealing is not None
        assert homes.isdisjoint(it.owner for it in other.sealing._opened.values())


async def test_a_key_is_opened_in_passing_as_otherwise(
    valkey: str, keys_folder: Path, sealed_store: Store, tenant: str
) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a"), touchpoint("b", "user:bob")])
    anna, bob = home_of(sealed_store, tenant), home_of(sealed_store, tenant, "user:bob")
    wrapped = await field(sealed_store, anna, "k") or b""
    async with opened_sealed(valkey, sealing(keys_folder), tenant) as other:
        keys = other.sealing
        assert keys is not None
        assert keys.passing_key(anna, None) is None
        assert unreadable(other) == {}
        assert keys.passing_key(bob, wrapped) is None, "another person's"
        assert keys.passing_key(anna, wrapped[:-1]) is None
        assert keys.passing_key(anna, bytes(8) + wrapped[8:]) is None, "of an epoch that is gone"
        assert unreadable(other) == {"key": 3}
        first = keys.passing_key(anna, wrapped)
        opened = keys.key(anna, wrapped)
        assert first is not None
        assert opened is not None
        assert first.secret == opened.secret
        assert keys.passing_key(anna, wrapped) is opened, "one that is open already"
        assert keys.passing_key(bob, wrapped) is None
        assert unreadable(other) == {"key": 4}


async def test_a_hold_is_sealed_and_stops_a_sweep(sealed_store: Store, tenant: str) -> None:
    await record_all(sealed_store, tenant, [touchpoint("a", at=days_ago(20))])
    home = home_of(sealed_store, tenant)
    await sealed_store.of(tenant).people.set_field(home, HOLD, b"\x93canary of a lawsuit")
    stored = await field(sealed_store, home, HOLD.decode())
    assert stored is not None
    assert b"canary" not in stored
    policy = policy_of(tenant, RetentionRule(days=10))
    await swept(sealed_store, policy)
    assert len(await members_of(sealed_store, tenant, "user:anna")) == 1
    record = await record_of(sealed_store, tenant, "user:anna")
    assert record is not None
    assert record.held
    await sealed_store.of(tenant).people.set_field(home, HOLD, None)
    await swept(sealed_store, policy)
    assert await members_of(sealed_store, tenant, "user:anna") == []


@pytest.mark.parametrize("broken", ["e", "w"])
async def test_a_record_whose_statements_do_not_open_stays(
    sealed_store: Store, tenant: str, broken: str
) -> None:
    """It ties unknown others, and its touchpoints go all the same."""
    await record_all(sealed_store, tenant, [touchpoint("a", at=days_ago(20))])
    home = home_of(sealed_store, tenant)
    noise = {"e": bytes(8) + b"\x01" + bytes(40), "w": b"\x01" + bytes(40)}[broken]
    name = broken.encode() + b"i" * 16
    await sealed_store.connection.call("HSET", sealed_store.keys.record(home), name, noise)
    await swept(sealed_store, everything_is_old(policy_of(tenant, RetentionRule(days=10))))
    assert await members_of(sealed_store, tenant, "user:anna") == []
    assert await sealed_store.connection.call("EXISTS", sealed_store.keys.record(home)) == 1
