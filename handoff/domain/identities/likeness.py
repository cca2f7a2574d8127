"""The name and postal address that a touchpoint states, as a reference that finds look-alike customers.

Two people may have the same name and address: a father and a son. Such a reference joins nobody.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity, identity

SPACE = "name_and_address"
MAX_NAME = 100
MAX_ADDRESS = 200
_PARTS = ("street", "address_line1", "address1", "postal_code", "postalcode", "zip", "city", "town")
_PLACES = frozenset(("address", *_PARTS))
_NAMES = (("name",), ("full_name",), ("first_name", "last_name"), ("firstname", "lastname"))
_WORD = re.compile(r"\w+")


def likeness(traits: Mapping[str, Any], data: Mapping[str, Any]) -> Handle | None:
    """The reference of the name and address in traits, or in the fields of a form; None without both."""
    for stated in (traits, data.get("fields")):
        if stated and isinstance(stated, Mapping) and _names_a_place(tuple(map(str, stated))):
            plain = {_plain(name): value for name, value in stated.items()}
            name, address = _name(plain), _address(plain)
            if name and address:
                try:
                    made = identity(REFERENCE, f"{name}, {address}", space=SPACE)
                except Unprocessable:  # not a value that an identity may have
                    return None
                return Handle(made, Assurance.INFERRED)
    return None


@lru_cache(maxsize=1024)  # senders state the same fields again and again
def _names_a_place(fields: tuple[str, ...]) -> bool:
    """Whether one of the fields may hold an address: most customers state a name and none."""
    return not _PLACES.isdisjoint(map(_plain, fields))


def _plain(field: object) -> str:
    return str(field).lower().replace(" ", "_")


def is_likeness(one: Identity) -> bool:
    return one.type == REFERENCE and one.space == SPACE


def _name(stated: Mapping[str, Any]) -> str:
    for keys in _NAMES:
        words = _words((stated.get(key) for key in keys), MAX_NAME)
        if len(words) > 1:  # many people share a first name
            return " ".join(sorted(words))  # `Korhonen Anna` is `Anna Korhonen`
    return ""


def _address(stated: Mapping[str, Any]) -> str:
    whole = stated.get("address")
    if isinstance(whole, Mapping):
        stated = {_plain(name): value for name, value in whole.items()}
        whole = None
    words = _words([whole] if whole else (stated.get(part) for part in _PARTS), MAX_ADDRESS)
    has_number = any(any(it.isdigit() for it in word) for word in words)
    return " ".join(words) if len(words) > 1 and has_number else ""


def _words(values: Iterable[Any], most: int) -> list[str]:
    """The words of these values as they are compared: folded, without accents and punctuation."""
    text = " ".join(str(it) for it in values if isinstance(it, str | int) and not isinstance(it, bool))
    if len(text) > most:
        return []
    folded = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(it for it in folded if not unicodedata.combining(it)))
