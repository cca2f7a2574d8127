"""The body of a touchpoint: a positional msgpack array whose trailing defaults are cut off."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Any

import msgspec
import zstandard
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

from .compression import KNOWN, compress, decompress
from .data_key import DataKey

_DIRECTIONS = (Direction.INBOUND, Direction.OUTBOUND, Direction.INTERNAL)
_VISIBILITIES = (Visibility.PUBLIC, Visibility.INTERNAL)
_ASSURANCES = (Assurance.VERIFIED, Assurance.CLAIMED, Assurance.INFERRED)
# Codes are places in these: `index` is quicker than a dictionary, which hashes an enum in Python.


# msgpack by msgspec: half the time of msgpack's own packer, the same bytes.
_PACK = msgspec.msgpack.Encoder().encode


class Body(Struct, frozen=True, kw_only=True, array_like=True):
    """A touchpoint without what its member's header holds, field by field as stored.

    The home's plain value is in its own record. Properties read the fields that combine several values or
    may be absent.
    """

    source: str = ""
    bits: int = 0
    """Of `bits_of`: direction, visibility, assurance."""
    belongs: Any = None
    """The conversation (bytes), where the touchpoint names one itself, or the space of `thread` (text)."""
    thread: str | None = None
    subject: str | None = None
    text: str | None = None
    stated_data: dict[str, Any] | None = None
    stated_handles: list[list[Any]] | None = None
    stated_participants: list[list[str]] | None = None
    medium: str | None = None
    language: str | None = None
    stated_attachments: tuple[dict[str, Any], ...] | None = None
    amends: bytes | None = None
    actor: dict[str, Any] | None = None
    stated_traits: dict[str, Any] | None = None
    channel: str | None = None
    stated_redacted: dict[str, int] | None = None

    @property
    def stated(self) -> tuple[Direction, Visibility, Assurance]:
        """Direction, visibility and assurance at once."""
        return _STATED[self.bits & 31]  # the five bits of `bits_of`

    @property
    def direction(self) -> Direction:
        return self.stated[0]

    @property
    def visibility(self) -> Visibility:
        return self.stated[1]

    @property
    def assurance(self) -> Assurance:
        return self.stated[2]

    @property
    def conversation(self) -> bytes | None:
        """Only where the touchpoint names one itself; otherwise `thread_space` and `thread` make it."""
        return self.belongs if isinstance(self.belongs, bytes) else None

    @property
    def thread_space(self) -> str | None:
        return self.belongs if isinstance(self.belongs, str) else None

    @property
    def data(self) -> dict[str, Any]:
        return self.stated_data or {}

    @property
    def traits(self) -> dict[str, Any]:
        return self.stated_traits or {}

    @property
    def attachments(self) -> tuple[dict[str, Any], ...]:
        return self.stated_attachments or ()

    @property
    def handles(self) -> tuple[Handle, ...]:
        """The identities that it names beside its home."""
        stated = self.stated_handles
        return tuple(Handle(Identity(*row[:3]), _assurance(row[3])) for row in stated) if stated else ()

    @property
    def participants(self) -> tuple[Participant, ...]:
        stated = self.stated_participants
        return tuple(Participant(Identity(*row[:3]), row[3]) for row in stated) if stated else ()


_UNPACK = msgspec.msgpack.Decoder(Body).decode


def _assurance(code: int) -> Assurance:
    """The assurance of a code; the weakest for a code of a newer release."""
    return _ASSURANCES[code] if 0 <= code < len(_ASSURANCES) else Assurance.INFERRED


def bits_of(direction: Direction, visibility: Visibility, assurance: Assurance) -> int:
    """The three values in one number."""
    return (
        _DIRECTIONS.index(direction)
        | _VISIBILITIES.index(visibility) << 2
        | _ASSURANCES.index(assurance) << 3
    )


_STATED = tuple(
    (
        _DIRECTIONS[bits & 3] if bits & 3 < len(_DIRECTIONS) else Direction.INTERNAL,
        _VISIBILITIES[bits >> 2 & 1],
        _assurance(bits >> 3 & 3),
    )
    for bits in range(32)
)
"""By the bits. Two numbers have no meaning yet and read as the weakest values."""


def opaque_body(name: str) -> Body:
    """A placeholder for a body that this release cannot read. Only the business sees it and it proves
    nothing: the body may be an internal note or a guess."""
    bits = bits_of(Direction.INTERNAL, Visibility.INTERNAL, Assurance.INFERRED)
    return Body(bits=bits, stated_data={"name": name})


UNREADABLE = opaque_body("unreadable_body")
LOCKED = opaque_body("sealed_body")
"""Shown for a sealed body whose key is gone or does not open it."""


def encode_body(
    touchpoint: Touchpoint, *, conversation: bytes | None, amends: bytes | None
) -> tuple[int, bytes]:
    """The codec id and the bytes of a touchpoint's body. Unprocessable (`too_large`) above the limit."""
    return compress(checked_body(touchpoint, conversation=conversation, amends=amends))


