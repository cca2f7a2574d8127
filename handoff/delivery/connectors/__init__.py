"""Connectors: write the brief as a note in the agents' existing desktop.

A connector is a subscription whose message is rendered for a vendor's API. It has the same queue, retries,
dead letters, SSRF guard and circuit breaker as any subscription. One module per vendor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from handoff.services.conversations.vendor_threads import Desktop, Kind, Threads

from . import chatwoot, zendesk
from .shapes import NoteTarget, VendorRequest

__all__ = ["CONNECTORS", "FINAL", "Connector", "NoteTarget", "VendorRequest"]

FINAL = frozenset({400, 401, 403, 404, 405, 413, 415, 422})
"""Statuses that a retry would not change: the delivery becomes a dead letter immediately."""


class Connector(Protocol):
    """One vendor's API. Pure: builds requests and reads responses."""

    limit: int
    """The longest note, in characters."""

    def credentials(self, token: str, user: str | None) -> dict[str, str]:
        """The authorization headers. Raises Unprocessable for missing or surplus credentials."""

    def target(self, desktop: Desktop, threads: Threads, context: Any) -> NoteTarget | None:
        """The conversation or ticket for the note; None if the handoff has none. `context` is the
        handoff's own, as its requester sent it."""

    def list_notes(self, url: str, target: NoteTarget) -> VendorRequest:
        """Read the target's newest entries."""

    def find_note(self, answer: bytes, mark: str) -> str | None:
        """The id of the entry that contains `mark`, or None. Raises ValueError for an unreadable response."""

    def write_note(self, url: str, target: NoteTarget, text: str) -> VendorRequest:
        """Write the note, visible to agents only."""

    def note_id(self, answer: bytes) -> str | None:
        """The vendor's id of the written note, if the response has it."""


CONNECTORS: Mapping[Kind, Connector] = {
    "chatwoot.note": chatwoot.Notes(),
    "zendesk.comment": zendesk.Comments(),
}
