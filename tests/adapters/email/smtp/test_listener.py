"""Mail over real SMTP and LMTP connections on loopback."""

from __future__ import annotations

import asyncio
import logging
import shutil
import smtplib
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from handoff.adapter.admission import ByteBudget
from handoff.adapter.contract import InboundRequest, Listener, Reply
from handoff.domain.errors import (
    ConfigurationError,
    HandoffError,
    InvalidPayload,
    Overloaded,
    PayloadTooLarge,
    SignatureRefused,
    StoreUnavailable,
)
from handoff_adapters.email.smtp.session import WINDOW, MailServer
from tests.adapters.email.mails import adapter, mail
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.both_loops

SUPPORT = "support@shop.example"


class RecordingReceiver:
    """Takes what the listener hands over; `fails` is raised instead of an outcome."""

    def __init__(self, fails: Exception | None = None, delay: float = 0.0) -> None:
        self.got: list[InboundRequest] = []
        self.fails = fails
        self.delay = delay

    async def __call__(self, request: InboundRequest) -> Reply:
        await asyncio.sleep(self.delay)
        if isinstance(self.fails, HandoffError):
            return Reply(error=self.fails)
        if self.fails:
            raise self.fails
        self.got.append(request)
        return Reply()


async def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.wait_for(asyncio.to_thread(work, *args), 20)


def send(server: MailServer, raw: bytes, to: list[str], sender: str = "anna@example.com") -> dict[str, Any]:
    client = smtplib.SMTP(server.host, server.port, timeout=10)
    try:
        return client.sendmail(sender, to, raw)
    finally:
        client.close()


def listening(receiver: RecordingReceiver, **options: Any) -> Any:
    return adapter(listen="127.0.0.1:0", **options).listen(receiver)


