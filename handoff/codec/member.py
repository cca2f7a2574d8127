"""A touchpoint as a member of its timeline: a clear header whose byte order is the timeline's, and a body.

    occurred_at (8, µs, biased) ‖ order key (8) ‖ touchpoint id (16)          the place: 32 bytes
    flags (1) ‖ type (1) ‖ channel (1) ‖ codec (1) ‖ [arrival (8)] ‖ digest (6) ‖ body

The order key is bit 0 ‖ the source's sequence, or bit 1 ‖ arrival. With a sequence, and in a
participant's entry, the arrival follows the header. The digest says what a retry repeats, see `body`.
The store's function fills in arrival and the late flag; everything else is made here.
"""

from __future__ import annotations

import struct

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.touchpoint import CHANNELS, TYPES

from .body import DIGEST_KEPT, Body, decode_body

BIAS = 1 << 63
PLACE = 32  # bytes: what a cursor holds
ORDER = 16  # bytes: occurred_at and order key
ARRIVAL_BIT = 1 << 63

FLAG_LATE = 1
FLAG_ARRIVAL = 2  # the arrival follows the header, since the order key is not it
FLAG_BLANKED = 4  # deleted by its sender: place and digest stay, the content is gone
FLAG_REFERENCE = 8  # a participant's entry: the body is the home of the touchpoint it points at
FLAG_PARTICIPANTS = 32  # others took part in it: its outbox entry is looked into for references
FLAG_AMENDED = 16  # an edit or deletion of it is in the index
FLAG_QUIET = 64  # in the outbox entry only, never in a member: nothing follows from it and nobody is alerted

OTHER_CHANNEL = 255  # declared in the configuration: its name is in the body
_TYPE_CODES = {name: code for code, name in enumerate(TYPES)}
_CHANNEL_CODES = {name: code for code, name in enumerate(CHANNELS)}
_HEADER = struct.Struct(">QQ16sBBBB")


def pack_occurred(at: Micros) -> bytes:
    """8 bytes whose byte order is the order of time."""
    return (at + BIAS).to_bytes(8, "big")


def unpack_occurred(raw: bytes) -> Micros:
    return int.from_bytes(raw[:8], "big") - BIAS


def type_code(name: str) -> int:
    return _TYPE_CODES[name]


def channel_code(name: str) -> int:
    return _CHANNEL_CODES.get(name, OTHER_CHANNEL)


class Stored(Struct, frozen=True):
    """A member as it was read. `body()` decodes the rest."""

    raw: bytes
    home: bytes
    occurred_at: Micros
    id: bytes
    flags: int
    type: str
    recorded_at: Micros
    codec: int
    channel_number: int
    body_at: int

    @property
    def place(self) -> bytes:
        return self.raw[:PLACE]

    @property
    def late(self) -> bool:
        return bool(self.flags & FLAG_LATE)

    @property
    def amended(self) -> bool:
        return bool(self.flags & FLAG_AMENDED)

    @property
    def blanked(self) -> bool:
        return bool(self.flags & FLAG_BLANKED)

    @property
    def reference(self) -> bytes | None:
        """The home of the touchpoint this entry points at, or None."""
        return self.raw[self.body_at :] if self.flags & FLAG_REFERENCE else None

    def body(self) -> Body:
        return decode_body(self.codec, self.raw[self.body_at :])


def read_member(raw: bytes, home: bytes) -> Stored:
    """The header of a member of the timeline of `home`."""
    occurred, order, id_, flags, type_, channel, codec = _HEADER.unpack_from(raw)
    at = _HEADER.size
    if flags & FLAG_ARRIVAL:
        recorded_at = int.from_bytes(raw[at : at + 8], "big")
        at += 8
    else:
        recorded_at = order ^ ARRIVAL_BIT
    body_at = at + DIGEST_KEPT
    return Stored(raw, home, occurred - BIAS, id_, flags, TYPES[type_], recorded_at, codec, channel, body_at)


def channel_name(stored: Stored, body: Body) -> str:
    """The channel's name; a declared channel keeps it in the body."""
    if stored.channel_number == OTHER_CHANNEL:
        return body.channel or ""
    return CHANNELS[stored.channel_number]


def sequence(stored: Stored) -> int | None:
    """The source's own sequence, if it gave one."""
    if not stored.flags & FLAG_ARRIVAL:
        return None
    order = int.from_bytes(stored.raw[8:16], "big")
    return None if order & ARRIVAL_BIT else order