def checked_body(touchpoint: Touchpoint, *, conversation: bytes | None, amends: bytes | None) -> bytes:
    """The body before compression. Unprocessable above the limit, and as for `pack_body`."""
    raw = pack_body(touchpoint, conversation=conversation, amends=amends)
    if len(raw) > MAX_TOUCHPOINT_BYTES:
        raise Unprocessable(
            f"a touchpoint has at most {MAX_TOUCHPOINT_BYTES} bytes, this one {len(raw)}",
            code="touchpoint_too_large",
        )
    return raw


def pack_body(touchpoint: Touchpoint, *, conversation: bytes | None, amends: bytes | None) -> bytes:
    """The body before compression. Unprocessable when msgpack cannot carry the content."""
    first, *others = touchpoint.identities
    row = [
        touchpoint.source,
        bits_of(touchpoint.direction, touchpoint.visibility, first.assurance),
        conversation
        if conversation is not None or touchpoint.thread is None
        else touchpoint.thread_space or touchpoint.id_space,
        touchpoint.thread,
        touchpoint.subject,
        touchpoint.text,
        touchpoint.data or None,
        [_pack_handle(other) for other in others] if others else None,
        [_pack_participant(one) for one in touchpoint.participants] if touchpoint.participants else None,
        touchpoint.medium,
        touchpoint.language,
        touchpoint.attachments or None,
        amends,
        touchpoint.actor,
        touchpoint.traits or None,
        touchpoint.channel if touchpoint.channel not in CHANNELS else None,
        touchpoint.redacted or None,
    ]
    while row[-1] is None:
        row.pop()
    try:
        return _PACK(row)
    except (ValueError, TypeError, OverflowError, UnicodeEncodeError) as error:
        detail = f"the content cannot be stored: {error}"
        pointers = [
            {"pointer": f"/{name}", "detail": detail} for name in _FREE if not _packs(touchpoint, name)
        ]
        raise Unprocessable(detail, pointers=pointers) from error


def _packs(touchpoint: Touchpoint, name: str) -> bool:
    try:
        _PACK(getattr(touchpoint, name))
    except (ValueError, TypeError, OverflowError, UnicodeEncodeError):
        return False
    return True


_FREE = ("data", "attachments", "actor", "traits")
"""Members whose content the sender chooses freely."""


def decode_body(codec: int, raw: bytes) -> Body:
    """The body that `encode_body` wrote; a placeholder where only a newer release can read it."""
    if codec not in KNOWN:
        return opaque_body(f"unknown_codec:{codec}")
    try:
        return _UNPACK(decompress(codec, raw))
    except (msgspec.DecodeError, zstandard.ZstdError):
        return UNREADABLE


def _pack_handle(handle: Handle) -> list[Any]:
    one = handle.identity
    return [one.type, one.space, one.value, _ASSURANCES.index(handle.assurance)]


def _pack_participant(participant: Participant) -> list[str]:
    one = participant.identity
    return [one.type, one.space, one.value, participant.role]


DIGEST_VERSION = b"\x01"
"""First byte of a digest; raised when the digest's input changes. Another version counts as equal."""
MASKED_VERSION = b"\x02"
"""First byte of a masked touchpoint's digest. A retry may be masked differently: by another worker, which has
not seen the messages before it, or after the tenant's patterns have changed. It counts as a duplicate all the
same. A digest of the content before masking would be exact, but digits can be found by trying them all."""
KEYED = 0x80
"""Added to the version of a sealed digest, which is a keyed hash: others confirm a guessed text."""
DIGEST_SIZE = 9  # bytes: the version and 64 bits of hash
DIGEST_KEPT = 6  # of them are in the member: one in 10¹² reused ids is mistaken for a retry
_CANONICAL = msgspec.json.Encoder(order="deterministic")


def keyed_digest(content: bytes, key: DataKey) -> bytes:
    """The digest of a sealed touchpoint as stored, made of the one of a clear touchpoint as stored."""
    version = bytes((content[0] | KEYED,))
    return version + key.hash(content[:DIGEST_KEPT], DIGEST_KEPT - 1)


def digest(touchpoint: Touchpoint) -> bytes:
    """9 bytes to compare the content of two events with one id.

    Covers type, subject, text, attachments and data without the envelope keys: what a retry repeats. Masked
    and unmasked content count as equal.
    """
    data, envelope = touchpoint.data, touchpoint.envelope
    if envelope:
        data = {key: value for key, value in data.items() if key not in envelope}
    content = (touchpoint.type, touchpoint.subject, touchpoint.text, touchpoint.attachments, data)
    canonical = _CANONICAL.encode(content)
    version = MASKED_VERSION if touchpoint.redacted else DIGEST_VERSION
    return version + blake2b(canonical, digest_size=DIGEST_SIZE - 1).digest()


def without_people(body: Body, gone: Collection[Identity]) -> tuple[int, bytes] | None:
    """The codec and bytes of a body that no longer names these identities; None if it names none of them."""
    handles = [row for row in body.stated_handles or () if Identity(*row[:3]) not in gone]
    people = [row for row in body.stated_participants or () if Identity(*row[:3]) not in gone]
    if len(handles) == len(body.stated_handles or ()) and len(people) == len(body.stated_participants or ()):
        return None
    left = msgspec.structs.replace(body, stated_handles=handles or None, stated_participants=people or None)
    row = list(msgspec.structs.astuple(left))
    while row[-1] is None:
        row.pop()
    return compress(_PACK(row))
