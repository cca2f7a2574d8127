"""Sentinel failovers and Cluster faults, with acknowledgements that wait for a replica."""

from __future__ import annotations

import asyncio

from handoff.domain.identity import Identity
from handoff.store.connection import Connection
from handoff.store.settings import StoreSettings
from handoff.store.store import open_store
from tests.faults.scenarios.cluster import NODE_TIMEOUT_S, cluster, cluster_behind_proxies, node_id
from tests.faults.scenarios.scenario import EVERYTHING, Scenario, Traffic
from tests.faults.scenarios.sentinel import (
    no_further_loopback,
    node_address,
    primary_of,
    sentinel,
    sentinel_address,
    whole_again,
)
from tests.faults.scenarios.stage import Stage
from tests.faults.scenarios.stores import start_again
from tests.store.servers import ask, wait_until

FAILOVER_S = 3.0
ISOLATED_S = 5.0
MOVED_SLOTS = 2000
OTHERS_S = 1.0
EVERY_SHARD = Traffic(senders=24, homes=24, mail=True, handoffs=True)


async def kill_the_primary(stage: Stage) -> None:
    killed = stage.backing.servers[primary_of(stage.backing)]
    killed.kill()
    await stage.recovered()
    await start_again(killed)
    await whole_again(stage.backing)


async def pause_the_primary(stage: Stage) -> None:
    paused = stage.backing.servers[primary_of(stage.backing)]
    paused.pause()
    try:
        await stage.recovered()
    finally:
        paused.resume()
    await whole_again(stage.backing)


async def isolate_the_primary(stage: Stage) -> None:
    """Cut the primary off from sentinels and replicas; the server still reaches every node."""
    backing = stage.backing
    isolated = primary_of(backing)
    nodes = [node_address(number) for number in range(len(backing.servers))]
    sentinels = [sentinel_address(number) for number in range(len(backing.sentinels))]
    for number, proxy in enumerate(backing.proxies):
        proxy.isolate([*nodes, *sentinels] if number == isolated else [nodes[isolated]])
    try:
        await stage.recovered()
    finally:
        for proxy in backing.proxies:
            proxy.heal()
    await whole_again(backing)


async def kill_a_primary_of_the_cluster(stage: Stage) -> None:
    """Only customers of this shard may notice."""
    killed = stage.dice.choice(stage.backing.servers[:3])
    stage.hurt_homes = await _homes_of(stage, killed.port)
    stage.others_outage_s = OTHERS_S
    killed.kill()
    await stage.recovered()


async def isolate_a_primary_of_the_cluster(stage: Stage) -> None:
    """Cut it off from all other nodes; the server still reaches every node. Only its customers may notice."""
    backing, isolated = stage.backing, 0
    addresses = [node_address(number) for number in range(len(backing.servers))]
    stage.hurt_homes = await _homes_of(stage, backing.servers[isolated].port)
    stage.others_outage_s = OTHERS_S
    for number, proxy in enumerate(backing.proxies):
        mine = number // 2 == isolated
        proxy.isolate(addresses if mine else [addresses[isolated]])
    try:
        await stage.recovered()
    finally:
        for proxy in backing.proxies:
            proxy.heal()


async def _homes_of(stage: Stage, port: int) -> frozenset[int]:
    """The customers whose timelines are on the primary at this port."""
    environment = stage.backing.environment
    settings = StoreSettings(url=environment["HANDOFF_STORE_URL"], durability="replicated")
    target = ("127.0.0.1", port)
    slots = _slots_of(port)
    found = set()
    async with Connection(settings) as connection, open_store(settings, connection) as store:
        for home in range(stage.ledger.homes):
            hash_ = store.hashes("default").identity(Identity("user", "", f"u{home}"))
            tag = store.keys.timeline(hash_).partition(b"}")[0].decode() + "}"
            if int(ask(target, "CLUSTER", "KEYSLOT", tag)[1:]) in slots:
                found.add(home)
    return frozenset(found)


def _slots_of(port: int) -> set[int]:
    lines = ask(("127.0.0.1", port), "CLUSTER", "NODES").splitlines()
    (mine,) = [line for line in lines if "myself" in line]
    ranges = [word.split("-") for word in mine.split()[8:] if not word.startswith("[")]
    return {slot for it in ranges for slot in range(int(it[0]), int(it[-1]) + 1)}


async def move_slots(stage: Stage) -> None:
    """Move a random range of slots between two primaries."""
    source, destination = stage.dice.sample(stage.backing.servers[:3], 2)
    slots = sorted(_slots_of(source.port))
    if not slots:
        return
    first = stage.dice.choice(slots)
    last = first
    while last + 1 in set(slots[slots.index(last) :]) and last - first < MOVED_SLOTS:
        last += 1
    words = ("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", str(first), str(last), "NODE", node_id(destination))
    reply = ask(("127.0.0.1", source.port), *words)
    assert reply == "+OK", reply
    await asyncio.to_thread(wait_until, lambda: first in _slots_of(destination.port))


SCENARIOS = (
    Scenario(
        key="sentinel-kill",
        title="Sentinel: primary killed",
        store=sentinel,
        disturb=kill_the_primary,
        rounds=3,
        outage_s=FAILOVER_S,
        traffic=EVERYTHING,
        needs=(no_further_loopback,),
    ),
    Scenario(
        key="sentinel-pause",
        title="Sentinel: primary paused (SIGSTOP), then resumed",
        store=sentinel,
        disturb=pause_the_primary,
        rounds=2,
        outage_s=FAILOVER_S,
        traffic=EVERYTHING,
        needs=(no_further_loopback,),
    ),
    Scenario(
        key="sentinel-partition",
        title="Sentinel: primary cut off from replicas and sentinels, not from the server",
        store=sentinel,
        disturb=isolate_the_primary,
        rounds=2,
        outage_s=ISOLATED_S,
        traffic=EVERYTHING,
        needs=(no_further_loopback,),
    ),
    Scenario(
        key="cluster-kill",
        title="Cluster: one of three primaries killed",
        store=cluster,
        disturb=kill_a_primary_of_the_cluster,
        runs=2,
        outage_s=NODE_TIMEOUT_S + 3,
        traffic=EVERY_SHARD,
    ),
    Scenario(
        key="cluster-partition",
        title="Cluster: one of three primaries cut off from all other nodes, not from the server",
        store=cluster_behind_proxies,
        disturb=isolate_a_primary_of_the_cluster,
        outage_s=NODE_TIMEOUT_S + ISOLATED_S,
        traffic=EVERY_SHARD,
        needs=(no_further_loopback,),
    ),
    Scenario(
        key="cluster-move",
        title="Cluster: slots moved between primaries",
        store=cluster,
        disturb=move_slots,
        rounds=6,
        outage_s=1.0,
        traffic=EVERY_SHARD,
    ),
)
