"""The live feed: what is stored is told to whoever listens, by tailing the outboxes.

A subscriber that waits with nothing in its buffer may take a frame at once, without its task being
woken; otherwise the frame waits in the buffer, which is bounded: one that reads too slowly is told to
resume from where it was, and so is everybody when the store was away. Nothing is skipped in silence.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable

import msgspec
import structlog
from msgspec import Struct

from handoff.codec.records import decode_as
from handoff.domain.clock import Micros
from handoff.domain.errors import HandoffError, StoreUnavailable
from handoff.domain.handoff import Handoff
from handoff.services.context.position import Position
from handoff.services.timeline.reading import Decoded, TimelineEntry, read_entry
from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.repositories.outbox import (
    BEGINNING,
    CONTROL_ENTRY,
    TOUCHPOINT_ENTRY,
    OutboxEntry,
    Reference,
    newest_ids,
    read_entries,
    read_reference,
)
from handoff.store.repositories.timelines import Filed, read_filed
from handoff.store.store import Store

from .publishing import FAMILY, Event

MAX_BEHIND = 500  # frames buffered for one subscriber: a screen that is this far behind reads again
BLOCK_S = 0.25  # how long a new subscriber's first event may wait behind a read that is under way
PAUSE_S = 0.5
COUNT = 200
AT_ONCE = 50  # touchpoints held to be told: some MB where they are large
_ENTRY_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)

log = structlog.get_logger(__name__)


class HandoffChange(Struct, frozen=True):
    """From which position a touchpoint takes a reader to which, and the bytes of its event."""

    before: Position
    after: Position
    event: bytes


class TouchpointFrame(Struct, kw_only=True):
    """A touchpoint that was stored: at which home, with which arrival; `json` is its view's."""

    home: bytes
    arrival: Micros
    type: str
    json: bytes
    move: HandoffChange | None = None
    """Made by the first who tells of it, for all who stand where it stood."""


class HandoffFrame(Struct, kw_only=True, eq=False):
    """A change of a hand-off; `id` is the entry's, to resume after."""

    id: str
    type: str
    handoff: Handoff
    json: asyncio.Future[bytes] | None = None
    """Its view: made by the first who tells of it, for all."""


class EventFrame(Struct, frozen=True, kw_only=True):
    """Another event of the tenant's control partition."""

    id: str
    event: Event


Frame = TouchpointFrame | HandoffFrame | EventFrame


class Feed:
    """One subscriber, who reads alone. Iterate with `next`; `cut` says that it must resume.

    `at_once` is offered a frame while the subscriber waits in `next`, and says whether it took it. What
    it does not take comes from `next`; so the order is the same, whichever way a frame goes.
    """

    def __init__(self, at_once: Callable[[Frame], bool] | None = None) -> None:
        self._at_once = at_once
        self._frames: deque[Frame] = deque()
        self._reader: asyncio.Future[None] | None = None
        self.cut = False

    def put(self, frame: Frame) -> None:
        # Who waits and is not woken yet has told all that came before.
        if self._at_once and self._reader and not self._reader.done() and self._at_once(frame):
            return
        if len(self._frames) < MAX_BEHIND:
            self._frames.append(frame)
        else:
            self.cut = True
        self._wake()

    def break_off(self) -> None:
        """The source was interrupted: what came meanwhile is only to be had by resuming."""
        self.cut = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def next(self, timeout_s: float) -> Frame | None:
        """The next frame, or None after `timeout_s` without one or when the feed is cut."""
        if not self.cut and not self._frames:
            loop = asyncio.get_running_loop()
            self._reader = loop.create_future()
            timer = loop.call_later(timeout_s, self._wake)
            try:
                await self._reader
            finally:
                timer.cancel()
                self._reader = None
        return self._frames.popleft() if self._frames and not self.cut else None


