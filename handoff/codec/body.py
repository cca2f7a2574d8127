"""The body of a touchpoint: a positional msgpack array whose trailing defaults are cut off."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, Identity
from handoff.domain.touchpoint import (
    CHANNELS,
    MAX_TOUCHPOINT_BYTES,
    Direction,
    Participant,
    Touchpoint,
    Visibility,
)

from .compression import compress, decompress

_DIRECTIONS = (Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL)
_VISIBILITIES = (Visibility.PUBLIC, Visibility.INTERNAL)
_ASSURANCES = (Assurance.VERIFIED, Assurance.CLAIMED, Assurance.INFERRED)
_DIRECTION_CODE = {name: code for code, name in enumerate(_DIRECTIONS)}
_VISIBILITY_CODE = {name: code << 2 for code, name in enumerate(_VISIBILITIES)}
_ASSURANCE_CODE = {name: code << 3 for code, name in enumerate(_ASSURANCES)}


# msgpack by msgspec: half the time of msgpack's own packer, the same bytes.
_PACK = msgspec.msgpack.Encoder().encode
_UNPACK = msgspec.msgpack.Decoder(list[Any]).decode


class Body(Struct, frozen=True, kw_only=True):
    """What of a touchpoint is not in its member's header. The home's plain value is in its own record."""

    source: str = ""
    direction: Direction = Direction.INBOUND
    visibility: Visibility = Visibility.PUBLIC
    assurance: Assurance = Assurance.VERIFIED
    conversation: bytes | None = None
    """Only where the touchpoint names one itself; otherwise `thread_space` and `thread` make it."""
    thread_space: str | None = None
    thread: str | None = None
    subject: str | None = None
    text: str | None = None
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    handles: tuple[Handle, ...] = ()
    participants: tuple[Participant, ...] = ()
    medium: str | None = None
    language: str | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    amends: bytes | None = None
    actor: dict[str, Any] | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    channel: str | None = None


def encode_body(it: Touchpoint, *, conversation: bytes | None, amends: bytes | None) -> tuple[int, bytes]:
    """The codec id and the bytes of a touchpoint's body. Unprocessable (`too_large`) above the limit."""
    raw = pack_body(it, conversation=conversation, amends=amends)
    if len(raw) > MAX_TOUCHPOINT_BYTES:
        raise Unprocessable(
            f"a touchpoint has at most {MAX_TOUCHPOINT_BYTES} bytes, this one {len(raw)}",
            code="touchpoint_too_large",
        )
    return compress(raw)


def pack_body(it: Touchpoint, *, conversation: bytes | None, amends: bytes | None) -> bytes:
    """The body before compression. Unprocessable when msgpack cannot carry the content."""
    bits = _DIRECTION_CODE[it.direction] | _VISIBILITY_CODE[it.visibility] | _ASSURANCE_CODE[it.assurance]
    row = [
        it.source,
        bits,
        conversation if conversation is not None or it.thread is None else it.thread_space or it.id_space,
        it.thread,
        it.subject,
        it.text,
        it.data or None,
        [_pack_handle(handle) for handle in it.identities[1:]] or None,
        [[*_pack_identity(p.identity), p.role] for p in it.participants] or None,
        it.medium,
        it.language,
        it.attachments or None,
        amends,
        it.actor,
        it.traits or None,
        it.channel if it.channel not in CHANNELS else None,
    ]
    while row[-1] is None:
        row.pop()
    try:
        return _PACK(row)
    except (ValueError, TypeError, OverflowError, UnicodeEncodeError) as error:
        raise Unprocessable(f"the content cannot be stored: {error}") from error


def decode_body(codec: int, raw: bytes) -> Body:
    """The body that `encode_body` wrote."""
    row = _UNPACK(decompress(codec, raw))
    row += [None] * (16 - len(row))
    bits = row[1]
    return Body(
        source=row[0],
        direction=_DIRECTIONS[bits & 3],
        visibility=_VISIBILITIES[bits >> 2 & 1],
        assurance=_ASSURANCES[bits >> 3 & 3],
        conversation=row[2] if isinstance(row[2], bytes) else None,
        thread_space=row[2] if isinstance(row[2], str) else None,
        thread=row[3],
        subject=row[4],
        text=row[5],
        data=row[6] or {},
        handles=tuple(_read_handle(h) for h in row[7] or ()),
        participants=tuple(Participant(Identity(*p[:3]), p[3]) for p in row[8] or ()),
        medium=row[9],
        language=row[10],
        attachments=tuple(row[11] or ()),
        amends=row[12],
        actor=row[13],
        traits=row[14] or {},
        channel=row[15],
    )


def _pack_identity(it: Identity) -> tuple[str, str, str]:
    return (it.type, it.space, it.value)


def _pack_handle(handle: Handle) -> list[Any]:
    return [*_pack_identity(handle.identity), _ASSURANCE_CODE[handle.assurance] >> 3]


def _read_handle(row: list[Any]) -> Handle:
    return Handle(Identity(*row[:3]), _ASSURANCES[row[3]])


DIGEST_VERSION = b"\x01"
"""First byte of a digest; raised when the digest's input changes. Another version counts as equal."""
DIGEST_SIZE = 9  # bytes: the version and 64 bits of hash
_CANONICAL = msgspec.json.Encoder(order="deterministic")


def digest(it: Touchpoint) -> bytes:
    """9 bytes that say whether two events with one id say the same.

    Over type, subject, text, attachments and data less the envelope keys: what a retry repeats.
    """
    data = (
        {key: value for key, value in it.data.items() if key not in it.envelope} if it.envelope else it.data
    )
    canonical = _CANONICAL.encode((it.type, it.subject, it.text, it.attachments, data))
    return DIGEST_VERSION + blake2b(canonical, digest_size=DIGEST_SIZE - 1).digest()
