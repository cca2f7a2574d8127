"""Live: from a touchpoint to its event on a customer's stream, and what a hundred readers cost.

Plain sockets and one process that reads: the client's own time hardly counts. The floor is one request to
a bare handler and its answer, and an SSE echo that does nothing but write.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.contenders import Started, alone, bare, ours
from bench.load import Target, request
from bench.processes import Failed, python
from bench.rounds import Settings, call, together
from bench.table import Table, spread

READERS = 100
TURN = 40  # touchpoints of a turn
WARM_UP = 5
TIMEOUT_S = 20.0
WHO = "user:watched"
FRAME = 600  # bytes of an event, about what ours has


class Side(Struct, frozen=True, kw_only=True):
    """A server, what is sent to it (with a mark of its own each time), and its open streams."""

    started: Started
    send: Callable[[bytes], bytes]
    connection: socket.socket
    streams: list[socket.socket]


class Took(Struct, frozen=True, kw_only=True):
    """Median milliseconds until the last reader had the event, and CPU µs of the server per delivery."""

    p50_ms: float
    cpu_us: float


def measure(settings: Settings, directory: Path) -> Table:
    """One reader and a hundred, each server in turn. Failed when an event does not come."""
    starts = {"bare": bare, "echo": _echo, "handoff": ours}
    marks = count()
    found: dict[tuple[str, int], list[Took]] = {}
    with together(starts, directory) as started:
        watched = f"/v1/customers/{_customer(started['handoff'])}/events"
        for readers in (1, READERS):
            with contextlib.ExitStack() as stack:
                sides = _sides(stack, started, watched, readers)
                for side in sides.values():
                    _turn(side, marks, WARM_UP)
                for _ in range(settings.rounds):
                    for name, side in sides.items():
                        found.setdefault((name, readers), []).append(_turn(side, marks, TURN))
    return Table(
        title="Live: from a touchpoint to its event on a customer's stream",
        columns=("server", "p50 ms", "× bare's round trip", "CPU µs per delivery", "× one write"),
        rows=(
            _row("bare aiohttp, a request and its 204", "bare", 1, found),
            _row("bare SSE echo, 1 reader", "echo", 1, found),
            _row("handoff, 1 reader", "handoff", 1, found),
            _row(f"bare SSE echo, {READERS} readers", "echo", READERS, found),
            _row(f"handoff, {READERS} readers", "handoff", READERS, found),
        ),
        notes=(
            f"{settings.rounds} turns of {TURN} touchpoints each, one at a time; from sending the request "
            "until the last reader has the event; median (quartiles) of the turns",
            "CPU of the server for the request and all its deliveries, by the number of readers; one write: "
            "what the echo needs, which writes as many bytes to each stream in its process",
        ),
    )


def _row(label: str, name: str, readers: int, found: dict[tuple[str, int], list[Took]]) -> tuple[str, ...]:
    turns, floor = found[name, readers], found["bare", readers]
    trips = [one.p50_ms / other.p50_ms for one, other in zip(turns, floor, strict=True)]
    row = (label, spread([it.p50_ms for it in turns]), spread(trips, 1))
    if name == "bare":
        return (*row, "-", "-")
    writes = zip(turns, found["echo", readers], strict=True)
    return (
        *row,
        spread([it.cpu_us for it in turns], 1),
        spread([one.cpu_us / other.cpu_us for one, other in writes]),
    )


def _echo(directory: Path) -> contextlib.AbstractContextManager[Started]:
    return alone("echo", lambda port: python("bench.rivals.echo", str(port)), directory)


def _customer(started: Started) -> str:
    """The watched customer's id; they exist from here on."""
    call(started, "/v1/touchpoints", _body(b"first"))
    asked = msgspec.json.encode({"identities": [WHO]})
    found = msgspec.json.decode(call(started, "/v1/context", asked))
    return str(found["customer"]["id"])


