"""Comparing secrets and signatures in constant time."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterable
from typing import Literal

from handoff.domain.errors import SignatureRefused


def any_equal(given: bytes, expected: Iterable[bytes]) -> bool:
    """Whether `given` is one of `expected`. Compares all candidates, in constant time."""
    found = False
    for candidate in expected:
        found |= hmac.compare_digest(given, candidate)
    return found


def basic_credentials(header: str | None) -> tuple[str, str]:
    """User and password of an `Authorization: Basic` header (RFC 7617). Raises SignatureRefused otherwise."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "basic":
        raise SignatureRefused("basic credentials are missing")
    try:
        text = base64.b64decode(token.strip(), validate=True).decode("utf-8")
    except ValueError as error:  # not base64, not ASCII, not UTF-8
        raise SignatureRefused("basic credentials are not base64") from error
    user, _, password = text.partition(":")
    return user, password


def check_hmac(
    given: str | None,
    signed: bytes,
    secrets: Iterable[str],
    *,
    algorithm: str = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
    prefix: str = "",
) -> None:
    """SignatureRefused unless `given` is the HMAC of `signed` with one of `secrets`, after `prefix`."""
    if not given:
        raise SignatureRefused("The request is not signed")
    stated = given.strip()
    if not stated.startswith(prefix):
        raise SignatureRefused("The signature is not in the vendor's format")
    digests = (hmac.digest(it.encode("utf-8"), signed, algorithm) for it in secrets)
    if encoding == "hex":
        stated = stated.lower()
        expected = [prefix.lower().encode() + it.hex().encode() for it in digests]
    else:
        expected = [prefix.encode() + base64.b64encode(it) for it in digests]
    if not any_equal(stated.encode("utf-8", "replace"), expected):
        raise SignatureRefused("The signature does not match")