async def dialogue(server: MailServer, *commands: bytes, pause: float = 0.0) -> list[bytes]:
    """All lines that the server answers when `commands` is sent without waiting, until it hangs up."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        with suppress(ConnectionError):  # hung up on while still talking
            for piece in commands:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            return [line async for line in reader]
    finally:
        writer.close()


async def _line_or_nothing(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(0.05):
            return await reader.readline()
    except TimeoutError:
        return b""


async def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true in 5 s")


def codes(lines: list[bytes]) -> list[bytes]:
    """The codes of complete answers."""
    return [line[:3] for line in lines if line[3:4] != b"-"]


def test_the_adapter_is_a_listener() -> None:
    assert isinstance(adapter(), Listener)


async def test_a_mail_arrives_as_it_was_sent() -> None:
    receiver = RecordingReceiver()
    raw = mail(".starts with a dot\r\n..two\r\n\r\n.\xe4\r\n")
    async with listening(receiver) as server:
        assert server.port > 0
        refused = await in_thread(send, server, raw, [SUPPORT, "support+2@shop.example"])
    assert refused == {}
    (one,) = receiver.got
    assert one.raw == one.body == raw
    assert (one.method, one.path, one.url) == ("SMTP", "", f"smtp://127.0.0.1:{server.port}/")
    assert one.headers == {
        "mail-from": "anna@example.com",
        "rcpt-to": "support@shop.example, support+2@shop.example",
        "peer": "127.0.0.1",
    }
    assert abs(one.received_at / 1e6 - time.time()) < 30
    adapter().verify(one)
    (touchpoint,) = adapter().parse(one).touchpoints
    assert touchpoint.data["mailboxes"] == [SUPPORT, "support+2@shop.example"]


async def test_two_mails_in_one_conversation_and_a_null_sender() -> None:
    receiver = RecordingReceiver()

    def both(server: MailServer) -> None:
        with smtplib.SMTP(server.host, server.port, timeout=10) as client:
            client.sendmail("<>", [SUPPORT], mail("one"))
            client.sendmail("anna@example.com", [SUPPORT], mail("two"))

    async with listening(receiver) as server:
        await in_thread(both, server)
    assert [one.raw[-3:] for one in receiver.got] == [b"e\r\n", b"o\r\n"]
    assert adapter().parse(receiver.got[0]).touchpoints[0].type == "email.auto_replied"


async def test_what_is_offered() -> None:
    def offers(server: MailServer) -> dict[str, str]:
        with smtplib.SMTP(server.host, server.port, timeout=10) as client:
            client.ehlo()
            return client.esmtp_features

    async with listening(RecordingReceiver(), max_bytes=5000) as server:
        offered = await in_thread(offers, server)
    assert offered == {"size": "5000", "8bitmime": "", "smtputf8": "", "pipelining": ""}


@pytest.mark.parametrize("to", ["boss@shop.example", "x@other.example"])
async def test_an_unknown_mailbox_is_refused_at_once(to: str) -> None:
    receiver = RecordingReceiver()
    async with listening(receiver) as server:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refusal:
            await in_thread(send, server, mail(), [to])
        assert [code for code, _ in refusal.value.recipients.values()] == [550]
        assert await in_thread(send, server, mail(), [SUPPORT, to]) == {to: (550, b"5.1.1 Unknown mailbox")}
    assert [one.headers["rcpt-to"] for one in receiver.got] == [SUPPORT]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (StoreUnavailable(), b"451 4.3.0"),
        (Overloaded(), b"451 4.3.0"),
        (TimeoutError(), b"451 4.3.0"),
        (RuntimeError("boom"), b"451 4.3.0"),
        (PayloadTooLarge(), b"552 5.3.4"),
        (InvalidPayload(), b"554 5.6.0"),
        (SignatureRefused(), b"550 5.1.1"),
    ],
)
async def test_what_is_not_durable_is_never_acknowledged(error: Exception, answer: bytes) -> None:
    async with listening(RecordingReceiver(error)) as server:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            await in_thread(send, server, mail(), [SUPPORT])
    assert f"{refusal.value.smtp_code} ".encode() + bytes(refusal.value.smtp_error)[:5] == answer


async def test_a_delivery_kept_in_quarantine_is_acknowledged() -> None:
    async def keep(_request: InboundRequest) -> Reply:
        return Reply(error=InvalidPayload("not a mail"), kept=True)

    async with listening(keep) as server:
        assert await in_thread(send, server, mail(), [SUPPORT]) == {}


async def test_a_store_that_takes_too_long_is_a_temporary_failure() -> None:
    async with listening(RecordingReceiver(delay=30), receive_timeout_s=0.2) as server:
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            await in_thread(send, server, mail(), [SUPPORT])
    assert refusal.value.smtp_code == 451


async def test_too_large_is_refused_by_its_size_and_by_its_bytes() -> None:
    receiver = RecordingReceiver()
    async with listening(receiver, max_bytes=10_000) as server:
        with pytest.raises(smtplib.SMTPSenderRefused) as by_size:
            await in_thread(send, server, mail("x" * 20_000), [SUPPORT])
        assert by_size.value.smtp_code == 552
        answers = await dialogue(
            server,
            b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n",
            b"x" * 300_000 + b"\r\n.\r\nMAIL FROM:<a@b.c>\r\nQUIT\r\n",
        )
        assert codes(answers) == [b"220", b"250", b"250", b"250", b"354", b"552", b"250", b"221"]
        exact = b"x" * 9_998 + b"\r\n"
        assert await in_thread(send, server, exact, [SUPPORT]) == {}
    assert [len(one.raw) for one in receiver.got] == [10_000]


async def test_pipelined_commands_and_long_lines() -> None:
    receiver = RecordingReceiver()
    long = b"y" * 200_000
    async with listening(receiver) as server:
        answers = await dialogue(
            server,
            b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
            b".\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
            b"From: a@b.c\r\n\r\n" + long + b"\r\n.\r\nNOOP\r\nQUIT\r\n",
        )
    assert codes(answers) == [b"220", *[b"250"] * 3, b"354", *[b"250"] * 3, b"354", b"250", b"250", b"221"]
    assert [one.raw for one in receiver.got] == [b"", b"From: a@b.c\r\n\r\n" + long + b"\r\n"]


async def test_only_a_lone_dot_between_full_line_ends_ends_the_data() -> None:
    """SMTP smuggling: a dot between bare line feeds must not start another mail."""
    receiver = RecordingReceiver()
    smuggled = b"a\n.\nMAIL FROM:<x@y.z>\r\n.\nb\r.\r\nc\r\n"
    async with listening(receiver) as server:
        await dialogue(
            server,
            b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
            + smuggled
            + b".\r\nQUIT\r\n",
        )
    assert len(receiver.got) == 1
    assert receiver.got[0].raw == smuggled.replace(b"\r\n.", b"\r\n")


async def test_data_that_comes_byte_by_byte() -> None:
    receiver = RecordingReceiver()
    async with listening(receiver) as server:
        commands = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
        commands += b"Hi.\r\n\r\n..\r\n.\r\nQUIT\r\n"
        await dialogue(server, *[bytes([byte]) for byte in commands], pause=0.0005)
    assert [one.raw for one in receiver.got] == [b"Hi.\r\n\r\n.\r\n"]


async def test_lmtp_answers_for_each_recipient() -> None:
    receiver = RecordingReceiver()
    async with listening(receiver, protocol="lmtp") as server:
        answers = await dialogue(
            server,
            b"EHLO x\r\nLHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\n"
            b"RCPT TO:<nobody@shop.example>\r\nRCPT TO:<support+2@shop.example>\r\nDATA\r\n",
            mail() + b"\r\n.\r\nQUIT\r\n",
        )
    assert codes(answers) == [b"220", b"500", *[b"250"] * 3, b"550", b"250", b"354", b"250", b"250", b"221"]
    assert len(receiver.got) == 1


async def test_lmtp_with_a_store_that_is_down() -> None:
    def deliver(server: MailServer) -> int:
        with smtplib.LMTP(server.host, server.port, timeout=10) as client:
            with pytest.raises(smtplib.SMTPDataError) as refusal:
                client.sendmail("a@b.c", [SUPPORT], mail())
            return refusal.value.smtp_code

    async with listening(RecordingReceiver(StoreUnavailable()), protocol="lmtp") as server:
        assert await in_thread(deliver, server) == 451


async def test_recipients_and_connections_are_bounded() -> None:
    async with listening(RecordingReceiver(), max_recipients=2, max_connections=1) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert (await reader.readline()).startswith(b"220")
        assert codes(await dialogue(server)) == [b"421"]
        writer.write(
            b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n" + b"RCPT TO:<support@shop.example>\r\n" * 3 + b"QUIT\r\n"
        )
        answers = (await reader.read()).splitlines()
        assert codes(answers)[-4:] == [b"250", b"250", b"452", b"221"]
        writer.close()
        await writer.wait_closed()
        assert codes(await dialogue(server, b"QUIT\r\n")) == [b"220", b"221"]


async def test_a_slow_or_idle_peer_is_hung_up_on() -> None:
    async with listening(RecordingReceiver(), command_timeout_s=0.3) as server:
        assert codes(await dialogue(server)) == [b"220", b"421"]
        watch = Stopwatch()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        while not (await _line_or_nothing(reader)).startswith(b"421"):
            writer.write(b"N")  # a byte now and then does not buy time
        assert watch.seconds < 1
        writer.close()


async def test_an_endless_dialogue_is_ended() -> None:
    async with listening(RecordingReceiver()) as server:
        assert codes(await dialogue(server, b"NOOP\r\n" * 150))[-1] == b"421"
        assert codes(await dialogue(server, b"FOO\r\n" * 10))[-1] == b"502"


@pytest.mark.parametrize(
    "commands",
    [
        b"\xff\xfe\r\n",
        b"MAIL FROM:<" + b"(" * 900 + b">\r\n",
        b"MAIL FROM:<\xff@b.c>\r\n",
        b"RCPT TO:<support@shop.example>\r\n",
        b"DATA\r\n",
        b"VRFY \xff\r\n",
        b"A" * 70_000 + b"\r\n",
        b"AUTH PLAIN AGEAYg==\r\n",
        b"HELP " + b"x" * 500 + b"\r\n",
        b"MAIL FROM:<a@b.c> SIZE=99999999999\r\n",
    ],
)
async def test_hostile_commands_are_refused_and_the_conversation_goes_on(commands: bytes) -> None:
    async with listening(RecordingReceiver()) as server:
        answers = codes(await dialogue(server, b"EHLO x\r\n" + commands + b"QUIT\r\n"))
    assert answers[:2] == [b"220", b"250"]
    assert answers[2][:1] in b"45" or commands.startswith(b"VRFY")
    assert answers[-1] == b"221"


async def test_closing_waits_for_the_mail_in_flight() -> None:
    receiver = RecordingReceiver(delay=0.3)
    async with listening(receiver) as server:
        sending = asyncio.create_task(in_thread(send, server, mail(), [SUPPORT]))
        idle = asyncio.create_task(dialogue(server))
        await until(lambda: any(one.busy for one in server.sessions))
        await asyncio.sleep(0.05)
    assert await sending == {}
    assert codes(await idle) == [b"220", b"421"]
    assert len(receiver.got) == 1
    with pytest.raises(OSError):
        await asyncio.open_connection(server.host, server.port)


async def test_closing_is_bounded() -> None:
    async with listening(RecordingReceiver(delay=60), drain_s=0.2) as server:
        sending = asyncio.create_task(in_thread(send, server, mail(), [SUPPORT]))
        await until(lambda: any(one.busy for one in server.sessions))
        watch = Stopwatch()
    assert watch.seconds < 2
    with pytest.raises(smtplib.SMTPServerDisconnected):
        await sending


async def test_a_peer_that_goes_away_leaves_nothing_behind() -> None:
    receiver = RecordingReceiver(delay=0.1)
    async with listening(receiver) as server:
        for commands in (
            b"",
            b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\nFrom: x",
        ):
            _reader, writer = await asyncio.open_connection(server.host, server.port)
            writer.write(commands)
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.transport.abort()
        await until(lambda: not server.sessions)
    assert receiver.got == []


async def test_nothing_of_a_mail_is_logged(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with listening(RecordingReceiver(RuntimeError("secret"))) as server:
        with pytest.raises(smtplib.SMTPDataError):
            await in_thread(send, server, mail("very secret"), [SUPPORT])
    printed = capsys.readouterr()
    logged = caplog.text + printed.out + printed.err
    assert "mail.not_recorded" in logged
    assert not any(word in logged for word in ("secret", "anna", "support@", "parcel"))


async def test_what_cannot_be_opened_is_an_error() -> None:
    async with listening(RecordingReceiver()) as server:
        taken: Callable[[], Awaitable[Any]] = (
            adapter(listen=f"127.0.0.1:{server.port}").listen(RecordingReceiver()).__aenter__
        )
        with pytest.raises(ConfigurationError):
            await taken()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificate")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    commands = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    commands += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*commands, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=20)
    return cert, key


async def test_starttls_is_offered_with_a_certificate(certificate: tuple[str, str]) -> None:
    cert, key = certificate
    receiver = RecordingReceiver()

    def deliver(server: MailServer) -> None:
        context = ssl.create_default_context(cafile=cert)
        with smtplib.SMTP("localhost", server.port, timeout=10) as client:
            client.starttls(context=context)
            client.sendmail("a@b.c", [SUPPORT], mail("over TLS"))

    async with listening(receiver, tls_cert=cert, tls_key=key) as server:
        await in_thread(deliver, server)
        plain = await in_thread(send, server, mail("without"), [SUPPORT])
    assert plain == {}
    assert [one.raw.splitlines()[-1] for one in receiver.got] == [b"over TLS", b"without"]


async def test_a_certificate_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "no.pem")
    with pytest.raises(ConfigurationError):
        await listening(RecordingReceiver(), tls_cert=missing, tls_key=missing).__aenter__()


@pytest.mark.parametrize("strange", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf0\x9f\x98\x80"])
async def test_addresses_of_any_bytes_are_clean_text_or_refused(strange: bytes) -> None:
    """Quarantine can keep every delivery of the listener, whatever the envelope's bytes are."""
    receiver = RecordingReceiver()
    envelope = b"MAIL FROM:<anna" + strange + b"@example.com> SMTPUTF8\r\n"
    asked = [b"EHLO a" + strange + b"\r\n", envelope, f"RCPT TO:<{SUPPORT}>\r\n".encode(), b"DATA\r\n"]
    async with listening(receiver) as server:
        answers = await dialogue(server, *asked, mail("hello") + b"\r\n.\r\nQUIT\r\n", pause=0.05)
    refused = codes(answers)[2][:1] == b"5"
    assert refused is (not receiver.got)
    for request in receiver.got:
        assert all(value.encode() is not None for value in request.headers.values())
        assert adapter().parse(request)


