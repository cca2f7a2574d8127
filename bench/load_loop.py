"""The load of load.lua without wrk: slower than wrk, so that fast servers wait for it.

`python -m bench.load_loop PORT CONNECTIONS SECONDS` with the environment that `bench.load` sets.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from itertools import count
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


class Client(asyncio.Protocol):
    """One connection: the next request when the last is answered."""

    def __init__(self, bodies: Bodies, latencies: list[int], refused: list[int]) -> None:
        self._bodies = bodies
        self._latencies = latencies
        self._refused = refused
        self._answer = bytearray()
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0 or len(self._answer) < end + 4 + _length(self._answer[:end].lower()):
            return
        self._latencies.append(time.perf_counter_ns() - self._sent)
        if self._answer[9:10] != b"2":
            self._refused.append(int(self._answer[9:12]))
        self._answer.clear()
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter_ns()
        self._transport.write(self._bodies.next())


def _length(head: bytes | bytearray) -> int:
    _, found, rest = head.partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


async def load(port: int, connections: int, seconds: float, bodies: Bodies) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    latencies: list[int] = []
    refused: list[int] = []
    begun = time.perf_counter()
    clients = []
    for _ in range(connections):
        made = await loop.create_connection(lambda: Client(bodies, latencies, refused), "127.0.0.1", port)
        clients.append(made)
    await asyncio.sleep(seconds)
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
    environment = os.environ
    head = f"POST {environment['BENCH_PATH']} HTTP/1.1\r\nHost: 127.0.0.1\r\n{environment['BENCH_HEADERS']}"
    templates = Path(environment["BENCH_TEMPLATES"]).read_bytes().splitlines()
    bodies = Bodies(templates, head.encode(), int(environment["BENCH_RUN"]))
    result = uvloop.run(load(port, connections, seconds, bodies))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
