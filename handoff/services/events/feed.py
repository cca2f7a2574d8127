"""The live feed: sends what is stored to live subscribers, by tailing the outboxes.

A subscriber that waits with an empty buffer may take a frame directly, without its task being woken.
Otherwise the frame goes into its bounded buffer. A subscriber that reads too slowly is cut off and has to
resume from its last position, and so are all subscribers after an interruption of the store. No frame is
skipped silently.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import structlog
from msgspec import Struct

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

from .publishing import Event, HandoffEntry, decode_entry

BLOCK_S = 0.25  # how long a new subscriber's first event may wait behind a read that is under way
PAUSE_S = 0.5
COUNT = 200
_ENTRY_ID = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)

log = structlog.get_logger(__name__)


class StreamLimits(Struct, frozen=True, kw_only=True):
    """Bounds of live streams. Times in seconds."""

    behind: int = 500
    """Frames buffered for one subscriber; a screen that is further behind reads again."""
    read: int = 50
    """Touchpoints read in one round trip: some MB if they are large."""
    listed: int = 200
    """Handoffs of one state at the start of a stream: every reset reads them."""
    heartbeat_s: float = 10.0
    """Proxies and browsers close a silent stream after 15 s."""
    check_identities_s: float = 10.0
    """How often a stream checks the customer's identities."""


class PositionChange(Struct, frozen=True):
    """The position before and after a touchpoint; the latter's text, and the bytes of the event."""

    before: Position
    after: Position
    text: str
    event: bytes


class TouchpointFrame(Struct, kw_only=True):
    """A stored touchpoint with its home, arrival, and public id. `json` is its encoded view."""

    home: bytes
    arrival: Micros
    type: str
    touchpoint: str = ""
    json: bytes
    move: PositionChange | None = None
    """Encoded by the first subscriber that sends it, for all subscribers at the same position."""


class HandoffFrame(Struct, kw_only=True, eq=False):
    """A change of a handoff. `id` is the id of its outbox entry; subscribers resume after it."""

    id: str
    type: str
    handoff: Handoff
    json: asyncio.Future[bytes] | None = None
    """The encoded view, made by the first subscriber that sends it, for all of them."""


class EventFrame(Struct, frozen=True, kw_only=True):
    """Another event of the tenant's control partition."""

    id: str
    event: Event


Frame = TouchpointFrame | HandoffFrame | EventFrame


