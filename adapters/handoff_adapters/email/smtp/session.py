"""One SMTP or LMTP session, on aiosmtpd's protocol classes: its limits, its deadlines, and reading a mail."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from itertools import count
from typing import Any, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP
from msgspec import Struct

from handoff.adapter.admission import ArrivalProgress, ByteBudget, HeldBytes

COMMAND_BYTES = 2048  # of a command line; RFC 5321 §4.5.3.1.4 asks for 512, SMTPUTF8 addresses need more
COMMANDS = {"*": 100, "MAIL": 1000, "RCPT": 10_000, "DATA": 1000, "RSET": 1000}
"""How often a command may be sent in one session. This ends NOOP loops."""
CONNECTED = 1
"""Timers that a session has set before its first command."""
END_OF_DATA = b"\r\n.\r\n"
TURNS = 8
"""Pieces of a mail, of 64 KiB each, that are read before other tasks run."""
OK = "250 2.0.0 OK"
TRY_AGAIN = "451 4.3.0 Temporary failure, try again later"
UNKNOWN = "550 5.1.1 Unknown mailbox"
TOO_LARGE = "552 5.3.4 The message is larger than this server takes"
NOT_MAIL = "554 5.6.0 This is not a mail message"
CLOSING = "421 4.3.2 Closing, try again later"
NO_ROOM = "452 4.3.1 Too many mails are being received, try again later"
TOO_MANY = "421 4.7.0 Too many connections, try again later"
TOO_MANY_UNKNOWN = "421 4.7.0 Too many unknown recipients"
TOO_SLOW = "421 4.4.2 Too slow, good-bye"
IDLE_S = 5.0
"""Without a command; above the limit of connections, such a session makes room for a new one."""
SWEEP_S = 1.0
"""Between looks at the sessions' deadlines."""
COMMANDS_AT_ONCE = 16
"""Pipelined recipients that are read before other tasks run."""
MAX_UNKNOWN = 100
"""Refused recipients that end a session: a mail server asks for few, a harvester for thousands."""
WINDOW = 1024 * 1024
"""Bytes of a mail that are unstuffed before other tasks run."""


class Limits(Struct, frozen=True, kw_only=True):
    """The limits of one listener, in bytes and seconds."""

    max_bytes: int
    max_connections: int
    max_recipients: int
    command_timeout_s: float
    receive_timeout_s: float
    data_timeout_s: float
    drain_s: float


class MailServer:
    """An open listener: its bound address and its sessions. `budget` is what their mails may hold."""

    def __init__(self, limits: Limits, budget: ByteBudget) -> None:
        self.limits = limits
        self.budget = budget
        self.host = ""
        self.port = 0
        self.sessions: set[SmtpSession] = set()
        self.closing = False

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"smtp://{host}:{self.port}/"


def writable(transport: asyncio.BaseTransport) -> asyncio.WriteTransport:
    """The transport for writing. isinstance cannot check it: uvloop's classes are not asyncio's."""
    return cast(asyncio.WriteTransport, transport)


