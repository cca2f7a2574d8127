"""Narrowing of untrusted JSON to values that the rest of the product can trust.

Senders get every field wrong sooner or later: numbers for strings, null for absent, half an emoji.
An unreadable field raises `Unprocessable` for that one item, and `malformed` makes a quarantined item
of it. Nothing is truncated.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import msgspec

from handoff.adapter.contract import Malformed, Parsed
from handoff.domain.clock import DAY, HOUR, Micros, parse_any_time, parse_time
from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff.domain.text.cleaning import clean, is_clean
from handoff.domain.touchpoint import (
    EARLIEST,
    LATEST,
    MAX_EVENT_ID,
    MAX_SUBJECT,
    MAX_TOUCHPOINT_BYTES,
    Touchpoint,
)

MAX_DEPTH = 16  # levels of objects and arrays in `data`; real events have at most 6
MAX_LANGUAGE = 35  # characters; RFC 5646 §4.4.1
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1  # the range of msgpack
_MAX_DIGITS = 40  # real numbers have fewer; int() refuses 4 300
_TOO_LONG = 10**_MAX_DIGITS
# `Fri Jul 23 2021 23:32:48 GMT+0530 (India Standard Time)`: a JavaScript date converted to a string.
_JS_DATE = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (\d{4}) ([\d:]{8}) GMT([+-]\d{4})(?: \(.*\))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_NO_SECONDS = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(Z|[+-]\d\d:\d\d|)", re.ASCII
)  # Java omits zero seconds
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:[-_.@][A-Za-z0-9]{1,8})*", re.ASCII)
_PACK = msgspec.msgpack.Encoder().encode
# N bytes of JSON become a touchpoint of at most 4.5 N: it contains text at most three times and other values
# twice, with 9 bytes for `1.5,`. Added to that are four bytes per character of rendered text, and less than
# 40 KB of ids, handles and subject, which have their own limits.
_LITTLE = MAX_TOUCHPOINT_BYTES // 6
_SIZE_POINTERS = frozenset({"/text", "/attachments", "/identities", "/participants"})


def decode_json(body: bytes) -> Any:
    """The JSON value of `body` (UTF-8, a byte order mark is skipped). InvalidPayload when it is invalid.

    The standard library reads input that msgspec refuses and browsers send: half a surrogate pair,
    which becomes U+FFFD here, and numbers out of range, which become strings. So one bad event does
    not invalidate its batch.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise InvalidPayload("The JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_real, parse_int=_integer
        )
        return _with_clean_text(value)
    except (ValueError, RecursionError) as error:
        raise InvalidPayload("The body is not JSON") from error


