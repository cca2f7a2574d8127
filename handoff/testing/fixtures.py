"""Fixtures: a delivery of the vendor, and what becomes of it, in a JSON file written by hand.

    {"event": "message_created",
     "request": {"method"?, "path"?, "query"?, "headers"?, "json" | "form" | "text" | "file"?},
     "options"?: {…},
     "touchpoints"?: [{"type", …}], "ignored"?: {…}, "malformed"?: ["code", …],
     "reply"?: {"status"?, "content_type"?, "body"?}, "handshake"?: true}

`event` is the manifest's name of the event, or a list of them. `file` names a file beside it with the body; a
mail (`.eml`) gets the line ends of SMTP. A touchpoint is compared on the keys that the fixture states;
`identities` are written `type@space:value assurance`, `participants` `role type@space:value`. The request of
a `handshake` carries no events: the adapter's `handshake` replies to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from handoff.adapter.contract import InboundRequest
from handoff.adapter.trial import inbound_request

_NONE: Any = msgspec.UNSET


class FixtureRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The request of a fixture, with its body in one of the four forms."""

    method: str = "POST"
    path: str = ""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    json: Any = _NONE
    form: dict[str, str] | None = None
    text: str | None = None
    file: str | None = None

    def build(self, folder: Path) -> InboundRequest:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = b""
        if self.json is not _NONE:
            body = msgspec.json.encode(self.json)
            headers.setdefault("content-type", "application/json")
        elif self.form is not None:
            body = urlencode(self.form).encode()
            headers.setdefault("content-type", "application/x-www-form-urlencoded")
        elif self.text is not None:
            body = self.text.encode()
        elif self.file is not None:
            body = (folder / self.file).read_bytes()
            if self.file.endswith(".eml"):
                body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        return inbound_request(
            self.path, method=self.method, body=body, headers=headers, query=list(self.query.items())
        )


class ExpectedReply(Struct, frozen=True, forbid_unknown_fields=True):
    """The reply that a fixture expects, as far as it states it."""

    status: int | None = None
    content_type: str | None = None
    body: str | None = None


class DeliveryFixture(Struct, frozen=True, forbid_unknown_fields=True):
    """A fixture file."""

    request: FixtureRequest
    event: str | list[str] = []
    options: dict[str, Any] = {}
    touchpoints: list[dict[str, Any]] = []
    ignored: dict[str, int] = {}
    malformed: list[str] = []
    reply: ExpectedReply | None = None
    handshake: bool = False

    @property
    def events(self) -> list[str]:
        return [self.event] if isinstance(self.event, str) else self.event


def read_fixture(path: Path) -> DeliveryFixture:
    """AssertionError, with the file's name, for a fixture that is not written as described."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=DeliveryFixture)
    except msgspec.DecodeError as error:
        raise AssertionError(f"{path.name}: {error}") from error


def fixture_request(path: Path) -> InboundRequest:
    """The request that a fixture file describes."""
    return read_fixture(path).request.build(path.parent)


def fixture_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))
