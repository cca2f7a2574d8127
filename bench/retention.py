"""Retention: the scan of all identities, and the cost of a sweep for senders."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.processes import valkey
from bench.rounds import Settings
from bench.table import Table, thousands
from handoff.domain.clock import DAY
from handoff.domain.identity import Handle, Identity, default_assurance
from handoff.domain.retention.rules import RetentionRule
from handoff.domain.touchpoint import CHANNELS, Touchpoint, default_direction
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper, SweepSettings
from handoff.services.timeline.recording import record
from handoff.store.connection import Connection
from handoff.store.repositories.identities import pack_identity
from handoff.store.repositories.retention.scan import ScanPlace
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store

IDENTITIES = 1_000_000
EACH = 5  # touchpoints of an identity that is swept
SENDERS = 16
SECONDS, LONGEST = 5.0, 30.0  # of sending alone, and of sending during a sweep, which it delays
LIMIT = 1.5  # times the p99 without a sweep
TENANT = "default"
FULL, SHORT = 1_000_000, 100_000  # touchpoints to sweep


def measure(settings: Settings, directory: Path) -> Table:
    """Scan, then sweep while senders record."""
    return asyncio.run(_measure(directory, FULL if settings.full else SHORT))


async def _measure(directory: Path, touchpoints: int) -> Table:
    with valkey(directory / "valkey", core=None) as (_process, path):
        chosen = StoreSettings(url=f"unix://{path}")
        async with Connection(chosen) as connection, open_store(chosen, connection) as store:
            print(f"  recording {touchpoints:,} touchpoints to sweep", flush=True)
            await _fill_swept(store, touchpoints)
            print("  sending without and during a sweep", flush=True)
            alone = await _send(store, "alone")
            sweeping = asyncio.create_task(_sweep(store))
            during = await _send(store, "during", sweeping)
            deleted, took = await sweeping
            print(f"  scanning {IDENTITIES:,} identities", flush=True)
            await _fill_records(store)
            found, scanned = await _scan(store)
    rows = (
        ("scan, identities", thousands(found), f"{scanned:.1f} s", f"{found / scanned:,.0f}/s"),
        ("sweep, touchpoints", thousands(deleted), f"{took:.1f} s", f"{deleted / took:,.0f}/s"),
        ("ingest p99, no sweep", thousands(len(alone)), f"{_p99(alone):.1f} ms", ""),
        (
            "ingest p99 during a sweep",
            thousands(len(during)),
            f"{_p99(during):.1f} ms",
            f"x {_p99(during) / _p99(alone):.2f} (at most {LIMIT} is promised)",
        ),
    )
    return Table(
        title="Retention: scan and sweep",
        columns=("what", "number", "time", "rate"),
        rows=rows,
        notes=(
            f"one process that sweeps at the default pace and records for {SENDERS} senders; "
            "`appendfsync always`; without HTTP",
            f"scan: `SCAN` and the proof of the tenant by hash, {IDENTITIES:,} records of identities",
        ),
    )


def _touchpoint(event: str, who: str, at: int) -> Touchpoint:
    home = Handle(Identity("user", "", who), default_assurance("user"))
    return Touchpoint(
        id_space="bench",
        event_id=event,
        source="bench",
        channel="chat",
        type="message.received",
        occurred_at=at,
        identities=(home,),
        direction=default_direction("message.received"),
        text="Where is my order? It was due on Monday.",
    )


def _now() -> int:
    return time.time_ns() // 1000


async def _fill_swept(store: Store, touchpoints: int) -> None:
    old = _now() - 100 * DAY
    for at in range(0, touchpoints, 2000):
        await record(
            store,
            TENANT,
            [_touchpoint(f"old{it}", f"u{it // EACH}", old + it) for it in range(at, at + 2000)],
            bulk=True,
        )


async def _send(
    store: Store, name: str, sweeping: asyncio.Task[tuple[int, float]] | None = None
) -> list[float]:
    """The milliseconds of each recording, one at a time for each sender: for SECONDS, or during a sweep."""
    spent: list[float] = []
    until = time.perf_counter() + (SECONDS if sweeping is None else LONGEST)

    async def sender(number: int) -> None:
        count = 0
        while time.perf_counter() < until and not (sweeping and sweeping.done()):
            count, begun = count + 1, time.perf_counter()
            await record(store, TENANT, [_touchpoint(f"{name}{number}.{count}", f"new{number}", _now())])
            spent.append((time.perf_counter() - begun) * 1e3)

    await asyncio.gather(*map(sender, range(SENDERS)))
    return spent


async def _sweep(store: Store) -> tuple[int, float]:
    policy = RetentionPolicy([RetentionRule(days=30)], [TENANT], CHANNELS)
    sweeper, begun = Sweeper(store, policy, "bench", SweepSettings(share=0.25)), time.perf_counter()
    while True:
        state = await sweeper.turn()
        if state is None or state.finished_at is not None:
            return (state.deleted.total if state else 0), time.perf_counter() - begun
        await asyncio.sleep(1.0)


async def _fill_records(store: Store) -> None:
    hashes = store.hashes(TENANT)
    for numbers in _batches(IDENTITIES, 2000):
        known = [Identity("user", "", f"scanned{it}") for it in numbers]
        await store.connection.answers(
            [
                (b"HSET", store.keys.record(hashes.identity(it)), b"v", pack_identity(it), b"f", bytes(8))
                for it in known
            ]
        )


def _batches(count: int, size: int) -> Iterator[range]:
    for at in range(0, count, size):
        yield range(at, min(at + size, count))


async def _scan(store: Store) -> tuple[int, float]:
    hashes, found, place = store.hashes(TENANT), 0, ScanPlace()
    begun = time.perf_counter()
    while True:
        step = await store.identities.step(place)
        for one in step.records:
            found += hashes.owns(one.home, Identity(*msgspec.msgpack.decode(one.plain)[:3]))
        if step.next is None:
            return found, time.perf_counter() - begun
        place = step.next


def _p99(spent: list[float]) -> float:
    return statistics.quantiles(spent, n=100)[98]
