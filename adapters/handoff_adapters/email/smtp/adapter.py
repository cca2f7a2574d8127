"""Mail handed over by SMTP or LMTP: the source `email.smtp` (RFC 5321, RFC 2033, RFC 5322).

The mail server in front of it hands over what it accepted for our mailboxes, or whoever may
connect does: keep `listen` on an address that only that server reaches, and name its hosts in
`trusted_authserv_ids` only then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar, Literal

from handoff.adapter.contract import InboundRequest, Malformed, Outcome, Parsed, Receive, Reply, SourceOptions
from handoff.domain.errors import (
    ConfigurationError,
    HandoffError,
    InvalidPayload,
    SignatureRefused,
    Unprocessable,
)
from handoff_adapters.email.message.mailboxes import own_addresses, recipients
from handoff_adapters.email.message.message import Account, Envelope, touchpoint_of
from handoff_adapters.shared.fields import malformed

from .listener import Limits, MailServer, open_server

METHOD = "SMTP"
"""The method of the requests that the listener makes; one that came by HTTP never passes `verify`."""
ID_SPACE = "rfc5322"
"""Message-IDs are unique in the world, so a mail that comes two ways is one touchpoint."""


class SmtpOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a mail listener needs besides what every source says.

    `recipients` are addresses or whole domains (`@example.com`) that mail is accepted for; a
    `+tag` in the local part is passed over. `trusted_authserv_ids` are the hosts whose
    Authentication-Results are believed. Sizes are bytes, times seconds. With `tls_cert` and
    `tls_key` (PEM files) STARTTLS is offered.
    """

    listen: str = "127.0.0.1:2525"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    recipients: tuple[str, ...] = ()
    trusted_authserv_ids: tuple[str, ...] = ()
    max_bytes: int = 25 * 1024 * 1024
    max_connections: int = 100
    max_recipients: int = 50
    command_timeout_s: float = 300.0  # RFC 5321 §4.5.3.2.7
    receive_timeout_s: float = 30.0
    drain_s: float = 6.0  # as long as HTTP requests get
    tls_cert: str | None = None
    tls_key: str | None = None


class SmtpAdapter:
    """Reads raw mail; opens the socket it comes in at."""

    name: ClassVar[str] = "email.smtp"
    channel: ClassVar[str] = "email"
    options: ClassVar[type[SourceOptions]] = SmtpOptions
    identity_spaces: Sequence[tuple[str, str]] = ()

    def __init__(self, options: SmtpOptions) -> None:
        """ConfigurationError for recipients, a listening address or limits that cannot be."""
        self._options = options
        self._recipients = recipients(options.recipients)
        self._host, self._port = _host_and_port(options.listen)
        if bool(options.tls_cert) != bool(options.tls_key):
            raise ConfigurationError("tls_cert and tls_key come together")
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
            drain_s=options.drain_s,
        )

    def preflight(self, request: InboundRequest) -> Reply | None:
        return None

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        return ()

    def verify(self, request: InboundRequest) -> None:
        """Every recipient of the envelope is one of ours. SignatureRefused otherwise, and for HTTP."""
        boxes = _recipients_of(request)
        if request.method != METHOD or not boxes:
            raise SignatureRefused("mail comes by SMTP or LMTP")
        if not all(self._recipients.holds(box) for box in boxes):
            raise SignatureRefused("a recipient is not one of this source's mailboxes")

    def parse(self, request: InboundRequest) -> Parsed:
        """The one touchpoint of the mail in `request.body`.

        InvalidPayload (`not_mail`, `headers_too_large`, `too_many_fields`, `too_many_parts`,
        `too_deep`, `unreadable`) for bytes that are no mail; `Malformed` `no_identity` for a mail
        that names no customer. Pure; some tens of milliseconds for a large mail.
        """
        raw = request.body
        envelope = Envelope(
            sender=request.headers.get("mail-from"),
            recipients=_recipients_of(request),
            received_at=request.received_at,
        )
        try:
            touchpoint = touchpoint_of(raw, envelope, self._account)
        except Unprocessable as error:
            return Parsed(malformed=(malformed(error, raw),))
        except HandoffError:
            raise
        except Exception as error:  # hostile bytes end here, whatever they found to break
            raise InvalidPayload("the mail cannot be read", code="unreadable") from error
        if touchpoint is None:
            nobody = Malformed(code="no_identity", detail="the mail names no customer", item=raw)
            return Parsed(malformed=(nobody,))
        return Parsed(touchpoints=(touchpoint,))

    def answer(self, request: InboundRequest, outcome: Outcome) -> Reply:
        """The listener answers in SMTP; over HTTP nothing gets here."""
        return Reply(status=200)

    def listen(self, receive: Receive) -> AbstractAsyncContextManager[MailServer]:
        """Takes mail for as long as it is entered; yields the server with its bound `host` and `port`.

        ConfigurationError when there are no recipients, or the address cannot be bound.
        """
        return self._listen(receive)

    @asynccontextmanager
    async def _listen(self, receive: Receive) -> AsyncIterator[MailServer]:
        if not self._options.recipients:
            raise ConfigurationError(f"the mail listener {self._options.name} needs recipients")
        async with open_server(
            receive,
            self._recipients,
            self._limits,
            host=self._host,
            port=self._port,
            lmtp=self._options.protocol == "lmtp",
            certificate=self._certificate(),
        ) as server:
            yield server

    def _certificate(self) -> tuple[str, str] | None:
        cert, key = self._options.tls_cert, self._options.tls_key
        return (cert, key) if cert and key else None


def _recipients_of(request: InboundRequest) -> tuple[str, ...]:
    stated = request.headers.get("rcpt-to", "").split(",")
    return tuple(box.strip() for box in stated if box.strip())


def _host_and_port(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigurationError(f"listen is host:port, not {listen[:80]!r}")
    return host.strip("[]"), int(port)
