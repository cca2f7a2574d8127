"""`Idempotency-Key`: a repeat of the same request gets the first response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession

from handoff.api.operations import OPERATIONS
from handoff.bootstrap.server import running
from handoff.bootstrap.settings import TokenSettings
from tests.api.conftest import Answer, Api, message, served, settings_for
from tests.conftest import fresh_tenant
from tests.faults.proxy import cutting_proxy
from tests.serving import options_of
from tests.stopwatch import Stopwatch
from tests.store.servers import server, valkey_binary

CREATING: dict[str, dict[str, Any]] = {
    "/v1/touchpoints": message("e1"),
    "/v1/handoffs": {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "refund"},
    "/v1/callbacks": {"identity": "user:anna", "phone": "+358401234567", "reason": "refund"},
}


def key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text}


@pytest.mark.parametrize("path", CREATING)
async def test_a_repeat_gets_the_first_response_and_creates_nothing(api: Api, path: str) -> None:
    first = await api.post(path, CREATING[path], headers=key("k"))
    again = await api.post(path, CREATING[path], headers=key("k"))
    assert (again.status, again.raw) == (first.status, first.raw)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers.get("Location") == first.headers.get("Location")
    assert "Idempotent-Replayed" not in first.headers
    if path == "/v1/callbacks":
        assert (await api.ok("GET", path))["returned"] == 1


async def test_a_key_used_for_another_request_is_422(api: Api) -> None:
    await api.post("/v1/touchpoints", message("e1"), headers=key("k"))
    for path, body in (("/v1/touchpoints", message("e2")), ("/v1/touchpoints?x=1", message("e1"))):
        answer = await api.post(path, body, headers=key("k"))
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert (await api.context())["timeline"]["total"] == 1


async def test_a_kept_answer_has_no_digest_that_can_be_tried_out(api: Api) -> None:
    """An answer with the plain digest of an older release is repeated too."""
    body = CREATING["/v1/callbacks"]
    first = await api.post("/v1/callbacks", body, headers=key("k"))
    connection = api.server.store.connection
    start = b"{c." + api.tenant.encode() + b"}y"
    (place,) = [it for it in await connection.call(b"KEYS", start + b"*") if len(it) == len(start) + 16]
    kept = msgspec.msgpack.decode(await connection.call(b"GET", place))
    plain = sha256(b"/v1/callbacks\0" + msgspec.json.encode(body)).digest()
    assert kept["request"] not in (plain, b"")
    older = msgspec.msgpack.encode({**kept, "request": plain})
    await connection.call(b"SET", place, older, b"KEEPTTL")
    again = await api.post("/v1/callbacks", body, headers=key("k"))
    assert (again.status, again.raw, again.headers["Idempotent-Replayed"]) == (201, first.raw, "true")


async def test_concurrent_requests_with_one_key_create_one_resource(api: Api) -> None:
    body = CREATING["/v1/callbacks"]
    answers = await asyncio.gather(*(api.post("/v1/callbacks", body, headers=key("k")) for _ in range(12)))
    assert {it.status for it in answers} <= {201, 409}
    assert {it.code for it in answers if it.status == 409} <= {"idempotency_key_running"}
    assert len({it.json["id"] for it in answers if it.status == 201}) == 1
    assert (await api.post("/v1/callbacks", body, headers=key("k"))).status == 201
    assert (await api.ok("GET", "/v1/callbacks"))["returned"] == 1


async def test_a_rejected_request_releases_its_key(api: Api) -> None:
    refused = await api.post("/v1/touchpoints", message("e1", channel="pigeon"), headers=key("k"))
    assert refused.status == 422
    again = await api.post("/v1/touchpoints", message("e1"), headers=key("k"))
    assert (again.status, again.json["accepted"]) == (200, 1)


@pytest.mark.parametrize("text", ["", "x" * 256])
async def test_an_invalid_key_is_422(api: Api, text: str) -> None:
    answer = await api.post("/v1/touchpoints", message("e1"), headers=key(text))
    assert (answer.status, answer.code) == (422, "invalid_idempotency_key")


async def test_a_key_does_not_replace_a_token(api: Api) -> None:
    answer = await api.post("/v1/touchpoints", message("e1"), headers=key("k"), token=None)
    assert answer.status == 401


async def test_a_session_never_gets_the_response_of_another_caller(api: Api) -> None:
    """A response belongs to the session that received it, not to its agent."""

    async def session(agent: str, *scopes: str) -> str:
        opened = await api.ok("POST", "/v1/sessions", {"agent": agent, "scopes": scopes})
        return str(opened["token"])

    async def by(token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}", **key("k")}
        return await api.post(path, CREATING[path], headers=headers, token=None)

    path = "/v1/callbacks"
    mia, again, otto = [await session(it, "callbacks:write") for it in ("mia", "mia", "otto")]
    first = await api.post(path, CREATING[path], headers=key("k"))
    by_mia = await by(mia)
    assert (await by(await session("mia", "context:read"))).code == "missing_scope"
    assert (await by(mia)).raw == by_mia.raw
    assert len({it.json["id"] for it in (first, by_mia, await by(again), await by(otto))}) == 4


WEBHOOK = {"url": "https://hooks.example.com/in", "name": "mine"}
SESSION = {"agent": "mia", "scopes": ["callbacks:write"]}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/sessions", SESSION), ("/v1/callbacks", CREATING["/v1/callbacks"])],
)
async def test_a_token_never_gets_the_response_of_an_earlier_token_with_its_name(
    valkey: str, path: str, body: dict[str, Any]
) -> None:
    """The new token has the name of a removed one, but not its responses."""
    first, second = {"secret": "first-holder-of-the-name"}, {"secret": "second-holder-of-the-name"}
    async with configured(valkey, "shared", first) as (api, headers):
        kept = await api.post(path, body, headers=headers | key("k"), token=None)
    async with configured(valkey, "shared", second, tenant=api.tenant) as (api, headers):
        other = await api.post(path, body, headers=headers | key("k"), token=None)
    assert (kept.status, other.status) == (201, 201)
    assert kept.raw != other.raw
    assert "Idempotent-Replayed" not in other.headers


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/sessions", SESSION), ("/v1/callbacks", CREATING["/v1/callbacks"]), ("/v1/webhooks", WEBHOOK)],
)
async def test_a_retry_needs_every_scope_of_the_first_request(
    valkey: str, path: str, body: dict[str, Any]
) -> None:
    """A token that lost a scope gets no response that needed it: no webhook secret, no session."""
    async with configured(valkey, "shrunk", {}) as (api, headers):
        kept = await api.post(path, body, headers=headers | key("k"), token=None)
        assert kept.status == 201
    async with configured(valkey, "shrunk", {"scopes": ["context:read"]}, tenant=api.tenant) as (
        api,
        headers,
    ):
        refused = await api.post(path, body, headers=headers | key("k"), token=None)
        assert (refused.status, refused.code) == (403, "missing_scope")
    async with configured(valkey, "renamed", {}, tenant=api.tenant) as (api, headers):
        again = await api.post(path, body, headers=headers | key("k"), token=None)
        assert (again.status, again.raw) == (201, kept.raw)


@asynccontextmanager
async def configured(
    url: str, name: str, changes: dict[str, Any], tenant: str | None = None
) -> AsyncIterator[tuple[Api, dict[str, str]]]:
    """A server with an additional token, and the headers that use it."""
    tenant = tenant or fresh_tenant()
    token = {
        "name": name,
        "tenant": tenant,
        "secret": "secret-of-one-more-token",
        "scopes": ["callbacks:write", "webhooks:write"],
        **changes,
    }
    settings = settings_for(url, tenant, fresh_tenant())
    more = msgspec.convert(token, TokenSettings)
    settings = msgspec.structs.replace(settings, tokens=[*settings.tokens, more])
    async with running(settings, options_of()) as server, ClientSession() as session:
        yield Api(server, session, tenant, tenant), {"Authorization": f"Bearer {token['secret']}"}


@pytest.mark.parametrize("path", CREATING)
async def test_a_key_of_an_earlier_release_is_neither_repeated_nor_run_again(api: Api, path: str) -> None:
    """Its response is stored under the token's name and may belong to another token."""
    store = api.server.store
    control, hashes = store.control(api.tenant), store.hashes(api.tenant)
    place = control.keys.idempotency(hashes.request("desk", "k"))
    await store.connection.call(b"SET", place, b"as an earlier release kept it", key=place)
    answer = await api.post(path, CREATING[path], headers=key("k"))
    if path == "/v1/touchpoints":  # recording the touchpoint again creates nothing
        assert answer.status == 200
        return
    assert (answer.status, answer.code) == (409, "idempotency_key_outdated")
    assert (await api.ok("GET", path))["returned"] == 0
    assert (await api.post(path, CREATING[path], headers=key("new"))).status == 201


