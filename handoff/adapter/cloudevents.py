"""The envelope of CloudEvents 1.0 over HTTP (https://github.com/cloudevents/spec): its modes and content."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from handoff.domain.errors import InvalidPayload, Unprocessable
from handoff.domain.text.cleaning import clean

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
CLOUDEVENTS = "application/cloudevents"
"""How the media types of the structured and the batched mode begin. Any other type is that of the data."""
_PREFIX = "ce-"
_MARKS = ("ce-specversion", "ce-id", "ce-source", "ce-type")
_JSON = re.compile(r"[^/;\s]+/(?:[^;\s]*\+)?json", re.IGNORECASE)


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether the headers hold a CloudEvent in binary mode, even an incomplete one."""
    return any(name in headers for name in _MARKS)


def has_json(content_type: str | None) -> bool:
    """Whether data of this media type is JSON. Without a type it is."""
    return content_type is None or _JSON.match(content_type) is not None


def as_structured(headers: Mapping[str, str], content_type: str | None, body: bytes) -> bytes:
    """A CloudEvent in binary mode (HTTP protocol binding §3.1) in the structured form.

    Its attributes are in `ce-` headers and its data is the body. InvalidPayload for a body that is not of
    its content type.
    """
    event: dict[str, Any] = {}
    for name, value in headers.items():
        if name.lower().startswith(_PREFIX):
            event[name.lower().removeprefix(_PREFIX)] = _attribute(value)
    media = content_type or "application/json"
    event["datacontenttype"] = media
    if not body:
        pass
    elif _JSON.match(media):
        try:
            event["data"] = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise InvalidPayload(f"not JSON: {error}", code="invalid_json") from error
    else:
        event["data_base64"] = base64.b64encode(body).decode("ascii")
    return msgspec.json.encode(event)


def _attribute(value: str) -> str:
    """The value of a header: without quotes, percent-decoded (§3.1.3.2)."""
    text = value.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    return clean(unquote(text, errors="replace"))


def checked_event(event: object) -> dict[str, Any]:
    """The CloudEvent with its required attributes and its content. Unprocessable for anything else."""
    if not isinstance(event, dict):
        raise Unprocessable("a CloudEvent is a JSON object")
    for name in ("specversion", "id", "source", "type"):
        if not isinstance(event.get(name), str) or not event[name]:
            detail = f"a CloudEvent needs the attribute {name}"
            raise Unprocessable(detail, pointers=[{"pointer": f"/{name}", "detail": detail}])
    if event["specversion"] != "1.0":
        raise Unprocessable("only CloudEvents 1.0 are read", code="unsupported_specversion")
    return with_content(event)


def with_content(event: dict[str, Any]) -> dict[str, Any]:
    """The event with `data` instead of `data_base64`, if that holds JSON: SDKs send it for bytes.

    Other content stays in `data_base64`.
    """
    encoded, media = event.get("data_base64"), event.get("datacontenttype", "application/json")
    if not isinstance(encoded, str) or "data" in event or not _JSON.match(str(media)):
        return event
    try:
        content = msgspec.json.decode(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return event
    return {name: value for name, value in event.items() if name != "data_base64"} | {"data": content}
