"""Traces of erased people in snapshots, messages, kept answers, and quarantined deliveries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from handoff.codec.keyed_hash import CONVERSATION, CUSTOMER, TOUCHPOINT, KeyedHash
from handoff.domain.identity import Identity

LEAST = 5  # characters of a value that is searched for by itself: `42` is in most texts
NATIONAL = 9  # last digits of a number: how it is written without its country code
_OF_HOME = 3 + 20  # characters that the public ids of everything of one home share
_NUMBERS = frozenset({"phone", "whatsapp"})
_BETWEEN = re.compile(rb"(?<=\d)[\s().\-/]{1,3}(?=\d)")


class Traces:
    """Recognises bytes that name erased identities, or touchpoints of theirs."""

    def __init__(self, hashes: KeyedHash, homes: Iterable[bytes], identities: Iterable[Identity]) -> None:
        self._ids = [
            public.encode()
            for home in homes
            for public in (
                hashes.public(CUSTOMER, home),
                hashes.public(TOUCHPOINT, home, bytes(16))[:_OF_HOME],
                hashes.public(CONVERSATION, home, bytes(16))[:_OF_HOME],
            )
        ]
        words = {word for it in identities for word in words_of(it)}
        self._words = sorted(word.lower().encode("utf-8", "surrogatepass") for word in words)
        self._numbers = [it for it in self._words if it.isdigit() and len(it) >= NATIONAL]

    def are_in(self, raw: bytes, *, written: bool = False) -> bool:
        """Whether the bytes name one of them, in any case of letters.

        `written`: also a number with spaces, hyphens, or brackets, as people write it.
        """
        if any(it in raw for it in self._ids):
            return True
        lower = raw.lower()
        if any(it in lower for it in self._words):
            return True
        if not written or not self._numbers:
            return False
        joined = _BETWEEN.sub(b"", lower)
        return any(it in joined for it in self._numbers)


def words_of(identity: Identity) -> list[str]:
    """The ways to write an identity in JSON, in a form, and in a text."""
    value = identity.value
    found = [f'{identity.type}:{value}"', f'{identity.type}@{identity.space}:{value}"']
    found += [f'"type":"{identity.type}","value":"{value}"']
    found += [f'"type":"{identity.type}","space":"{identity.space}","value":"{value}"']
    if len(value) >= LEAST:
        found += [value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1]]
    digits = value.removeprefix("+")
    if identity.type in _NUMBERS and len(digits) >= LEAST and digits.isdigit():
        found += [digits, *([digits[-NATIONAL:]] if len(digits) > NATIONAL else [])]
    return found
