"""Standard Webhooks 1.0: secrets, keys and signatures (spec/standard-webhooks.md, "Signature scheme").

`v1` is HMAC-SHA256 with a shared secret (`whsec_`). `v1a` is ed25519 with our private key (`whsk_`); the
receiver only needs its public half (`whpk_`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from handoff.domain.errors import Unprocessable

Scheme = Literal["v1", "v1a"]
SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
GENERATED_BYTES = 32
_SIZES = range(24, 65)  # bytes of a shared secret, by the specification
_SEED = 32


def make_key(scheme: Scheme) -> str:
    """A new random secret or private key."""
    prefix = SECRET if scheme == "v1" else PRIVATE
    return prefix + base64.b64encode(secrets.token_bytes(GENERATED_BYTES)).decode("ascii")


def check_key(key: str) -> Scheme:
    """The scheme of a given key. Raises Unprocessable (`invalid_secret`) for an invalid key."""
    prefix = next((it for it in (SECRET, PRIVATE) if key.startswith(it)), None)
    if prefix is None:
        raise Unprocessable("a secret is whsec_ (v1) or whsk_ (v1a) and base64", code="invalid_secret")
    try:
        raw = base64.b64decode(key[len(prefix) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unprocessable(
            "what follows the secret's prefix is not base64", code="invalid_secret"
        ) from error
    if prefix == SECRET:
        if len(raw) not in _SIZES:
            raise Unprocessable("a whsec_ secret has 24 to 64 bytes", code="invalid_secret")
        return "v1"
    if len(raw) not in (_SEED, 2 * _SEED):
        raise Unprocessable("a whsk_ key has 32 bytes, or 64 with its public half", code="invalid_secret")
    return "v1a"


def _raw(key: str) -> bytes:
    return base64.b64decode(key.partition("_")[2])


def public_key(key: str) -> str:
    """The public key with which the receiver verifies `v1a`."""
    private = Ed25519PrivateKey.from_private_bytes(_raw(key)[:_SEED])
    return PUBLIC + base64.b64encode(private.public_key().public_bytes_raw()).decode("ascii")


def sign(keys: Iterable[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature per key, so that a rotation breaks no receiver."""
    signed = b"%s.%d." % (message_id.encode(), timestamp) + body
    return " ".join(_signature(key, signed) for key in keys)


def _signature(key: str, signed: bytes) -> str:
    if key.startswith(PRIVATE):
        version, raw = "v1a", Ed25519PrivateKey.from_private_bytes(_raw(key)[:_SEED]).sign(signed)
    else:
        version, raw = "v1", hmac.digest(_raw(key), signed, hashlib.sha256)
    return f"{version},{base64.b64encode(raw).decode('ascii')}"
