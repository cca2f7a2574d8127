"""Admission: healthy requests while strangers hold connections and bodies, or another tenant floods."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from bench.attacks import CUSTOMERS, Attack, answered, message, request, touchpoint
from bench.contenders import Started, ours
from bench.processes import LOAD_CORE, Failed, pinned, python
from bench.table import Table

NEIGHBOUR = "benchmark-neighbour-0123456789ab"
FLOODER = "benchmark-flooder-0123456789abcd"
CONFIG = f"""
[[tokens]]
name = "neighbour"
tenant = "neighbour"
scopes = ["touchpoints:write"]
secret = "{NEIGHBOUR}"

[[tokens]]
name = "flooder"
tenant = "flooder"
scopes = ["touchpoints:write", "context:read"]
secret = "{FLOODER}"

[[sources]]
name = "shop"
adapter = "web.segment"
secrets = ["benchmark-write-key-0123"]
"""
RATE = 200.0
LIMITED = f"\n[limits]\ntenant_per_s = 2000\ntoken_per_s = {RATE}\n"
CONNECTIONS = 4  # healthy clients
PAUSE_S = 0.02  # between two requests of one: together 200 a second, within RATE
ALONE_S, FLOOD_S = 3.0, 4.0
CLOSED_S = 20.0  # an attack that the server does not end is given up
SETTLED_S = 3.0  # after an attack, before the memory is read
POLL_S = 0.05


class Case(Struct, frozen=True):
    """One attack: its name in the table, its kind in `bench.attacks`, and its connections."""

    name: str
    kind: str
    count: int
    seconds: float = CLOSED_S


SLOW = (
    Case("1 000 slow heads", "slow_head", 1_000),
    Case("1 000 slow bodies", "slow_body", 1_000),
    Case("200 unfinished bodies of 4 MiB", "unfinished_body", 200),
)
FLOODS = (
    Case("another tenant's flood of touchpoints", "flood", 64, FLOOD_S),
    Case("another tenant's flood of contexts", "reads", 64, FLOOD_S),
    Case("another tenant's flood of contexts of 1 000 touchpoints", "long_reads", 64, FLOOD_S),
)
HISTORY = 200  # touchpoints of the customer whose contexts are read
LONG = 1_000  # touchpoints of each customer whose context is usually not remembered


class Healthy:
    """Requests of a well-behaved tenant, at an even pace, and their latencies in milliseconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._number = 0

    async def during(self, seconds: float, attack: asyncio.Future[Attack] | None = None) -> list[float]:
        """Latencies, sorted, for some seconds or until the attack is over."""
        taken: list[float] = []
        end = time.monotonic() + seconds
        await asyncio.gather(*(self._one(end, attack, taken) for _ in range(CONNECTIONS)))
        return sorted(taken)

    async def _one(self, end: float, attack: asyncio.Future[Attack] | None, taken: list[float]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            while not attack.done() if attack is not None else time.monotonic() < end:
                self._number += 1
                begun = time.perf_counter()
                writer.write(touchpoint(f"healthy-{self._number}", NEIGHBOUR))
                status = await answered(reader)
                taken.append((time.perf_counter() - begun) * 1000)
                if status != 200:
                    raise Failed(f"a healthy request was answered {status}")
                await asyncio.sleep(PAUSE_S)
        finally:
            writer.transport.abort()


class Memory:
    """Resident memory of a server, in MiB: at first, and its peak while it is watched."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.before = self.peak = self.now()

    def now(self) -> float:
        stated = Path(f"/proc/{self._pid}/status").read_text()
        return int(stated.partition("VmRSS:")[2].split()[0]) / 1024

    async def watch(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            await asyncio.sleep(POLL_S)


def measure(directory: Path) -> Table:
    """Each attack on one server, then one tenant's flood on servers without and with rates."""
    rows: list[tuple[str, ...]] = []
    with ours(directory / "slow", more=CONFIG) as started:
        rows += [asyncio.run(_row(case, started)) for case in SLOW]
        asyncio.run(_history(started.target.port))
        rows += [asyncio.run(_row(case, started)) for case in FLOODS]
    with ours(directory / "limited", more=CONFIG + LIMITED) as started:
        name = f"{FLOODS[0].name}, token_per_s = {RATE:.0f}"
        rows.append(asyncio.run(_row(structs.replace(FLOODS[0], name=name), started)))
    return Table(
        title="Admission: healthy requests during attacks",
        columns=(
            "attack",
            "p50 ms, alone",
            "p50 ms",
            "p99 ms, alone",
            "p99 ms",
            "p99 × alone",
            "closed",
            "last after s",
            "MiB before",
            "peak",
            "after",
        ),
        rows=tuple(rows),
        notes=(
            f"healthy: {CONNECTIONS} connections, together at most {CONNECTIONS / PAUSE_S:.0f} touchpoints a "
            f"second, each fsynced before the answer; alone: {ALONE_S:.0f} s just before the attack",
            "the attackers share a core with the store and the healthy clients, at the lowest priority",
            f"after: resident memory {SETTLED_S:.0f} s after the attack",
        ),
    )


async def _history(port: int) -> None:
    """Record the customers whose contexts the floods read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(HISTORY):
        writer.write(touchpoint(f"read-{number}", FLOODER, "read"))
        if await answered(reader) != 200:
            raise Failed("a touchpoint of the history was refused")
    for customer in range(CUSTOMERS):
        who = f"long-{customer}"
        history = [message(f"{who}-{number}", who, number) for number in range(LONG)]
        writer.write(request("/v1/touchpoints", FLOODER, msgspec.json.encode(history)))
        if await answered(reader) != 200:
            raise Failed("a long history was refused")
    writer.close()


async def _row(case: Case, started: Started) -> tuple[str, ...]:
    print(f"  {case.name}", flush=True)
    healthy, memory = Healthy(started.target.port), Memory(started.process.popen.pid)
    alone = await healthy.during(ALONE_S)
    attack = asyncio.ensure_future(_attack(case, started.target.port))
    watching = asyncio.ensure_future(memory.watch())
    during = await healthy.during(0, attack)
    found = await attack
    await asyncio.sleep(SETTLED_S)
    watching.cancel()
    started.process.check()
    p99, p99_alone = _at(during, 0.99), _at(alone, 0.99)
    return (
        case.name,
        f"{_at(alone, 0.5):.2f}",
        f"{_at(during, 0.5):.2f}",
        f"{p99_alone:.1f}",
        f"{p99:.1f}",
        f"{p99 / p99_alone:.1f}",
        f"{found.closed}/{case.count}" if case in SLOW else "-",
        f"{found.last_s:.1f}" if found.last_s else "-",
        *(f"{it:.0f}" for it in (memory.before, memory.peak, memory.now())),
    )


async def _attack(case: Case, port: int) -> Attack:
    """Run the attack in a process of its own."""
    arguments = case.kind, str(port), str(case.seconds), str(case.count), FLOODER
    command = pinned(LOAD_CORE, python("bench.attacks", *arguments))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        out, _ = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode:
        raise Failed(f"the attack ended with {process.returncode}")
    return msgspec.json.decode(out, type=Attack)


def _at(ordered: list[float], share: float) -> float:
    if not ordered:
        raise Failed("no healthy request was answered")
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
