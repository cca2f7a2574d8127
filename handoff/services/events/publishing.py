"""Events for subscribed platforms, from any part of the product: one struct and one way out.

Code that changes something in a tenant's control partition posts the event in the same commit:

    store.of(tenant).outbox.post(change, encode_event(Event(key=…, type="queue.opened", …)))

Code that changes nothing there calls `publish`. The relay queues the event once for every subscription that
wants its type, regardless of repetitions and restarts.

An outbox entry is an envelope: a family and its content. `decode_entry` is the one reader of it, for the
relay and for the live feed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.compression import compress, decompress
from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import Micros
from handoff.domain.handoff import Handoff
from handoff.store.repositories.control import Change
from handoff.store.store import Store

EVENT = "ev_"
FAMILY = "event"
FAMILY_OF_HANDOFFS = "handoff"
ID_SPACE = "event"


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened, in the form that subscribed platforms receive.

    `key` identifies the event: publishing the same key again adds nothing. Events of one `line` (a handoff's
    id) carry its full state and are ordered by `version`; a newer one may replace older ones that could not
    be delivered. After `deadline` the event is of no use and is dropped. `data` must be encodable as JSON.
    `snapshot` is the SHA-256 of the pinned context that `include = "context"` adds. Subscriptions filter by
    `channels` and `queues`. The subscription `untold` is skipped.
    """

    key: str
    type: str
    subject: str
    at: Micros
    data: Any
    version: int = 0
    line: str = ""
    correlation: str = ""
    deadline: Micros | None = None
    snapshot: str | None = None
    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    untold: bytes | None = None


class StoredEvent(Struct, frozen=True, kw_only=True):
    """An event as it is stored. `data` is encoded: every message of the event carries these bytes."""

    id: str
    type: str
    subject: str
    at: Micros
    recorded_at: Micros
    data: bytes
    version: int = 0
    line: str = ""
    correlation: str = ""
    deadline: Micros | None = None
    snapshot: str | None = None
    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


def event_id(hashes: KeyedHash, key: str) -> bytes:
    """The 16 bytes behind the event's public id."""
    return hashes.event(ID_SPACE, key)


def stored_event(event: Event, hashes: KeyedHash, recorded_at: Micros) -> StoredEvent:
    """The event with its id, and with its data encoded."""
    return StoredEvent(
        id=hashes.public(EVENT, event_id(hashes, event.key)),
        type=event.type,
        subject=event.subject,
        at=event.at,
        recorded_at=recorded_at,
        data=msgspec.json.encode(event.data),
        version=event.version,
        line=event.line,
        correlation=event.correlation or event.subject,
        deadline=event.deadline,
        snapshot=event.snapshot,
        channels=event.channels,
        queues=event.queues,
    )


def pack_event(event: StoredEvent) -> bytes:
    codec, packed = compress(msgspec.msgpack.encode(event))
    return bytes((codec,)) + packed


def unpack_event(blob: bytes) -> StoredEvent:
    """Decode a stored event. Raises WrittenByNewer if its codec belongs to a newer release."""
    return decode_as(decompress(blob[0], blob[1:]), StoredEvent)


class HandoffEntry(Struct, frozen=True):
    """An outbox entry for one change of a handoff: the event type and the full state after it."""

    type: str
    handoff: Handoff


class UnknownEntry(Struct, frozen=True):
    """An outbox entry of a family that only a newer release knows."""

    family: str


def encode_event(event: Event) -> bytes:
    """The outbox entry to post in the commit that makes the event true."""
    return msgspec.msgpack.encode((FAMILY, event))


def encode_handoff_change(type_: str, handoff: Handoff) -> bytes:
    """The outbox entry to post in the commit that changes a handoff."""
    return encode_record((FAMILY_OF_HANDOFFS, type_, handoff))


def decode_entry(payload: bytes) -> HandoffEntry | Event | UnknownEntry:
    """The content of an entry of a control outbox. Raises an error if the bytes cannot be read."""
    family, *content = msgspec.msgpack.decode(payload, type=list[msgspec.Raw])
    name = msgspec.msgpack.decode(family, type=str)
    if name == FAMILY_OF_HANDOFFS:
        return HandoffEntry(msgspec.msgpack.decode(content[0], type=str), decode_as(content[1], Handoff))
    if name == FAMILY:
        return decode_as(content[0], Event)
    return UnknownEntry(name)


async def publish(store: Store, tenant: str, event: Event) -> None:
    """Publish an event by itself; durable when this returns. One round trip."""
    part = store.of(tenant)
    await part.commit(part.outbox.post(Change(), encode_event(event)))
