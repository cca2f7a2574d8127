"""An identity provider's keys, fetched over HTTP as the server does: rotated, unreachable, and nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from handoff.delivery.fetching import fetch
from handoff.domain.errors import IssuerUnavailable
from handoff.services.access.oidc import FRESH_S, UNKNOWN_S, Issuers
from tests.access.conftest import opened
from tests.access.test_oidc import KEY, OTHER, published, settings, signed
from tests.stopwatch import Stopwatch


class Keys:
    """A server of published keys on loopback. `answer` is its next answers; None never answers."""

    def __init__(self) -> None:
        self.answer: Any = {"keys": [published(KEY, "k1")]}
        self.asked = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, int):
            return web.Response(status=self.answer, headers={"Location": "/elsewhere"})
        return web.json_response(self.answer)

    def issuers(self, **changes: Any) -> Issuers:
        return Issuers([settings(**self.reachable, **changes)], fetch)

    @property
    def reachable(self) -> dict[str, Any]:
        return {"jwks_url": self.url, "allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    found = Keys()
    app = web.Application()
    app.router.add_get("/certs", found.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    found.url = f"http://127.0.0.1:{port}/certs"
    yield found
    await runner.cleanup()


def age(issuers: Issuers, seconds: float) -> None:
    """As if the last fetch had been so long ago."""
    (issuer,) = issuers._issuers
    issuer._tried_at -= seconds
    issuer._fetched_at -= seconds


async def refreshed(issuers: Issuers) -> None:
    (issuer,) = issuers._issuers
    assert issuer._refreshing is not None
    await issuer._refreshing


async def test_a_new_key_is_fetched_and_a_removed_one_is_refused(keys: Keys) -> None:
    issuers = keys.issuers()
    assert await issuers.authenticate(signed()) is not None
    keys.answer = {"keys": [published(OTHER, "k2")]}
    assert await issuers.authenticate(signed(OTHER, "k2")) is None, "not more than once a minute"
    age(issuers, UNKNOWN_S)
    assert await issuers.authenticate(signed(OTHER, "k2")) is not None
    assert await issuers.authenticate(signed(jti="2")) is None
    assert keys.asked == 2


@pytest.mark.parametrize("answer", [500, 302, [], {}, {"keys": []}, {"keys": 5}, {"keys": [{"kid": "k1"}]}])
async def test_an_answer_without_keys_replaces_none(keys: Keys, answer: Any) -> None:
    issuers = keys.issuers()
    assert await issuers.authenticate(signed()) is not None
    keys.answer = answer
    age(issuers, FRESH_S + 1)
    assert await issuers.authenticate(signed(jti="2")) is not None
    await refreshed(issuers)
    assert keys.asked == 2
    assert await issuers.authenticate(signed(jti="3")) is not None


async def test_a_provider_that_hangs_delays_no_token_with_a_known_key(keys: Keys) -> None:
    issuers = keys.issuers()
    assert await issuers.authenticate(signed()) is not None
    keys.answer = None
    age(issuers, FRESH_S + 1)
    watch = Stopwatch()
    for at in range(3):
        assert await issuers.authenticate(signed(jti=f"h{at}")) is not None
    assert watch.seconds < 2
    (issuer,) = issuers._issuers
    assert issuer._refreshing is not None
    issuer._refreshing.cancel()


async def test_a_provider_that_never_answered_is_an_error_and_not_a_refusal(keys: Keys) -> None:
    keys.answer = 503
    issuers = keys.issuers()
    for _ in range(2):
        with pytest.raises(IssuerUnavailable, match="sso"):
            await issuers.authenticate(signed())
    assert keys.asked == 1
    keys.answer = {"keys": [published(KEY, "k1")]}
    age(issuers, UNKNOWN_S)
    assert await issuers.authenticate(signed()) is not None


async def test_the_api_answers_503_until_the_keys_are_there(keys: Keys, valkey: str) -> None:
    keys.answer = 503
    given = {"name": "sso", "issuer": settings().issuer, "audience": "handoff", "scopes": ["handoffs:read"]}
    async with opened(valkey, oidc=[{**given, **keys.reachable}]) as callers:
        headers = {"Authorization": f"Bearer {signed()}"}
        answer = await callers.get("/v1/sessions/current", token=None, headers=headers)
        assert (answer.status, answer.code) == (503, "issuer_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        forged = {"Authorization": f"Bearer {signed(iss='https://other.example/')}"}
        assert (await callers.get("/v1/sessions/current", token=None, headers=forged)).status == 401


async def test_the_guard_of_outgoing_requests_applies(keys: Keys) -> None:
    from handoff.services.webhooks.destinations import EgressPolicy

    with pytest.raises(Exception, match=r"address|https|forbidden"):
        await fetch(keys.url, EgressPolicy(insecure=True))
    assert keys.asked == 0
