"""`zendesk.comment`: an internal comment on the ticket of a Zendesk messaging conversation.

Sunshine Conversations has no agent-only messages: every message of `POST /v2/apps/{appId}/
conversations/{conversationId}/messages` goes to the customer, and the metadata of passControl is a
flat object of at most 4 KB that fills ticket fields (Sunshine Conversations API v2, "Post Message"
and "Pass Control"). In the agent workspace a messaging conversation is a ticket, and an internal
comment on it is made by updating the ticket with `comment.public` false: Zendesk Ticketing API,
"Ticket Comments" and "Update Ticket" (`PUT /api/v2/tickets/{ticket_id}`); "List Comments" (`GET
/api/v2/tickets/{ticket_id}/comments`); https://developer.zendesk.com/api-reference/ticketing/.
Authorized by HTTP Basic with `{email}/token` and an API token ("Security and authentication"), or by
an OAuth token. `Idempotency-Key` only works when creating tickets, so the comments are read first.
"""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from handoff.services.conversations.vendor_threads import Desktop, Threads, of_source

from .shapes import NoteTarget, VendorRequest, entry_with, read_object, whole_number

TICKET = "zendesk_ticket"
"""The key in a handoff's `context` with which its requester names the ticket."""
PAGE = 100  # comments read before writing, newest first; the maximum of one page


class Comments:
    """Internal comments by an agent, with their address and an API token, or with an OAuth token."""

    limit = 16_000  # characters: below 64 KiB in any script

    def credentials(self, token: str, user: str | None) -> dict[str, str]:
        if user is None:
            return {"Authorization": f"Bearer {token}"}
        pair = base64.b64encode(f"{user}/token:{token}".encode()).decode("ascii")
        return {"Authorization": f"Basic {pair}"}

    def target(self, desktop: Desktop, threads: Threads, context: Any) -> NoteTarget | None:
        """The ticket named by the requester, else the newest thread of the source."""
        named = whole_number(context.get(TICKET)) if isinstance(context, dict) else None
        stated = [named, *(whole_number(it.id) for it in of_source(threads.threads, desktop.source))]
        ticket = next((it for it in stated if it is not None), None)
        return NoteTarget(id=ticket) if ticket is not None else None

    def list_notes(self, url: str, target: NoteTarget) -> VendorRequest:
        return VendorRequest(
            method="GET",
            url=f"{_ticket(url, target)}/comments.json?sort=-created_at&page[size]={PAGE}",
        )

    def find_note(self, answer: bytes, mark: str) -> str | None:
        return entry_with(read_object(answer).get("comments"), mark, ("plain_body", "body"))

    def write_note(self, url: str, target: NoteTarget, text: str) -> VendorRequest:
        body = {"ticket": {"comment": {"body": text, "public": False}}}
        return VendorRequest(method="PUT", url=f"{_ticket(url, target)}.json", body=msgspec.json.encode(body))

    def note_id(self, answer: bytes) -> str | None:
        """The id in the `Comment` event of the update's audit."""
        audit = read_object(answer).get("audit")
        events = audit.get("events") if isinstance(audit, dict) else None
        for event in events if isinstance(events, list) else ():
            if isinstance(event, dict) and event.get("type") == "Comment":
                return whole_number(event.get("id"))
        return None


def _ticket(url: str, target: NoteTarget) -> str:
    return f"{url.rstrip('/')}/api/v2/tickets/{target.id}"
