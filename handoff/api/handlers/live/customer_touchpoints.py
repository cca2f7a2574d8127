"""One customer as a topic: touchpoints, in the order of recording."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import AuditedAccess, write_about
from handoff.domain.errors import NotFound
from handoff.services.access.customer_access import check_customer
from handoff.services.context.position import Position, position_of, read_position
from handoff.services.customers.customer import Customer, by_id
from handoff.services.events.feed import Feed, Frame, PositionChange, TouchpointFrame, touchpoint_frame
from handoff.services.timeline.pages import read_touchpoint
from handoff.services.timeline.reading import decode
from handoff.store.repositories.timelines import read_arrivals_after

from .outlet import Outlet, run_alone
from .stream import Stream, event_bytes, last_id

EARLY_S = 0.01  # a timer may fire a little before its time


class ResetView(Struct, frozen=True, kw_only=True):
    """Read the context again. `reason` is why the server cannot send the missed frames."""

    reason: str
    customer_id: str


async def of_customer(request: web.Request) -> web.StreamResponse:
    """`GET /v1/customers/{id}/events`: touchpoints in the order of recording."""
    stream = Stream(request)
    topic = CustomerTopic(request, Outlet(stream), request.match_info["id"], last_id(request))
    return await run_alone(stream, topic)


class CustomerTopic:
    """One customer, whose identities may change meanwhile."""

    def __init__(
        self,
        request: web.Request,
        out: Outlet,
        id_: str,
        known: str | None,
        access: AuditedAccess | None = None,
    ) -> None:
        """`known` is the client's position. `access` is the topic's own part of the request's audit."""
        self._site = site = request.app[SITE]
        self._principal = principal = request[PRINCIPAL]
        self._tenant = principal.tenant
        self._reader = principal.reader
        self._shown = partial(site.store.masking.json, self._tenant)
        self._id = id_
        self._known = known
        self._request = request
        self._access = access
        self._out = out
        self._customer: Customer | None = None
        self._feed = Feed(self._handle_now, site.hub.limits)
        self._position = Position(state=b"", arrivals={})
        self._check_at = time.monotonic() + site.hub.limits.check_identities_s

    @property
    def position(self) -> str:
        return self._position.encode()

    async def open(self) -> None:
        """NotFound if there is no such customer for the caller."""
        customer = await by_id(self._site.store, self._tenant, self._id)
        await check_customer(self._site.store, self._principal, customer.group.members)
        await write_about(self._request, [customer.id], access=self._access)
        await self._site.hub.watch_homes(self._feed, customer.group.members)
        # Read again: this has everything before the feed was registered, the feed has the rest.
        customer = await by_id(self._site.store, self._tenant, self._id)
        await self._site.hub.watch_homes(self._feed, customer.group.members)
        self._customer = customer

    def close(self) -> None:
        self._site.hub.leave(self._feed)

    async def begin(self) -> None:
        """Send what happened since the client's position; without one, only where the topic is now."""
        customer = self._customer
        assert customer is not None, "not opened"
        now = position_of(customer.members)
        if self._known is None:
            self._position = now
            await self._out.start(now.encode(), {"customer_id": customer.id})
            return
        known = read_position(self._known, customer.members)
        missed = await self._missed(customer, known, now) if known else None
        if known is None or missed is None:
            await self._reset(customer, "changed" if known is None else "too_old")
            return
        self._position = known
        for frame in missed:
            await self._touchpoint(frame)

    async def follow(self) -> None:
        """Send touchpoints until the client is too far behind."""
        while not self._feed.cut:
            until_check = max(self._check_at - time.monotonic(), 0.0)
            frame = await self._feed.next(min(self._site.hub.limits.heartbeat_s, until_check))
            if isinstance(frame, TouchpointFrame):
                await self._touchpoint(frame)
            elif frame is None and not self._feed.cut:
                await self._out.beat()
            if time.monotonic() + EARLY_S >= self._check_at:
                await self._check_identities()

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
        return [touchpoint_frame(it, decoded, self._shown) for it in decoded.entries]

    def _handle_now(self, frame: Frame) -> bool:
        if self._reader.limited or not isinstance(frame, TouchpointFrame):
            return False
        return not _may_change_identities(frame) and self._send(frame)

    async def _touchpoint(self, frame: TouchpointFrame) -> None:
        if self._reader.limited:
            await self._send_shown(frame)
        else:
            while not self._send(frame):
                await self._out.wait_for_client()
        if _may_change_identities(frame):
            await self._check_identities()

    async def _send_shown(self, frame: TouchpointFrame) -> None:
        """Send a touchpoint as a limited reader may see it. A hidden one only moves the position."""
        if frame.arrival <= self._position.arrivals.get(frame.home, 0):
            return
        after = self._position.moved(frame.home, frame.arrival)
        with suppress(NotFound):
            view = await read_touchpoint(self._site.store, self._tenant, frame.touchpoint, self._reader)
            await self._out.send("touchpoint", after.encode(), view)
        self._position = after

    def _send(self, frame: TouchpointFrame) -> bool:
        """Send a touchpoint unless the stream has sent it already; False if the client is too slow."""
        if frame.arrival <= self._position.arrivals.get(frame.home, 0):
            return True
        move = _move(frame, self._position)
        event = self._out.encode("touchpoint", move.text, frame.json) if self._out.shared else move.event
        if not self._out.put(event):
            return False
        self._position = move.after
        return True

    async def _check_identities(self) -> None:
        """Check that the customer has the same identities; otherwise the client must read again."""
        self._check_at = time.monotonic() + self._site.hub.limits.check_identities_s
        customer = await by_id(self._site.store, self._tenant, self._id)
        await check_customer(self._site.store, self._principal, customer.group.members)
        if position_of(customer.members).state != self._position.state:
            await write_about(self._request, [customer.id], "changed", self._access)
            await self._site.hub.watch_homes(self._feed, customer.group.members)
            await self._reset(await by_id(self._site.store, self._tenant, self._id), "changed")

    async def _reset(self, customer: Customer, reason: str) -> None:
        self._position = position_of(customer.members)
        view = ResetView(reason=reason, customer_id=customer.id)
        await self._out.send("reset", self._position.encode(), view)


def _may_change_identities(frame: TouchpointFrame) -> bool:
    """Whether a touchpoint may change the customer's identities."""
    return frame.type.startswith("identity.")


def _move(frame: TouchpointFrame, position: Position) -> PositionChange:
    """The event of a touchpoint for a client at a position. Most clients share one, so it is cached."""
    move = frame.move
    if move is None or move.before != position:
        after = position.moved(frame.home, frame.arrival)
        text = after.encode()
        event = event_bytes("touchpoint", text, frame.json)
        move = frame.move = PositionChange(position, after, text, event)
    return move
