"""One primary of a Cluster that is gone or hangs stops what concerns it, nothing else."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from handoff.domain.errors import HandoffError, Overloaded, StoreUnavailable
from handoff.services.timeline.recording import prepare, record
from handoff.store.repositories.recorder import MAX_WAITING, Recorded
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.samples import timeline, touchpoint
from tests.store.servers import Server, ask, cluster_servers, replicated_cluster, wait_until

TIMEOUT_S = 2.0
_events = itertools.count()


class Homes:
    """Identities of a tenant by which primary holds their timelines."""

    def __init__(self, store: Store, hurt: Server) -> None:
        self.store = store
        self.tenant = fresh_tenant()
        self._hurt = hurt.port
        names = [f"user:u{number}" for number in range(60)]
        self.hurt = [name for name in names if self._port(name) == hurt.port]
        self.sound = [name for name in names if self._port(name) != hurt.port]
        mails = [f"email:m{number}@example.com" for number in range(60)]
        self.hurt_mails = [name for name in mails if self._port(name) == hurt.port]
        self.sound_mails = [name for name in mails if self._port(name) != hurt.port]

    def _port(self, name: str) -> int:
        key = self.store.hashes(self.tenant).identity(touchpoint("x", name).home.identity)
        place = self.store.connection.primary_of(self.store.keys.timeline(key))
        assert place is not None
        return place[1]


class Lateness:
    """How much later than asked this process's event loop woke up, in all: a busy machine's doing."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.02)
            self.seconds += max(time.monotonic() - began - 0.03, 0.0)


class Load:
    """Senders that send one touchpoint after the other; what was acknowledged, and how long each took."""

    def __init__(self, homes: Homes, lateness: Lateness) -> None:
        self._homes = homes
        self._lateness = lateness
        self._tasks: list[asyncio.Task[None]] = []
        self.acknowledged: list[tuple[str, str]] = []
        self.refused: list[str] = []
        self.longest: dict[str, float] = {}
        """Seconds of the longest wait for each outcome, less what the event loop itself was late."""

    def send(self, *identities: str) -> None:
        self._tasks.append(asyncio.create_task(self._send(identities)))

    async def _send(self, identities: tuple[str, ...]) -> None:
        while True:
            event = f"event{next(_events)}"
            outcome, began = "acknowledged", time.monotonic() - self._lateness.seconds
            try:
                sent = [touchpoint(event, *identities)]
                (result,) = await record(self._homes.store, self._homes.tenant, sent)
                self.acknowledged.append((identities[0], result.id))
            except StoreUnavailable as error:
                outcome = str(error.fields.get("reason"))
                self.refused.append(outcome)
            took = time.monotonic() - self._lateness.seconds - began
            self.longest[outcome] = max(self.longest.get(outcome, 0.0), took)

    async def rate(self, seconds: float) -> float:
        """Acknowledgements a second from now on."""
        before, began = len(self.acknowledged), time.monotonic()
        await asyncio.sleep(seconds)
        return (len(self.acknowledged) - before) / (time.monotonic() - began)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def sending(homes: Homes) -> AsyncIterator[tuple[Load, Load]]:
    """Senders to sound primaries, and those whose touchpoints or what leads to them need the hurt one."""
    lateness = Lateness()
    watching = asyncio.create_task(lateness.watch())
    sound, hurt = Load(homes, lateness), Load(homes, lateness)
    for number in range(12):
        sound.send(homes.sound[number])
        sound.send(homes.sound[number], homes.sound_mails[number])
        hurt.send(homes.hurt[number % len(homes.hurt)])
        hurt.send(homes.sound[-1 - number], homes.hurt_mails[number % len(homes.hurt_mails)])
    try:
        yield sound, hurt
    finally:
        await sound.stop()
        await hurt.stop()
        watching.cancel()


