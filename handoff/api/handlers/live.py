"""Live streams of a customer, a queue, and an agent, as Server-Sent Events (WHATWG HTML §9.2).

Every frame has an id. A client that reconnects with `Last-Event-ID` gets each missed frame exactly once, or
one `reset`, after which it reads the context again. A client that reads too slowly, or that the server cannot
send everything, gets `resume` and the stream ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import structlog
from aiohttp import hdrs, web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.exchange import stream_answer
from handoff.domain.errors import HandoffError
from handoff.domain.handoff import Handoff, State
from handoff.services.context.position import Position, position_of, read_position
from handoff.services.customers.customer import Customer, by_id
from handoff.services.events.feed import (
    EventFrame,
    Feed,
    Frame,
    HandoffFrame,
    PositionChange,
    TouchpointFrame,
    touchpoint_frame,
)
from handoff.services.handoffs.listing import Listing, current_customer_id, list_handoffs
from handoff.services.handoffs.records import HandoffView, handoff_view
from handoff.services.timeline.reading import decode
from handoff.store.repositories.timelines import read_arrivals_after

RETRY_MS = 1000
_ENCODER = msgspec.json.Encoder()

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

    async def run(self, follow: Callable[[], Awaitable[None]]) -> web.StreamResponse:
        """Start the response, run `follow` to its end, then ask the client to reconnect.

        The same after an error: the status was sent already, and the client sees the error on reconnecting.
        """
        await self._open()
        reason = "behind"
        try:
            await follow()
        except HandoffError as error:
            reason = error.problem_code
            log.warning("stream_ended", code=reason)
        await self.send("resume", None, ResumeView(reason=reason))
        await self._response.write_eof()
        return self._response

    async def _open(self) -> None:
        await self._response.prepare(self._request)
        self._chunked = hdrs.TRANSFER_ENCODING in self._response.headers  # not to HTTP/1.0
        await self._response.write(b"retry: %d\n\n" % RETRY_MS)

    def put(self, event: bytes) -> bool:
        """Write an event immediately; False if the client is too slow for that, or gone."""
        transport = self._transport
        if transport is None or self._request.protocol.writing_paused:
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(event), event) if self._chunked else event)
        return True

    async def wait_for_client(self) -> None:
        """Wait until a slow client has read the buffer. ConnectionError if it is gone."""
        if self._transport is None:
            raise ConnectionResetError("the client is gone")
        await self._request.writer.drain()

    async def write(self, event: bytes) -> None:
        """Write an event once the client has read enough. ConnectionError if it is gone."""
        while not self.put(event):
            await self.wait_for_client()

    @property
    def _transport(self) -> asyncio.Transport | None:
        """The transport; None if the client is gone."""
        transport = self._request.transport
        return None if transport is None or transport.is_closing() else transport

    async def send(self, event: str, id_: str | None, value: Any) -> None:
        """One event with a value."""
        await self.write(event_bytes(event, id_, _ENCODER.encode(value)))

    async def beat(self) -> None:
        await self.write(b": still here\n\n")


def event_bytes(event: str, id_: str | None, json: bytes) -> bytes:
    """The bytes of an event. JSON has no raw line breaks, so one data line is enough."""
    head = f"event: {event}\n" if id_ is None else f"id: {id_}\nevent: {event}\n"
    return b"%bdata: %b\n\n" % (head.encode(), json)


class ResetView(Struct, frozen=True, kw_only=True):
    """Read the context again. `reason` is why the server cannot send the missed frames."""

    reason: str
    customer_id: str


class ResumeView(Struct, frozen=True, kw_only=True):
    """The stream ends here: reconnect with the last id."""

    reason: str


class QueueView(Struct, frozen=True, kw_only=True):
    """The pending handoffs at the start of a stream."""

    handoffs: list[HandoffView]


async def of_customer(request: web.Request) -> web.StreamResponse:
    """`GET /v1/customers/{id}/events`: touchpoints in the order of recording."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    customer = await by_id(site.store, principal.tenant, request.match_info["id"])
    watcher = _CustomerStream(site, principal.tenant, request.match_info["id"], Stream(request))
    try:
        return await watcher.run(customer, _last_id(request))
    except ConnectionError:
        return web.Response(status=499)
    finally:
        site.hub.leave(watcher.feed)