def _body(mark: bytes) -> bytes:
    text = f"Where is my parcel? [{mark.decode()}]"
    return msgspec.json.encode(
        {
            "id": mark.decode(),
            "channel": "chat",
            "type": "message.received",
            "occurred_at": "2026-01-01T10:00:00Z",
            "identities": [WHO],
            "text": text,
        }
    )


def _touchpoint(started: Started) -> Callable[[bytes], bytes]:
    return lambda mark: request(started.target, _body(mark))


def _plain(started: Started, path: str) -> Callable[[bytes], bytes]:
    target = Target(port=started.target.port, path=path)
    return lambda mark: request(target, b"[" + mark + b"]" + b"x" * FRAME)


def _sides(
    stack: contextlib.ExitStack, started: dict[str, Started], watched: str, readers: int
) -> dict[str, Side]:
    plain, echo, our = started["bare"], started["echo"], started["handoff"]
    return {
        "bare": _side(stack, plain, _plain(plain, "/"), "", 0),
        "echo": _side(stack, echo, _plain(echo, "/say"), "/stream", readers),
        "handoff": _side(stack, our, _touchpoint(our), watched, readers),
    }


def _side(
    stack: contextlib.ExitStack, started: Started, send: Callable[[bytes], bytes], path: str, readers: int
) -> Side:
    """The side with its streams open: each has sent something."""
    headers = dict(started.target.headers)
    streams = [stack.enter_context(_stream(started.target.port, path, headers)) for _ in range(readers)]
    connection = stack.enter_context(_connected(started.target.port))
    return Side(started=started, send=send, connection=connection, streams=streams)


@contextlib.contextmanager
def _stream(port: int, path: str, headers: dict[str, str]) -> Iterator[socket.socket]:
    with _connected(port) as opened:
        opened.sendall(request(Target(port=port, path=path), None, tuple(headers.items())))
        received = b""
        while b"\r\n\r\n" not in received or b"\n\n" not in received.partition(b"\r\n\r\n")[2]:
            more = opened.recv(65536)
            received += more
            if not more or b" 200 " not in received[:20]:
                raise Failed(f"the stream {path} did not open: {received[:200]!r}")
        yield opened


@contextlib.contextmanager
def _connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def _turn(side: Side, marks: Iterator[int], times: int) -> Took:
    before, spent = side.started.process.cpu_s(), []
    for _ in range(times):
        mark = b"mark-%09d" % next(marks)
        begun = time.perf_counter()
        side.connection.sendall(side.send(mark))
        if side.streams:
            _wait(side.streams, mark)
            spent.append(time.perf_counter() - begun)
            _answered(side.connection)
        else:
            _answered(side.connection)
            spent.append(time.perf_counter() - begun)
    used = side.started.process.cpu_s() - before
    deliveries = times * max(1, len(side.streams))
    return Took(p50_ms=statistics.median(spent) * 1000, cpu_us=max(used, 1e-3) / deliveries * 1e6)


def _wait(streams: list[socket.socket], mark: bytes) -> None:
    """Until every stream has brought the mark."""
    with selectors.DefaultSelector() as selector:
        for stream in streams:
            selector.register(stream, selectors.EVENT_READ, bytearray())
        deadline = time.monotonic() + TIMEOUT_S
        while selector.get_map():
            for key, _ in selector.select(1.0):
                stream = key.fileobj
                assert isinstance(stream, socket.socket)
                key.data.extend(stream.recv(65536))
                if mark in key.data:
                    selector.unregister(stream)
            if time.monotonic() > deadline:
                raise Failed(f"{len(selector.get_map())} of {len(streams)} streams did not bring the event")


def _answered(connection: socket.socket) -> None:
    """The answer to the request, all of it."""
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if found and len(body) >= int(length or b"0"):
            break
        more = connection.recv(65536)
        if not more:
            raise Failed("the server closed the connection")
        received += more
    if not received.startswith(b"HTTP/1.1 2"):
        raise Failed(f"a touchpoint was answered {received[:200]!r}")
