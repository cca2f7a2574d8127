"""The load of load.lua and ready.lua without wrk: slower than wrk, so that fast servers wait for it.

`python -m bench.load_loop PORT CONNECTIONS SECONDS` with the environment that `bench.load` sets. With
BENCH_COUNT above 0 it ends after so many requests instead of after SECONDS.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from itertools import count, cycle
from pathlib import Path
from typing import cast

import msgspec
import uvloop

EACH, BLOCK = 5, 512  # as in load.lua
EVENT, PERSON = b"\x01", b"\x02"


class Bodies:
    """Requests with fresh event ids, in the order of load.lua."""

    def __init__(self, templates: list[bytes], head: bytes, run: int) -> None:
        self._templates = templates
        self._head = head
        self._run = run
        self._numbers = count()

    def next(self) -> bytes:
        number = next(self._numbers)
        block, turn = divmod(number, BLOCK * EACH)
        step, place = divmod(turn, BLOCK)
        person = block * BLOCK + place
        body = self._templates[(person * EACH + step) % len(self._templates)]
        body = body.replace(EVENT, b"event-%04d-%09d" % (self._run, number))
        body = body.replace(PERSON, b"%04d%08d" % (self._run, person))
        return b"%sContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body)


class Ready:
    """Requests made beforehand, in their order, from the beginning again at the end."""

    def __init__(self, requests: list[bytes]) -> None:
        self._requests = cycle(requests)

    def next(self) -> bytes:
        return next(self._requests)


class Quota:
    """How many requests are left to send and to be answered; as many as there is time for if `count` is 0."""

    def __init__(self, count: int) -> None:
        self.unsent = self._unanswered = count or sys.maxsize
        self.answered = asyncio.Event()

    def take(self) -> bool:
        self.unsent -= 1
        return self.unsent >= 0

    def settle(self) -> None:
        self._unanswered -= 1
        if self._unanswered == 0:
            self.answered.set()


class Client(asyncio.Protocol):
    """One connection: the next request when the last is answered."""

    def __init__(
        self, bodies: Bodies | Ready, latencies: list[int], refused: list[int], quota: Quota
    ) -> None:
        self._bodies = bodies
        self._latencies = latencies
        self._refused = refused
        self._quota = quota
        self._answer = bytearray()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if exc is not None or self._quota.unsent > 0:
            self._quota.answered.set()  # its request stays unanswered

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _whole(self._answer):
            return
        self._latencies.append(time.perf_counter_ns() - self._sent)
        if self._answer[9:10] != b"2":
            self._refused.append(int(self._answer[9:12]))
        self._answer.clear()
        self._quota.settle()
        self._send()

    def _send(self) -> None:
        if not self._quota.take():
            return
        self._sent = time.perf_counter_ns()
        self._transport.write(self._bodies.next())


def _whole(answer: bytearray) -> bool:
    """Whether an answer is all there: its length is stated, or its last chunk is empty."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = answer[:end].lower()
    if b"transfer-encoding: chunked" in head:
        return answer.endswith(b"\r\n0\r\n\r\n")
    _, found, rest = head.partition(b"content-length:")
    return len(answer) >= end + 4 + (int(rest.partition(b"\r\n")[0]) if found else 0)


async def load(
    port: int, connections: int, seconds: float, bodies: Bodies | Ready, count: int = 0
) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    latencies: list[int] = []
    refused: list[int] = []
    quota = Quota(count)
    begun = time.perf_counter()
    clients = []
    for _ in range(connections):
        made = await loop.create_connection(
            lambda: Client(bodies, latencies, refused, quota), "127.0.0.1", port
        )
        clients.append(made)
    await (quota.answered.wait() if count else asyncio.sleep(seconds))
    spent = time.perf_counter() - begun
    broken = sum(client.lost for _, client in clients)
    for transport, _ in clients:
        transport.abort()
    ordered = sorted(latencies) or [0]
    return {
        "requests": len(latencies),
        "microseconds": round(spent * 1e6),
        "refused": len(refused),
        "broken": broken,
        "p50_us": ordered[len(ordered) // 2] / 1000,
        "p99_us": ordered[len(ordered) * 99 // 100] / 1000,
    }


def main() -> None:
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    count = int(os.environ.get("BENCH_COUNT", "0"))
    result = uvloop.run(load(port, connections, seconds, _bodies(os.environ), count))
    print(msgspec.json.encode(result).decode())


def _bodies(environment: Mapping[str, str]) -> Bodies | Ready:
    if "BENCH_REQUESTS" in environment:
        with Path(environment["BENCH_REQUESTS"]).open("rb") as file:
            return Ready([file.read(int(length)) for length in iter(file.readline, b"")])
    head = f"POST {environment['BENCH_PATH']} HTTP/1.1\r\nHost: 127.0.0.1\r\n{environment['BENCH_HEADERS']}"
    templates = Path(environment["BENCH_TEMPLATES"]).read_bytes().splitlines()
    return Bodies(templates, head.encode(), int(environment["BENCH_RUN"]))


if __name__ == "__main__":
    main()
