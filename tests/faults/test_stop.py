"""A stop ends in time although a sender, a reader or the store is slow."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import served
from tests.faults.load import TOKEN, serving
from tests.serving import in_process, settings_for
from tests.stopwatch import Stopwatch
from tests.store.servers import free_port, server, valkey_binary, valkey_server, wait_until

LONGEST_STOP_S = 10.0  # what Docker gives before it kills
POST = b"POST /v1/touchpoints HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer " + TOKEN.encode() + b"\r\n"
TOUCHPOINT = (
    b'{"id":"e1","channel":"chat","type":"message.received","occurred_at":"2026-11-21T10:00:00Z",'
    b'"identities":["user:u1"],"text":"hello"}'
)
WHOLE = POST + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(TOUCHPOINT),
    TOUCHPOINT,
)
LISTENING = b"GET /v1/queues/support/events HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer %b\r\n\r\n"
HTTP = {
    "silent": (b"", b""),
    "kept alive": (b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n", b"200 OK"),
    "half a header": (b"GET /healthz HTTP/1.1\r\nHo", b""),
    "half a body": (POST + b"Idempotency-Key: a\r\nContent-Length: 90\r\n\r\n{", b""),
    "half a body on the fast path": (WHOLE[:-9], b""),
    "kept alive on the fast path": (WHOLE, b"200 OK"),
    "a stream": (LISTENING % TOKEN.encode(), b"event: ready"),
}
"""The bytes that idle HTTP connections send, and the bytes that they await before they fall silent."""
ENVELOPE = b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n"
MAIL = {"greeted": (b"", b"220"), "in the middle of a mail": (ENVELOPE, b"354")}


async def test_an_unread_response_delays_a_stop_no_longer_than_one_in_progress() -> None:
    with valkey_server() as url, socket.socket() as reader:
        async with in_process(settings_for(url, []), shutdown_s=2.0) as (api, _session):
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", int(api.url.rpartition(":")[2])))
            reader.setblocking(False)
            asked = b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 1000
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # the server reads no further either
                    await asyncio.get_running_loop().sock_sendall(reader, asked * 100)
            watch = Stopwatch()
        assert watch.seconds < 3.5


async def test_a_store_that_hangs_holds_up_a_stop_by_a_moment() -> None:
    with server(valkey_binary()) as valkey:
        async with served(valkey.url, timeout_s=4) as api:
            await api.record("e1")
            valkey.pause()
            watch = Stopwatch()
        assert watch.seconds < 4


@contextlib.contextmanager
def silent(port: int, sent: bytes, heard: bytes) -> Iterator[socket.socket]:
    """A connection that falls silent after it received the awaited bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(sent)
        answer = b""
        while heard not in answer:
            piece = line.recv(65536)
            assert piece, answer
            answer += piece
        yield line


@pytest.mark.parametrize("workers", [1, 2])
def test_idle_connections_of_every_kind_do_not_hold_up_a_stop(tmp_path: Path, workers: int) -> None:
    valkey_binary()
    mail = free_port()
    config = tmp_path / "handoff.toml"
    config.write_text(
        '[[sources]]\nname = "mail"\nadapter = "email.smtp"\nrecipients = ["@shop.example"]\n'
        f'listen = "127.0.0.1:{mail}"\nmax_connections = 2\n'
    )
    arguments = ("--config", str(config), "--workers", str(workers))
    with serving(tmp_path / "data", None, *arguments) as process, contextlib.ExitStack() as stack:
        wait_until(lambda: process.log.count("handoff listens") == workers)
        for port, kinds in ((process.port, HTTP), (mail, MAIL)):
            for sent, heard in kinds.values():
                stack.enter_context(silent(port, sent, heard))
        with silent(mail, b"", b"421"):
            pass  # one too many is turned away
        watch = Stopwatch(process.popen.pid)
        process.popen.terminate()
        status = process.popen.wait(30)
        took = watch.seconds
    assert status == 0, process.log[-2000:]
    assert took < LONGEST_STOP_S, process.log[-2000:]
    assert "Traceback" not in process.log