class Hub:
    """All live subscribers of this process, and the one reader that feeds them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cursors: dict[bytes, bytes] = {}
        self._homes: dict[bytes, set[Feed]] = {}
        self._tenants: dict[bytes, set[Feed]] = {}
        self._changed = asyncio.Event()

    async def watch_homes(self, feed: Feed, homes: Iterable[bytes]) -> None:
        """Tell `feed` of touchpoints filed under the homes from now on."""
        keys = self._store.keys
        wanted = list(homes)
        await self._tail({keys.outbox(keys.partition(home)) for home in wanted})
        for home in wanted:
            self._homes.setdefault(home, set()).add(feed)

    async def watch_tenant(self, feed: Feed, tenant: str) -> None:
        """Tell `feed` of hand-offs and events of the tenant from now on."""
        stream = self._store.control(tenant).keys.outbox()
        await self._tail({stream})
        self._tenants.setdefault(stream, set()).add(feed)

    def leave(self, feed: Feed) -> None:
        """Stop telling `feed` anything."""
        for subscribers in (self._homes, self._tenants):
            for key in [key for key, feeds in subscribers.items() if feed in feeds]:
                subscribers[key].discard(feed)
                if not subscribers[key]:
                    del subscribers[key]
        keys = self._store.keys
        used = {keys.outbox(keys.partition(home)) for home in self._homes} | set(self._tenants)
        self._cursors = {stream: cursor for stream, cursor in self._cursors.items() if stream in used}

    async def _tail(self, streams: set[bytes]) -> None:
        """Read these streams from their ends on; returns when nothing later can be missed."""
        fresh = sorted(streams - self._cursors.keys())
        if not fresh:
            return
        newest = await newest_ids(self._store.connection, fresh)
        for stream, id_ in zip(fresh, newest, strict=True):
            if isinstance(id_, Exception):
                raise id_
            self._cursors.setdefault(stream, id_ or BEGINNING)
        self._changed.set()

    async def newest(self, tenant: str) -> str:
        """The id of the newest entry of a tenant's control partition; `0-0` before there is one."""
        return await self._store.of(tenant).outbox.newest_id() or BEGINNING.decode()

    async def missed(self, tenant: str, last_id: str) -> list[HandoffFrame | EventFrame] | None:
        """What came after an entry; None where it is no entry's id, is to come, or older ones are gone."""
        if not _ENTRY_ID.fullmatch(last_id):
            return None
        after = await self._store.of(tenant).outbox.after(last_id, MAX_BEHIND)
        if after is None or len(after.entries) == MAX_BEHIND:
            return None
        if not _entry_number(after.oldest) <= _entry_number(last_id) <= _entry_number(after.newest):
            return None
        frames = (self._frame(entry) for entry in after.entries)
        return [frame for frame in frames if frame is not None]

    async def run(self) -> None:
        """Read for ever; run it in a task."""
        while True:
            try:
                async with self._store.connection.blocking(BLOCK_S) as reader:
                    while True:
                        await self._turn(reader)
            except (HandoffError, StoreError) as error:
                log.warning(
                    "live_feed_interrupted",
                    error=str(error),
                    reason=getattr(error, "fields", {}).get("reason"),
                )
                self.break_off()
                await asyncio.sleep(PAUSE_S)

    def break_off(self) -> None:
        """Tell every subscriber to resume: what comes now may not reach them."""
        for feeds in (*self._homes.values(), *self._tenants.values()):
            for feed in feeds:
                feed.break_off()

    async def _turn(self, reader: Connection) -> None:
        self._changed.clear()
        if not self._cursors:
            await self._changed.wait()
            return
        # Not interrupted for who comes meanwhile: their streams are read from where they began, after
        # this read, and a command that is cut off costs its connection.
        block_ms = None if reader.cluster else round(BLOCK_S * 1000)
        places = list(self._cursors.items())
        found = await read_entries(reader, places, count=COUNT, block_ms=block_ms)
        touchpoints: list[OutboxEntry] = []
        for stream, entries in found.items():
            if stream in self._cursors:
                self._cursors[stream] = entries[-1].id
            if stream in self._tenants:
                self._tell_tenant(self._tenants[stream], entries)
            else:
                touchpoints += entries
        await self._tell_homes(touchpoints)
        if reader.cluster and not found:
            await asyncio.sleep(0.05)

    def _tell_tenant(self, feeds: set[Feed], entries: Iterable[OutboxEntry]) -> None:
        for entry in entries:
            frame = self._frame(entry)
            if frame is not None:
                _tell(feeds, frame)

    def _frame(self, entry: OutboxEntry) -> HandoffFrame | EventFrame | None:
        """The frame of a control entry; None for one that this release does not know, or cannot read."""
        try:
            frame = _control_frame(entry) if entry.kind == CONTROL_ENTRY else None
        except Exception as error:  # whatever one entry provokes: the stream goes on without it
            _unreadable(error)
            return None
        if frame is None:
            self._store.unknown.met("live_entry", entry.kind[:16])
        return frame

    async def _tell_homes(self, entries: Iterable[OutboxEntry]) -> None:
        """Tell of touchpoints in their order; AT_ONCE of them are read in one round trip."""
        watched = [it for entry in entries if (it := self._watched(entry))]
        for start in range(0, len(watched), AT_ONCE):
            references = watched[start : start + AT_ONCE]
            places = [(it.home, it.place) for it in references]
            found = await read_filed(self._store.connection, self._store.keys, places)
            for reference, filed in zip(references, found, strict=True):
                await self._tell_home(reference, filed)

    async def _tell_home(self, reference: Reference, filed: Filed) -> None:
        try:
            frame = touchpoint_frame(*await read_entry(self._store, reference.tenant, filed))
        except (StoreUnavailable, StoreError):
            raise
        except Exception as error:  # whatever one entry provokes: the stream goes on without it
            _unreadable(error)
            return
        _tell(self._homes.get(reference.home, ()), frame)
        await asyncio.sleep(0)  # many may have been written to: whoever else has work comes next

    def _watched(self, entry: OutboxEntry) -> Reference | None:
        """The touchpoint that an entry speaks of, None where nobody watches its home."""
        try:
            if entry.kind != TOUCHPOINT_ENTRY:
                self._store.unknown.met("live_entry", entry.kind[:16])
                return None
            reference = read_reference(entry.payload)
        except ValueError as error:
            _unreadable(error)
            return None
        return reference if reference.home in self._homes else None


def _tell(feeds: Iterable[Feed], frame: Frame) -> None:
    for feed in tuple(feeds):
        feed.put(frame)


def _unreadable(error: Exception) -> None:
    log.warning("live_entry_unreadable", error=type(error).__name__)


def touchpoint_frame(it: TimelineEntry, decoded: Decoded) -> TouchpointFrame:
    """The frame of a touchpoint that was read."""
    view = decoded.view(it)
    return TouchpointFrame(
        home=it.entry.home, arrival=it.entry.recorded_at, type=view.type, json=msgspec.json.encode(view)
    )


def _entry_number(entry_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def _control_frame(entry: OutboxEntry) -> HandoffFrame | EventFrame | None:
    """The frame of a control entry; None for a family that nobody watches."""
    family, *rest = msgspec.msgpack.decode(entry.payload, type=list[msgspec.Raw])
    name = msgspec.msgpack.decode(family, type=str)
    if name == "handoff":
        return HandoffFrame(
            id=entry.id.decode(),
            type=msgspec.msgpack.decode(rest[0], type=str),
            handoff=decode_as(rest[1], Handoff),
        )
    if name == FAMILY:
        return EventFrame(id=entry.id.decode(), event=decode_as(rest[0], Event))
    return None
