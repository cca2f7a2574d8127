"""Reads of a desktop and an export: a whole context, and a history to its end, against fixed bytes."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct
from redis import Redis

from bench.contenders import UNCACHED, Started, afternoon, fixed, ours
from bench.lives import Life, identity, live, touchpoint
from bench.load import request
from bench.processes import Failed
from bench.rivals.afternoon import fields, key
from bench.rounds import (
    FIGURES,
    Lane,
    Settings,
    call,
    figures,
    how,
    interleaved,
    no_refusals,
    same,
    together,
)
from bench.table import Table, spread, thousands

KNOWN = Life(name="known", identities=10, touchpoints=1_000)
LONG = Life(name="long", identities=1, touchpoints=10_000)
CONNECTIONS = 16
PAGE = 500  # touchpoints a request: the most that is given
READS, FLOOR_READS = 3, 60  # whole reads in a round: the fast ones repeat to be measurable


def contexts(settings: Settings, directory: Path) -> Table:
    """One customer's context, cached and rebuilt, against a handler that returns the same bytes."""
    asked, path = msgspec.json.encode({"identities": [identity(KNOWN, 0)]}), "/v1/context"
    with together({"handoff": ours}, directory) as servers:
        started = servers["handoff"]
        live(started, KNOWN)
        body = call(started, path, asked)
        _check_context(body)
        with fixed(directory / "fixed", body) as floor:
            ways = {
                "fixed": (floor, "/", ()),
                "cached": (started, path, ()),
                "rebuilt": (started, path, UNCACHED),
            }
            lanes = []
            for name, (server, where, headers) in ways.items():
                target = msgspec.structs.replace(server.target, path=where)
                fire = same(target, request(target, asked, headers), directory / f"to-{name}", CONNECTIONS)
                lanes.append(Lane(key=name, name=name, started=server, fire=fire))
            found = interleaved(lanes, settings)
        for name in ("cached", "rebuilt"):
            no_refusals(f"handoff, {name}", found[name])
    names = {
        "fixed": "bare aiohttp, the same bytes",
        "cached": "handoff, cached: nothing has changed",
        "rebuilt": "handoff, rebuilt each time",
    }
    return Table(
        title="A context: 10 identities, 1 000 touchpoints, the newest 50 shown",
        columns=("server", *FIGURES),
        rows=tuple((names[it.key], *figures(found[it.key], found["fixed"])) for it in lanes),
        notes=(
            how(settings),
            f"`POST /v1/context`: {thousands(len(body))} bytes of JSON, {CONNECTIONS} connections",
            "rebuilt: `Cache-Control: no-store`, as after a new touchpoint or 10 s without a request",
        ),
    )


def _check_context(body: bytes) -> None:
    found = msgspec.json.decode(body)
    timeline, known = found["timeline"], found["customer"]["identities"]
    counted = (timeline["total"], timeline["returned"], len(known))
    if counted != (KNOWN.touchpoints, 50, KNOWN.identities):
        raise Failed(f"touchpoints, shown and identities of the context are {counted}")


class Reading(Struct, frozen=True, kw_only=True):
    """A server and how a whole history is read from it: the bytes it answered, and how many items."""

    name: str
    started: Started
    read: Callable[[http.client.HTTPConnection], tuple[int, int]]


def histories(settings: Settings, directory: Path) -> Table:
    """A history of 10 000 to its end, in turn, each against a handler that answers with as many bytes."""
    with together({"handoff": ours, "afternoon": afternoon}, directory) as servers:
        live(servers["handoff"], LONG)
        _live_afternoon(servers["afternoon"])
        by_cursor = _by_cursor(servers["handoff"])
        export = _export(servers["handoff"])
        at_once = _whole(f"/history?customer={identity(LONG, 0)}", count=True)
        readings = [
            Reading(name=f"handoff, pages of {PAGE} by cursor", started=servers["handoff"], read=by_cursor),
            Reading(name="handoff, the export", started=servers["handoff"], read=export),
            Reading(name="aiohttp + redis-py, `XRANGE` and json", started=servers["afternoon"], read=at_once),
        ]
        rows = []
        for number, reading in enumerate(readings):
            with _connected(reading.started) as connection:
                size, _ = reading.read(connection)
            with fixed(directory / f"fixed-{number}", b"0" * size) as started:
                floor = Reading(name="", started=started, read=_whole("/", count=False))
                rows.append(_compared(reading, floor, settings.rounds))
    return Table(
        title="A whole history over HTTP: 10 000 touchpoints",
        columns=("server", "server CPU, ms", "a fixed body's", "×", "bytes", "items returned"),
        rows=tuple(rows),
        notes=(
            f"{settings.rounds} rounds with the handler that answers with a body of the same size in turn, "
            "one reader at a time; median (quartiles)",
        ),
    )


