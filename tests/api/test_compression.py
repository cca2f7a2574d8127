"""Compression: for clients that accept gzip, for long responses, and never for secrets."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import ClientSession

from handoff.api.app import COMPRESSED
from handoff.api.http.compression import BLUR, ON_THE_LOOP, WORTH_IT, gzipped, takes_gzip
from handoff.client import Client
from tests.api.conftest import Api, secret, served

CONTEXT = "/v1/context?identity=user:anna"
TAKES = {"Accept-Encoding": "gzip, deflate"}


@pytest.fixture
async def api(valkey: str) -> AsyncIterator[Api]:
    async with served(valkey) as client:
        yield client


async def fetched(
    api: Api, path: str, headers: Mapping[str, str] = TAKES
) -> tuple[int, Mapping[str, str], bytes]:
    """A response with its raw bytes."""
    sent = {"Authorization": f"Bearer {secret('desk', api.tenant)}", **headers}
    async with (
        ClientSession(auto_decompress=False) as plain,
        plain.get(api.url + path, headers=sent) as response,
    ):
        return response.status, response.headers, await response.read()


async def test_a_context_is_compressed_for_clients_that_accept_gzip(api: Api) -> None:
    await api.record("one", text="the same words again and again " * 100)
    _, plain, body = await fetched(api, CONTEXT, {"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain
    _, packed, raw = await fetched(api, CONTEXT)
    assert packed["Content-Encoding"] == "gzip"
    assert len(raw) < len(body) / 2
    assert gzip.decompress(raw) == body
    assert packed["ETag"] == plain["ETag"]
    assert "Accept-Encoding" in packed["Vary"]
    assert "Accept-Encoding" in plain["Vary"]
    assert packed["Cache-Control"] == "no-store"
    status, known, nothing = await fetched(api, CONTEXT, {**TAKES, "If-None-Match": packed["ETag"]})
    assert (status, nothing) == (304, b"")
    assert "Accept-Encoding" in known["Vary"]
    assert "Content-Encoding" not in known


async def test_a_large_response_and_a_snapshot_decompress_to_the_same_bytes(api: Api) -> None:
    for number in range(3):
        await api.record(f"long-{number}", text=f"{number}" + "x" * ON_THE_LOOP)
    asked = {"identity": "user:anna", "to": {"channel": "chat", "queue": "refunds"}, "reason": "Refund"}
    handoff = await api.ok("POST", "/v1/handoffs", asked)
    for path in (CONTEXT, f"/v1/handoffs/{handoff['id']}/snapshot"):
        _, plain, body = await fetched(api, path, {"Accept-Encoding": "identity"})
        _, packed, raw = await fetched(api, path)
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(raw) == body
        assert packed["ETag"] == "W/" + plain["ETag"].removeprefix("W/")  # one name for both encodings


async def test_a_short_response_is_not_compressed(api: Api) -> None:
    _, headers, body = await fetched(api, "/v1/handoffs?queue=nobody")
    assert len(body) < WORTH_IT
    assert "Content-Encoding" not in headers
    assert "Accept-Encoding" in headers["Vary"]


async def test_a_response_with_a_secret_is_never_compressed(api: Api) -> None:
    agent = "v" * 190
    scopes = ["context:read", "handoffs:write"] * 60
    body = {"agent": agent, "scopes": scopes}
    opened = await api.call("POST", "/v1/sessions", body, headers=TAKES)
    assert opened.status == 201
    assert len(opened.raw) > WORTH_IT
    assert "Content-Encoding" not in opened.headers
    assert not [
        it for it in COMPRESSED if it.startswith(("/v1/sessions", "/v1/webhooks")) or it.endswith("/events")
    ]


async def test_the_python_client_reads_compressed_responses(api: Api) -> None:
    await api.record("one", text="words " * 1000)
    async with Client(api.url, secret("desk", api.tenant)) as client:
        context = await client.context("user:anna")
    assert context.timeline is not None
    assert context.timeline.touchpoints[0].text == "words " * 1000


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip; Q=0.000, deflate", False),
        ("*", True),
        ("gzip;q=0, *", False),
        ("identity, *;q=0", False),
        ("br, deflate", False),
        (";;,=,q=0", False),
    ],
)
def test_accept_encoding_is_parsed(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


def test_the_compressed_length_is_padded() -> None:
    body = b"the same words " * 200
    lengths = {len(gzipped(body)) for _ in range(200)}
    assert len(lengths) > 20
    assert max(lengths) - min(lengths) <= BLUR
