"""The mail socket: SMTP and LMTP sessions in the running event loop, on aiosmtpd's protocol classes.

A mail is acknowledged when it is durable: 250 means recorded, quarantined or a duplicate, 451 means
that the client must retry. Addresses and content are never logged.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from msgspec import Struct

from handoff.adapter.contract import InboundRequest, Receive
from handoff.domain.errors import (
    ConfigurationError,
    HandoffError,
    InvalidPayload,
    PayloadTooLarge,
    SignatureRefused,
)
from handoff.domain.text.cleaning import clean_headers
from handoff_adapters.email.message.mailboxes import Mailboxes

COMMAND_BYTES = 2048  # of a command line; RFC 5321 §4.5.3.1.4 asks for 512, SMTPUTF8 addresses need more
COMMANDS = {"*": 100, "MAIL": 1000, "RCPT": 10_000, "DATA": 1000, "RSET": 1000}
"""How often a command may be sent in one session. This ends NOOP loops."""
END_OF_DATA = b"\r\n.\r\n"
TURNS = 256
"""Lines ending in a dot that are read before other tasks run: a mail of such lines takes 12 s."""
OK = "250 2.0.0 OK"
TRY_AGAIN = "451 4.3.0 Temporary failure, try again later"
UNKNOWN = "550 5.1.1 Unknown mailbox"
TOO_LARGE = "552 5.3.4 The message is larger than this server takes"
NOT_MAIL = "554 5.6.0 This is not a mail message"
CLOSING = "421 4.3.2 Closing, try again later"

_REFUSALS: dict[type[HandoffError], str] = {
    SignatureRefused: UNKNOWN,
    PayloadTooLarge: TOO_LARGE,
    InvalidPayload: NOT_MAIL,
}

_log = structlog.get_logger(__name__)


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of one listener, in bytes and seconds."""

    max_bytes: int
    max_connections: int
    max_recipients: int
    command_timeout_s: float
    receive_timeout_s: float
    drain_s: float


class MailServer:
    """An open listener: its bound address and its sessions."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.host = ""
        self.port = 0
        self.sessions: set[SmtpSession] = set()
        self.closing = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}/"


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
    server = MailServer(limits)
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
    try:
        yield server
    finally:
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
    return server.closing or len(server.sessions) >= server.limits.max_connections


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
        connection = _writable(transport)
        connection.write(b"421 4.7.0 Too many connections, try again later\r\n")
        connection.close()


def _writable(transport: asyncio.BaseTransport) -> asyncio.WriteTransport:
    """The transport for writing. isinstance cannot check it: uvloop's classes are not asyncio's."""
    return cast(asyncio.WriteTransport, transport)


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


class SmtpSession(SMTP):
    """One connection. `busy` while a mail is being received; `ended` is done when the session ends."""

    # The size of the reader's buffer: commands have a limit of their own, data may have long lines.
    line_length_limit = 64 * 1024
    command_size_limit = COMMAND_BYTES

    def __init__(
        self,
        server: MailServer,
        handler: SmtpHandler,
        context: ssl.SSLContext | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        # aiosmtpd keeps these in the class, so sessions would change each other's limits.
        self.command_size_limits = defaultdict(lambda: COMMAND_BYTES)
        super().__init__(
            handler,
            data_size_limit=server.limits.max_bytes,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="ready",
            tls_context=context,
            timeout=server.limits.command_timeout_s,
            command_call_limit=COMMANDS,
            auth_exclude_mechanism=["LOGIN", "PLAIN"],
            loop=loop,
        )
        self.ended: asyncio.Future[None] = loop.create_future()
        self._server = server
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.sessions.add(self)
        super().connection_made(transport)
        assert self._handler_coroutine is not None
        self._handler_coroutine.add_done_callback(_forget)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._server.sessions.discard(self)
        if not self.ended.done():
            self.ended.set_result(None)

    def close_when_idle(self) -> None:
        """Ends the session now, or after the mail in progress."""
        if not self.busy:
            self._hang_up(CLOSING)

    def abort(self) -> None:
        if self.transport is not None:
            _writable(self.transport).abort()

    def _timeout_cb(self) -> None:
        self._hang_up("421 4.4.2 Too slow, good-bye")

    def _hang_up(self, reason: str) -> None:
        if self.transport is None:
            return
        transport = _writable(self.transport)
        transport.write(reason.encode("ascii") + b"\r\n")
        transport.close()
        # A peer that does not read would keep a closed connection open forever.
        self.loop.call_later(2.0, transport.abort)

    async def smtp_VRFY(self, arg: str) -> None:  # noqa: N802
        await self.push("252 2.1.5 Cannot verify the user, but will accept mail")

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Reads a mail (RFC 5321 §4.1.1.4).

        This replaces aiosmtpd's method, which keeps an object per line: 25 MiB of empty lines take a
        gigabyte there.
        """
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Need RCPT before DATA")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        self.busy = True
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            content = await self._read_data()
            if content is None:
                await self.push(TOO_LARGE)
            else:
                self._reset_timeout()
                self.envelope.content = self.envelope.original_content = content
                await self.push(await self.event_handler.handle_DATA(self, self.session, self.envelope))
        finally:
            self.busy = False
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        if self._server.closing:
            self._hang_up(CLOSING)

    async def _read_data(self) -> bytes | None:
        """The content up to the lone dot, without dot stuffing, or None when it is too large."""
        limit = self._server.limits.max_bytes
        content = bytearray(b"\r\n")  # so that a dot in the first line is matched like any other
        too_large = False
        for turn in count(1):
            if turn % TURNS == 0:
                await asyncio.sleep(0)
            try:
                content += await self._reader.readuntil(b".\r\n")
            except asyncio.LimitOverrunError as error:
                content += await self._reader.readexactly(error.consumed)
            if len(content) > limit + len(END_OF_DATA) + 2:
                too_large = True
                del content[: -len(END_OF_DATA)]
            if content.endswith(END_OF_DATA):
                break
        if too_large:
            return None
        return bytes(content[:-3].replace(b"\r\n.", b"\r\n")[2:])


class LmtpSession(SmtpSession, LMTP):
    """An LMTP session (RFC 2033): LHLO instead of EHLO, one answer for each recipient."""


def _forget(task: asyncio.Task[None]) -> None:
    """Retrieves the result of a session's task, so that a reset connection is not logged."""
    if not task.cancelled():
        task.exception()
