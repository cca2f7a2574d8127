"""Traces of erased people in snapshots, messages, kept answers, and quarantined deliveries."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from handoff.codec.keyed_hash import CUSTOMER, TOUCHPOINT, KeyedHash
from handoff.domain.identity import Identity

LEAST = 5  # characters of a value that is searched for by itself: `42` is in most texts
_OF_HOME = len(TOUCHPOINT) + 20  # characters that all public touchpoint ids of one home share
_NUMBERS = frozenset({"phone", "whatsapp"})


class Traces:
    """Recognises bytes that name erased identities, or touchpoints of theirs."""

    def __init__(self, hashes: KeyedHash, homes: Iterable[bytes], identities: Iterable[Identity]) -> None:
        self._ids = [
            public.encode()
            for home in homes
            for public in (
                hashes.public(CUSTOMER, home),
                hashes.public(TOUCHPOINT, home, bytes(16))[:_OF_HOME],
            )
        ]
        words = {word for it in identities for word in _words(it)}
        self._words = sorted(word.lower().encode("utf-8", "surrogatepass") for word in words)

    def are_in(self, raw: bytes) -> bool:
        """Whether the bytes name one of them, in any case of letters."""
        if any(it in raw for it in self._ids):
            return True
        lower = raw.lower()
        return any(it in lower for it in self._words)


def _words(identity: Identity) -> list[str]:
    """The ways to write an identity in JSON, in a form, and in a text."""
    value = identity.value
    found = [f'{identity.type}:{value}"', f'{identity.type}@{identity.space}:{value}"']
    found += [f'"type":"{identity.type}","value":"{value}"']
    found += [f'"type":"{identity.type}","space":"{identity.space}","value":"{value}"']
    if len(value) >= LEAST:
        found += [value, quote(value, safe="")]
    digits = value.removeprefix("+")
    if identity.type in _NUMBERS and len(digits) >= LEAST and digits.isdigit():
        found.append(digits)
    return found