def _real(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_DIGITS else digits


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _with_clean_text(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_with_clean_text(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _with_clean_text(item) for key, item in value.items()}
    return value


def json_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. InvalidPayload for anything else."""
    value = decode_json(body)
    if not isinstance(value, dict):
        raise InvalidPayload("The body is not a JSON object")
    return value


def text(value: object) -> str | None:
    """A trimmed string. Numbers are converted; an empty string or any other value is None."""
    if isinstance(value, str):
        return (value if value.isascii() else clean(value)).strip() or None
    if value is None:
        return None
    if isinstance(value, int):
        return None if isinstance(value, bool) or not -_TOO_LONG < value < _TOO_LONG else str(value)
    if isinstance(value, float) and math.isfinite(value):
        return text(int(value)) if value.is_integer() else str(value)
    return None


def first_text(source: Mapping[str, Any], *keys: str) -> str | None:
    """The first of `keys` that `text` can read in `source`."""
    for key in keys:
        found = text(source.get(key))
        if found is not None:
            return found
    return None


def mapping(value: object) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def whole(value: object) -> int | None:
    """A non-negative whole number of at most 63 bits, also as a string."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 24:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value < 2**63 else None


def language(value: object) -> str | None:
    """A language tag (`fi`, `en-US`, `en_US.UTF-8`) as the sender spells it, or None."""
    tag = text(value)
    return tag if tag and len(tag) <= MAX_LANGUAGE and _LANGUAGE.fullmatch(tag) else None


def subject(value: str | None) -> str | None:
    """`value` if it is short enough for a subject. A longer one remains in `data` only."""
    return value if value and len(value) <= MAX_SUBJECT else None


def moment(value: object) -> Micros | None:
    """The time in `value` in any common format, or None. Without a zone it is UTC."""
    if value is None:
        return None
    if isinstance(value, str):
        value = value.strip().removesuffix(" UTC")  # Ruby's format
        try:
            return parse_time(value)  # the most common format
        except ValueError:
            pass
        if _DATE.fullmatch(value):
            value += "T00:00:00Z"
        elif match := _NO_SECONDS.fullmatch(value):
            value = f"{match[1]}:00{match[2]}"
        elif match := _JS_DATE.fullmatch(value):
            month, day, year, clock, zone = match.groups()
            value = f"{day} {month} {year} {clock} {zone}"
    for spelling in (value, f"{value}Z" if isinstance(value, str) else None):
        try:
            return parse_any_time(spelling)
        except (ValueError, OverflowError):
            continue
    return None


def plausible(at: Micros | None, received_at: Micros) -> Micros:
    """`at` if it is plausible for an event received at `received_at`, else `received_at`.

    The first day of 1970 is an unset clock, and more than an hour ahead is a wrong one. A time less
    far ahead becomes `received_at`.
    """
    if at is None or 0 <= at < DAY or not EARLIEST <= at <= LATEST or at > received_at + HOUR:
        return received_at
    return min(at, received_at)


def bounded(value: object) -> Any:
    """The JSON `value` in a form that every codec supports: itself if it fits, as is usual, else a copy.

    Unprocessable when it is too deep or not JSON.
    """
    if isinstance(value, dict | list) and _fits(value, MAX_DEPTH):
        return value
    return _fitted(value, 0)


def _fitted(value: object, depth: int) -> Any:
    """A copy of `value`, `depth` levels deep, with unsupported values converted.

    Integers beyond 64 bits become strings: their digits matter more than their type.
    """
    if isinstance(value, str):
        return value if value.isascii() else clean(value)
    if depth >= MAX_DEPTH and isinstance(value, dict | list):
        raise Unprocessable(f"The data is nested deeper than {MAX_DEPTH} levels", code="too_deep")
    if isinstance(value, dict):
        return {clean(str(key)): _fitted(item, depth + 1) for key, item in value.items()}
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if _INT_MIN <= value <= _INT_MAX else str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise Unprocessable("A number is out of range", code="out_of_range")
        return value
    if isinstance(value, list):
        return [_fitted(item, depth + 1) for item in value]
    raise Unprocessable("The data contains a value that is not JSON", code="not_json")


def _fits(value: dict[Any, Any] | list[Any], levels: int) -> bool:
    """Whether `_fitted` would leave `value`, which may be `levels` deep, unchanged.

    False may be wrong and costs a copy. True is always right.
    """
    if type(value) is dict:
        for key in value:
            if type(key) is not str or not is_clean(key):
                return False
        children: Iterable[Any] = value.values()
    else:
        children = value
    for item in children:
        kind = type(item)
        if kind is str:
            if not item.isascii() and not is_clean(item):
                return False
        elif kind is int:
            if not _INT_MIN <= item <= _INT_MAX:
                return False
        elif kind is dict or kind is list:
            if levels == 1 or not _fits(item, levels - 1):
                return False
        elif kind is float:
            if not math.isfinite(item):
                return False
        elif kind is not bool and item is not None:
            return False
    return True


def data(value: Mapping[str, Any]) -> dict[str, Any]:
    """`bounded` of an object: itself or a copy."""
    result: dict[str, Any] = bounded(value) if value else {}
    return result


def digest(value: object) -> str:
    """32 hex digits that identify the JSON `value`, independent of the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(canonical.encode("ascii"), digest_size=16).hexdigest()


def event_id(stated: str) -> str:
    """`stated`, or its hash if it is too long for an event id."""
    if len(stated) <= MAX_EVENT_ID:
        return stated
    return "blake2b:" + digest(stated)


def checked(touchpoint: Touchpoint, stated: int | None = None) -> Touchpoint:
    """`touchpoint`, or Unprocessable `too_large` if it exceeds the published limit.

    `stated` is the size in bytes of its JSON, if known: a touchpoint from little JSON is not measured.
    """
    if stated is not None and stated + len(touchpoint.text or "") <= _LITTLE:
        return touchpoint
    if len(_PACK(touchpoint)) > MAX_TOUCHPOINT_BYTES:
        raise Unprocessable(f"A touchpoint has at most {MAX_TOUCHPOINT_BYTES} bytes", code="too_large")
    return touchpoint


def malformed(error: Unprocessable, item: bytes) -> Malformed:
    """The quarantine entry of the item that raised `error`."""
    code = error.problem_code
    pointers = error.fields.get("pointers") or [{}]
    if pointers[0].get("pointer") in _SIZE_POINTERS:
        code = "too_large"
    return Malformed(code=code, detail=clean(error.detail), item=item)


def one(read: Callable[[], Touchpoint], item: bytes) -> Parsed:
    """A delivery of one event: the touchpoint that `read` makes, or the item that it cannot read."""
    try:
        return Parsed(touchpoints=(checked(read()),))
    except Unprocessable as error:
        return Parsed(malformed=(malformed(error, item),))
