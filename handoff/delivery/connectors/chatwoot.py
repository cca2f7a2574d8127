"""`chatwoot.note`: a private note in the Chatwoot conversation.

Chatwoot, Application API: "Create New Message" (`POST /api/v1/accounts/{account_id}/conversations/
{conversation_id}/messages`) and "Get messages" (`GET` of the same), header `api_access_token`;
https://developers.chatwoot.com/api-reference. `conversation_id` is the display id that webhooks
carry and touchpoints keep as their thread. `echo_id` comes back over web sockets and `source_id` is
not unique: neither keeps a repeated note out, so the newest messages are read before one is written.
"""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Identity
from handoff.services.conversations.vendor_threads import Desktop, Threads, of_source

from .shapes import NoteTarget, VendorRequest, entry_with, read_object, whole_number

CONTACT = "chatwoot.contact"


class Notes:
    """Private messages of an account, by a user's or agent bot's access token."""

    limit = 150_000  # chatwoot app/models/message.rb: content, maximum length

    def credentials(self, token: str, user: str | None) -> dict[str, str]:
        if user is not None:
            raise Unprocessable("chatwoot.note has no user: the access token says who writes")
        return {"api_access_token": token}

    def place(self, desktop: Desktop, threads: Threads, context: Any) -> NoteTarget | None:
        """The newest thread of the source in this account: a home of another account is not in it,
        and a home that names no account (a proved user) needs a contact in this one."""
        account = whole_number(desktop.account)
        if account is None or not any(_in_account(it, account) for it in threads.identities):
            return None
        for it in of_source(threads.threads, desktop.source):
            number = whole_number(it.id)
            elsewhere = it.home.type == CONTACT and not _in_account(it.home, account)
            if number is not None and not elsewhere:
                return NoteTarget(id=number, account=account)
        return None

    def look(self, url: str, place: NoteTarget) -> VendorRequest:
        return VendorRequest(method="GET", url=_messages(url, place))

    def standing(self, answer: bytes, mark: str) -> str | None:
        return entry_with(read_object(answer).get("payload"), mark, ("content",))

    def write(self, url: str, place: NoteTarget, text: str) -> VendorRequest:
        body = {"content": text, "message_type": "outgoing", "private": True, "content_type": "text"}
        return VendorRequest(method="POST", url=_messages(url, place), body=msgspec.json.encode(body))

    def note_id(self, answer: bytes) -> str | None:
        return whole_number(read_object(answer).get("id"))


def _in_account(it: Identity, account: str) -> bool:
    """Spaces of contacts are the account's id, behind the source's `id_space` where it has one."""
    return it.type == CONTACT and it.space.rpartition("/")[2] == account


def _messages(url: str, place: NoteTarget) -> str:
    return f"{url.rstrip('/')}/api/v1/accounts/{place.account}/conversations/{place.id}/messages"
