"""The mail socket: SMTP and LMTP sessions in the running event loop, on aiosmtpd's protocol classes.

A mail is acknowledged when it is durable: 250 means recorded, quarantined or a duplicate, 451 means
that the client must retry. Addresses and content are never logged.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from handoff.adapter.contract import InboundRequest, Receive, budget_of
from handoff.domain.errors import (
    ConfigurationError,
    HandoffError,
    InvalidPayload,
    PayloadTooLarge,
    SignatureRefused,
)
from handoff.domain.text.cleaning import clean_headers
from handoff_adapters.email.message.mailboxes import Mailboxes

from .session import (
    IDLE_S,
    NOT_MAIL,
    OK,
    SWEEP_S,
    TOO_LARGE,
    TOO_MANY,
    TOO_SLOW,
    TRY_AGAIN,
    UNKNOWN,
    Limits,
    LmtpSession,
    MailServer,
    SmtpSession,
    writable,
)

_REFUSALS: dict[type[HandoffError], str] = {
    SignatureRefused: UNKNOWN,
    PayloadTooLarge: TOO_LARGE,
    InvalidPayload: NOT_MAIL,
}

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_server(
    receive: Receive,
    recipients: Mailboxes,
    limits: Limits,
    *,
    host: str,
    port: int,
    lmtp: bool,
    certificate: tuple[str, str] | None,
) -> AsyncIterator[MailServer]:
    """Receives mail at `host`:`port` while entered. On exit, mails in flight are finished first.

    ConfigurationError when the certificate cannot be read or the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    server = MailServer(limits, budget_of(receive))
    handler = SmtpHandler(server, receive, recipients, lmtp=lmtp)
    kind = LmtpSession if lmtp else SmtpSession
    _silence_aiosmtpd()
    try:
        context = _tls(certificate) if certificate else None
        socket = await loop.create_server(
            lambda: _Busy() if _full(server) else kind(server, handler, context, loop), host, port
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"Cannot open the mail listener at {host}:{port}: {error}") from error
    server.host, server.port = socket.sockets[0].getsockname()[:2]
    watching = loop.create_task(_watch(server), name="mail")
    try:
        yield server
    finally:
        watching.cancel()
        socket.close()
        await _drain(server)


def _silence_aiosmtpd() -> None:
    """aiosmtpd logs every line: addresses, and at debug level whole mails."""
    logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)


def _tls(certificate: tuple[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def _full(server: MailServer) -> bool:
    """Whether a new connection finds no room, even after the session that is idle the longest was ended."""
    if server.closing or len(server.sessions) < server.limits.max_connections:
        return server.closing
    long_ago = asyncio.get_running_loop().time() - IDLE_S
    idle = [it for it in server.sessions if not it.busy and it.active_at < long_ago]
    if not idle:
        return True
    first = min(idle, key=lambda it: it.active_at)
    server.sessions.discard(first)
    first.hang_up(TOO_MANY)
    return False


async def _watch(server: MailServer) -> None:
    """End sessions whose mail, first command, or started command does not arrive."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        for session in list(server.sessions):
            if session.is_overdue(loop.time()):
                session.hang_up(TOO_SLOW)


async def _drain(server: MailServer) -> None:
    """Closes idle sessions, waits until the others finish their mail, then aborts the rest."""
    server.closing = True
    for session in list(server.sessions):
        session.close_when_idle()
    ends = [session.ended for session in server.sessions]
    if ends:
        await asyncio.wait(ends, timeout=server.limits.drain_s)
    for session in list(server.sessions):
        session.abort()
    if ends:
        await asyncio.wait(ends, timeout=1.0)


class _Busy(asyncio.Protocol):
    """Refuses a connection above the limit."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = writable(transport)
        connection.write(TOO_MANY.encode("ascii") + b"\r\n")
        connection.close()


class SmtpHandler:
    """Accepts or refuses recipients and mails. aiosmtpd finds the hooks by name."""

    def __init__(self, server: MailServer, receive: Receive, recipients: Mailboxes, *, lmtp: bool) -> None:
        self._server = server
        self._receive = receive
        self._recipients = recipients
        self._lmtp = lmtp

    async def handle_EHLO(  # noqa: N802
        self, protocol: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        offered = [line for line in responses if not line.startswith("250-AUTH") and line != "250 HELP"]
        return [*offered, "250 PIPELINING"]

    async def handle_MAIL(  # noqa: N802
        self, protocol: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if not _is_plain(address):
            return "553 5.1.7 Malformed address"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, protocol: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if not _is_plain(address) or "," in address or not self._recipients.holds(address):
            protocol.unknown += 1
            return UNKNOWN
        if len(envelope.rcpt_tos) >= self._server.limits.max_recipients:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, protocol: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = await self._record(_request(self._server, session, envelope))
        # RFC 2033 §4.2: LMTP answers once for each accepted recipient.
        return "\r\n".join([answer] * len(envelope.rcpt_tos)) if self._lmtp else answer

    async def handle_exception(self, error: Exception) -> str:
        _log.warning("mail.conversation_failed", error=type(error).__name__)
        return TRY_AGAIN

    async def _record(self, request: InboundRequest) -> str:
        """The answer for one mail. After an unexpected error the client must retry, so nothing is lost."""
        try:
            async with asyncio.timeout(self._server.limits.receive_timeout_s):
                reply = await self._receive(request)
        except Exception as error:
            _log.warning("mail.not_recorded", error=type(error).__name__)
            return TRY_AGAIN
        if reply.error is None or reply.kept:
            return OK
        for kind, answer in _REFUSALS.items():
            if isinstance(reply.error, kind):
                return answer
        _log.warning("mail.not_recorded", error=reply.error.code)
        return TRY_AGAIN


def _request(server: MailServer, session: Any, envelope: Any) -> InboundRequest:
    peer = session.peer[0] if isinstance(session.peer, tuple) else ""
    return InboundRequest(
        method="SMTP",
        path="",
        url=server.url,
        query=(),
        headers=clean_headers(
            (
                ("mail-from", envelope.mail_from or ""),
                ("rcpt-to", ", ".join(envelope.rcpt_tos)),
                ("peer", str(peer)),
            )
        ),
        raw=envelope.content,
        body=envelope.content,
        received_at=time.time_ns() // 1000,
    )


def _is_plain(address: str) -> bool:
    """Whether an address is text: no bytes that are not UTF-8, no control characters."""
    return address.isprintable() and not any("\ud800" <= char <= "\udfff" for char in address)
