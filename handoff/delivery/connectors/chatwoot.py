"""`chatwoot.note`: a private note in the Chatwoot conversation.

Chatwoot, Application API: "Create New Message" (`POST /api/v1/accounts/{account_id}/conversations/
{conversation_id}/messages`) and "Get messages" (`GET` of the same), header `api_access_token`;
https://developers.chatwoot.com/api-reference. `conversation_id` is the display id that webhooks
carry and touchpoints keep as their thread. `echo_id` is only returned over web sockets and `source_id`
is not unique: neither prevents a duplicate note, so the newest messages are read before writing.
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
    """Private messages in an account, with the access token of a user or agent bot."""

    limit = 150_000  # chatwoot app/models/message.rb: content, maximum length

    def credentials(self, token: str, user: str | None) -> dict[str, str]:
        if user is not None:
            raise Unprocessable("chatwoot.note takes no user: the access token identifies the author")
        return {"api_access_token": token}

    def target(self, desktop: Desktop, threads: Threads, context: Any) -> NoteTarget | None:
        """The newest thread of the source in this account. A contact of another account does not count, and
        a verified user needs a contact in this account."""
        account = whole_number(desktop.account)
        if account is None or not any(_in_account(it, account) for it in threads.identities):
            return None
        for thread in of_source(threads.threads, desktop.source):
            number = whole_number(thread.id)
            elsewhere = thread.home.type == CONTACT and not _in_account(thread.home, account)
            if number is not None and not elsewhere:
                return NoteTarget(id=number, account=account)
        return None

    def list_notes(self, url: str, target: NoteTarget) -> VendorRequest:
        return VendorRequest(method="GET", url=_messages(url, target))

    def find_note(self, answer: bytes, mark: str) -> str | None:
        return entry_with(read_object(answer).get("payload"), mark, ("content",))

    def write_note(self, url: str, target: NoteTarget, text: str) -> VendorRequest:
        body = {"content": text, "message_type": "outgoing", "private": True, "content_type": "text"}
        return VendorRequest(method="POST", url=_messages(url, target), body=msgspec.json.encode(body))

    def note_id(self, answer: bytes) -> str | None:
        return whole_number(read_object(answer).get("id"))


def _in_account(identity: Identity, account: str) -> bool:
    """A contact's space is the account's id, after the source's `id_space` if it has one."""
    return identity.type == CONTACT and identity.space.rpartition("/")[2] == account


def _messages(url: str, target: NoteTarget) -> str:
    return f"{url.rstrip('/')}/api/v1/accounts/{target.account}/conversations/{target.id}/messages"
