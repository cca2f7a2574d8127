"""The ledger forgets with everything else: erasure, retention, sealed stores; and it can be rebuilt."""

from __future__ import annotations

from pathlib import Path

from handoff.domain.clock import DAY, SECOND
from handoff.domain.ledger.entry import PROMISE
from handoff.domain.retention.rules import RetentionRule
from handoff.services.ledger.rebuilding import rebuild
from handoff.services.ledger.settling import LedgerRules, settle
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.samples import record_all, touchpoint
from tests.sealing.conftest import opened_sealed, sealing
from tests.store.servers import valkey_server

from .conftest import Ledger

RULES = LedgerRules()
WORDS = "I will call you about the cellar"


async def keys_of(store: Store, tenant: str) -> dict[bytes, int]:
    """How many keys and members the tenant's ledger has, by kind."""
    ledger = store.of(tenant).ledger
    lists = {b"timers": ledger.timers, b"watched": ledger.watched, b"all": ledger.listed(PROMISE)}
    counts = {name: await it.count() for name, it in lists.items()}
    pattern = b"{c." + tenant.encode() + b"}*"
    found = [key.partition(b"}")[2] for key in await store.connection.call(b"KEYS", pattern)]
    counts[b"records"] = sum(key[:1] == b"p" and len(key) == 17 for key in found)
    counts[b"homes"] = sum(key.startswith(b"z:ledger-home:") for key in found)
    return {name: count for name, count in counts.items() if count}


async def promised(store: Store, tenant: str, number: int, **fields: object) -> bytes:
    """Record a promise to a customer of its own, and settle it; the customer's home."""
    now = await store.of(tenant).clock()
    due = {"due": (now + DAY) // SECOND}
    one = touchpoint(
        f"m{number}",
        f"user:c{number}",
        **{"at": now, "type": "promise.made", "text": WORDS, "data": due} | fields,
    )
    await record_all(store, tenant, [one])
    home = store.hashes(tenant).identity(one.home.identity)
    await settle(store, tenant, home, RULES)
    return home


async def test_an_erasure_leaves_nothing_in_the_ledger(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600, text=WORDS)
    complaint = await ledger.happened("complaint.opened", text="This is unacceptable")
    other = await ledger.promised(3600, identities=["user:ben"], thread="other")
    await ledger.until({other: "open", id_: "open"}, ledger.states)
    await ledger.until([complaint], lambda: ids_of(ledger))
    customer = await ledger.customer()
    erasure = await ledger.ok("DELETE", f"/v1/customers/{customer}")

    async def state() -> str:
        return str((await ledger.ok("GET", f"/v1/erasures/{erasure['id']}"))["state"])

    await ledger.until("completed", state)
    assert list(await ledger.states()) == [other]
    assert await ledger.complaints() == []
    counts = await keys_of(ledger.server.store, ledger.tenant)
    assert counts == dict.fromkeys((b"timers", b"watched", b"all", b"records", b"homes"), 1)
    new = await ledger.promised(3600)  # a new history of the same person
    await ledger.until({new: "open", other: "open"}, ledger.states)


async def ids_of(ledger: Ledger) -> list[str]:
    return [it["id"] for it in await ledger.complaints()]


async def test_retention_deletes_entries_with_their_touchpoints_and_ended_ones(
    own_store: Store, tenant: str
) -> None:
    now = await own_store.of(tenant).clock()
    old, past = now - 40 * DAY, {"due": (now - 20 * DAY) // SECOND}
    await promised(own_store, tenant, 1, at=old, data={})
    kept = await promised(own_store, tenant, 2, at=now - 15 * DAY, data={"promise": "p", **past})
    end = touchpoint("k", "user:c2", at=now - 14 * DAY, type="promise.kept", data={"promise": "p"})
    await record_all(own_store, tenant, [end])
    await settle(own_store, tenant, kept, RULES)
    await promised(own_store, tenant, 3, at=now - 15 * DAY, data={})
    assert (await keys_of(own_store, tenant))[b"records"] == 3
    await own_store.horizons.refresh()
    rules = [RetentionRule(days=30, tenant=tenant), RetentionRule(control_days=10, tenant=tenant)]
    policy = RetentionPolicy(rules, [tenant], frozenset({"chat"}))
    state = await Sweeper(own_store, policy, "test").sweep()
    assert state.deleted.records == {"ledger": 2}
    counts = await keys_of(own_store, tenant)
    assert (counts[b"records"], counts[b"all"], counts[b"homes"]) == (1, 1, 1)


async def test_a_sealed_store_has_no_words_in_its_ledger(tmp_path: Path) -> None:
    tenant = fresh_tenant()
    with valkey_server() as url:
        async with opened_sealed(url, sealing(tmp_path), tenant) as store:
            await promised(store, tenant, 1)
            assert await keys_of(store, tenant)
            for key in await store.connection.call(b"KEYS", b"*"):
                assert b"user:c1" not in key
                if key.partition(b"}")[2][:1] == b"p" and key.startswith(b"{c."):
                    raw = await store.connection.call(b"GET", key)
                    assert b"chat" not in raw  # the channel, in clear otherwise


async def test_a_rebuild_finds_what_was_missed_and_continues(own_store: Store, tenant: str) -> None:
    now = await own_store.of(tenant).clock()
    due = {"due": (now + DAY) // SECOND}
    missed = [
        touchpoint(f"m{at}", f"user:c{at}", at=now, type="promise.made", text=WORDS, data=due)
        for at in range(20)
    ]
    others = [touchpoint(f"o{at}", f"user:o{at}", at=now) for at in range(20)]
    await record_all(own_store, tenant, [*missed, *others])
    async for interrupted in rebuild(own_store, [tenant], RULES, at_once=1):
        if interrupted.seen:
            break
    assert interrupted.place is not None
    states = [it async for it in rebuild(own_store, [tenant], RULES)]
    assert states[-1].place is None
    assert states[-1].seen > interrupted.seen  # continued, not started again
    assert states[-1].changed == 20
    assert (await keys_of(own_store, tenant))[b"records"] == 20
    again = [it async for it in rebuild(own_store, [tenant], RULES)]
    assert (again[-1].settled, again[-1].changed) == (20, 0)
