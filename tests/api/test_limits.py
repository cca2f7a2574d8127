"""Rates per source, token, and tenant; bounds of a handoff's context; log lines that repeat."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from handoff.bootstrap.logs import LINES, RepeatedLines, configure_logging
from handoff.domain.errors import RateLimited
from handoff.services.admission.limits import LimitSettings
from handoff.services.admission.rates import RateLimits
from tests import serving
from tests.api.conftest import SECRET, WORK, Api, message
from tests.conftest import fresh_tenant

EVENT = {"type": "track", "event": "e", "anonymousId": "a", "writeKey": SECRET}


@asynccontextmanager
async def two(url: str, **limits: Any) -> AsyncIterator[tuple[Api, Api]]:
    """Two tenants of a server with these limits, each with a token and a source."""
    names = fresh_tenant(), fresh_tenant()
    settings = serving.settings_for(
        url,
        [serving.token(token, name, *WORK) for name in names for token in ("desk", "bot")],
        sources=[
            {"name": f"shop-{name}", "adapter": "web.segment", "tenant": name, "secrets": [SECRET]}
            for name in names
        ],
        limits=limits,
    )
    async with serving.in_process(settings) as (server, session):
        yield Api(server, session, *names), Api(server, session, *reversed(names))


async def refused(api: Api, path: str, body: Any, limit: str, **given: Any) -> None:
    """The request, repeated, is refused once the bucket is empty: 429 with whole seconds to wait."""
    for _ in range(12):
        answer = await api.post(path, body, **given)
        if answer.status == 429:
            break
        assert answer.status in (200, 201), answer.raw
    assert answer.status == 429
    assert answer.code == "rate_limited"
    assert answer.json["limit"] == limit
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["fast path", "aiohttp"])
async def test_a_token_above_its_rate_gets_429_and_others_go_on(valkey: str, headers: dict[str, str]) -> None:
    async with two(valkey, token_per_s=2) as (one, other):
        await refused(one, "/v1/touchpoints", message("e"), "token", headers=headers)
        assert (await one.get("/v1/handoffs")).status == 429
        assert (await one.get("/v1/handoffs", token="bot")).status == 200
        await other.record("e")
        await asyncio.sleep(0.6)  # half a second gives one request
        assert (await one.get("/v1/handoffs")).status == 200


async def test_a_tenant_above_its_rate_gets_429_with_any_token(valkey: str) -> None:
    async with two(valkey, tenant_per_s=2) as (one, other):
        await refused(one, "/v1/touchpoints", message("e"), "tenant")
        assert (await one.get("/v1/handoffs", token="bot")).status == 429
        await other.record("e")


async def test_a_source_above_its_rate_gets_429(valkey: str) -> None:
    async with two(valkey, source_per_s=2) as (one, other):
        for api in (one, other):
            await refused(api, f"/in/shop-{api.tenant}/v1/track", EVENT, "source", token=None)
        await one.record("e")


async def test_a_mail_above_its_sources_rate_must_be_sent_again(valkey: str) -> None:
    tenant = fresh_tenant()
    mail = {"name": "mail", "adapter": "email.smtp", "tenant": tenant, "listen": "127.0.0.1:0"}
    sources = [{**mail, "recipients": ["support@shop.example"]}]
    limits = {"source_per_s": 0.1}
    settings = serving.settings_for(
        valkey, [serving.token("desk", tenant, *WORK)], sources=sources, limits=limits
    )
    async with serving.in_process(settings) as (server, _session):
        url = server.listeners["mail"].removeprefix("smtp://").strip("/")
        reader, writer = await asyncio.open_connection(*url.rsplit(":", 1))
        writer.write(b"EHLO x\r\n")
        for number in range(2):
            writer.write(b"MAIL FROM:<a@b.c>\r\nRCPT TO:<support@shop.example>\r\nDATA\r\n")
            writer.write(b"From: a@b.c\r\nMessage-ID: <%d@x>\r\nSubject: x\r\n\r\nx\r\n.\r\n" % number)
        writer.write(b"QUIT\r\n")
        answers = [it[:3] for it in (await reader.read()).splitlines()]
        writer.close()
    first, second = [b"250", b"250", b"354", b"250"], [b"250", b"250", b"354", b"451"]
    assert answers[-9:] == [*first, *second, b"221"]


async def test_a_batch_counts_with_all_its_items(valkey: str) -> None:
    async with two(valkey, token_per_s=5, source_per_s=5) as (one, _other):
        assert (await one.post("/v1/touchpoints", [message(f"{n}") for n in range(30)])).status == 200
        assert (await one.get("/v1/handoffs")).status == 429
        path = f"/in/shop-{one.tenant}/v1/batch"
        body = {"batch": [EVENT] * 30, "writeKey": SECRET}
        assert (await one.post(path, body, token=None)).status == 200
        assert (await one.post(path, body, token=None)).status == 429


async def test_strangers_use_up_nothing_of_a_source(valkey: str) -> None:
    async with two(valkey, source_per_s=1, tenant_per_s=1) as (one, _other):
        path = f"/in/shop-{one.tenant}/v1/track"
        for _ in range(10):
            assert (await one.post(path, {**EVENT, "writeKey": "wrong"}, token=None)).status == 401
        assert (await one.post(path, EVENT, token=None)).status == 200


async def test_a_flood_above_its_rate_takes_few_turns(valkey: str) -> None:
    """Refusals come late, so that a flood that ignores them leaves the server to others."""
    async with two(valkey, token_per_s=1) as (one, _other):
        began, count = time.monotonic(), 0
        while time.monotonic() - began < 1.5:
            await one.post("/v1/touchpoints", message("e"))
            count += 1
        assert count < 12


def test_a_bucket_fills_up_with_time_and_may_be_overdrawn() -> None:
    now = 100.0
    rates = RateLimits(LimitSettings(token_per_s=10, tenant_per_s=1000), lambda: now)
    rates.charge("t", b"c", 60)  # 20 in the bucket: 40 too many
    with pytest.raises(RateLimited) as refusal:
        rates.admit_caller("t", b"c")
    assert refusal.value.fields == {"retry_after_s": 5, "limit": "token"}
    now += 4.15
    rates.admit_caller("t", b"c")
    with pytest.raises(RateLimited):
        rates.admit_caller("t", b"c")
    rates.admit_caller("t", b"other")
    now -= 1000  # a clock that is set back gives nothing
    with pytest.raises(RateLimited):
        rates.admit_caller("t", b"c")


@pytest.mark.parametrize("wrong", [{"token_per_s": 0}, {"max_connections": 1}, {"body_timeout_s": 0.5}])
def test_limits_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, LimitSettings)


async def test_a_handoffs_context_is_bounded_and_lists_leave_long_ones_out(valkey: str) -> None:
    async with two(valkey) as (one, _other):
        await one.record("e")
        wanted = {"to": {"queue": "q"}, "reason": "r"}
        huge = {**wanted, "identity": "user:anna", "context": {"a": "x" * 70_000}}
        answer = await one.post("/v1/handoffs", huge)
        assert (answer.status, answer.code) == (422, "context_too_large")
        assert answer.json["errors"][0]["pointer"] == "/context"
        made = []
        for number, size in enumerate((100, 60_000)):
            await one.record(f"e{number}", identities=[f"user:u{number}"])
            asked = {**wanted, "identity": f"user:u{number}", "context": {"a": "x" * size}}
            made.append(await one.ok("POST", "/v1/handoffs", asked))
        listed = await one.ok("GET", "/v1/handoffs?order=asc")
        short, long = listed["handoffs"]
        assert short["context"] == {"a": "x" * 100}
        assert long["context"] is None
        assert listed["context_omitted"] == [made[1]["id"]]
        single = await one.ok("GET", f"/v1/handoffs/{made[1]['id']}")
        assert len(single["context"]["a"]) == 60_000


def test_lines_that_repeat_are_counted_instead_of_written() -> None:
    now = 0.0
    lines = RepeatedLines(lambda: now)
    out = io.StringIO()
    import structlog

    log = structlog.wrap_logger(
        structlog.PrintLogger(out), processors=[lines, structlog.processors.JSONRenderer()]
    )
    for _ in range(1000):
        log.warning("signature_refused", source="shop")
    log.warning("signature_refused", source="other")
    log.error("another_event")
    for _ in range(100):
        log.debug("request")
    now += 11
    log.warning("signature_refused", source="shop")
    written = [json.loads(it) for it in out.getvalue().splitlines()]
    assert len([it for it in written if it.get("source") == "shop"]) == LINES + 1
    assert len(written) == LINES + 103
    assert written[-1]["suppressed"] == 1000 - LINES


def test_the_servers_log_is_limited() -> None:
    import structlog

    out = io.StringIO()
    try:
        configure_logging("info", stream=out)
        log = structlog.get_logger("test")
        for _ in range(500):
            log.warning("signature_refused", source="shop")
    finally:
        structlog.reset_defaults()
    assert len(out.getvalue().splitlines()) == LINES
