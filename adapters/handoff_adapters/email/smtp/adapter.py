"""`email.smtp`: mail delivered over SMTP or LMTP (RFC 5321, RFC 2033, RFC 5322).

The adapter trusts every client that can connect: bind `listen` to an address that only your mail server
reaches, and only then list its hosts in `trusted_authserv_ids`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from handoff.adapter.base import BaseAdapter
from handoff.adapter.contract import InboundRequest, Malformed, Mentions, Parsed, Receive
from handoff.domain.errors import HandoffError, InvalidPayload, SignatureRefused, Unprocessable
from handoff_adapters.email.message.mailboxes import own_addresses, recipients
from handoff_adapters.email.message.mentions import mentions_of
from handoff_adapters.email.message.message import Account, Envelope, touchpoint_of
from handoff_adapters.shared.fields import malformed

from .listener import open_server
from .manifest import MANIFEST
from .options import SmtpOptions
from .session import Limits, MailServer

METHOD = "SMTP"
"""The method of requests from the listener. HTTP requests have another one and are refused."""
ID_SPACE = "rfc5322"
"""Message-IDs are globally unique, so a mail that arrives over two routes is one touchpoint."""


class SmtpAdapter(BaseAdapter):
    """One mail source: its listener, and the reader of the mails it receives."""

    manifest = MANIFEST
    settings: SmtpOptions

    def __init__(self, options: SmtpOptions) -> None:
        """ConfigurationError for invalid recipients, listening address or certificate options."""
        super().__init__(options)
        self._recipients = recipients(options.recipients)
        self._host, self._port = options.bind_address
        self._account = Account(
            source=options.name,
            id_space=options.id_space or ID_SPACE,
            ours=self._recipients | own_addresses(options.own),
            trusted_hosts=frozenset(host.lower() for host in options.trusted_authserv_ids),
        )
        self._limits = Limits(
            max_bytes=options.max_bytes,
            max_connections=options.max_connections,
            max_recipients=options.max_recipients,
            command_timeout_s=options.command_timeout_s,
            receive_timeout_s=options.receive_timeout_s,
            data_timeout_s=options.data_timeout_s,
            drain_s=options.drain_s,
        )

    def verify(self, request: InboundRequest) -> None:
        """SignatureRefused unless the request is from the listener and every recipient is accepted here."""
        boxes = _recipients_of(request)
        if request.method != METHOD or not boxes:
            raise SignatureRefused("Mail is accepted over SMTP or LMTP only")
        if not all(self._recipients.holds(box) for box in boxes):
            raise SignatureRefused("A recipient is not a mailbox of this source")

    def check_head(self, request: InboundRequest) -> None:
        """SignatureRefused for HTTP."""
        self.verify(request)

    def parse(self, request: InboundRequest) -> Parsed:
        """The one touchpoint of the mail in `request.body`.

        InvalidPayload (`not_mail`, `headers_too_large`, `too_many_fields`, `too_many_parts`,
        `too_deep`, `unreadable`) when the bytes are not a mail; `Malformed` with `no_identity` when
        the mail names no customer. Pure; a large mail takes some tens of milliseconds.
        """
        raw = request.body
        try:
            touchpoint = touchpoint_of(raw, _envelope_of(request), self._account)
        except Unprocessable as error:
            return Parsed(malformed=(malformed(error, raw),))
        except HandoffError:
            raise
        except Exception as error:  # the last barrier against hostile bytes
            raise InvalidPayload("The mail cannot be read", code="unreadable") from error
        if touchpoint is None:
            no_customer = Malformed(code="no_identity", detail="The mail names no customer", item=raw)
            return Parsed(malformed=(no_customer,))
        return Parsed(touchpoints=(touchpoint,))

    def mentions(self, request: InboundRequest) -> Mentions:
        return mentions_of(request.body, _envelope_of(request), self._account)

    def listen(self, receive: Receive) -> AbstractAsyncContextManager[MailServer]:
        """Receives mail while entered; yields the server with its bound `host` and `port`.

        ConfigurationError when the address cannot be bound or the certificate cannot be read.
        """
        return self._listen(receive)

    @asynccontextmanager
    async def _listen(self, receive: Receive) -> AsyncIterator[MailServer]:
        async with open_server(
            receive,
            self._recipients,
            self._limits,
            host=self._host,
            port=self._port,
            lmtp=self.settings.protocol == "lmtp",
            certificate=self.settings.certificate,
        ) as server:
            yield server


def _envelope_of(request: InboundRequest) -> Envelope:
    return Envelope(
        sender=request.headers.get("mail-from"),
        recipients=_recipients_of(request),
        received_at=request.received_at,
    )


def _recipients_of(request: InboundRequest) -> tuple[str, ...]:
    stated = request.headers.get("rcpt-to", "").split(",")
    return tuple(box.strip() for box in stated if box.strip())
