"""Seals what one call to the store writes about identities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from handoff.codec.body import DIGEST_KEPT, keyed_digest
from handoff.codec.compression import SEALED
from handoff.codec.data_key import DataKey

from .sealing import FIELD, Sealing, seal_value

if TYPE_CHECKING:  # the recorder seals with this module
    from handoff.store.repositories.recorder import Item, Pointer

KNOWN, CANDIDATE = b"=", b"+"
"""Before a key in an item: `known` must be the home's; a `candidate` is set where there is none.

A known key is never set again: where it is gone the person was erased, and what it sealed must stay noise.
"""
SEALED_HEAD = b"\x01"  # starts an item's plain value that is sealed
_CODEC_AT = 27  # of an item's fixed part: occurred (8) ‖ id (16) ‖ flags, type, channel, codec
_DIGEST_AT = 28


class BatchSeal:
    """Seals the pointers and items of one call, with one new key for each home whose key is unknown."""

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing
        self._candidates: dict[bytes, DataKey] = {}

    def pointer(self, pointer: Pointer) -> Pointer:
        """A pointer with the plain value of an identity is sealed. It always brings a new key, see KNOWN."""
        if not pointer.fields or pointer.fields[0][0] != b"v":
            return pointer
        (_name, plain), *others = pointer.fields
        key = self._candidate(pointer.tenant, pointer.hash)
        return replace(pointer, fields=((FIELD, key.wrapped), (b"v", seal_value(key, plain)), *others))

    def item(self, item: Item) -> Item:
        key, mode = self._sealing.known(item.home), KNOWN
        if key is None:
            key, mode = self._candidate(item.tenant, item.home), CANDIDATE
        fixed = item.fixed
        header = fixed[_CODEC_AT - 3 : _CODEC_AT] + bytes((fixed[_CODEC_AT] | SEALED,))
        place = item.home + item.id + header[1:]
        digest = keyed_digest(item.digest, key)
        return replace(
            item,
            fixed=fixed[: _CODEC_AT - 3] + header + digest + fixed[_DIGEST_AT + DIGEST_KEPT :],
            body=key.seal(item.body, place),
            plain=SEALED_HEAD + mode + key.wrapped + seal_value(key, item.plain),
        )

    def stored(self, home: bytes) -> None:
        """The store took an item of this home: its key is the home's."""
        key = self._candidates.get(home)
        if key is not None:
            self._sealing.learn(key)

    def refused(self, home: bytes, standing: bytes) -> None:
        """The home has this key, or none (b""), instead of the item's.

        StoreUnavailable (`keys_unavailable`) if this server cannot open it.
        """
        self._sealing.forget(home)
        if standing:
            self._sealing.learn(self._sealing.standing(home, standing))

    def _candidate(self, tenant: bytes, home: bytes) -> DataKey:
        made = self._candidates.get(home)
        if made is None:
            made = self._candidates[home] = self._sealing.candidate(tenant.decode(), home)
        return made
