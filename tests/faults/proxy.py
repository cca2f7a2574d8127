"""A TCP proxy that loses, delays and slices answers, and cuts single clients off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """Forwards bytes both ways; an answer that `lose` picks is dropped and both sides are closed.

    An answer is whatever comes back first after something was sent.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._lose: Callable[[], bool] = lambda: False
        self._delay_s: Callable[[], float] = lambda: 0.0
        self._piece: Callable[[], int] | None = None
        self._isolated: frozenset[str] = frozenset()
        self._healed = asyncio.Event()
        self._healed.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cuts = 0
        self.requests = 0

    @property
    def url(self) -> str:
        """Like the target's, over TCP: `redis://` for a unix socket's."""
        scheme = urlsplit(self._target).scheme
        return f"{'redis' if scheme == 'unix' else scheme}://127.0.0.1:{self.port}"

    def cut_answers(self, count: int) -> None:
        """Lose the next `count` answers."""
        left = [count]

        def lose() -> bool:
            left[0] -= 1
            return left[0] >= 0

        self._lose = lose

    def cut_share(self, share: float, seed: int) -> None:
        """Lose this share of all answers from now on."""
        dice = random.Random(seed)
        self._lose = lambda: dice.random() < share

    def delay(self, shortest_s: float, longest_s: float, seed: int) -> None:
        """Hold each answer back for a random time."""
        dice = random.Random(seed)
        self._delay_s = lambda: dice.uniform(shortest_s, longest_s)

    def slice(self, longest: int, seed: int) -> None:
        """Send answers on in pieces of 1 to `longest` bytes, each a segment of its own."""
        dice = random.Random(seed)
        self._piece = lambda: dice.randint(1, longest)

    def isolate(self, addresses: Iterable[str]) -> None:
        """Hold back all traffic of clients from these addresses, in both directions, until `heal`."""
        self._isolated = frozenset(addresses)
        self._healed.clear()

    def heal(self) -> None:
        self._isolated = frozenset()
        self._healed.set()

    async def _connected(self, source: str) -> None:
        while source in self._isolated:
            await self._healed.wait()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._target)
        if parts.scheme == "unix":
            return await asyncio.open_unix_connection(parts.path)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        source = writer.get_extra_info("peername")[0]
        try:
            await self._connected(source)
            far_reader, far_writer = await self._connect()
        except (OSError, asyncio.CancelledError):
            writer.close()
            self._tasks.discard(task)
            return
        asked = asyncio.Event()
        pumps = [
            asyncio.create_task(self._forward(reader, far_writer, asked, source)),
            asyncio.create_task(self._answer(far_reader, writer, asked, source)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # `aclose`; asyncio's stream server would log it as a crash
        finally:
            for pump in pumps:
                pump.cancel()
            for stream in (writer, far_writer):  # before anything is waited for: `aclose` may come meanwhile
                stream.close()
            with suppress(asyncio.CancelledError):  # `aclose` while the other side was closing
                await asyncio.gather(*pumps, return_exceptions=True)
            for stream in (writer, far_writer):
                with suppress(OSError, asyncio.CancelledError):
                    await stream.wait_closed()
            self._tasks.discard(task)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event, source: str
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not asked.is_set():
                    self.requests += 1
                    asked.set()
                await self._connected(source)
                writer.write(data)
                await writer.drain()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event, source: str
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if asked.is_set():
                    asked.clear()
                    if self._lose():
                        self.cuts += 1
                        return
                    await asyncio.sleep(self._delay_s())
                await self._connected(source)
                await self._send(writer, data)

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self._piece is None:
            writer.write(data)
        else:
            while data:
                size = self._piece()
                writer.write(data[:size])
                data = data[size:]
                await asyncio.sleep(0)  # a piece leaves before the next one is written
        await writer.drain()

    async def aclose(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Gate:
    """Forwards bytes both ways to a loopback port, but for those who come from a host that is cut off: nobody
    hears of them any more, nor they of anybody, as behind a router that has gone."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def cut(self, host: str) -> None:
        self._passage(host).clear()

    def mend(self, host: str) -> None:
        self._passage(host).set()

    def _passage(self, host: str) -> asyncio.Event:
        if host not in self._open:
            self._open[host] = asyncio.Event()
            self._open[host].set()
        return self._open[host]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        passage = self._passage(writer.get_extra_info("peername")[0])
        writers = [writer]
        try:
            await passage.wait()
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(far_writer)
            pumps = [
                asyncio.create_task(self._pump(reader, far_writer, passage)),
                asyncio.create_task(self._pump(far_reader, writer, passage)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
        except (OSError, asyncio.CancelledError):
            pass  # `aclose`; asyncio's stream server would log it as a crash
        finally:
            for writer in writers:
                writer.close()
            self._tasks.discard(task)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passage: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await passage.wait()
                writer.write(data)
                await writer.drain()

    async def aclose(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def gate(port: int) -> AsyncIterator[Gate]:
    """A gate on a free loopback port before `port`."""
    gate = Gate(port)
    listening = await asyncio.start_server(gate.serve, "127.0.0.1", 0)
    gate.port = listening.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        listening.close()
        await gate.aclose()


@asynccontextmanager
async def cutting_proxy(target: str) -> AsyncIterator[CuttingProxy]:
    """A proxy on a free loopback port before `target` (`unix://`, `redis://` or `http://`)."""
    proxy = CuttingProxy(target)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        await proxy.aclose()
