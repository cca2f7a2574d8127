"""Webhooks: the delay that dead subscribers cause for the others.

Two servers with 1 000 subscriptions each send all of them one handoff after the other, in turn. At one,
all subscribers respond; at the other, a tenth dies: most hang, some refuse connections. The delay is from the
handoff request to the message at a subscriber, for the nine tenths that are alive at both.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from bench.contenders import AUTHORIZATION, ours
from bench.processes import Failed, free_port
from bench.table import Table

SUBSCRIBERS = 1000
DEAD = 100
REFUSING = 20  # of the dead: the others hang, which is worse, as each attempt takes all of its time
EVENTS = 10  # measured at either server
WARM_UP = 3
PATIENCE_S = 60.0  # for one event at everybody who is alive
FILES = 8192  # listening sockets and connections, of each process
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Delay(Struct, frozen=True, kw_only=True):
    """Milliseconds from the request to the message; `p99` and `last` are the median event's, `worst` is
    the last message of the slowest event."""

    p50: float
    p99: float
    last: float
    worst: float


class Message(Struct, frozen=True):
    """The parts of a message that are measured."""

    subject: str


@dataclass
class Subscribers:
    """Subscribers with an address each. `seen` has the arrivals by handoff and host."""

    port: int
    hanging: frozenset[str] = frozenset()
    seen: dict[str, dict[str, float]] = field(default_factory=dict)
    sites: dict[str, web.TCPSite] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        host = request.host.partition(":")[0]
        message = msgspec.json.decode(await request.read(), type=Message)
        if host in self.hanging:
            await asyncio.sleep(3600)
        self.seen.setdefault(message.subject, {}).setdefault(host, time.perf_counter())
        return web.Response(status=204)

    async def die(self) -> None:
        """From now on a tenth of them hangs or refuses."""
        self.hanging = frozenset(DYING[REFUSING:])
        for host in DYING[:REFUSING]:
            await self.sites[host].stop()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/hooks", self.take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            for host in HOSTS:
                self.sites[host] = web.TCPSite(runner, host, self.port)
                await self.sites[host].start()
            yield
        finally:
            await runner.cleanup()


HOSTS = tuple(f"127.1.{number // 200}.{number % 200 + 1}" for number in range(SUBSCRIBERS))
"""Different hosts, because connections are limited by host. All of 127.0.0.0/8 is loopback (Linux)."""
DYING, LIVING = HOSTS[:: SUBSCRIBERS // DEAD], frozenset(HOSTS) - set(HOSTS[:: SUBSCRIBERS // DEAD])


def measure(directory: Path) -> Table:
    """Both servers, in turn. Failed when a message does not come."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))  # the servers inherit it
    subscribers = [Subscribers(port=free_port()) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        urls = []
        for number, its in enumerate(subscribers):
            server = ours(directory / str(number), _hooks(its.port))
            urls.append(f"http://127.0.0.1:{stack.enter_context(server).target.port}")
        alive, dead = asyncio.run(_interleaved(urls, subscribers))
    rows = []
    for label, figures in ((f"all {SUBSCRIBERS} answer", alive), (f"{DEAD} of them dead", dead)):
        ratios = (f"{figures.p50 / alive.p50:.2f}", f"{figures.p99 / alive.p99:.2f}")
        delays = (f"{delay:.0f}" for delay in (figures.p50, figures.p99, figures.last, figures.worst))
        rows.append((label, *delays, *ratios))
    return Table(
        title="Webhooks: what dead subscribers cost the others",
        columns=("subscribers", "p50 ms", "p99 ms", "last ms", "worst ms", "× p50", "× p99"),
        rows=tuple(rows),
        notes=(
            f"{EVENTS} handoffs, each a message to {SUBSCRIBERS} subscriptions, at either server in turn; "
            f"delays of the same {len(LIVING)}. {DEAD - REFUSING} of the dead hang, the others refuse "
            "connections; the first events are those that find them dead.",
            "The delay is mostly one core's time to sign and send so many messages; “p99” and "
            "“last” are those of the median event, “worst” is the last message of the slowest one.",
        ),
    )


def _hooks(port: int) -> str:
    """The subscriptions, as configuration."""
    return "".join(
        f"""
[[webhooks]]
url = "http://{host}:{port}/hooks"
types = ["handoff.requested"]
secret = "{SECRET}"
allow_insecure = true
allow_networks = ["127.0.0.0/8"]
"""
        for host in HOSTS
    )


async def _interleaved(urls: Sequence[str], subscribers: Sequence[Subscribers]) -> list[Delay]:
    """One event at either server in turn, so that a machine that gets slower does so for both."""
    found: list[list[list[float]]] = [[], []]
    async with contextlib.AsyncExitStack() as stack:
        sessions = []
        for url, its in zip(urls, subscribers, strict=True):
            await stack.enter_async_context(its.listening())
            session = aiohttp.ClientSession(url, headers=dict(AUTHORIZATION))
            sessions.append(await stack.enter_async_context(session))
        for number in range(WARM_UP):
            for session, its in zip(sessions, subscribers, strict=True):
                await _measure_delivery(session, its, frozenset(HOSTS), f"warm-{number}")
        await subscribers[1].die()
        for number in range(EVENTS):
            for session, its, delays in zip(sessions, subscribers, found, strict=True):
                delays.append(await _measure_delivery(session, its, LIVING, f"event-{number}"))
    return [_delay(it) for it in found]


def _delay(events: list[list[float]]) -> Delay:
    return Delay(
        p50=statistics.median(delay for event in events for delay in event),
        p99=statistics.median(sorted(event)[int(len(event) * 0.99)] for event in events),
        last=statistics.median(max(event) for event in events),
        worst=max(max(event) for event in events),
    )


async def _measure_delivery(
    session: aiohttp.ClientSession, subscribers: Subscribers, whom: frozenset[str], name: str
) -> list[float]:
    """Request a handoff. Returns the milliseconds until each of `whom` received its message."""
    body = {"identity": f"user:{name}", "to": {"channel": "chat", "queue": "bench"}, "reason": name}
    asked = time.perf_counter()
    async with session.post("/v1/handoffs", json=body) as response:
        if response.status != 201:
            raise Failed(f"a handoff request was answered {response.status}: {await response.text()}")
        id_ = (await response.json())["id"]
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not whom <= subscribers.seen.get(id_, {}).keys():  # noqa: ASYNC110 - others fill it
                await asyncio.sleep(0.01)
    except TimeoutError as error:
        missing = len(whom - subscribers.seen.get(id_, {}).keys())
        raise Failed(f"{missing} subscribers received nothing about {name} in {PATIENCE_S:.0f} s") from error
    return [(subscribers.seen[id_][host] - asked) * 1000 for host in whom]
