"""Events for subscribed platforms, from whatever part of the product: one struct, one way out.

A part that changes something in a tenant's control partition posts the event in the same commit:

    change.post(control.keys.outbox(), encode_event(Event(key=…, type="queue.opened", …)))

and a part that changes nothing there calls `publish`. The relay queues it once for every
subscription that wants its type, whatever is repeated or restarted.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from handoff.codec.compression import compress, decompress
from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.records import decode_as
from handoff.domain.clock import Micros
from handoff.store.repositories.control import Change
from handoff.store.store import Store

EVENT = "ev_"
FAMILY = "event"
ID_SPACE = "event"


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened, as platforms are told.

    `key` makes it this event: publishing the same key again adds nothing. Of a `line` (a hand-off's
    id), whose events carry its full state, `version` gives the order, and a newer one may stand for
    older ones that could not be delivered. After `deadline` it is of no use to anybody. `data` is
    JSON-able; `snapshot` the SHA-256 of a pinned context that `include = "context"` adds. `channels`
    and `queues` are what subscriptions filter by; `untold` is a subscription that is not told.
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
    """An event as it lies in the store: `data` in the bytes that every message of it carries."""

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
    """The 16 bytes that the event's public id is made of."""
    return hashes.event(ID_SPACE, key)


def stored_event(event: Event, hashes: KeyedHash, recorded_at: Micros) -> StoredEvent:
    """The event with its id and its data encoded."""
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
    """The event in its stored bytes. WrittenByNewer where its codec is a newer release's."""
    return decode_as(decompress(blob[0], blob[1:]), StoredEvent)


def encode_event(event: Event) -> bytes:
    """An outbox entry: what to post in the commit that makes it true."""
    return msgspec.msgpack.encode((FAMILY, event))


async def publish(store: Store, tenant: str, event: Event) -> None:
    """Tell subscribed platforms; durable when this returns. One round trip."""
    control = store.control(tenant)
    await control.commit(Change().post(control.keys.outbox(), encode_event(event)))
