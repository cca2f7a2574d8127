"""TLS verifies the URL's host name on the checked address."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import Sender
from tests.delivery.subscribers import SECRET
from tests.delivery.test_guard import LOOPBACK, Names, Sockets
from tests.stopwatch import Stopwatch


def certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for a name, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return public, private


@asynccontextmanager
async def serving(public: Path, private: Path) -> AsyncIterator[int]:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="received")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


async def post(url: str, trusted: ssl.SSLContext | bool, total_s: float = 5.0) -> AttemptOutcome:
    names = Names({"hooks.example": [["127.0.0.1"]], "other.example": [["127.0.0.1"]]})
    async with Sender(total_s=total_s, tls=trusted, resolver=names, opening=Sockets()) as sender:
        return await sender.post(url, LOOPBACK, message_id="ev_1", body=b"{}", keys=[SECRET], headers={})


async def test_the_certificate_must_match_the_urls_host_name(tmp_path: Path) -> None:
    public, private = certificate("hooks.example", tmp_path)
    trusted = ssl.create_default_context(cafile=str(public))
    async with serving(public, private) as port:
        right = await post(f"https://hooks.example:{port}/", trusted)
        other = await post(f"https://other.example:{port}/", trusted)
        unknown = await post(f"https://hooks.example:{port}/", True)
    assert (right.status, right.answer) == (200, b"received")
    assert (other.error, unknown.error) == ("tls", "tls")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_silent_peer_costs_no_more_than_the_time_limit(scheme: str) -> None:
    left = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    watch = Stopwatch()
    outcome = await post(f"{scheme}://hooks.example:{port}/", True, total_s=0.4)
    took_s = watch.seconds
    server.close()
    async with asyncio.timeout(20):
        await left.wait()
        await server.wait_closed()
    assert outcome.error == "timeout"
    assert outcome.latency_s > 0.3
    assert took_s < 2
