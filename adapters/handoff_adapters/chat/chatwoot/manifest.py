"""The manifest of `chat.chatwoot`."""

from __future__ import annotations

from collections.abc import Mapping

from handoff.adapter.manifest import Manifest, VendorEvent

from .options import ChatwootOptions

IGNORED_EVENTS: Mapping[str, str] = {
    "conversation_typing_on": "typing",
    "conversation_typing_off": "typing",
    "inbox_created": "settings",
    "inbox_updated": "settings",
    "inbox_deleted": "settings",
    "contact_deleted": "an erasure here is a request of its own",
    "conversation_contact_changed": "the next event names the contact",
    "conversation_read": "an agent opened it",
    "conversation_mentioned": "among agents",
    "assignee_changed": "conversation_updated has it",
    "team_changed": "conversation_updated has it",
    "first_reply_created": "message_created has it",
    "reply_created": "message_created has it",
}
"""Known events that make no touchpoint → the reason."""

DELETED = "also for any event whose conversation shows a deleted message"

MANIFEST = Manifest(
    name="chat.chatwoot",
    channel="chat",
    title="Chatwoot: webhooks of an account, an inbox, or an agent bot",
    options=ChatwootOptions,
    events=(
        VendorEvent("message_created", "message.received", "incoming"),
        VendorEvent("message_created", "message.sent", "outgoing or template"),
        VendorEvent("message_created", "email.received", "incoming, in an email inbox"),
        VendorEvent("message_created", "email.auto_replied", "incoming, in an email inbox, from a program"),
        VendorEvent("message_created", "email.sent", "outgoing, in an email inbox"),
        VendorEvent("message_created", "note.added", "private"),
        VendorEvent("message_created", "call.started", "in a voice inbox"),
        VendorEvent("message_created", "ignored: activity", "Chatwoot's own line about a change"),
        VendorEvent("message_updated", "message.edited"),
        VendorEvent("message_updated", "message.deleted", DELETED),
        VendorEvent("message_updated", "message.delivered"),
        VendorEvent("message_updated", "message.read"),
        VendorEvent("message_updated", "message.failed"),
        VendorEvent("message_updated", "survey.answered"),
        VendorEvent("message_updated", "form.submitted"),
        VendorEvent("message_updated", "call.ended", "in a voice inbox"),
        VendorEvent("message_updated", "ignored: nothing that a customer would see changed"),
        VendorEvent("conversation_created", "conversation.opened"),
        VendorEvent("conversation_status_changed", "conversation.resolved"),
        VendorEvent("conversation_status_changed", "conversation.reopened"),
        VendorEvent("conversation_status_changed", "handoff.requested", "from pending to open"),
        VendorEvent("conversation_status_changed", "event.tracked", "pending or snoozed"),
        VendorEvent("conversation_resolved", "conversation.resolved"),
        VendorEvent("conversation_opened", "conversation.reopened"),
        VendorEvent("conversation_updated", "event.tracked", "another assignee or team"),
        VendorEvent("conversation_updated", "ignored: no change of assignee or team"),
        VendorEvent("webwidget_triggered", "event.tracked"),
        VendorEvent("contact_created", "identified"),
        VendorEvent("contact_updated", "identified"),
        *(VendorEvent(name, f"ignored: {reason}") for name, reason in IGNORED_EVENTS.items()),
        VendorEvent("any other event", "ignored: unknown"),
    ),
    on_outage="spool",
    maturity="stable",
    verified_against="collected webhooks of servers since 2021, and the signature in Chatwoot's source",
)