class Feed:
    """The frames for one subscriber, read by one task with `next`. After `cut` it has to resume.

    While the subscriber waits in `next`, `take_now` is offered each frame and returns whether it took it.
    Frames that it does not take come from `next`, so the order is the same either way.
    """

    def __init__(
        self, take_now: Callable[[Frame], bool] | None = None, limits: StreamLimits | None = None
    ) -> None:
        self._most = (limits or StreamLimits()).behind
        self._take_now = take_now
        self._frames: deque[Frame] = deque()
        self._reader: asyncio.Future[None] | None = None
        self.cut = False

    def put(self, frame: Frame) -> None:
        # A subscriber that waits and is not woken yet has sent all earlier frames.
        if self._take_now and self._reader and not self._reader.done() and self._take_now(frame):
            return
        if len(self._frames) < self._most:
            self._frames.append(frame)
        else:
            self.cut = True
        self._wake()

    def break_off(self) -> None:
        """The source was interrupted: the subscriber has to resume to get the frames it missed."""
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
    """All live subscribers of this process and the one reader that feeds them."""

    def __init__(self, store: Store, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self._store = store
        self._cursors: dict[bytes, bytes] = {}
        self._homes: dict[bytes, set[Feed]] = {}
        self._tenants: dict[bytes, set[Feed]] = {}
        self._changed = asyncio.Event()

    async def watch_homes(self, feed: Feed, homes: Iterable[bytes]) -> None:
        """Send `feed` the touchpoints filed under the homes from now on."""
        keys = self._store.keys
        wanted = list(homes)
        await self._tail({keys.outbox(keys.partition(home)) for home in wanted})
        for home in wanted:
            self._homes.setdefault(home, set()).add(feed)

    async def watch_tenant(self, feed: Feed, tenant: str) -> None:
        """Send `feed` the handoff changes and events of the tenant from now on."""
        stream = self._store.of(tenant).outbox.stream
        await self._tail({stream})
        self._tenants.setdefault(stream, set()).add(feed)

    def leave(self, feed: Feed) -> None:
        """Unsubscribe `feed`."""
        for subscribers in (self._homes, self._tenants):
            for key in [key for key, feeds in subscribers.items() if feed in feeds]:
                subscribers[key].discard(feed)
                if not subscribers[key]:
                    del subscribers[key]
        keys = self._store.keys
        used = {keys.outbox(keys.partition(home)) for home in self._homes} | set(self._tenants)
        self._cursors = {stream: cursor for stream, cursor in self._cursors.items() if stream in used}

    async def _tail(self, streams: set[bytes]) -> None:
        """Start to read these streams at their current ends; no later entry is missed once this returns."""
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
        """The frames after an entry. None if the id is not an entry's, or if later entries were trimmed."""
        if not is_entry_id(last_id):
            return None
        after = await self._store.of(tenant).outbox.after(last_id, self.limits.behind)
        if after is None or len(after.entries) == self.limits.behind:
            return None
        if not entry_number(after.oldest) <= entry_number(last_id) <= entry_number(after.newest):
            return None
        frames = (self._frame(entry) for entry in after.entries)
        return [frame for frame in frames if frame is not None]

    async def run(self) -> None:
        """Read until cancelled; run this in a task."""
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
        """Cut off every subscriber: it has to resume, because it may miss frames from here on."""
        for feeds in (*self._homes.values(), *self._tenants.values()):
            for feed in feeds:
                feed.break_off()

    def break_off_homes(self, homes: Iterable[bytes]) -> None:
        """Cut off the subscribers of these homes."""
        for home in homes:
            for feed in self._homes.get(home, ()):
                feed.break_off()

    async def _turn(self, reader: Connection) -> None:
        self._changed.clear()
        if not self._cursors:
            await self._changed.wait()
            return
        # New subscribers do not interrupt this read: their streams are read after it, from their start
        # positions. Interrupting a command would cost its connection.
        block_ms = None if reader.cluster else round(BLOCK_S * 1000)
        places = list(self._cursors.items())
        sealing = self._store.sealing
        found = await read_entries(reader, places, count=COUNT, block_ms=block_ms, sealing=sealing)
        touchpoints: list[OutboxEntry] = []
        for stream, entries in found.items():
            if stream in self._cursors:
                self._cursors[stream] = entries[-1].id
            if stream in self._tenants:
                self._send_to_tenant(self._tenants[stream], entries)
            else:
                touchpoints += entries
        await self._send_to_homes(touchpoints)
        if reader.cluster and not found:
            await asyncio.sleep(0.05)

    def _send_to_tenant(self, feeds: set[Feed], entries: Iterable[OutboxEntry]) -> None:
        for entry in entries:
            frame = self._frame(entry)
            if frame is not None:
                _send(feeds, frame)

    def _frame(self, entry: OutboxEntry) -> HandoffFrame | EventFrame | None:
        """The frame of a control entry; None if this release does not know it or cannot read it."""
        try:
            frame = _control_frame(entry) if entry.kind == CONTROL_ENTRY else None
        except Exception as error:  # an entry that cannot be read must not stop the stream
            _unreadable(error)
            return None
        if frame is None:
            self._store.unknown.met("live_entry", entry.kind[:16])
        return frame

    async def _send_to_homes(self, entries: Iterable[OutboxEntry]) -> None:
        """Send touchpoints in order; up to `limits.read` of them are read in one round trip."""
        watched = [reference for entry in entries if (reference := self._watched(entry))]
        for start in range(0, len(watched), self.limits.read):
            references = watched[start : start + self.limits.read]
            places = [(it.home, it.place) for it in references]
            found = await read_filed(self._store.connection, self._store.keys, places)
            for reference, filed in zip(references, found, strict=True):
                await self._send_to_home(reference, filed)

    async def _send_to_home(self, reference: Reference, filed: Filed) -> None:
        try:
            shown = partial(self._store.masking.json, reference.tenant)
            frame = touchpoint_frame(*await read_entry(self._store, reference.tenant, filed), shown)
        except (StoreUnavailable, StoreError):
            raise
        except Exception as error:  # an entry that cannot be read must not stop the stream
            _unreadable(error)
            return
        _send(self._homes.get(reference.home, ()), frame)
        await asyncio.sleep(0)  # let other tasks run: there may have been many subscribers

    def _watched(self, entry: OutboxEntry) -> Reference | None:
        """The touchpoint of an entry; None if its home has no subscriber."""
        try:
            if entry.kind != TOUCHPOINT_ENTRY:
                self._store.unknown.met("live_entry", entry.kind[:16])
                return None
            reference = read_reference(entry.payload)
        except ValueError as error:
            _unreadable(error)
            return None
        return reference if reference.home in self._homes else None


def _send(feeds: Iterable[Feed], frame: Frame) -> None:
    for feed in tuple(feeds):
        feed.put(frame)


def _unreadable(error: Exception) -> None:
    log.warning("live_entry_unreadable", error=type(error).__name__)


def touchpoint_frame(
    entry: TimelineEntry, decoded: Decoded, shown: Callable[[bytes], bytes]
) -> TouchpointFrame:
    """The frame of a touchpoint that was read. `shown` masks what no reader may see."""
    view = decoded.view(entry)
    return TouchpointFrame(
        home=entry.entry.home,
        arrival=entry.entry.recorded_at,
        type=view.type,
        touchpoint=view.id,
        json=shown(msgspec.json.encode(view)),
    )


def is_entry_id(text: str) -> bool:
    return _ENTRY_ID.fullmatch(text) is not None


def entry_number(entry_id: str) -> tuple[int, int]:
    """The order of entries."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def _control_frame(entry: OutboxEntry) -> HandoffFrame | EventFrame | None:
    """The frame of a control entry; None for an unknown family."""
    content, id_ = decode_entry(entry.payload), entry.id.decode()
    if isinstance(content, HandoffEntry):
        return HandoffFrame(id=id_, type=content.type, handoff=content.handoff)
    if isinstance(content, Event):
        return EventFrame(id=id_, event=content)
    return None