def _last_id(request: web.Request) -> str | None:
    return request.headers.get("Last-Event-ID") or request.query.get("last_event_id")


class _CustomerStream:
    """A stream of one customer, whose identities may change meanwhile."""

    def __init__(self, site: AppContext, tenant: str, customer_id: str, stream: Stream) -> None:
        self._site = site
        self._tenant = tenant
        self._id = customer_id
        self._stream = stream
        self.feed = Feed(self._handle_now, site.hub.limits)
        self._position = Position(state=b"", arrivals={})
        self._checked_at = time.monotonic()

    async def run(self, customer: Customer, last_id: str | None) -> web.StreamResponse:
        await self._site.hub.watch_homes(self.feed, customer.group.members)
        # Read again: this has everything before the feed was registered, the feed has the rest.
        customer = await by_id(self._site.store, self._tenant, self._id)
        await self._site.hub.watch_homes(self.feed, customer.group.members)
        return await self._stream.run(partial(self._follow, customer, last_id))

    async def _follow(self, customer: Customer, last_id: str | None) -> None:
        await self._begin(customer, last_id)
        while not self.feed.cut:
            frame = await self.feed.next(self._site.hub.limits.heartbeat_s)
            if isinstance(frame, TouchpointFrame):
                await self._touchpoint(frame)
            elif frame is None and not self.feed.cut:
                await self._stream.beat()
            if time.monotonic() - self._checked_at > self._site.hub.limits.check_identities_s:
                await self._check_identities()

    async def _begin(self, customer: Customer, last_id: str | None) -> None:
        now = position_of(customer.members)
        if last_id is None:
            self._position = now
            await self._stream.send("ready", now.encode(), {"customer_id": customer.id})
            return
        known = read_position(last_id, customer.members)
        missed = await self._missed(customer, known, now) if known else None
        if known is None or missed is None:
            await self._reset(customer, "changed" if known is None else "too_old")
            return
        self._position = known
        for frame in missed:
            await self._touchpoint(frame)

    async def _missed(
        self, customer: Customer, known: Position, now: Position
    ) -> list[TouchpointFrame] | None:
        """The touchpoints after a position, in order; None if they are no longer available."""
        store = self._site.store
        records = {it.key: it for it in customer.members}
        entries = []
        for key, arrival in known.arrivals.items():
            if now.arrivals[key] <= arrival:
                continue
            found = await read_arrivals_after(store.connection, store.keys, key, arrival)
            if found is None:
                return None
            entries += found
        entries.sort(key=lambda it: it.recorded_at)
        decoded = await decode(store, store.hashes(self._tenant), records, entries)
        return [touchpoint_frame(it, decoded) for it in decoded.entries]

    def _handle_now(self, frame: Frame) -> bool:
        return isinstance(frame, TouchpointFrame) and not _may_change_identities(frame) and self._send(frame)

    async def _touchpoint(self, frame: TouchpointFrame) -> None:
        while not self._send(frame):
            await self._stream.wait_for_client()
        if _may_change_identities(frame):
            await self._check_identities()

    def _send(self, frame: TouchpointFrame) -> bool:
        """Send a touchpoint unless the stream has sent it already; False if the client is too slow."""
        if frame.arrival <= self._position.arrivals.get(frame.home, 0):
            return True
        move = _move(frame, self._position)
        if not self._stream.put(move.event):
            return False
        self._position = move.after
        return True

    async def _check_identities(self) -> None:
        """Check that the customer has the same identities; otherwise the client must read again."""
        self._checked_at = time.monotonic()
        customer = await by_id(self._site.store, self._tenant, self._id)
        if position_of(customer.members).state != self._position.state:
            await self._site.hub.watch_homes(self.feed, customer.group.members)
            await self._reset(await by_id(self._site.store, self._tenant, self._id), "changed")

    async def _reset(self, customer: Customer, reason: str) -> None:
        self._position = position_of(customer.members)
        view = ResetView(reason=reason, customer_id=customer.id)
        await self._stream.send("reset", self._position.encode(), view)


def _may_change_identities(frame: TouchpointFrame) -> bool:
    """Whether a touchpoint may change the customer's identities."""
    return frame.type.startswith("identity.")


