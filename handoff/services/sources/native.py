"""The native API's touchpoints, validated one by one, so that an invalid one does not fail its batch."""

from __future__ import annotations

from functools import lru_cache
from itertools import count
from typing import Any

import msgspec
from msgspec import Struct, field

from handoff.domain.clock import Micros, parse_time
from handoff.domain.errors import HandoffError, InvalidPayload, Unprocessable
from handoff.domain.identity import (
    REFERENCE,
    Assurance,
    Handle,
    Identity,
    default_assurance,
    identity,
    parse_identity,
)
from handoff.domain.text.derived import DERIVED
from handoff.domain.text.memo import CACHE_SIZE, MAX_CACHED, personal
from handoff.domain.touchpoint import (
    DEFAULT_DIRECTIONS,
    DEFAULT_VISIBILITIES,
    TYPE_SET,
    Direction,
    Participant,
    Touchpoint,
    Visibility,
)

ID_SPACE = "native"
_HOME_ORDER = {"user": 0, "email": 1, "phone": 2, "anonymous": 4, REFERENCE: 5}
_VENDOR = 3  # between phone and anonymous


class IdentityInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity as an object; the same as `type@space:value` with an assurance."""

    type: str
    value: str
    space: str = ""
    assurance: Assurance | None = None


class ParticipantInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another person in the touchpoint."""

    type: str
    value: str
    role: str = "participant"
    space: str = ""


class TouchpointInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/touchpoints`: one touchpoint as the sender states it."""

    id: str
    channel: str
    type: str
    occurred_at: str
    identities: list[str | IdentityInput]
    participants: list[ParticipantInput] = field(default_factory=list)
    direction: Direction | None = None
    visibility: Visibility | None = None
    subject: str | None = None
    text: str | None = None
    language: str | None = None
    medium: str | None = None
    attachments: list[dict[str, Any]] = field(default_factory=list)
    seq: int | None = None
    thread: str | None = None
    amends: str | None = None
    actor: dict[str, Any] | str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    source: str | None = None


class Caller(Struct, frozen=True, kw_only=True):
    """The sender: the name of its token and the channels that the configuration declares."""

    name: str
    channels: frozenset[str]


_direction_of, _visibility_of = DEFAULT_DIRECTIONS.get, DEFAULT_VISIBILITIES.get
_DECODE = msgspec.json.Decoder(TouchpointInput).decode


def read_native(raw: bytes | msgspec.Raw, caller: Caller) -> Touchpoint:
    """Parse a touchpoint. Raises InvalidPayload for invalid JSON, Unprocessable with pointers otherwise."""
    try:
        given = _DECODE(raw)
    except msgspec.ValidationError as error:
        raise invalid(error) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"not JSON: {error}", code="invalid_json") from error
    return from_input(given, caller)


def invalid(error: msgspec.ValidationError) -> Unprocessable:
    """The contract's error for an invalid value, with a JSON pointer (RFC 6901)."""
    message, _, path = str(error).partition(" - at `$")
    path = path.rstrip("`")
    pointer = path.replace("[...]", "/-").replace("[", "/").replace("]", "").replace(".", "/")
    return Unprocessable(message, pointers=[{"pointer": pointer, "detail": message}])


def from_input(given: TouchpointInput, caller: Caller) -> Touchpoint:
    """The touchpoint for an input."""
    if given.channel not in caller.channels:
        allowed = ", ".join(sorted(caller.channels))
        detail = f"the channel {given.channel[:40]!r} is not declared; allowed: {allowed}"
        _refuse("/channel", detail, "unknown_channel")
    if given.type not in TYPE_SET:
        detail = f"unknown touchpoint type {given.type[:60]!r}; /openapi.json lists the types"
        _refuse("/type", detail, "unknown_type")
    return Touchpoint(
        id_space=ID_SPACE,
        event_id=given.id,
        source=given.source or caller.name,
        channel=given.channel,
        type=given.type,
        occurred_at=_time(given.occurred_at),
        identities=_handles(given.identities),
        participants=tuple(map(_participant, given.participants, count())) if given.participants else (),
        direction=given.direction or _direction_of(given.type, Direction.INBOUND),
        visibility=given.visibility or _visibility_of(given.type, Visibility.PUBLIC),
        medium=given.medium,
        subject=given.subject,
        text=given.text,
        language=given.language,
        attachments=tuple(given.attachments),
        seq=given.seq,
        thread=given.thread,
        amends=given.amends if given.type != DERIVED else _original_of(given),
        actor=_actor(given.actor) if isinstance(given.actor, str) else given.actor,
        data=given.data,
        traits=_traits(given) if given.type == "identified" else {},
    )


def _original_of(given: TouchpointInput) -> str | None:
    """The touchpoint that a derived text was made from."""
    if given.amends is not None:
        _refuse("/amends", "a derived text names its original in data.of", "derived_amends")
    of = given.data.get("of")
    return of if isinstance(of, str) else None


def _refuse(pointer: str, detail: str, code: str) -> None:
    raise Unprocessable(detail, code=code, pointers=[{"pointer": pointer, "detail": detail}])


def _pointed(error: HandoffError, pointer: str) -> Unprocessable:
    return Unprocessable(
        error.detail, code=error.problem_code, pointers=[{"pointer": pointer, "detail": error.detail}]
    )


def _handles(given: list[str | IdentityInput]) -> tuple[Handle, ...]:
    if len(given) == 1:
        return (_handle(given[0], 0),)
    return home_first(list(map(_handle, given, count())))


def _read_stated(text: str) -> Handle:
    found = parse_identity(text)
    return Handle(found, default_assurance(found.type))


_stated = personal(lru_cache(CACHE_SIZE)(_read_stated))


def _handle(given: str | IdentityInput, at: int) -> Handle:
    try:
        if isinstance(given, str):
            return _stated(given) if len(given) <= MAX_CACHED else _read_stated(given)
        found = identity(given.type, given.value, space=given.space)
    except HandoffError as error:
        raise _pointed(error, f"/identities/{at}") from error
    return Handle(found, given.assurance or default_assurance(found.type))


def _participant(given: ParticipantInput, at: int) -> Participant:
    try:
        found = identity(given.type, given.value, space=given.space)
    except HandoffError as error:
        raise _pointed(error, f"/participants/{at}") from error
    return Participant(found, given.role)


def home_first(handles: list[Handle]) -> tuple[Handle, ...]:
    """The handles with the home first: ordered by type, then by their position in the input."""
    distinct: dict[Identity, Handle] = {}
    for handle in handles:
        distinct.setdefault(handle.identity, handle)
    return tuple(sorted(distinct.values(), key=lambda it: _HOME_ORDER.get(it.identity.type, _VENDOR)))


def _time(text: str) -> Micros:
    try:
        return parse_time(text)
    except ValueError as error:
        detail = "a time is RFC 3339 with a zone, e.g. 2026-11-21T10:00:00Z"
        raise Unprocessable(
            detail, code="invalid_time", pointers=[{"pointer": "/occurred_at", "detail": detail}]
        ) from error


def _actor(given: str) -> dict[str, Any]:
    """The actor as an object. The text `type:id` is short for an object with both."""
    type_, colon, id_ = given.partition(":")
    return {"type": type_, "id": id_} if colon else {"name": given}


def _traits(given: TouchpointInput) -> dict[str, Any]:
    traits = given.data.get("traits")
    return traits if isinstance(traits, dict) else {}
