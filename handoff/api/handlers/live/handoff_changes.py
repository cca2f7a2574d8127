"""Handoffs as topics: those of a queue, of an agent, and all pending ones, and what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import msgspec
from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import AuditedAccess, write_about, write_entry
from handoff.domain.clock import SECOND
from handoff.domain.handoff import Handoff, State
from handoff.services.access.authorize import authorize_queue
from handoff.services.access.reader import Reader
from handoff.services.audit.entry import customer_ids
from handoff.services.events.feed import EventFrame, Feed, Frame, HandoffFrame, TouchpointFrame, entry_number
from handoff.services.events.publishing import Event
from handoff.services.handoffs.listing import Listing, current_customer_id, list_handoffs
from handoff.services.handoffs.records import HandoffView, handoff_view
from handoff.services.webhooks.event_types import ALARMS

from .outlet import Outlet, run_alone
from .stream import ENCODER, Stream, last_id

PENDING = (State.REQUESTED, State.OFFERED)

Concerns = Callable[[Frame], bool]
"""Whether a stream sends a frame."""

Missed = Callable[[str], Awaitable[Sequence[HandoffFrame | EventFrame] | None]]
"""The frames after a position. None if some of them are no longer available."""


class SharedParts(Struct, frozen=True, kw_only=True):
    """One of several topics on a stream: its part of the request's audit, and the one read for all."""

    access: AuditedAccess | None = None
    missed: Missed | None = None


ALONE = SharedParts()


class QueueView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The handoffs at the start of a stream: the newest 200 of each state. `more`: there are others."""

    handoffs: list[HandoffView]
    more: bool = False


async def of_queue(request: web.Request) -> web.StreamResponse:
    """`GET /v1/queues/{name}/events`: handoffs that are, or were, in the queue, and alarms of promises to
    the customers in it."""
    stream, name = Stream(request), request.match_info["name"]
    return await run_alone(stream, queue_topic(request, Outlet(stream), name, last_id(request)))


async def of_agent(request: web.Request) -> web.StreamResponse:
    """`GET /v1/agents/{id}/events`: handoffs offered to or owned by the agent, changes in their contexts,
    and alarms of promises to their customers."""
    stream, id_ = Stream(request), request.match_info["id"]
    return await run_alone(stream, agent_topic(request, Outlet(stream), id_, last_id(request)))


def queue_topic(
    request: web.Request, out: Outlet, name: str, known: str | None, shared: SharedParts = ALONE
) -> HandoffTopic:
    """The handoffs of a queue. Forbidden for a queue that is not the caller's."""
    authorize_queue(request[PRINCIPAL], name)

    def concerns(frame: Frame) -> bool:
        if isinstance(frame, HandoffFrame):
            return name in frame.handoff.queues
        return isinstance(frame, EventFrame) and _alarms(frame.event, name)

    return HandoffTopic(request, out, Listing(queue=name), concerns, known, shared)


def agent_topic(
    request: web.Request, out: Outlet, id_: str, known: str | None, shared: SharedParts = ALONE
) -> HandoffTopic:
    """The handoffs of an agent, and changes in their contexts."""

    def concerns(frame: Frame) -> bool:
        if isinstance(frame, HandoffFrame):
            return id_ in frame.handoff.agents
        data = frame.event.data if isinstance(frame, EventFrame) else None
        return isinstance(data, dict) and data.get("agent") == id_

    return HandoffTopic(request, out, Listing(agent=id_), concerns, known, shared)


def _alarms(event: Event, queue: str) -> bool:
    """Whether an event is an alarm of a promise to a customer in the queue. An agent who owns the
    customer gets it instead."""
    return event.type in ALARMS and isinstance(event.data, dict) and event.data.get("queue") == queue


def pending_topic(
    request: web.Request, out: Outlet, known: str | None, shared: SharedParts = ALONE
) -> HandoffTopic:
    """All handoffs that the caller may see: it starts with the pending ones."""
    return HandoffTopic(
        request, out, Listing(), lambda frame: isinstance(frame, HandoffFrame), known, shared, PENDING
    )


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


