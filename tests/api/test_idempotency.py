"""`Idempotency-Key`: the first answer is given again, to the same request only."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.api.conftest import Answer, Api, message, served
from tests.faults.proxy import cutting_proxy
from tests.store.servers import server, valkey_binary

CREATING: dict[str, dict[str, Any]] = {
    "/v1/touchpoints": message("e1"),
    "/v1/handoffs": {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "refund"},
    "/v1/callbacks": {"identity": "user:anna", "phone": "+358401234567", "reason": "refund"},
}


def key(text: str) -> dict[str, str]:
    return {"Idempotency-Key": text}


@pytest.mark.parametrize("path", CREATING)
async def test_a_repeat_gets_the_first_answer_and_makes_nothing(api: Api, path: str) -> None:
    first = await api.post(path, CREATING[path], headers=key("k"))
    again = await api.post(path, CREATING[path], headers=key("k"))
    assert (again.status, again.raw) == (first.status, first.raw)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers.get("Location") == first.headers.get("Location")
    assert "Idempotent-Replayed" not in first.headers
    if path == "/v1/callbacks":
        assert (await api.ok("GET", path))["returned"] == 1


async def test_the_key_of_another_request_is_422(api: Api) -> None:
    await api.post("/v1/touchpoints", message("e1"), headers=key("k"))
    for path, body in (("/v1/touchpoints", message("e2")), ("/v1/touchpoints?x=1", message("e1"))):
        answer = await api.post(path, body, headers=key("k"))
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")
    assert (await api.context())["timeline"]["total"] == 1


async def test_at_once_one_makes_it_and_the_others_hear_of_it(api: Api) -> None:
    body = CREATING["/v1/callbacks"]
    answers = await asyncio.gather(*(api.post("/v1/callbacks", body, headers=key("k")) for _ in range(12)))
    assert {it.status for it in answers} <= {201, 409}
    assert {it.code for it in answers if it.status == 409} <= {"idempotency_key_running"}
    assert len({it.json["id"] for it in answers if it.status == 201}) == 1
    assert (await api.post("/v1/callbacks", body, headers=key("k"))).status == 201
    assert (await api.ok("GET", "/v1/callbacks"))["returned"] == 1


async def test_a_refused_request_leaves_its_key_free(api: Api) -> None:
    refused = await api.post("/v1/touchpoints", message("e1", channel="pigeon"), headers=key("k"))
    assert refused.status == 422
    again = await api.post("/v1/touchpoints", message("e1"), headers=key("k"))
    assert (again.status, again.json["accepted"]) == (200, 1)


@pytest.mark.parametrize("text", ["", "x" * 256])
async def test_a_key_that_cannot_be_one_is_422(api: Api, text: str) -> None:
    answer = await api.post("/v1/touchpoints", message("e1"), headers=key(text))
    assert (answer.status, answer.code) == (422, "invalid_idempotency_key")


async def test_a_key_needs_a_token_all_the_same(api: Api) -> None:
    answer = await api.post("/v1/touchpoints", message("e1"), headers=key("k"), token=None)
    assert answer.status == 401


async def test_a_session_hears_no_answer_that_was_given_to_another(api: Api) -> None:
    """Sessions of one token are apart by agent and scopes: an answer never goes past a scope."""

    async def by(agent: str, *scopes: str) -> Answer:
        session = await api.ok("POST", "/v1/sessions", {"agent": agent, "scopes": scopes})
        headers = {"Authorization": f"Bearer {session['token']}", **key("k")}
        return await api.post(path, CREATING[path], headers=headers, token=None)

    path = "/v1/callbacks"
    by_desk = await api.post(path, CREATING[path], headers=key("k"))
    by_mia = await by("mia", "callbacks:write")
    assert (await by("mia", "context:read")).code == "missing_scope"
    assert (await by("mia", "callbacks:write")).raw == by_mia.raw
    by_otto = await by("otto", "callbacks:write")
    assert len({it.json["id"] for it in (by_desk, by_mia, by_otto)}) == 3


async def test_a_lost_answer_of_the_store_does_not_block_the_key(valkey: str) -> None:
    """The connection sends a claim again whose answer was lost: it must know its own claim."""
    async with cutting_proxy(valkey) as proxy, served(proxy.url, timeout_s=3) as api:
        for number in range(12):
            proxy.cut_answers(number % 4)
            answer = await api.post("/v1/touchpoints", message(f"e{number}"), headers=key(f"k{number}"))
            assert (answer.status, answer.json["ids"][0] is not None) == (200, True)
        proxy.cut_answers(0)
        assert (await api.context())["timeline"]["total"] == 12


async def test_a_store_that_hung_does_not_block_the_key() -> None:
    """Who was told to send the same again may, though the store does late what it was asked."""
    with server(valkey_binary()) as valkey:
        async with served(valkey.url, timeout_s=1) as api:
            body = CREATING["/v1/callbacks"]
            valkey.pause()
            began = time.monotonic()
            lost = await api.post("/v1/callbacks", body, headers=key("k"))
            assert (lost.status, lost.code) == (503, "store_unavailable")
            assert time.monotonic() - began < 1.8
            valkey.resume()
            for _ in range(100):
                again = await api.post("/v1/callbacks", body, headers=key("k"))
                if again.status != 409:
                    break
                await asyncio.sleep(0.05)
            assert again.status == 201
            assert (await api.ok("GET", "/v1/callbacks"))["returned"] == 1
