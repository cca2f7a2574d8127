"""Shipping: every line at least once, in order, to an endpoint or a command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from handoff.delivery.audit_shipping import shipping_to
from handoff.domain.errors import ConfigurationError
from handoff.services.audit.settings import AuditSettings
from handoff.services.audit.shipping import ShippedBatch, ship
from handoff.services.audit.verifying import verify
from tests.unit.test_audit_files import chain_in, entry, fill, trail_in

from .conftest import lines


class Collector:
    """A receiver that keeps the lines of each writer, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.got: dict[str, bytes] = {}
        self.tokens: set[str] = set()
        self.arrived = asyncio.Event()

    async def receive(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers.get("Authorization", ""))
        writer = request.headers["Handoff-Audit-Writer"]
        self.got[writer] = self.got.get(writer, b"") + await request.read()
        self.arrived.set()
        return web.Response(status=self.status)


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, AuditSettings]]:
    collector, app = Collector(), web.Application()
    app.router.add_post("/audit", collector.receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    settings = AuditSettings(
        ship_url=f"http://127.0.0.1:{runner.addresses[0][1]}/audit",
        ship_token="collector",
        ship_allow_insecure=True,
        ship_allow_networks=("127.0.0.0/8",),
    )
    try:
        yield collector, settings
    finally:
        await runner.cleanup()


async def test_every_chain_arrives_whole_and_verifies_there(tmp_path: Path) -> None:
    root = tmp_path / "audit"
    chain = chain_in(root, max_bytes=5_000)
    fill(chain, 100)
    trail = trail_in(root)
    await trail.record(entry())
    await trail.close()
    async with collecting() as (collector, settings), shipping_to(settings) as send:
        await ship(root, send)
        fill(chain, 100)
        assert await ship(root, send) >= 1
        assert await ship(root, send) == 0
    chain.close()
    assert collector.tokens == {"Bearer collector"}
    assert set(collector.got) == {"host/w0", "host/w1", "host/anchors"}
    kept = [msgspec.json.decode(it) for it in collector.got["host/w0"].splitlines()]
    assert kept == lines(root / "w0")


async def test_what_the_receiver_did_not_confirm_is_sent_again(tmp_path: Path) -> None:
    chain = chain_in(tmp_path)
    fill(chain, 10)
    async with collecting() as (collector, settings), shipping_to(settings) as send:
        collector.status = 500
        with pytest.raises(ConnectionError):
            await ship(tmp_path, send)
        collector.status = 204
        collector.got.clear()
        await ship(tmp_path, send)
        assert len(collector.got["host/w0"].splitlines()) == 11
    chain.close()


async def test_an_incomplete_line_waits(tmp_path: Path) -> None:
    chain = chain_in(tmp_path)
    fill(chain, 3)
    chain.close()
    path = next((tmp_path / "w0").glob("*.jsonl"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    got: list[bytes] = []

    async def send(batch: ShippedBatch) -> None:
        got.append(batch.lines)

    await ship(tmp_path, send)
    path.write_bytes(whole)
    await ship(tmp_path, send)
    assert b"".join(got) == whole
    assert len(got) == 2


async def test_a_command_gets_the_lines(tmp_path: Path) -> None:
    chain = chain_in(tmp_path / "audit")
    fill(chain, 5)
    chain.close()
    out = tmp_path / "out"
    code = f"import os,sys; open({str(out)!r}, 'ab').write(sys.stdin.buffer.read())"
    async with shipping_to(AuditSettings(ship_command=(sys.executable, "-c", code))) as send:
        assert await ship(tmp_path / "audit", send) == 1
    assert out.read_bytes() == next((tmp_path / "audit" / "w0").glob("*.jsonl")).read_bytes()


@pytest.mark.parametrize("command", [("/nonexistent",), (sys.executable, "-c", "raise SystemExit(3)")])
async def test_a_command_that_fails_confirms_nothing(tmp_path: Path, command: tuple[str, ...]) -> None:
    chain = chain_in(tmp_path)
    fill(chain, 5)
    chain.close()
    async with shipping_to(AuditSettings(ship_command=command)) as send:
        with pytest.raises(ConnectionError):
            await ship(tmp_path, send)
    assert not list((tmp_path / "shipping").glob("*.json"))


@pytest.mark.parametrize(
    "more", [{"ship_url": "http://example.com/"}, {"ship_url": "https://10.0.0.1/"}, {"ship_url": "nonsense"}]
)
async def test_the_guard_checks_the_url_at_the_start(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="ship_url"):
        async with shipping_to(AuditSettings(**more)):
            raise AssertionError("it may not start")


async def test_a_running_server_ships(valkey: str, tmp_path: Path) -> None:
    from .conftest import with_trail

    async with collecting() as (collector, settings):
        more = {name: getattr(settings, name) for name in ("ship_url", "ship_token", "ship_allow_insecure")}
        networks = list(settings.ship_allow_networks)
        async with with_trail(valkey, tmp_path, **more, ship_allow_networks=networks) as callers:
            await callers.get("/v1/context?identity=user:anna")
            async with asyncio.timeout(60):
                while not any(b"lookUpByQuery" in it for it in collector.got.values()):
                    collector.arrived.clear()
                    await collector.arrived.wait()
    assert verify(tmp_path).ok
