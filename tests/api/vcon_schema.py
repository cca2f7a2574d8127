"""JSON Schema of an export: the unsigned vCon of draft-ietf-vcon-vcon-core-04.

Written from the text of the draft: §2.2 (dates), §2.3 and §2.4 (content), §4.1 (vCon), §4.2 (Party), §4.3
(Dialog, with the table of §4.3.1.6), and §4.4 (Attachment). Unknown members are rejected, since an
export lists no extensions (§4.1.3).
"""

from __future__ import annotations

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
DATE = {"type": "string", "format": "date-time"}
INDEX = {"type": "integer", "minimum": 0}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


CONTENT = ("mediatype", "filename", "body", "encoding", "url", "content_hash")
NO_CONTENT: dict[str, Any] = {"properties": dict.fromkeys(CONTENT, False)}

PARTY = _object(
    [],
    tel=TEXT,
    mailto=TEXT,
    name=TEXT,
    validation=TEXT,
    type={"enum": ["person", "bot", "organization"]},
)

DIALOG = _object(
    ["type", "start", "parties"],
    type={"enum": ["recording", "text", "incomplete"]},
    start=DATE,
    duration={"type": "number", "minimum": 0},
    parties={"type": "array", "items": INDEX, "minItems": 1},
    originator=INDEX,
    mediatype=TEXT,
    filename=TEXT,
    body=TEXT,
    encoding={"enum": ["base64url", "json", "none"]},
    disposition={"enum": ["no-answer", "congestion", "failed", "busy", "hung-up", "voicemail-no-message"]},
    application=TEXT,
    message_id=TEXT,
) | {
    "dependentRequired": {"body": ["encoding", "mediatype"], "url": ["content_hash"]},
    "allOf": [
        {
            "if": {"properties": {"type": {"const": "incomplete"}}},
            "then": {"required": ["disposition"], **NO_CONTENT, "not": {"required": ["message_id"]}},
            "else": {"not": {"required": ["disposition"]}},
        },
    ],
}

ATTACHMENT = _object(
    ["start", "party", "dialog"],
    purpose=TEXT,
    start=DATE,
    party=INDEX,
    dialog=INDEX,
    mediatype={"type": "string", "pattern": "^[^/ ]+/[^/ ]+"},
    filename=TEXT,
)

VCON: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(
        ["vcon", "uuid", "created_at", "parties", "dialog", "attachments"],
        vcon={"const": "0.4.0"},
        uuid={"type": "string", "format": "uuid", "pattern": "^.{14}8.{4}[89ab]"},
        created_at=DATE,
        updated_at=DATE,
        subject=TEXT,
        redacted=_object(["type"], type=TEXT),
        parties={"type": "array", "items": PARTY},
        dialog={"type": "array", "items": DIALOG},
        attachments={"type": "array", "items": ATTACHMENT},
    ),
}
