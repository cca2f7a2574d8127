"""The relay's share of the ledger: what it costs where promises are watched."""

from __future__ import annotations

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.clock import DAY, SECOND
from handoff.domain.ledger.entry import PROMISE
from handoff.services.ledger.following import LedgerFollower
from handoff.services.ledger.settling import LedgerRules
from handoff.services.timeline.recording import record
from handoff.store.store import Store
from tests.samples import touchpoint


async def test_a_customer_is_settled_once_for_all_touchpoints_of_one_read(
    own_store: Store, tenant: str
) -> None:
    part, hashes = own_store.of(tenant), own_store.hashes(tenant)
    follower = LedgerFollower(own_store, LedgerRules())
    now = await part.clock()

    async def stored(name: str, ago: int, **fields: object) -> tuple[bytes, bytes]:
        one = touchpoint(name, "user:anna", at=now - ago * SECOND, **fields)
        (result,) = await record(own_store, tenant, [one])
        home, id_ = hashes.private(TOUCHPOINT, result.id, 2)
        return home, id_

    async def follow(place: tuple[bytes, bytes], type_: str) -> int:
        before = own_store.connection.round_trips
        await follower.follow(tenant, place, type_, quiet=False)
        return own_store.connection.round_trips - before

    data = {"act": "call", "due": (now + DAY) // SECOND}
    made = await stored("made", 300, type="promise.made", text="I will call", data=data)
    await follower.look([tenant])
    assert await follow(made, "promise.made") > 0
    asked = [await stored(f"asked-{at}", 200 - at, text=f"When, {at}?") for at in range(3)]
    await follower.look([tenant])
    assert [await follow(it, "message.received") > 0 for it in asked] == [True, False, False]
    call = await stored("call", 100, channel="phone", type="call.ended", data={"duration_s": 60})
    await follower.look([tenant])
    assert await follow(call, "call.ended") > 0
    assert await part.ledger.listed(PROMISE, "kept").count() == 1
