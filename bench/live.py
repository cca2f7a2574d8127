"""Live: from a requested handoff to its event on the agent's stream, against a bare SSE echo.

The same client asks both servers, one request at a time and under load, and takes the time from
sending the request to reading the event.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct

from bench.contenders import AUTHORIZATION, ours
from bench.processes import SERVER_CORE, Failed, answers, free_port, python, running, wait_until
from bench.table import Table

REQUESTS = 200
LOADED_AT_ONCE = 16  # handoffs requested at the same time by as many platforms
TIMEOUT_S = 20.0
NAMES = {"echo": "bare SSE echo", "handoff": "handoff, requested → on the queue's stream"}

Ask = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


class Latency(Struct, frozen=True, kw_only=True):
    """Milliseconds from request to event."""

    median: float
    p99: float


def measure(directory: Path) -> Table:
    """Both servers, idle and under load, in turn."""
    found: dict[tuple[str, int], Latency] = {}
    with _echo(directory / "echo") as echo_url, ours(directory / "ours") as started:
        url = f"http://127.0.0.1:{started.target.port}"
        for at_once in (1, LOADED_AT_ONCE):
            found["echo", at_once] = asyncio.run(_time(echo_url, "/stream", _send, at_once))
            found["handoff", at_once] = asyncio.run(_time(url, "/v1/queues/bench/events", _request, at_once))
    rows = []
    for at_once in (1, LOADED_AT_ONCE):
        floor = found["echo", at_once]
        for name in ("echo", "handoff"):
            times = found[name, at_once]
            label = f"{NAMES[name]}, {at_once} at once"
            times = (f"{times.median / floor.median:.1f}", f"{times.p99 / floor.p99:.1f}")
            rows.append((label, f"{times.median:.2f}", f"{times.p99:.2f}", *times))
    return Table(
        title="Live: from a request to its event on a stream",
        columns=("server", "median ms", "p99 ms", "× echo's median", "× echo's p99"),
        rows=tuple(rows),
        notes=(
            f"{REQUESTS} requests each. A handoff pins its context, commits with an fsync and is read "
            "back from the store's outbox before the event is written; the echo does none of it.",
        ),
    )


@contextlib.contextmanager
def _echo(directory: Path) -> Iterator[str]:
    port = free_port()
    with running("echo", python("bench.rivals.echo", str(port)), directory, SERVER_CORE) as process:
        wait_until(lambda: answers(port, "/", ok=False), process)
        yield f"http://127.0.0.1:{port}"


async def _time(url: str, path: str, ask: Ask, at_once: int) -> Latency:
    seen: dict[str, float] = {}
    sent: dict[str, float] = {}
    async with (
        aiohttp.ClientSession(headers=dict(AUTHORIZATION)) as session,
        _reading(session, url + path, seen),
    ):
        names = (f"{at_once}-{number}" for number in itertools.count())
        for _turn in range(REQUESTS // at_once):
            turn = list(itertools.islice(names, at_once))
            await asyncio.gather(*(_one(session, url, ask, name, sent) for name in turn))
            await _until(seen, turn)
    taken = sorted((seen[name] - sent[name]) * 1000 for name in sent)
    return Latency(median=statistics.median(taken), p99=taken[int(len(taken) * 0.99)])


async def _one(session: aiohttp.ClientSession, url: str, ask: Ask, name: str, sent: dict[str, float]) -> None:
    sent[name] = time.perf_counter()
    await ask(session, f"{url}|{name}")


async def _send(session: aiohttp.ClientSession, what: str) -> None:
    url, _, name = what.partition("|")
    async with session.post(f"{url}/say", data=msgspec.json.encode({"reason": name})) as response:
        assert response.status == 201


async def _request(session: aiohttp.ClientSession, what: str) -> None:
    url, _, name = what.partition("|")
    body = {"identity": f"user:{name}", "to": {"channel": "chat", "queue": "bench"}, "reason": name}
    async with session.post(f"{url}/v1/handoffs", json=body) as response:
        if response.status != 201:
            raise Failed(f"a handoff request was answered {response.status}: {await response.text()}")


@contextlib.asynccontextmanager
async def _reading(session: aiohttp.ClientSession, url: str, seen: dict[str, float]) -> AsyncIterator[None]:
    """Read the stream and note when each event came."""
    begun = asyncio.Event()

    async def read() -> None:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=None)) as response:
            async for line in response.content:
                begun.set()
                if line.startswith(b"data: "):
                    reason = msgspec.json.decode(line[6:]).get("reason")
                    if reason:
                        seen.setdefault(reason, time.perf_counter())

    task = asyncio.create_task(read())
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await begun.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(seen: dict[str, float], names: list[str]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not all(name in seen for name in names):  # noqa: ASYNC110 - the times are taken elsewhere
            await asyncio.sleep(0.001)