class SmtpSession(SMTP):
    """One connection. `busy` while a mail is being received; `ended` is done when the session ends."""

    # The size of the reader's buffer: commands have a limit of their own, data may have long lines.
    line_length_limit = 64 * 1024
    command_size_limit = COMMAND_BYTES

    def __init__(
        self,
        server: MailServer,
        handler: Any,
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
        self.unknown = 0
        """Recipients refused as unknown."""
        self.active_at = loop.time()
        self._recipients = 0
        self._commands = 0
        self._received = 0
        """Bytes of the mail that is being received."""
        self._receiving = False
        self._progress = ArrivalProgress()

    def _reset_timeout(self, duration: float | None = None) -> None:
        super()._reset_timeout(duration)
        self.active_at = self.loop.time()
        self._commands = getattr(self, "_commands", 0) + 1

    def is_overdue(self, now: float) -> bool:
        """Whether the client has not sent what it started, or has sent nothing at all, for too long."""
        patience, waiting = self._server.limits.data_timeout_s, len(self._reader._buffer)  # type: ignore[attr-defined]
        if self._receiving:
            return self._progress.since(now, "mail", self._received + waiting) > patience
        if not self.busy and (waiting or self._commands <= CONNECTED):
            return self._progress.since(now, ("command", self._commands), 0) > patience
        self._progress.stop()
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.sessions.add(self)
        super().connection_made(transport)
        assert self._handler_coroutine is not None
        self._handler_coroutine.add_done_callback(forget)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._server.sessions.discard(self)
        if not self.ended.done():
            self.ended.set_result(None)

    def close_when_idle(self) -> None:
        """Ends the session now, or after the mail in progress."""
        if not self.busy:
            self.hang_up(CLOSING)

    def abort(self) -> None:
        if self.transport is not None:
            writable(self.transport).abort()

    def _timeout_cb(self) -> None:
        self.hang_up(TOO_SLOW)

    def hang_up(self, reason: str) -> None:
        if self.transport is None:
            return
        transport = writable(self.transport)
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
        held = HeldBytes(self._server.budget)
        try:
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            content = await self._read_data(held)
            if isinstance(content, str):
                await self.push(content)
            else:
                self._reset_timeout()
                self.envelope.content = self.envelope.original_content = content
                await self.push(await self.event_handler.handle_DATA(self, self.session, self.envelope))
        finally:
            held.release()
            self.busy = False
        self._set_post_data_state()  # type: ignore[no-untyped-call]
        if self._server.closing:
            self.hang_up(CLOSING)

    async def smtp_RCPT(self, arg: str | None) -> None:  # noqa: N802
        """A recipient. Others tasks run between pipelined ones, and a client that guesses is sent away."""
        self._recipients += 1
        if self._recipients % COMMANDS_AT_ONCE == 0:
            await asyncio.sleep(0)
        await super().smtp_RCPT(arg)
        if self.unknown >= MAX_UNKNOWN:
            self.hang_up(TOO_MANY_UNKNOWN)

    async def _read_data(self, held: HeldBytes) -> bytes | str:
        """The content up to the lone dot, without dot stuffing, or the answer if it cannot be taken."""
        self._received, self._receiving = 0, True
        try:
            content = await self._read_stuffed(held)
        finally:
            self._receiving = False
        return content if isinstance(content, str) else await _unstuffed(content)

    async def _read_stuffed(self, held: HeldBytes) -> bytearray | str:
        limit = self._server.limits.max_bytes
        # So that a dot in the first line is matched like any other.
        self._reader._buffer[:0] = b"\r\n"  # type: ignore[attr-defined]
        content = bytearray()
        refusal, complete = "", False
        for turn in count(1):
            if turn % TURNS == 0:
                await asyncio.sleep(0)
            try:
                piece = await self._reader.readuntil(END_OF_DATA)
                complete = True
            except asyncio.LimitOverrunError as error:
                piece = await self._reader.readexactly(error.consumed)
            self._received += len(piece)
            if not refusal and len(content) + len(piece) > limit + len(END_OF_DATA) + 2:
                refusal = TOO_LARGE
            elif not refusal and not held.reach(len(content) + len(piece)):
                refusal = NO_ROOM
            if refusal:
                content.clear()
                held.release()
            else:
                content += piece
            if complete:
                break
        return refusal or content


async def _unstuffed(content: bytearray) -> bytes:
    """The mail between the CRLF before it and the end of the data, without the dots that SMTP adds.

    In windows, since one call on a mail of 25 MiB would block other tasks.
    """
    end, start = len(content) - 3, 0
    parts = []
    while start < end:
        stop = min(start + WINDOW, end)
        if content[stop - 1 : stop + 2] == b"\r\n.":
            stop += 2
        elif content[stop - 2 : stop + 1] == b"\r\n.":
            stop += 1
        stop = min(stop, end)
        parts.append(content[start:stop].replace(b"\r\n.", b"\r\n"))
        start = stop
        await asyncio.sleep(0)
    return b"".join(parts)[2:]


class LmtpSession(SmtpSession, LMTP):
    """An LMTP session (RFC 2033): LHLO instead of EHLO, one answer for each recipient."""


def forget(task: asyncio.Task[None]) -> None:
    """Retrieves the result of a session's task, so that a reset connection is not logged."""
    if not task.cancelled():
        task.exception()
