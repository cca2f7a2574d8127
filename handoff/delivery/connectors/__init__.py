"""Connectors: the brief as a note where the agent already works.

A connector is a subscription whose message is rendered for a vendor's API; queue, retries, dead
letters, guard and circuit breaker are those of every subscription. One module per vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from handoff.services.conversations.vendor_threads import Desktop, Kind, Threads

from . import chatwoot, zendesk
from .shapes import NoteTarget, VendorRequest

__all__ = ["CONNECTORS", "FINAL", "Connector", "NoteTarget", "VendorRequest"]

FINAL = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
"""Answers of an API that stay the same however often it is asked: a dead letter at once."""


class Connector(Protocol):
    """What one vendor's API needs; pure."""

    limit: int
    """Characters of a note."""

    def credentials(self, token: str, user: str | None) -> dict[str, str]:
        """The headers that authorise. Unprocessable when something is missing."""

    def place(self, desktop: Desktop, threads: Threads, context: Any) -> NoteTarget | None:
        """Where the note goes; None for a hand-off that has no place there. `context` is the
        hand-off's own, as its requester gave it."""

    def look(self, url: str, place: NoteTarget) -> VendorRequest:
        """Asks for the newest entries of the place."""

    def standing(self, answer: bytes, mark: str) -> str | None:
        """The id of the entry that holds `mark`, None for none. ValueError for no such answer."""

    def write(self, url: str, place: NoteTarget, text: str) -> VendorRequest:
        """Posts the note, seen by agents only."""

    def note_id(self, answer: bytes) -> str | None:
        """The vendor's id of the note just written, where the answer tells it."""


CONNECTORS: Mapping[Kind, Connector] = {
    "chatwoot.note": chatwoot.Notes(),
    "zendesk.comment": zendesk.Comments(),
}
