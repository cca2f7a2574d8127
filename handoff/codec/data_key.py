"""Data keys and the keys that wrap them. Destroying a data key turns everything it sealed into noise.

AES-256-GCM with a nonce that is a keyed hash of the place and the plain text (as in SIV, RFC 5297): sealing
the same again gives the same bytes, so that a repeated write is recognised. The place is in the nonce too,
because two places would otherwise share a nonce for equal texts, which reveals GCM's authentication key.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET = 32  # bytes
NONCE = 12
OVERHEAD = NONCE + 16  # bytes that sealing adds


def new_secret() -> bytes:
    return os.urandom(SECRET)


def derived(master: bytes, purpose: bytes) -> bytes:
    """A key from a secret of any length."""
    return HKDF(algorithm=SHA256(), length=SECRET, salt=None, info=purpose).derive(master)


class WrappingKey:
    """Wraps other keys with a random nonce. A wrapped key is nonce (12) ‖ key ‖ tag (16)."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: bytes) -> None:
        self._cipher = AESGCM(secret)

    def wrap(self, secret: bytes, owner: bytes) -> bytes:
        """The wrapped key. It unwraps for this `owner` only."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, secret, owner)

    def unwrap(self, wrapped: bytes, owner: bytes) -> bytes | None:
        """The key; None if it was changed, or is another owner's or another wrapping key's."""
        try:
            return self._cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], owner)
        except (InvalidTag, ValueError):
            return None


class DataKey:
    """The key of one owner: an identity (its home), or a tenant's control partition.

    `wrapped` is the key as stored. `broken` is called with the kind of each value that does not open.
    """

    __slots__ = ("_broken", "_cipher", "_nonces", "owner", "secret", "wrapped")

    def __init__(self, secret: bytes, owner: bytes, wrapped: bytes, broken: Callable[[str], None]) -> None:
        self.secret = secret
        self.owner = owner
        self.wrapped = wrapped
        self._broken = broken
        self._cipher = AESGCM(secret)
        self._nonces = blake2b(digest_size=NONCE, key=secret, person=b"nonce")

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """The sealed text. It opens at the same `place` only."""
        state = self._nonces.copy()
        state.update(len(place).to_bytes(2, "big") + place)
        state.update(plain)
        nonce = state.digest()
        return nonce + self._cipher.encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes, what: str) -> bytes | None:
        """The plain text. None, and counted as `what`, when it was changed, or sealed elsewhere."""
        try:
            return self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place)
        except (InvalidTag, ValueError):
            self._broken(what)
            return None

    def hash(self, value: bytes, size: int) -> bytes:
        """A keyed hash: nobody without the key can try out what the value is made of."""
        return blake2b(value, digest_size=size, key=self.secret, person=b"digest").digest()