MAIL = b"EHLO x\r\nMAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"


@pytest.mark.parametrize(
    ("start", "trickled"),
    [(b"", b""), (b"EHLO x\r\nNOO", b"O"), (b"EHL", b"O"), (MAIL + b"Subject: a", b""), (MAIL, b"a")],
    ids=["nothing", "a command", "the first command", "a mail that stops", "a mail by the byte"],
)
async def test_what_was_begun_must_arrive(start: bytes, trickled: bytes) -> None:
    """A session that sends nothing, or not the rest of what it began, ends long before an idle one."""
    async with listening(RecordingReceiver(), data_timeout_s=1.0) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(start)
        last = b""
        async with asyncio.timeout(10):
            while not last.startswith(b"421 4.4.2"):
                writer.write(trickled)
                last = await _line_or_nothing(reader) or last
        writer.close()


async def test_an_idle_session_stays_between_commands() -> None:
    async with listening(RecordingReceiver(), data_timeout_s=0.5) as server:
        answers = await dialogue(server, b"EHLO x\r\n", b"QUIT\r\n", pause=1.7)
        assert codes(answers)[-1] == b"221"


async def test_unfinished_mails_hold_a_bounded_number_of_bytes() -> None:
    receiver = RecordingReceiver()
    receiver.budget = ByteBudget(16 * 1024 * 1024)  # type: ignore[attr-defined]
    large = b"Subject: x\r\n\r\n" + b"line of a mail\r\n" * 240_000  # 3.8 MB
    async with listening(receiver, data_timeout_s=2.0) as server:
        unfinished = [await asyncio.open_connection(server.host, server.port) for _ in range(2)]
        for _reader, writer in unfinished:
            writer.write(MAIL + large)
            await writer.drain()
        await until(lambda: receiver.budget.used > 7 * 1024 * 1024)  # type: ignore[attr-defined]
        answers = await dialogue(server, MAIL, large + b".\r\nQUIT\r\n")
        assert codes(answers)[-3:] == [b"354", b"452", b"221"]
        for reader, writer in unfinished:
            while not (await reader.readline()).startswith(b"421"):
                pass
            writer.close()
        await until(lambda: receiver.budget.used == 0)  # type: ignore[attr-defined]
        answers = await dialogue(server, MAIL, large + b".\r\nQUIT\r\n")
        assert codes(answers)[-3:] == [b"354", b"250", b"221"]
    assert len(receiver.got) == 1


