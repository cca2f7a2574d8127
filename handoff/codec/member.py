"""A touchpoint as a member of its timeline: a clear header whose byte order is the timeline's, and a body.

    occurred_at (8, µs, biased) ‖ order key (8) ‖ touchpoint id (16)          the place: 32 bytes
    flags (1) ‖ type (1) ‖ channel (1) ‖ codec (1) ‖ [arrival (8)] ‖ digest (6) ‖ body

The order key is bit 0 ‖ the source's sequence, or bit 1 ‖ arrival. With a sequence, and in a
participant's entry, the arrival follows the header. The digest covers what a retry repeats, see `body`.
The store's function fills in arrival and the late flag; everything else is made here. A codec from 128
on is that of a sealed body, see `data_key`.

A newer release may write types, channels, codecs and flags that this one does not know. Such a member
is read like any other, and shown as `event.tracked` where type or codec are unknown. So a new flag may
not move what follows the header: a new layout takes a new codec.
"""

from __future__ import annotations

import struct

from msgspec import Struct
from msgspec.structs import replace

from handoff.domain.clock import Micros
from handoff.domain.touchpoint import CHANNELS, TYPES, UNKNOWN_TYPE

from .body import DIGEST_KEPT, LOCKED, Body, decode_body
from .compression import KNOWN, SEALED
from .data_key import DataKey

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
FLAG_ANNOUNCES = 128  # in the outbox entry only: its words may announce a transfer, a call back, or a mail

OTHER_CHANNEL = 255  # declared in the configuration: its name is in the body
_TYPE_CODES = {name: code for code, name in enumerate(TYPES)}
_CHANNEL_CODES = {name: code for code, name in enumerate(CHANNELS)}
_HEADER = struct.Struct(">QQ16sBBBB")
_TYPE_AT = PLACE + 1
_CODECS = KNOWN | {SEALED | codec for codec in KNOWN}
_TYPES = len(TYPES)
_FLAGS = 63  # all that are known, together
_TYPE_NAMES = (*TYPES, *(UNKNOWN_TYPE for _ in range(_TYPES, 256)))
_CHANNEL_NAMES = (*CHANNELS, *(f"unknown_{code}" for code in range(len(CHANNELS), 256)))


def pack_occurred(at: Micros) -> bytes:
    """8 bytes whose byte order is the order of time."""
    return (at + BIAS).to_bytes(8, "big")


def unpack_occurred(packed: bytes) -> Micros:
    """The time in the 8 bytes of `pack_occurred`."""
    return int.from_bytes(packed, "big") - BIAS


def type_code(name: str) -> int:
    return _TYPE_CODES[name]


def type_name(code: int) -> str:
    """The type with this code, `event.tracked` for one of a newer release."""
    return _TYPE_NAMES[code]


def channel_code(name: str) -> int:
    return _CHANNEL_CODES.get(name, OTHER_CHANNEL)


class Member(Struct, frozen=True):
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
    unknown: str | None = None
    """The part that only a newer release knows: `type`, `codec`, `channel` or `flag`."""
    lock: DataKey | None = None
    """The data key of its home, if there is one."""

    @property
    def codes(self) -> bytes:
        """Type and channel as they are stored."""
        return self.raw[_TYPE_AT : _TYPE_AT + 2]

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
        codec = self.codec
        body = decode_body(codec, self.raw[self.body_at :]) if codec < SEALED else self._opened()
        if self.unknown == "type":
            return replace(body, stated_data={**body.data, "name": f"unknown_type:{self.raw[_TYPE_AT]}"})
        return body

    def _opened(self) -> Body:
        place = sealed_at(self.home, self.raw)
        plain = self.lock.open(self.raw[self.body_at :], place, "body") if self.lock else None
        return LOCKED if plain is None else decode_body(self.codec - SEALED, plain)


def sealed_at(home: bytes, raw: bytes) -> bytes:
    """The place that a member's body is sealed for: home, id, type, channel, and codec.

    Flags and arrival are not part of it, because the store's functions change them.
    """
    return home + raw[ORDER:PLACE] + raw[_TYPE_AT : _HEADER.size]


def read_member(raw: bytes, home: bytes, lock: DataKey | None = None) -> Member:
    """The header of a member of the timeline of `home`, whose data key is `lock`."""
    occurred, order, id_, flags, type_, channel, codec = _HEADER.unpack_from(raw)
    at = _HEADER.size
    if flags & FLAG_ARRIVAL:
        recorded_at = int.from_bytes(raw[at : at + 8], "big")
        at += 8
    else:
        recorded_at = order ^ ARRIVAL_BIT
    body_at = at + DIGEST_KEPT
    name, unknown = _TYPE_NAMES[type_], None
    if type_ >= _TYPES or codec not in _CODECS or flags > _FLAGS or len(CHANNELS) <= channel < OTHER_CHANNEL:
        name, unknown = _unknown(name, flags, type_, codec)
    at = occurred - BIAS
    return Member(raw, home, at, id_, flags, name, recorded_at, codec, channel, body_at, unknown, lock)


def flags_of(raw: bytes) -> int:
    """The flags of a member that was not read."""
    return raw[PLACE]


def type_of(raw: bytes) -> str:
    """The type of a member that was not read."""
    return _TYPE_NAMES[raw[_TYPE_AT]]


def is_reference(raw: bytes) -> bool:
    """Whether a member that was not read is a participant's entry."""
    return bool(raw[PLACE] & FLAG_REFERENCE)


def occurred_at(raw: bytes) -> Micros:
    """When a member that was not read happened."""
    return int.from_bytes(raw[:8], "big") - BIAS


def _unknown(name: str, flags: int, type_: int, codec: int) -> tuple[str, str]:
    """How a member is shown that has something of a newer release in its header, and what that is."""
    if codec not in _CODECS and not flags & (FLAG_REFERENCE | FLAG_BLANKED):
        return UNKNOWN_TYPE, "codec"
    if type_ >= _TYPES:
        return UNKNOWN_TYPE, "type"
    return name, "flag" if flags > _FLAGS else "channel"


def channel_name(stored: Member, body: Body) -> str:
    """The channel's name; a declared channel keeps it in the body."""
    if stored.channel_number == OTHER_CHANNEL:
        return body.channel or "unknown"
    return _CHANNEL_NAMES[stored.channel_number]


def sequence(stored: Member) -> int | None:
    """The source's own sequence, if it gave one."""
    if not stored.flags & FLAG_ARRIVAL:
        return None
    order = int.from_bytes(stored.raw[8:16], "big")
    return None if order & ARRIVAL_BIT else order
