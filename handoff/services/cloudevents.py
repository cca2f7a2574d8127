"""CloudEvents 1.0 into touchpoints (https://github.com/cloudevents/spec, JSON format §3)."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import HandoffError, InvalidPayload, Unprocessable
from handoff.domain.identity import parse_identity
from handoff.domain.touchpoint import TYPE_SET, Touchpoint

from .native import Caller, TouchpointInput, from_input, invalid

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
_FIELDS = frozenset(TouchpointInput.__struct_fields__)
_ENVELOPE = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
)


def read_cloudevent(raw: bytes | msgspec.Raw, caller: Caller, received_at: Micros) -> Touchpoint:
    """A touchpoint from one structured CloudEvent.

    Members of `data` that are fields of a native touchpoint are taken as such; everything else,
    extension attributes included, is kept in the touchpoint's `data`. A type that is none of ours
    becomes `event.tracked` with its name. The identity may stand in `subject`. Extensions (a trace
    that changes with every attempt) say nothing of the event: a retry may carry others.
    """
    try:
        event = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"not JSON: {error}", code="invalid_json") from error
    if not isinstance(event, dict):
        raise Unprocessable("a CloudEvent is a JSON object")
    for name in ("specversion", "id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            detail = f"a CloudEvent needs the attribute {name}"
            raise Unprocessable(detail, pointers=[{"pointer": f"/{name}", "detail": detail}])
    if event["specversion"] != "1.0":
        raise Unprocessable("only CloudEvents 1.0 are read", code="unsupported_specversion")
    given = _native(event, received_at)
    try:
        touchpoint = from_input(_input(given), caller)
    except Unprocessable as error:
        places = error.fields.get("pointers", ())
        pointers = [it | {"pointer": _in_event(event, it["pointer"])} for it in places]
        raise Unprocessable(error.detail, code=error.problem_code, pointers=pointers) from error
    return msgspec.structs.replace(
        touchpoint, id_space=f"cloudevents/{event['source']}", envelope=("cloudevent",)
    )


def _input(given: dict[str, Any]) -> TouchpointInput:
    try:
        return msgspec.convert(given, TouchpointInput)
    except msgspec.ValidationError as error:
        raise invalid(error) from error


def _in_event(event: dict[str, Any], pointer: str) -> str:
    """Where in the event stands what the touchpoint has at `pointer`."""
    name = pointer.split("/")[1] if pointer else ""
    content = event.get("data")
    members: dict[str, Any] = content if isinstance(content, dict) else {}
    if name == "occurred_at" and event.get("time"):
        return "/time"
    if name == "identities" and name not in members:
        return "/subject"
    if name in ("id", "type", "data") or (name == "channel" and name not in members):
        return pointer
    return f"/data{pointer}"


def _native(event: dict[str, Any], received_at: Micros) -> dict[str, Any]:
    content = event.get("data")
    members: dict[str, Any] = content if isinstance(content, dict) else {}
    given = {name: value for name, value in members.items() if name in _FIELDS and name != "data"}
    inner = members.get("data")
    data: dict[str, Any] = dict(inner) if isinstance(inner, dict) else {}
    data |= {name: value for name, value in members.items() if name not in _FIELDS}
    if not isinstance(content, dict) and content is not None:
        data["content"] = content
    extensions = {name: value for name, value in event.items() if name not in _ENVELOPE and name != "data"}
    if extensions:
        data["cloudevent"] = extensions
    given["id"] = event["id"]
    given["occurred_at"] = event.get("time") or given.get("occurred_at") or format_time(received_at)
    given.setdefault("channel", extensions.get("channel", "web"))
    if event["type"] in TYPE_SET:
        given["type"] = event["type"]
    elif given.get("type") not in TYPE_SET:
        given["type"] = "event.tracked"
        data.setdefault("name", event["type"])
    if "identities" not in given:
        given["identities"] = _from_subject(event.get("subject"))
    given["data"] = data
    return given


def _from_subject(subject: object) -> list[str]:
    if isinstance(subject, str):
        try:
            return [str(parse_identity(subject))]
        except HandoffError:
            pass
    return []
