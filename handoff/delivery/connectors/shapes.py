"""The shapes that connectors share, and how they read ids and responses."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

MAX_DIGITS = 20  # of a vendor's numeric id: a 64-bit number has no more


class NoteTarget(Struct, frozen=True, kw_only=True):
    """A conversation or ticket at a vendor, by the vendor's ids: digits only."""

    id: str
    account: str = ""


class VendorRequest(Struct, frozen=True, kw_only=True):
    """One call of a vendor's API; JSON in and out."""

    method: str
    url: str
    body: bytes | None = None


def whole_number(value: object) -> str | None:
    """A vendor's numeric id from untrusted input; None for anything else.

    Every id in a path of the vendor's API passes this check, so it has no separators and no dots.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return str(value) if 0 <= value < 10**MAX_DIGITS else None
    text = value.strip()
    return text if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def read_object(answer: bytes) -> dict[str, Any]:
    """Decode a JSON object. Raises ValueError for anything else."""
    try:
        return msgspec.json.decode(answer, type=dict[str, Any])
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested too deeply
        raise ValueError("the response is not a JSON object") from error


def _contains(text: object, mark: str) -> bool:
    return isinstance(text, str) and mark in text


def entry_with(entries: object, mark: str, fields: tuple[str, ...]) -> str | None:
    """The id of the first entry that has `mark` in one of its fields.

    Raises ValueError if there is no list: then the existing entries are unknown.
    """
    if not isinstance(entries, list):
        raise ValueError("the response has no entries")
    for entry in entries:
        if isinstance(entry, dict) and any(_contains(entry.get(field), mark) for field in fields):
            return whole_number(entry.get("id")) or "without a number"
    return None
