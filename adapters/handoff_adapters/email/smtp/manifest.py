"""The manifest of `email.smtp`: mail, and the reports that mail servers send about mail."""

from __future__ import annotations

from handoff.adapter.manifest import Manifest, VendorEvent

from .options import SmtpOptions

MANIFEST = Manifest(
    name="email.smtp",
    channel="email",
    title="Mail over SMTP or LMTP, from your own mail server",
    options=SmtpOptions,
    events=(
        VendorEvent("mail", "email.received", "from a customer"),
        VendorEvent("mail", "email.auto_replied", "from a program"),
        VendorEvent("mail", "email.sent", "from the business to a customer"),
        VendorEvent("delivery report", "email.bounced", "failed"),
        VendorEvent("delivery report", "message.delivered", "delivered, relayed, or expanded"),
        VendorEvent("delivery report", "event.tracked", "delayed"),
        VendorEvent("disposition report", "message.read", "displayed"),
        VendorEvent("disposition report", "event.tracked", "deleted, dispatched, or processed"),
        VendorEvent("feedback report", "event.tracked", "a complaint about spam"),
    ),
    kept_headers=("mail-from", "rcpt-to"),
    maturity="stable",
    verified_against="collected bounces of many mail servers, and replies of many mail programs",
)
