"""The streams of a queue and of an agent: their handoffs, and what happens to these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about_homes, write_entry
from handoff.domain.clock import SECOND
from handoff.domain.handoff import Handoff, State
from handoff.services.access.authorize import authorize_queue
from handoff.services.access.reader import Reader
from handoff.services.events.feed import EventFrame, Feed, Frame, HandoffFrame, TouchpointFrame
from handoff.services.handoffs.listing import Listing, current_customer_id, list_handoffs
from handoff.services.handoffs.records import HandoffView, handoff_view

from .stream import ENCODER, Stream, event_bytes, last_id

Concerns = Callable[[Frame], bool]
"""Whether a stream sends a frame."""


class QueueView(Struct, frozen=True, kw_only=True):
    """The pending handoffs at the start of a stream."""

    handoffs: list[HandoffView]


async def of_queue(request: web.Request) -> web.StreamResponse:
    """`GET /v1/queues/{name}/events`: handoffs that are, or were, in the queue."""
    name = request.match_info["name"]
    authorize_queue(request[PRINCIPAL], name)

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


def _visible(concerns: Concerns, reader: Reader) -> Concerns:
    """The frames that a reader may see: changes of its own handoffs, and the one by which a handoff left.

    A customer-facing reader gets handoffs only.
    """
    if not reader.limited:
        return concerns

    def shown(frame: Frame) -> bool:
        if isinstance(frame, HandoffFrame):
            return (reader.sees(frame.handoff) or _just_left(frame, reader)) and concerns(frame)
        if not isinstance(frame, EventFrame) or not reader.internal or not concerns(frame):
            return False
        data = frame.event.data
        agent = data.get("agent") if isinstance(data, dict) else None
        return any(reader.in_scope(queue, agent) for queue in frame.event.queues or (None,))

    return shown


def _just_left(frame: HandoffFrame, reader: Reader) -> bool:
    """Whether this change moved the handoff on from a party that is the reader's."""
    moved = frame.handoff
    used, last = moved.fallback_used, moved.history[-1:]
    if not used or not last or moved.deadline != last[0].at + round(moved.step_s * SECOND):
        return False  # only a step of the fallback chain starts a new deadline
    if used > 1:
        before = moved.fallback[used - 2].to
        return reader.in_scope(before.queue, before.agent)
    return reader.in_scope(next(iter(moved.queues), None), next(iter(moved.agents), None))


async def _handoffs(request: web.Request, listing: Listing, concerns: Concerns) -> web.StreamResponse:
    principal = request[PRINCIPAL]
    site, reader = request.app[SITE], principal.reader
    concerns, listing = _visible(concerns, reader), msgspec.structs.replace(listing, reader=reader)
    # The feed skips frames of others without waking this task: most handoffs concern few streams.
    await write_entry(request)
    feed = Feed(lambda frame: not concerns(frame), site.hub.limits)
    stream = Stream(request)
    await site.hub.watch_tenant(feed, principal.tenant)

    async def follow() -> None:
        last = await _begin(request, stream, listing, concerns)
        while not feed.cut:
            frame = await feed.next(site.hub.limits.heartbeat_s)
            if frame is None:
                if not feed.cut:
                    await stream.beat()
            elif concerns(frame) and _after(frame, last):
                await _send(site, principal.tenant, stream, frame, reader)

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


async def _send(site: AppContext, tenant: str, stream: Stream, frame: Frame, reader: Reader) -> None:
    if isinstance(frame, HandoffFrame) and reader.limited:
        shown = await _view(site, tenant, reader.shown(frame.handoff))
        await stream.write(event_bytes(frame.type, frame.id, shown))
    elif isinstance(frame, HandoffFrame):
        if frame.json is None:
            frame.json = asyncio.ensure_future(_view(site, tenant, frame.handoff))
        await stream.write(event_bytes(frame.type, frame.id, await asyncio.shield(frame.json)))
    elif isinstance(frame, EventFrame):
        await stream.send(frame.event.type, frame.id, frame.event.data)


async def _view(site: AppContext, tenant: str, handoff: Handoff) -> bytes:
    customer_id = await current_customer_id(site.store, tenant, handoff)
    return ENCODER.encode(handoff_view(handoff, site.store.hashes(tenant), customer_id))


async def _begin(request: web.Request, stream: Stream, listing: Listing, concerns: Concerns) -> str:
    """Send the frames missed since the client's last id, or the pending handoffs. Returns the last id sent.

    The customers of pending handoffs get an audit entry of their own, since the stream's has none.
    """
    site, tenant, known = request.app[SITE], request[PRINCIPAL].tenant, last_id(request)
    missed = await site.hub.missed(tenant, known) if known else None
    if missed is not None and known:
        for frame in filter(concerns, missed):
            await _send(site, tenant, stream, frame, listing.reader)
        return missed[-1].id if missed else known
    newest = await site.hub.newest(tenant)
    pages = await asyncio.gather(
        *(
            list_handoffs(
                site.store.of(tenant).handoffs, msgspec.structs.replace(listing, state=state, limit=200)
            )
            for state in (State.REQUESTED, State.OFFERED, State.ACCEPTED)
        )
    )
    hashes = site.store.hashes(tenant)
    if homes := [it.home for page in pages for it in page.handoffs]:
        about_homes(request, homes)
        await write_entry(request, "pending")
    views = [handoff_view(listing.reader.shown(it), hashes) for page in pages for it in page.handoffs]
    await stream.send("reset" if known else "ready", newest, QueueView(handoffs=views))
    return newest
