"""The way of a topic's events to the client: a stream of its own, or one that it shares with other topics.

On a stream of its own, an event's data is the topic's, and its `id` is the position after it. On a shared
stream, the data names the topic and the position, because a stream has one `Last-Event-ID` only.
"""

from __future__ import annotations

from typing import Any, Protocol

from aiohttp import web

from .stream import ENCODER, Stream, event_bytes


class Outlet:
    """The events of one topic on their way to the client."""

    def __init__(self, stream: Stream, topic: str | None = None) -> None:
        self._stream = stream
        self.shared = topic is not None
        self._topic = ENCODER.encode(topic)

    def encode(self, event: str, position: str, json: bytes) -> bytes:
        """The bytes of an event."""
        if not self.shared:
            return event_bytes(event, position, json)
        head = b'{"topic":%b,"position":%b,"data":%b}' % (self._topic, ENCODER.encode(position), json)
        return event_bytes(event, None, head)

    def put(self, event: bytes) -> bool:
        """Write an event immediately; False if the client is too slow or gone, or the stream ends."""
        return self._stream.put(event)

    async def write(self, event: bytes) -> None:
        """Write an event once the client has read enough. ConnectionError if it is gone."""
        await self._stream.write(event)

    async def send(self, event: str, position: str, value: Any) -> None:
        """One event with a value, as the caller may see it."""
        await self.write(self.encode(event, position, await self._stream.shown(value)))

    async def start(self, position: str, value: Any) -> None:
        """The topic's state, as its first event. `ready` of a shared stream is about all of its topics."""
        if self.shared:
            await self.send("started", position, value)
        else:
            await self.send("ready", position, value)

    async def wait_for_client(self) -> None:
        await self._stream.wait_for_client()

    async def beat(self) -> None:
        """Keep the connection open. A shared stream does that once for all of its topics."""
        if not self.shared:
            await self._stream.beat()


class Topic(Protocol):
    """The subject of a stream: a customer, a queue, an agent, or all pending handoffs."""

    @property
    def position(self) -> str:
        """The position after everything sent so far."""

    async def open(self) -> None:
        """Check access, write the audit entry, and register for events. Sends nothing yet."""

    async def begin(self) -> None:
        """Send the topic's state, or what the client missed since its position."""

    async def follow(self) -> None:
        """Send events until the client is too far behind."""

    def close(self) -> None:
        """Release what `open` registered."""


async def run_alone(stream: Stream, topic: Topic) -> web.StreamResponse:
    """A stream of one topic, to its end."""

    async def follow() -> None:
        await topic.begin()
        await topic.follow()

    try:
        await topic.open()
        return await stream.run(follow)
    except ConnectionError:
        return web.Response(status=499)
    finally:
        topic.close()
