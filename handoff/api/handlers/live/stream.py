"""One open stream of Server-Sent Events: its transport, its beginning, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web
from msgspec import Struct

from handoff.api.handlers.privacy.masking import masked_json
from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import stream_answer
from handoff.domain.errors import HandoffError
from handoff.services.access.watch import Watched

RETRY_MS = 1000
LAST_WORDS_S = 1.0  # for a client whose access has ended
ENCODER = msgspec.json.Encoder()

log = structlog.get_logger(__name__)


class Stream:
    """One open stream. Writing waits for a slow client; meanwhile its feed fills up and is cut.

    Events go to the transport in the format of aiohttp's writer, with one write for each. If the transport's
    buffer is full, the stream waits for the client.
    """

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = stream_answer("text/event-stream")
        self._response.headers["X-Accel-Buffering"] = "no"
        self._chunked = True
        self._ending = False

    async def run(self, follow: Callable[[], Awaitable[None]]) -> web.StreamResponse:
        """Start the response, run `follow` to its end, then ask the client to reconnect.

        A client whose credential has ended gets `session_ended` instead: it needs a new one.

        The same after an error: the status was sent already, and the client sees the error on reconnecting.
        """
        await self._open()
        watch = self._request.app[SITE].watch
        watched = watch.add(self._request[PRINCIPAL])
        try:
            resume = await _until_ended(follow, watched)
        finally:
            watch.discard(watched)
            self._ending = True
        if resume is None:
            await self._end_now()
        else:
            await self.send("resume", None, resume)
            await self._response.write_eof()
        return self._response

    async def _end_now(self) -> None:
        """Say that access has ended. A client that does not read is cut off."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.send("session_ended", None, SessionEndedView(reason="access_ended"))
                await self._response.write_eof()
        except TimeoutError:
            if self._request.transport is not None:
                self._request.transport.abort()

    async def _open(self) -> None:
        await self._response.prepare(self._request)
        self._chunked = hdrs.TRANSFER_ENCODING in self._response.headers  # not to HTTP/1.0
        await self._response.write(b"retry: %d\n\n" % RETRY_MS)

    def put(self, event: bytes) -> bool:
        """Write an event immediately; False if the client is too slow or gone, or the stream ends."""
        return not self._ending and self._put(event)

    def _put(self, event: bytes) -> bool:
        transport = self._transport
        if transport is None or self._request.protocol.writing_paused:
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(event), event) if self._chunked else event)
        return True

    async def wait_for_client(self) -> None:
        """Wait until a slow client has read the buffer. ConnectionError if it is gone."""
        if self._transport is None:
            raise ConnectionResetError("the client is gone")
        # All waits share one future in aiohttp: if one were cancelled, the next would raise CancelledError.
        await asyncio.shield(self._request.writer.drain())

    async def write(self, event: bytes) -> None:
        """Write an event once the client has read enough. ConnectionError if it is gone."""
        while not self._put(event):
            await self.wait_for_client()

    @property
    def _transport(self) -> asyncio.Transport | None:
        """The transport; None if the client is gone."""
        transport = self._request.transport
        return None if transport is None or transport.is_closing() else transport

    async def send(self, event: str, id_: str | None, value: Any) -> None:
        """One event with a value, as the caller may see it."""
        await self.write(event_bytes(event, id_, await self.shown(value)))

    async def shown(self, value: Any) -> bytes:
        """A value as JSON, as the caller may see it."""
        return await masked_json(self._request, ENCODER.encode(value))

    async def beat(self) -> None:
        await self.write(b": still here\n\n")


async def _until_ended(follow: Callable[[], Awaitable[None]], watched: Watched) -> ResumeView | None:
    """Run `follow` to its end; why the client must reconnect, or None if its credential ended first."""
    following = asyncio.ensure_future(_reason(follow))
    ended = asyncio.ensure_future(watched.ended.wait())
    try:
        await asyncio.wait((following, ended), return_when=asyncio.FIRST_COMPLETED)
        return following.result() if following.done() else None
    finally:
        for task in (following, ended):
            task.cancel()
        await asyncio.gather(following, ended, return_exceptions=True)


async def _reason(follow: Callable[[], Awaitable[None]]) -> ResumeView:
    try:
        await follow()
    except HandoffError as error:
        log.warning("stream_ended", code=error.problem_code)
        return ResumeView(reason=error.problem_code, topic=error.fields.get("topic"))
    return ResumeView(reason="behind")


def event_bytes(event: str, id_: str | None, json: bytes) -> bytes:
    """The bytes of an event. JSON has no raw line breaks, so one data line is enough."""
    head = f"event: {event}\n" if id_ is None else f"id: {id_}\nevent: {event}\n"
    return b"%bdata: %b\n\n" % (head.encode(), json)


class ResumeView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The stream ends here: reconnect with the last id, or with the last position of each topic.

    `topic` is the one that the reason is about, if it is about one of several.
    """

    reason: str
    topic: str | None = None


class SessionEndedView(Struct, frozen=True, kw_only=True):
    """The stream's credential has expired or was revoked. Reconnecting with it gets 401."""

    reason: str


def last_id(request: web.Request) -> str | None:
    return request.headers.get("Last-Event-ID") or request.query.get("last_event_id")
