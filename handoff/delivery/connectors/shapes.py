"""What connectors are asked for and answer with."""

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
    """A vendor's numeric id from what a sender stated; None for anything else.

    Whatever goes into a path of the vendor's API has passed here: no separators, no dots.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return str(value) if 0 <= value < 10**MAX_DIGITS else None
    text = value.strip()
    return text if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def read_object(answer: bytes) -> dict[str, Any]:
    """A JSON object. ValueError when it is none."""
    try:
        return msgspec.json.decode(answer, type=dict[str, Any])
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, or nested without end
        raise ValueError("the answer is no JSON object") from error


def _holds(text: object, mark: str) -> bool:
    return isinstance(text, str) and mark in text


def entry_with(entries: object, mark: str, fields: tuple[str, ...]) -> str | None:
    """The id of the first entry of a list that has `mark` in one of its fields.

    ValueError when there is no list: then nobody knows what stands there.
    """
    if not isinstance(entries, list):
        raise ValueError("the answer has no entries")
    for it in entries:
        if isinstance(it, dict) and any(_holds(it.get(field), mark) for field in fields):
            return whole_number(it.get("id")) or "without a number"
    return None