class HandoffTopic:
    """Some handoffs of the tenant, and what happens to them."""

    def __init__(
        self,
        request: web.Request,
        out: Outlet,
        listing: Listing,
        concerns: Concerns,
        known: str | None,
        shared: SharedParts,
        states: tuple[State, ...] = (*PENDING, State.ACCEPTED),
    ) -> None:
        """`known` is the client's position."""
        self._site = site = request.app[SITE]
        self._tenant = request[PRINCIPAL].tenant
        self._reader = reader = request[PRINCIPAL].reader
        self._request = request
        self._access = shared.access
        self._missed = shared.missed or partial(site.hub.missed, self._tenant)
        self._out = out
        self._known = known
        self._states = states
        self._concerns = concerns = _visible(concerns, reader)
        self._listing = msgspec.structs.replace(listing, reader=reader, limit=site.hub.limits.listed)
        # The feed skips frames of others without waking this task: most handoffs concern few streams.
        self._feed = Feed(lambda frame: not concerns(frame), site.hub.limits)
        self._begun_at = self.position = known or ""

    async def open(self) -> None:
        await write_entry(self._request, access=self._access)
        await self._site.hub.watch_tenant(self._feed, self._tenant)

    def close(self) -> None:
        self._site.hub.leave(self._feed)

    async def follow(self) -> None:
        """Send changes until the client is too far behind."""
        while not self._feed.cut:
            frame = await self._feed.next(self._site.hub.limits.heartbeat_s)
            if frame is None:
                if not self._feed.cut:
                    await self._out.beat()
            elif self._concerns(frame) and _after(frame, self._begun_at):
                await self._send(frame)

    async def begin(self) -> None:
        """Send the frames missed since the client's position, or the handoffs as they are now.

        The customers of these handoffs get an audit entry of their own, since the stream's has none.
        """
        known = self._known
        missed = await self._missed(known) if known else None
        if missed is not None and known:
            for frame in filter(self._concerns, missed):
                await self._send(frame)
            self._begun_at = self.position = missed[-1].id if missed else known
            return
        newest = await self._site.hub.newest(self._tenant)
        handoffs, more = await self._listed()
        hashes = self._site.store.hashes(self._tenant)
        if handoffs:
            homes = customer_ids(hashes, [it.home for it in handoffs])
            await write_about(self._request, homes, "pending", self._access)
        shown = [handoff_view(self._reader.shown(it), hashes) for it in handoffs]
        view = QueueView(handoffs=shown, more=more)
        self._begun_at = self.position = newest
        if known:
            await self._out.send("reset", newest, view)
        else:
            await self._out.start(newest, view)

    async def _listed(self) -> tuple[list[Handoff], bool]:
        """The handoffs as they are now, and whether there are more of a state."""
        records = self._site.store.of(self._tenant).handoffs
        wanted = [msgspec.structs.replace(self._listing, state=state) for state in self._states]
        pages = await asyncio.gather(*(list_handoffs(records, it, self._site.store.pace) for it in wanted))
        listed = [it for page in pages for it in page.handoffs]
        return listed, any(page.bound is not None for page in pages)

    async def _send(self, frame: Frame) -> None:
        if isinstance(frame, HandoffFrame) and self._reader.limited:
            json = await _view(self._site, self._tenant, self._reader.shown(frame.handoff))
            await self._out.write(self._out.encode(frame.type, frame.id, json))
        elif isinstance(frame, HandoffFrame):
            if frame.json is None:
                frame.json = asyncio.ensure_future(_view(self._site, self._tenant, frame.handoff))
            json = await asyncio.shield(frame.json)
            await self._out.write(self._out.encode(frame.type, frame.id, json))
        elif isinstance(frame, EventFrame):
            await self._out.send(frame.event.type, frame.id, frame.event.data)
        else:
            return
        self.position = frame.id


def _after(frame: Frame, last: str) -> bool:
    return not isinstance(frame, TouchpointFrame) and entry_number(frame.id) > entry_number(last)


async def _view(site: AppContext, tenant: str, handoff: Handoff) -> bytes:
    customer_id = await current_customer_id(site.store, tenant, handoff)
    raw = ENCODER.encode(handoff_view(handoff, site.store.hashes(tenant), customer_id))
    return site.store.masking.json(tenant, raw)