async def test_a_client_that_guesses_recipients_is_sent_away() -> None:
    async with listening(RecordingReceiver()) as server:
        guesses = b"".join(b"RCPT TO:<nobody%d@shop.example>\r\n" % n for n in range(150))
        answers = await dialogue(server, b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n" + guesses)
        assert codes(answers)[-1] == b"421"
        assert codes(answers).count(b"550") == 100


async def test_pipelined_recipients_leave_turns_to_others() -> None:
    """10 000 recipients at once: 0.7 s of the loop before, now a few ms at a time."""
    async with listening(RecordingReceiver(), max_recipients=50) as server:
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(others())
        recipients = b"RCPT TO:<support@shop.example>\r\n" * 2_000
        answers = await dialogue(server, b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n" + recipients + b"QUIT\r\n")
        task.cancel()
        assert codes(answers)[-1] == b"221"
        assert turns > 100


@pytest.mark.parametrize("shift", range(-3, 4))
async def test_dots_at_the_edge_of_a_window_are_unstuffed(shift: int) -> None:
    """A mail is unstuffed in windows of 1 MiB: a dot that SMTP added may be on the edge of one."""
    dots = b"\r\n.\r\n..\r\n" + b".\r\n" * 20
    content = b"Subject: x\r\n\r\n" + b"a" * (WINDOW - 16 + shift) + dots + b"end\r\n"
    receiver = RecordingReceiver()
    async with listening(receiver) as server:
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        await dialogue(server, MAIL, stuffed + b".\r\nQUIT\r\n")
    (request,) = receiver.got
    assert request.body == content