def test_an_operation_that_could_create_two_resources_takes_a_key() -> None:
    assert {it.path for it in OPERATIONS if it.creating and it.method == "POST"} >= set(CREATING)
    assert all(it.creating for it in OPERATIONS if it.duplicates)
    assert {it.path for it in OPERATIONS if it.duplicates} == {
        "/v1/handoffs",
        "/v1/callbacks",
        "/v1/customers/{id}/continuity",
        "/v1/webhooks",
        "/v1/tokens",
    }


async def test_a_lost_reply_of_the_store_does_not_block_the_key(valkey: str) -> None:
    """The connection retries a claim after a lost reply, so it must recognise its own claim."""
    async with cutting_proxy(valkey) as proxy, served(proxy.url, timeout_s=3) as api:
        for number in range(12):
            proxy.cut_answers(number % 4)
            answer = await api.post("/v1/touchpoints", message(f"e{number}"), headers=key(f"k{number}"))
            assert (answer.status, answer.json["ids"][0] is not None) == (200, True)
        proxy.cut_answers(0)
        assert (await api.context())["timeline"]["total"] == 12


async def test_a_store_that_hung_does_not_block_the_key() -> None:
    """A client can retry after a 503, even if the store runs the first claim late."""
    with server(valkey_binary()) as valkey:
        async with served(valkey.url, timeout_s=1) as api:
            body = CREATING["/v1/callbacks"]
            valkey.pause()
            watch = Stopwatch()
            lost = await api.post("/v1/callbacks", body, headers=key("k"))
            assert (lost.status, lost.code) == (503, "store_unavailable")
            assert watch.seconds < 1.8
            valkey.resume()
            for _ in range(400):
                again = await api.post("/v1/callbacks", body, headers=key("k"))
                if again.status != 409:
                    break
                await asyncio.sleep(0.05)
            assert again.status == 201
            assert (await api.ok("GET", "/v1/callbacks"))["returned"] == 1
