"""Keyed hashes: what keys, ids and partitions are made from, so that no name contains personal data."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from hashlib import blake2b

from handoff.domain.errors import NotFound
from handoff.domain.identity import Identity
from handoff.domain.text.memo import CACHE_SIZE, MAX_CACHED, cached_if_short, personal

_URL_SAFE = bytes.maketrans(b"+/", b"-_")  # RFC 4648 §5
SIZE = 16  # bytes: 128 bits, so that an accidental collision is out of the question
_OF_FIRST = 20  # characters of a public id of two: what the first 15 bytes become
_LAST = (1 << 8 * (1 + SIZE)) - 1


class KeyedHash:
    """The store's hashes for one tenant, keyed by the store's pepper.

    Public ids are the hashes XOR a mask of the tenant: an id of one tenant, read by another, names
    nothing there, so no look-up can forget to check the tenant.
    """

    def __init__(self, pepper: bytes, tenant: str) -> None:
        self.tenant = tenant
        self.tenant_bytes = tenant.encode()
        self._identity = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"identity")
        self._thread = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"conversation")
        self._event = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"event")
        self._evidence = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"evidence")
        self._request = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"request")
        mask = blake2b(tenant.encode(), digest_size=SIZE, key=pepper, person=b"public-id").digest()
        self._masks = [int.from_bytes(mask * count, "big") for count in range(3)]
        # The same customers, threads and statements occur again and again.
        self.identity = personal(lru_cache(CACHE_SIZE)(self._identity_hash))
        self._known_thread = personal(lru_cache(CACHE_SIZE)(self._thread_hash))
        self.evidence = cached_if_short(self._evidence_hash)
        self.episode = cached_if_short(self._episode_hash)

    def _identity_hash(self, identity: Identity) -> bytes:
        """16 bytes that stand for the identity in key names."""
        return self._hash(self._identity, identity.type, identity.space, identity.value)

    def owns(self, hash_: bytes, identity: Identity) -> bool:
        """Whether a hash is this identity's at this tenant. For scans: it leaves the cache alone."""
        return self._identity_hash(identity) == hash_

    def event(self, id_space: str, event_id: str) -> bytes:
        """16 bytes: the touchpoint id of an event, the same on every route."""
        state = self._event.copy()
        words = f"{len(id_space)}:{id_space}{len(event_id)}:{event_id}"  # as `_hash` joins them
        state.update(words.encode("utf-8", "surrogatepass"))
        return state.digest()

    def thread(self, id_space: str, thread: str) -> bytes:
        """16 bytes: the conversation of a thread, forever."""
        if len(id_space) + len(thread) <= MAX_CACHED:
            return self._known_thread(id_space, thread)
        return self._thread_hash(id_space, thread)

    def _thread_hash(self, id_space: str, thread: str) -> bytes:
        return self._hash(self._thread, "thread", id_space, thread)

    def _episode_hash(self, home: bytes, channel: str, after: bytes = b"") -> bytes:
        """16 bytes: a conversation of (home, channel) without a thread, started after `after` resolved."""
        return self._hash(self._thread, "episode", home.hex(), channel, after.hex())

    def _evidence_hash(self, one: bytes, other: bytes, *words: str) -> bytes:
        """16 bytes: a piece of evidence, so that repeating a statement adds nothing."""
        return self._hash(self._evidence, one.hex(), other.hex(), *words)

    def token_signature(self, random: bytes) -> bytes:
        """16 bytes that sign the random part of a continuity token of this tenant."""
        return self._hash(self._request, "continuity token", random.hex())

    def token(self, random: bytes) -> bytes:
        """16 bytes: the id of the continuity code with this token."""
        return self._hash(self._request, "continuity code", random.hex())

    def digits(self, digits: str) -> bytes:
        """16 bytes that stand for the digits of a continuity code."""
        return self._hash(self._request, "continuity digits", digits)

    def store(self) -> bytes:
        """16 bytes that identify the store: another store, or one created again, has others."""
        return self._hash(self._request, "the store")

    def request(self, *words: str) -> bytes:
        """16 bytes that stand for an idempotency key."""
        return self._hash(self._request, *words)

    def pseudonym(self, value: str) -> str:
        """8 characters that distinguish masked values without revealing them."""
        return self._hash(self._request, "masked", value).hex()[:8]

    def _hash(self, base: blake2b, *words: str) -> bytes:
        state = base.copy()
        # Each word after its length, so that no two lists of words make one text.
        state.update("".join([f"{len(word)}:{word}" for word in words]).encode("utf-8", "surrogatepass"))
        return state.digest()

    def public(self, prefix: str, *hashes: bytes) -> str:
        """The public id of one or two hashes: `prefix` and URL-safe base64."""
        both = b"".join(hashes)
        mask = self._masks[len(hashes)]
        masked = (int.from_bytes(both, "big") ^ mask).to_bytes(len(both), "big")
        return prefix + _text(masked)

    def publics(self, prefix: str, first: bytes) -> Callable[[bytes], str]:
        """`public(prefix, first, …)` of many second hashes: what `first` makes of it is made once.

        Base64 writes three bytes in four characters, so all but the last byte of `first` have theirs to
        themselves.
        """
        head = self.public(prefix, first)[: len(prefix) + _OF_FIRST]
        mask = (first[-1] << 8 * SIZE) ^ (self._masks[2] & _LAST)

        def public(second: bytes) -> str:
            masked = (int.from_bytes(second, "big") ^ mask).to_bytes(1 + SIZE, "big")
            return head + _text(masked)

        return public

    def private(self, prefix: str, public_id: str, count: int = 1) -> tuple[bytes, ...]:
        """The hashes behind a public id. NotFound when it is not one of ours."""
        if not public_id.startswith(prefix):
            raise NotFound("there is no such id")
        text = public_id[len(prefix) :]
        try:
            masked = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise NotFound("there is no such id") from error
        if len(masked) != SIZE * count:
            raise NotFound("there is no such id")
        both = (int.from_bytes(masked, "big") ^ self._masks[count]).to_bytes(len(masked), "big")
        return tuple(both[at : at + SIZE] for at in range(0, len(both), SIZE))


def _text(masked: bytes) -> str:
    return binascii.b2a_base64(masked).translate(_URL_SAFE, b"=\n").decode("ascii")


CUSTOMER = "cu_"
TOUCHPOINT = "tp_"
CONVERSATION = "cv_"
HANDOFF = "ho_"
EVIDENCE = "li_"
STORE = "st_"
CALLBACK = "cb_"
CONTINUITY = "cc_"