@pytest.mark.parametrize("how", [Server.kill, Server.pause], ids=["killed", "hung"])
async def test_the_others_go_on_and_after_the_failover_all_do(how: Callable[[Server], None]) -> None:
    with replicated_cluster(cluster_replica_no_failover="yes") as (primaries, replicas):
        url = f"redis+cluster://127.0.0.1:{primaries[0].port},127.0.0.1:{primaries[1].port}"
        async with opened(url, durability="replicated", timeout_s=TIMEOUT_S) as store:
            homes = Homes(store, primaries[2])
            async with sending(homes) as (sound, hurt):
                before = await sound.rate(1.0)
                how(primaries[2])
                during = await sound.rate(3.0)
                assert during >= before / 2
                # A slow replica of a sound primary on a busy machine is not the hurt primary's doing.
                others = [reason for reason in sound.refused if reason != "not_replicated"]
                assert len(others) <= len(sound.acknowledged) / 20
                assert "connection" in hurt.refused or "timeout" in hurt.refused
                elected = ("127.0.0.1", replicas[2].port)
                ask(elected, "CONFIG", "SET", "cluster-replica-no-failover", "no")
                await asyncio.to_thread(
                    wait_until, lambda: "role:master" in ask(elected, "INFO", "replication")
                )
                known = len(hurt.acknowledged)
                async with asyncio.timeout(10):
                    while len(hurt.acknowledged) == known:  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                for load in (sound, hurt):
                    waits = {why: took for why, took in load.longest.items() if why != "not_replicated"}
                    assert max(waits.values()) < TIMEOUT_S + 1, load.longest
                await sound.stop()
                await hurt.stop()
            for home in {home for home, _event in (*sound.acknowledged, *hurt.acknowledged)}:
                stored = {it.id for it in await timeline(store, homes.tenant, home)}
                assert {id_ for of, id_ in (*sound.acknowledged, *hurt.acknowledged) if of == home} <= stored


async def test_a_primary_that_hangs_gets_its_share_of_what_waits_and_no_more() -> None:
    with cluster_servers(cluster_require_full_coverage="no") as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        async with opened(url, timeout_s=TIMEOUT_S) as store:
            homes = Homes(store, nodes[2])
            hashes = store.hashes(homes.tenant)
            hurt = prepare(touchpoint("hurt", homes.hurt[0]), hashes, store.keys)
            sound = prepare(touchpoint("sound", homes.sound[0]), hashes, store.keys)
            more_than_its_share = MAX_WAITING // 3 + 5
            began = time.monotonic()
            await store.recorder.record([sound] * more_than_its_share)
            pace_s = time.monotonic() - began
            nodes[2].pause()
            began = time.monotonic()
            full = asyncio.create_task(store.recorder.record([hurt] * more_than_its_share))
            await asyncio.sleep(0)
            (stored,) = await store.recorder.record([sound])
            assert isinstance(stored, Recorded)
            assert not full.done(), "the sound primary waits for no deadline of the hurt one"
            refused = await full
            assert time.monotonic() - began < TIMEOUT_S + 1 + pace_s
            assert sum(isinstance(it, Overloaded) for it in refused) in range(4, 7)
            assert all(isinstance(it, HandoffError) for it in refused)
            assert store.recorder.waiting == 0
            nodes[2].resume()
            async with asyncio.timeout(10):
                while not isinstance((await store.recorder.record([hurt]))[0], Recorded):
                    pass


async def test_items_of_one_home_keep_their_order_whether_or_not_they_lead_elsewhere() -> None:
    with cluster_servers() as nodes:
        url = f"redis+cluster://127.0.0.1:{nodes[0].port}"
        async with opened(url) as store:
            homes = Homes(store, nodes[2])
            hashes = store.hashes(homes.tenant)
            leading = (homes.sound[0], homes.hurt_mails[0])
            batch = [
                prepare(
                    touchpoint(f"e{number}", *(leading if number % 3 == 0 else leading[:1])),
                    hashes,
                    store.keys,
                )
                for number in range(60)
            ]
            answers = await store.recorder.record(batch)
            places = [(it.arrival, it.place) for it in answers if isinstance(it, Recorded)]
            assert len(places) == 60
            assert places == sorted(places)