def _move(frame: TouchpointFrame, position: Position) -> PositionChange:
    """The event of a touchpoint for a client at a position. Most clients share one, so it is cached."""
    move = frame.move
    if move is None or move.before != position:
        after = position.moved(frame.home, frame.arrival)
        event = event_bytes("touchpoint", after.encode(), frame.json)
        move = frame.move = PositionChange(position, after, event)
    return move


Concerns = Callable[[Frame], bool]
"""Whether a stream sends a frame."""


async def of_queue(request: web.Request) -> web.StreamResponse:
    """`GET /v1/queues/{name}/events`: handoffs that are, or were, in the queue."""
    name = request.match_info["name"]

    def concerns(frame: Frame) -> bool:
        return isinstance(frame, HandoffFrame) and name in frame.handoff.queues

    return await _handoffs(request, Listing(queue=name), concerns)


async def of_agent(request: web.Request) -> web.StreamResponse:
    """`GET /v1/agents/{id}/events`: handoffs offered to or owned by the agent, and changes in their
    contexts."""
    id_ = request.match_info["id"]

    def concerns(frame: Frame) -> bool:
        if isinstance(frame, HandoffFrame):
            return id_ in frame.handoff.agents
        data = frame.event.data if isinstance(frame, EventFrame) else None
        return isinstance(data, dict) and data.get("agent") == id_

    return await _handoffs(request, Listing(agent=id_), concerns)


async def _handoffs(request: web.Request, listing: Listing, concerns: Concerns) -> web.StreamResponse:
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    # The feed skips frames of others without waking this task: most handoffs concern few streams.
    feed = Feed(lambda frame: not concerns(frame), site.hub.limits)
    stream = Stream(request)
    await site.hub.watch_tenant(feed, principal.tenant)

    async def follow() -> None:
        last = await _begin(site, principal.tenant, stream, listing, _last_id(request), concerns)
        while not feed.cut:
            frame = await feed.next(site.hub.limits.heartbeat_s)
            if frame is None:
                if not feed.cut:
                    await stream.beat()
            elif concerns(frame) and _after(frame, last):
                await _send(site, principal.tenant, stream, frame)

    try:
        return await stream.run(follow)
    except ConnectionError:
        return web.Response(status=499)
    finally:
        site.hub.leave(feed)


def _after(frame: Frame, last: str) -> bool:
    return not isinstance(frame, TouchpointFrame) and _number(frame.id) > _number(last)


def _number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence or 0)


async def _send(site: AppContext, tenant: str, stream: Stream, frame: Frame) -> None:
    if isinstance(frame, HandoffFrame):
        if frame.json is None:
            frame.json = asyncio.ensure_future(_view(site, tenant, frame.handoff))
        await stream.write(event_bytes(frame.type, frame.id, await asyncio.shield(frame.json)))
    elif isinstance(frame, EventFrame):
        await stream.send(frame.event.type, frame.id, frame.event.data)


async def _view(site: AppContext, tenant: str, handoff: Handoff) -> bytes:
    customer_id = await current_customer_id(site.store, tenant, handoff)
    return _ENCODER.encode(handoff_view(handoff, site.store.hashes(tenant), customer_id))


async def _begin(
    site: AppContext,
    tenant: str,
    stream: Stream,
    listing: Listing,
    last_id: str | None,
    concerns: Concerns,
) -> str:
    """Send the frames missed since `last_id`, or the pending handoffs. Returns the last id sent."""
    missed = await site.hub.missed(tenant, last_id) if last_id else None
    if missed is not None and last_id:
        for frame in filter(concerns, missed):
            await _send(site, tenant, stream, frame)
        return missed[-1].id if missed else last_id
    newest = await site.hub.newest(tenant)
    pages = await asyncio.gather(
        *(
            list_handoffs(
                site.store.control(tenant), msgspec.structs.replace(listing, state=state, limit=200)
            )
            for state in (State.REQUESTED, State.OFFERED, State.ACCEPTED)
        )
    )
    hashes = site.store.hashes(tenant)
    views = [handoff_view(it, hashes) for page in pages for it in page.handoffs]
    await stream.send("reset" if last_id else "ready", newest, QueueView(handoffs=views))
    return newest