def _compared(reading: Reading, floor: Reading, rounds: int) -> tuple[str, ...]:
    turns = [(_read(reading, READS), _read(floor, FLOOR_READS)) for _ in range(rounds)]
    _, size, items = turns[0][0]
    return (
        reading.name,
        spread([mine for (mine, *_), _ in turns], 1),
        spread([least for _, (least, *_) in turns], 1),
        spread([mine / least for (mine, *_), (least, *_) in turns], 1),
        thousands(size),
        thousands(items),
    )


def _read(reading: Reading, times: int) -> tuple[float, int, int]:
    """CPU milliseconds of the server for one whole read, its bytes and items. Failed where any is missing."""
    with _connected(reading.started) as connection:
        before = reading.started.process.cpu_s()
        results = {reading.read(connection) for _ in range(times)}
        spent = (reading.started.process.cpu_s() - before) * 1000 / times
    (size, items), *others = results
    if others or items not in (0, LONG.touchpoints):
        raise Failed(
            f"{reading.name}: {items} of {LONG.touchpoints} touchpoints were returned, then {others}"
        )
    return max(spent, 0.01), size, items


@contextlib.contextmanager
def _connected(started: Started) -> Iterator[http.client.HTTPConnection]:
    """A connection that is kept for the block."""
    connection = http.client.HTTPConnection("127.0.0.1", started.target.port, timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> bytes:
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise Failed(f"{path}: {answer.status} {body[:200]!r}")
    return body


def _whole(path: str, *, count: bool) -> Callable[[http.client.HTTPConnection], tuple[int, int]]:
    def read(connection: http.client.HTTPConnection) -> tuple[int, int]:
        body = _get(connection, path, {})
        return len(body), len({it["id"] for it in msgspec.json.decode(body)}) if count else 0

    return read


def _by_cursor(started: Started) -> Callable[[http.client.HTTPConnection], tuple[int, int]]:
    """Every page of the long life, each touchpoint counted once."""
    first = f"/v1/customers/{_customer(started)}/timeline?limit={PAGE}"
    headers = dict(started.target.headers)

    def read(connection: http.client.HTTPConnection) -> tuple[int, int]:
        size, path = 0, first
        seen: set[str] = set()
        while path:
            body = _get(connection, path, headers)
            page = msgspec.json.decode(body)
            size += len(body)
            seen.update(it["id"] for it in page["touchpoints"])
            path = f"{first}&cursor={page['next']}" if page["next"] else ""
        return size, len(seen)

    return read


def _export(started: Started) -> Callable[[http.client.HTTPConnection], tuple[int, int]]:
    """All of it in one answer that is written while it is read."""
    path, headers = f"/v1/customers/{_customer(started)}/export", dict(started.target.headers)

    def read(connection: http.client.HTTPConnection) -> tuple[int, int]:
        body = _get(connection, path, headers)
        return len(body), len({it["id"] for it in msgspec.json.decode(body)["touchpoints"]})

    return read


def _customer(started: Started) -> str:
    asked = msgspec.json.encode({"identities": [identity(LONG, 0)], "limit": 1})
    return str(msgspec.json.decode(call(started, "/v1/context", asked))["customer"]["id"])


def _live_afternoon(started: Started) -> None:
    assert started.socket
    with Redis(unix_socket_path=str(started.socket)) as store:
        for first in range(0, LONG.touchpoints, 1000):
            with store.pipeline(transaction=False) as pipeline:
                for number in range(first, first + 1000):
                    made = touchpoint(LONG, number)
                    pipeline.xadd(key(made["identities"][0]), fields(made))
                pipeline.execute()
