"""CloudEvents 1.0 into touchpoints (https://github.com/cloudevents/spec, JSON format §3)."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.adapter.cloudevents import checked_event
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import HandoffError, InvalidPayload, Unprocessable
from handoff.domain.identity import parse_identity
from handoff.domain.touchpoint import TYPE_SET, Touchpoint

from .native import Caller, TouchpointInput, from_input, invalid

_FIELDS = frozenset(TouchpointInput.__struct_fields__)
_STATED_OUTSIDE = ("id", "type", "occurred_at")
"""Fields that the envelope provides. Members of `data` with these names may mean something else."""
_ENVELOPE = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
)


def read_cloudevent(raw: bytes | msgspec.Raw, caller: Caller, received_at: Micros) -> Touchpoint:
    """A touchpoint from one structured CloudEvent.

    Members of `data` that are fields of a native touchpoint become these fields. Everything else, including
    extension attributes, goes into the touchpoint's `data`. An unknown type becomes `event.tracked` with its
    name. The identity may be in `subject`. Extensions do not belong to the event's content: a retry may carry
    different ones, such as a trace id.
    """
    try:
        event = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidPayload(f"not JSON: {error}", code="invalid_json") from error
    event = checked_event(event)
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
    """The pointer into the event for a pointer into the touchpoint."""
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
    if inner is not None and not isinstance(inner, dict):
        data["data"] = inner
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
    for name in _STATED_OUTSIDE:
        if members.get(name) not in (None, given[name]):
            data.setdefault(name, members[name])
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
