"""The contract of transcribers: plug-ins that turn a recording, or a picture, into text.

Another package declares a factory in the entry-point group `handoff.transcribers`. The configuration names it
in a `[[transcribers]]` table; the server fetches the media, calls the transcriber in a thread of its own, and
records the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

ENTRY_POINTS = "handoff.transcribers"
"""The entry-point group. Each entry is a `TranscriberFactory`; its name is the `plugin` of the table."""


class Media(Struct, frozen=True, kw_only=True):
    """An attachment as it was fetched. `language` is that of the message, if it is known."""

    content: bytes
    content_type: str
    name: str | None
    language: str | None
    channel: str


class Transcript(Struct, frozen=True, kw_only=True):
    """The words in some media. `confidence` is from 0 to 1, `language` a tag such as `fi`."""

    text: str
    confidence: float | None = None
    language: str | None = None
    kind: Literal["transcript", "ocr"] = "transcript"


class UnusableMedia(Exception):
    """Raised by a transcriber: no later attempt could read this media."""


class Transcriber(Protocol):
    """Turns media into text. It is called in threads, possibly several at once."""

    def transcribe(self, media: Media) -> Transcript | None:
        """The words, or None if there are none. Any exception but UnusableMedia is tried again later."""


TranscriberFactory = Callable[[Mapping[str, Any]], Transcriber]
"""Makes a transcriber from the `options` of its table. Called once, at the start."""
