"""The relay's share of the ledger: what it costs where promises are watched."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from random import Random

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.clock import DAY, SECOND
from handoff.domain.identity import Assurance, parse_identity
from handoff.domain.ledger.entry import PROMISE
from handoff.services.customers.customer import by_key
from handoff.services.ledger.following import LedgerFollower
from handoff.services.ledger.settling import LedgerRules
from handoff.services.timeline.recording import record
from handoff.store.repositories.components import MAX_NEAR, read_surroundings
from handoff.store.store import Store
from tests.samples import handle, record_all, touchpoint


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


async def test_touchpoints_of_customers_without_entries_are_passed_over(
    own_store: Store, tenant: str
) -> None:
    part, key = own_store.of(tenant), _key(own_store, tenant)
    follower = LedgerFollower(own_store, LedgerRules())
    now = await part.clock()
    data = {"act": "call", "due": (now + DAY) // SECOND}
    promise = touchpoint("made", "user:anna", at=now - DAY, type="promise.made", text="I call", data=data)
    linked = touchpoint("linked", "user:anna", "anonymous:tab", at=now - DAY)
    claimed = touchpoint("claimed", "anonymous:tab", handle("email:a@b.example", Assurance.CLAIMED))
    other = touchpoint("other", "user:bo", "anonymous:pad", at=now - DAY)
    (made, *_) = await record_all(own_store, tenant, [promise, linked, claimed, other])
    home, id_ = own_store.hashes(tenant).private(TOUCHPOINT, made.id, 2)
    await follower.follow(tenant, (home, id_), "promise.made", quiet=False)

    names = ("user:anna", "anonymous:tab", "email:a@b.example", "user:bo", "anonymous:pad", "user:nobody")
    homes = {name: key(name) for name in names}
    await follower.look([tenant])
    assert not any(map(follower.passes_over, homes.values())), "nothing is known yet"
    await follower.look_ahead(tenant, list(homes.values()))
    passed = {name for name, home in homes.items() if follower.passes_over(home)}
    assert passed == {"user:bo", "anonymous:pad", "user:nobody"}
    for name, home in homes.items():
        assert follower.concerns(tenant, home, "message.received", quiet=False) is (name not in passed)
        assert follower.concerns(tenant, home, "promise.made", quiet=False), "it may open an entry"
    agents = LedgerFollower(own_store, LedgerRules(agents_confirm=frozenset({tenant})))
    await agents.look([tenant])
    await agents.look_ahead(tenant, [homes["user:bo"]])
    assert agents.concerns(tenant, homes["user:bo"], "message.sent", quiet=False), "it may promise"
    assert not agents.concerns(tenant, homes["user:bo"], "message.received", quiet=False)
    await follower.look([tenant])
    assert not any(map(follower.passes_over, homes.values())), "the next read asks again"


async def test_surroundings_hold_the_customer_whatever_links_there_are(own_store: Store, tenant: str) -> None:
    random, key = Random(5), _key(own_store, tenant)
    links = []
    for group in range(12):  # people with up to six identities, linked at random
        names = [f"{type_}:{group}-{number}" for type_, number in product(("user", "anonymous"), range(3))]
        names.append(f"email:{group}@x.example")
        links += [random.sample(names, random.choice((1, 2, 2, 3))) for _ in range(4)]
    links += [["user:crowd", f"anonymous:crowd-{number}"] for number in range(MAX_NEAR + 2)]
    assurances = (Assurance.VERIFIED, Assurance.VERIFIED, Assurance.CLAIMED)
    given = [[handle(it, random.choice(assurances)) for it in them] for them in links]
    await record_all(own_store, tenant, [touchpoint(f"e{at}", *them) for at, them in enumerate(given)])

    homes = {key(name) for them in links for name in them}
    near = await read_surroundings(own_store.connection, own_store.keys, homes)
    assert near.keys() == homes
    assert near[key("user:crowd")] is None, "too many to read"
    bounded = {home: around for home, around in near.items() if around is not None}
    assert sum(len(around) > 1 for around in bounded.values()) > 12
    for home, around in bounded.items():
        customer = await by_key(own_store, tenant, home)
        assert set(customer.group.members) <= around


def _key(store: Store, tenant: str) -> Callable[[str], bytes]:
    return lambda name: store.hashes(tenant).identity(parse_identity(name))
