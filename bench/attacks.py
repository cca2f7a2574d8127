"""Clients that send too slowly, never finish, or send too much, for the admission table.

`python -m bench.attacks KIND PORT SECONDS COUNT [TOKEN]` attacks a server and prints a line of JSON: how many
connections the server closed, and after how many seconds the last of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct

MIB = 1024 * 1024
TRICKLE_S = 1.0  # between two bytes of a slow request
PATH = "/in/shop/v1/batch"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
CUSTOMERS = 24  # with long histories: about twice as many as a worker remembers
UNFINISHED = 4 * MIB - 1  # bytes of a body that announces one more


class Attack(Struct, frozen=True, kw_only=True):
    """The outcome of an attack: how many of its connections the server closed, and when the last."""

    closed: int
    last_s: float


class Task(Struct, frozen=True, kw_only=True):
    """The settings of one connection of an attack."""

    port: int
    seconds: float
    token: str

    @property
    def ends_at(self) -> float:
        return time.monotonic() + self.seconds


async def _trickle(task: Task, start: bytes, rest: bytes = b"") -> float:
    """Send the start, then a byte now and then. Seconds until the server closed; 0 if it did not."""
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    begun, end = time.monotonic(), task.ends_at
    closed = asyncio.ensure_future(_drained(reader))
    with contextlib.suppress(OSError):
        writer.write(start)
        for at in range(0, len(rest), MIB):
            writer.write(rest[at : at + MIB])
            await writer.drain()
        while not closed.done() and time.monotonic() < end:
            await asyncio.wait((closed,), timeout=TRICKLE_S)
            if not closed.done() and not rest:
                writer.write(b"a")
    taken = time.monotonic() - begun if closed.done() or writer.is_closing() else 0.0
    closed.cancel()
    writer.transport.abort()
    return taken


async def _drained(reader: asyncio.StreamReader) -> None:
    """Return when the server has closed the connection."""
    with contextlib.suppress(OSError):
        while await reader.read(MIB):
            pass


async def slow_head(task: Task) -> float:
    return await _trickle(task, b"POST /v1/touchpoints HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")


async def slow_body(task: Task) -> float:
    return await _trickle(task, HEAD + b"Content-Length: 30000\r\n\r\n{")


async def unfinished_body(task: Task) -> float:
    return await _trickle(task, HEAD + b"Content-Length: %d\r\n\r\n" % (UNFINISHED + 1), bytes(UNFINISHED))


async def flood(task: Task) -> float:
    """One request after the other, whatever the answers are."""
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    end, number = task.ends_at, 0
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while time.monotonic() < end:
            number += 1
            writer.write(touchpoint(f"flood-{id(writer)}-{number}", task.token))
            await answered(reader)
    writer.transport.abort()
    return 0.0


async def reads(task: Task) -> float:
    """Contexts of one customer, one after the other, rebuilt each time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    end, number = task.ends_at, 0
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while time.monotonic() < end:
            number += 1
            body = msgspec.json.encode({"identities": ["user:read"], "limit": 1 + number % 100})
            writer.write(request("/v1/context", task.token, body))
            await answered(reader)
    writer.transport.abort()
    return 0.0


async def long_reads(task: Task) -> float:
    """Contexts of more customers with long histories than the server remembers, one after the other."""
    reader, writer = await asyncio.open_connection("127.0.0.1", task.port)
    end, number = task.ends_at, id(writer)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while time.monotonic() < end:
            number += 7
            who = f"user:long-{number % CUSTOMERS}"
            body = msgspec.json.encode({"identities": [who], "limit": 1 + number % 100})
            writer.write(request("/v1/context", task.token, body))
            await answered(reader)
    writer.transport.abort()
    return 0.0


def message(event: str, who: str, second: int = 20) -> dict[str, object]:
    """A touchpoint in the native format."""
    return {
        "id": event,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": f"2026-09-21T14:{second // 60 % 60:02}:{second % 60:02}Z",
        "identities": [f"user:{who}"],
        "text": "Where is my order?",
    }


def touchpoint(event: str, token: str, who: str = "") -> bytes:
    """A request that records one message."""
    return request("/v1/touchpoints", token, msgspec.json.encode(message(event, who or event, 13 * 60 + 20)))


def request(path: str, token: str, body: bytes) -> bytes:
    """A POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def answered(reader: asyncio.StreamReader) -> int:
    """The status of the next response. Every one of these responses has a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length or b"0"))
    return int(head[9:12])


KINDS: dict[str, Callable[[Task], Awaitable[float]]] = {
    "slow_head": slow_head,
    "slow_body": slow_body,
    "unfinished_body": unfinished_body,
    "flood": flood,
    "reads": reads,
    "long_reads": long_reads,
}


async def attack(kind: str, count: int, task: Task) -> Attack:
    found = await asyncio.gather(*(KINDS[kind](task) for _ in range(count)), return_exceptions=True)
    times = [it for it in found if isinstance(it, float) and it]
    refused = [it for it in found if isinstance(it, BaseException)]
    return Attack(closed=len(times) + len(refused), last_s=max(times, default=0.0))


def main() -> None:
    kind, port, seconds, count, *token = sys.argv[1:]
    os.nice(19)  # an attacker has its own machine: here it must not take the processor from the other clients
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    task = Task(port=int(port), seconds=float(seconds), token="".join(token))
    print(msgspec.json.encode(asyncio.run(attack(kind, int(count), task))).decode())


if __name__ == "__main__":
    main()
