"""Positions: opaque marks of what a reader has seen of a customer; `as_of`, ETag and SSE id.

A vector of the customer's identities and their last arrivals, with the state of the evidence that
holds them together. It names no identity: the reader's next look-up supplies them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from hashlib import blake2b

import msgpack
from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.store.repositories.identities import IdentityRecord

_STATE = 8  # bytes


class Position(Struct, frozen=True, kw_only=True):
    """`state` stands for identities and evidence; `arrivals` are by identity key."""

    state: bytes
    arrivals: dict[bytes, Micros]

    def moved(self, home: bytes, arrival: Micros) -> Position:
        """The position of who has seen this arrival too."""
        return Position(state=self.state, arrivals={**self.arrivals, home: arrival})

    def encode(self) -> str:
        numbers = [self.arrivals[key] for key in sorted(self.arrivals)]
        packed: bytes = msgpack.packb([self.state, numbers])
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode("ascii")


def position_of(members: Iterable[IdentityRecord]) -> Position:
    """The position of a customer as it was just read."""
    state = blake2b(digest_size=_STATE)
    arrivals: dict[bytes, Micros] = {}
    for record in sorted(members, key=lambda it: it.key):
        standing = len(record.evidence) - sum(1 for it in record.evidence if it.withdrawn)
        state.update(record.key + b"%d.%d.%d" % (len(record.evidence), standing, record.shared_mark))
        arrivals[record.key] = record.last_arrival
    return Position(state=state.digest(), arrivals=arrivals)


def read_position(text: str, members: Iterable[IdentityRecord]) -> Position | None:
    """The position a reader gave back, or None where it is not one of this customer as it is now."""
    now = position_of(members)
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        state, numbers = msgpack.unpackb(packed)
    except (binascii.Error, ValueError, TypeError, msgpack.UnpackException):
        return None
    if state != now.state or not isinstance(numbers, list) or len(numbers) != len(now.arrivals):
        return None
    if not all(isinstance(it, int) for it in numbers):
        return None
    return Position(state=now.state, arrivals=dict(zip(sorted(now.arrivals), numbers, strict=True)))
