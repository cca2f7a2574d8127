"""Reading requests and building responses: bodies within limits, strict JSON, query parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.hdrs import CONTENT_ENCODING

from handoff.adapter.admission import HeldBytes
from handoff.domain.errors import (
    InvalidIdentity,
    InvalidPayload,
    Overloaded,
    PayloadTooLarge,
    Unprocessable,
    UnsupportedMedia,
)
from handoff.domain.identity import Assurance, Identity, split_identity
from handoff.domain.phone_readings import sought_identities
from handoff.services.sources.native import IdentityInput, invalid

from .app_keys import PRINCIPAL, SITE
from .protocol import HttpProtocol
from .request_ids import HEADER as REQUEST_ID_HEADER
from .request_ids import REQUEST_ID

T = TypeVar("T")
MAX_BODY = 1024 * 1024  # bytes of one API request; NDJSON imports have no total limit
DEFAULT_LIMIT, MAX_LIMIT = 50, 500
MAX_REASON = 2_000  # characters
MAX_NUMBER = 40  # digits of a number in a query: a cursor of 192 bits in base 36 has 38
encode = msgspec.json.Encoder().encode
JSON = "application/json"
HEADERS = (("Content-Type", JSON), ("Cache-Control", "no-store"))
_HEADERS = dict(HEADERS)

_NO_CONTENT = frozenset(
    {
        "identity",
        "identities",
        "customer_id",
        "conversation_id",
        "phone",
        "url",
        "secret",
        "headers",
        "allow_networks",
        "retry_schedule_s",
        "rate_per_s",
        "deadline_s",
        "ttl_s",
        "version",
    }
)
"""Members of requests that have a check of their own or no place for what somebody wrote."""

TOO_MANY_BYTES = "Too many requests are being received: send the same request again later."

IDEMPOTENCY_KEY = "Idempotency-Key"
BODY = web.RequestKey("body", bytes)
"""The body of a request with an Idempotency-Key, read before its handler runs."""


async def read_body(request: web.Request, limit: int = MAX_BODY) -> bytes:
    """The raw body. PayloadTooLarge above `limit`, before reading if Content-Length shows it."""
    if IDEMPOTENCY_KEY in request.headers and BODY in request:
        return request[BODY]
    if request.content.is_eof():  # most bodies arrive together with their headers
        whole = request.content.read_nowait()
        if len(whole) > limit:
            raise PayloadTooLarge(f"The request exceeds {limit} bytes", limit=limit)
        return whole
    if request.content_length is not None and request.content_length > limit:
        raise PayloadTooLarge(f"The request exceeds {limit} bytes", limit=limit)
    held = _held(request)
    body = bytearray()
    async for chunk in request.content.iter_any():
        if len(body) + len(chunk) > limit:
            raise PayloadTooLarge(f"The request exceeds {limit} bytes", limit=limit)
        if held is not None and not held.reach(len(body) + len(chunk)):
            raise Overloaded(TOO_MANY_BYTES)
        body += chunk
    return bytes(body)


def _held(request: web.Request) -> HeldBytes | None:
    """The budget's bytes that the request holds until it is answered."""
    protocol = request.protocol
    return protocol.hold(known=PRINCIPAL in request) if isinstance(protocol, HttpProtocol) else None


def refuse_encoding(request: web.Request) -> None:
    """UnsupportedMedia for a Content-Encoding: the API accepts plain bodies only."""
    encoding = request.headers.get(CONTENT_ENCODING)
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise UnsupportedMedia("This resource does not support Content-Encoding")


async def read_json(
    request: web.Request, type_: type[T], *, optional: bool = False, stored: bool = True
) -> T:
    """The body as `type_`. InvalidPayload if it is not JSON, Unprocessable if it does not fit the type.

    Card numbers and the like in it are masked, unless nothing of it is `stored`.
    """
    refuse_encoding(request)
    body = await read_body(request)
    if stored:
        redaction, tenant = request.app[SITE].store.redaction, request[PRINCIPAL].tenant
        if redaction.suspects(body, tenant):
            given = decode(body, Any)
            masked = redaction.value(given, "request", tenant, skip=_NO_CONTENT)
            body = body if masked is given else encode(masked)
    return decode(body or b"{}" if optional else body, type_)


BOM = b"\xef\xbb\xbf"
"""UTF-8's byte order mark. Windows programs write it, and RFC 8259 §8.1 allows to ignore it."""


def decode(body: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body.removeprefix(BOM), type=type_)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"The body is not JSON: {error}", code="invalid_json") from error


def answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response. Caches on the way must not store it: it may have personal data."""
    return answer_json(encode(value), status, headers)


def answer_json(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Like `answer`, from encoded JSON."""
    return web.Response(status=status, body=body, headers={**_HEADERS, **headers} if headers else _HEADERS)


def stream_answer(media: str) -> web.StreamResponse:
    """A streamed response. It sets the middleware's headers itself, since it starts before the middleware
    sees it."""
    return web.StreamResponse(
        headers={
            "Content-Type": media,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            REQUEST_ID_HEADER: REQUEST_ID.get(),
        }
    )


def query_limit(request: web.Request) -> int:
    raw = request.query.get("limit")
    if raw is None:
        return DEFAULT_LIMIT
    if len(raw) > MAX_NUMBER or not raw.isascii() or not raw.isdigit() or not 1 <= int(raw) <= MAX_LIMIT:
        raise bad_parameter("limit", f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(raw)


def broken(pointer: str, detail: str, code: str | None = None) -> Unprocessable:
    """The error for an invalid member of a body, with its JSON pointer (RFC 6901)."""
    return Unprocessable(detail, code=code, pointers=[{"pointer": pointer, "detail": detail}])


def check_reason(reason: str | None, *, least: int = 0) -> None:
    """Unprocessable if a reason is too long, or shorter than `least`."""
    if reason is not None and not least <= len(reason) <= MAX_REASON:
        raise broken("/reason", f"A reason has {least} to {MAX_REASON} characters")


def bad_parameter(name: str, detail: str) -> Unprocessable:
    return Unprocessable(detail, code="invalid_parameter", parameter=name)


def query_ascending(request: web.Request) -> bool:
    order = request.query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_parameter("order", "order must be asc or desc")
    return order == "asc"


def query_flag(request: web.Request, name: str, *, default: bool) -> bool:
    """A parameter that is `true` or `false`, given at most once."""
    given = request.query.getall(name, [])
    if not given:
        return default
    if given not in (["true"], ["false"]):
        raise bad_parameter(name, f"{name} must be true or false")
    return given == ["true"]


def query_list(request: web.Request, name: str) -> frozenset[str]:
    """The values of a parameter, comma-separated or repeated."""
    values = (part.strip() for raw in request.query.getall(name, ()) for part in raw.split(","))
    return frozenset(value for value in values if value)


def read_assurance(text: str | None, default: Assurance) -> Assurance:
    if text is None:
        return default
    try:
        return Assurance(text)
    except ValueError as error:
        raise bad_parameter(
            "min_assurance", "min_assurance must be verified, claimed, or inferred"
        ) from error


def read_identity(
    given: str | IdentityInput, pointer: str = "/identity", *, regions: tuple[str, ...] = ()
) -> Identity:
    """An identity in a body, in either form. `pointer` is its place in the body.

    A number without its country is read in the first of `regions` that has it.
    """
    with pointing_at(pointer):
        if isinstance(given, str):
            return readings_of(given, regions)[0]
        return sought_identities(given.type, given.value, given.space, regions)[0]


def readings_of(text: str, regions: tuple[str, ...]) -> tuple[Identity, ...]:
    """The identities that `type:value` may mean, likeliest first."""
    type_, space, value = split_identity(text)
    return sought_identities(type_, value, space, regions)


@contextmanager
def pointing_at(pointer: str) -> Iterator[None]:
    """Add the identity's place in the body to errors about it."""
    try:
        yield
    except InvalidIdentity as error:
        raise broken(pointer, error.detail, error.problem_code) from error


def query_identities(text: str, regions: tuple[str, ...]) -> tuple[Identity, ...]:
    """The readings of an identity in a query string, in which a `+` may have turned into a space."""
    head, colon, value = text.partition(":")
    if head == "phone" and value.startswith(" "):
        value = "+" + value[1:]
    return readings_of(head + colon + value, regions)


def number_cursor(request: web.Request) -> int | None:
    """The cursor of a list ordered by a number."""
    raw = request.query.get("cursor")
    if raw is None:
        return None
    if len(raw) > MAX_NUMBER or not raw.isascii() or not raw.isalnum():
        raise InvalidCursor
    return int(raw, 36)


class InvalidCursor(Unprocessable):
    """The cursor does not belong to this list."""

    code = "invalid_cursor"


def encode_number(number: int | None) -> str | None:
    """A number as a URL-safe cursor."""
    if number is None:
        return None
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    text = ""
    while number:
        number, rest = divmod(number, 36)
        text = digits[rest] + text
    return text or "0"
