"""Live events: Server-Sent Events that resume after a lost connection (WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from .calls import RETRYABLE, ClientError, refusal
from .shapes import LiveEvent

SILENCE_S = 25.0  # the server sends something every ten seconds
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)


async def events(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], last_id: str | None = None
) -> AsyncIterator[LiveEvent]:
    """Yield every event once, and reconnect after a lost connection.

    Raises ClientError if the server refuses the stream (401, 403, 404).
    """
    known = [last_id]

    async def stream() -> AsyncIterator[LiveEvent]:
        more = {"Last-Event-ID": known[0]} if known[0] else {}
        async for event in _one_stream(session, "GET", url, {**headers, **more}):
            known[0] = event.id if event.id is not None else known[0]
            yield event

    async for event in _reopened(stream):
        yield event


async def topic_events(
    session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], topics: Mapping[str, str | None]
) -> AsyncIterator[LiveEvent]:
    """The same for several topics on one stream, each after its position."""
    positions = dict(topics)

    async def stream() -> AsyncIterator[LiveEvent]:
        body = {"topics": [{"topic": name, "position": at} for name, at in positions.items()]}
        async for event in _one_stream(session, "POST", url, headers, body):
            if event.type in ("ready", "resume", "session_ended"):
                yield event
                continue
            positions[event.data["topic"]] = event.data["position"]
            yield LiveEvent(
                type=event.type,
                id=event.data["position"],
                data=event.data["data"],
                topic=event.data["topic"],
            )

    async for event in _reopened(stream):
        yield event


async def _reopened(stream: Callable[[], AsyncIterator[LiveEvent]]) -> AsyncIterator[LiveEvent]:
    """The events of a stream that is opened again whenever it ends."""
    failures = 0
    while True:
        try:
            async for event in stream():
                failures = 0
                if event.type != "resume":
                    yield event
        except ClientError as error:
            if error.status not in RETRYABLE and error.status < 500:
                raise
        except (aiohttp.ClientError, TimeoutError):
            pass  # the next stream continues after the last event
        await asyncio.sleep(PAUSES_S[min(failures, len(PAUSES_S) - 1)] * random.uniform(0.5, 1.0))
        failures += 1


async def _one_stream(
    session: aiohttp.ClientSession, method: str, url: str, given: Mapping[str, str], body: Any = None
) -> AsyncIterator[LiveEvent]:
    headers = {**given, "Accept": "text/event-stream"}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=SILENCE_S)
    async with session.request(method, url, headers=headers, json=body, timeout=timeout) as response:
        if response.status != 200:
            raise refusal(response, await response.read())
        rest = b""
        # By chunk: a long touchpoint's line exceeds the stream reader's line limit.
        async for chunk in response.content.iter_any():
            *frames, rest = (rest + chunk).split(b"\n\n")
            for frame in frames:
                if event := parse_frame(frame):
                    yield event


def parse_frame(frame: bytes) -> LiveEvent | None:
    """The event of one frame; None for a frame without data."""
    type_, id_, data = "message", None, []
    for line in frame.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            type_ = value
        elif name == "id":
            id_ = value
        elif name == "data":
            data.append(value)
    if not data:
        return None
    return LiveEvent(type=type_, id=id_, data=msgspec.json.decode("\n".join(data)))
