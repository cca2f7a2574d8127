"""Sealing: the few secrets that the product has to keep and use again, unreadable in the store.

AES-256-GCM (NIST SP 800-38D) with a random nonce, under keys by HKDF-SHA256 (RFC 5869) for each tenant.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from handoff.domain.errors import ConfigurationError

VERSION = b"\1"
NAME = 4  # bytes by which a key is recognised
NONCE = 12  # bytes, as the mode wants it: random, for far fewer than 2^32 messages of one key
KEY = 32  # bytes
_HEAD = len(VERSION) + NAME


class Seal:
    """Seals with the first key, opens with any. Sealed: version ‖ key's name ‖ nonce ‖ text with its tag."""

    def __init__(self, secrets: Sequence[bytes], tenant: str) -> None:
        self._ciphers: dict[bytes, AESGCM] = {}
        for secret in secrets:
            key = _derived(secret, b"seal\0" + tenant.encode(), KEY)
            name = _derived(secret, b"name\0" + tenant.encode(), NAME)
            self._ciphers.setdefault(VERSION + name, AESGCM(key))
        self._first = next(iter(self._ciphers))

    def seal(self, plain: bytes, place: bytes) -> bytes:
        """The sealed text. It opens at the same `place` only, so that it cannot be moved to another."""
        nonce = os.urandom(NONCE)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, plain, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The plain text. ConfigurationError when it was sealed by another key or is not a sealed text."""
        cipher = self._ciphers.get(sealed[:_HEAD])
        try:
            if cipher is not None:
                return cipher.decrypt(sealed[_HEAD : _HEAD + NONCE], sealed[_HEAD + NONCE :], place)
        except (InvalidTag, ValueError) as error:
            raise ConfigurationError("a sealed secret in the store was changed") from error
        raise ConfigurationError(
            "the store has secrets that were sealed with another key: add it to store.secret_keys"
        )

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed with the first key."""
        return sealed[:_HEAD] == self._first


def _derived(secret: bytes, purpose: bytes, size: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=size, salt=None, info=purpose).derive(secret)
