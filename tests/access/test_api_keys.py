"""API keys: made, limited, rotated, and revoked while the server runs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from handoff.services.access import api_keys
from tests import serving
from tests.access.conftest import Answer, Callers, settings, stream_of


async def made(callers: Callers, name: str = "desk-2", **wish: Any) -> Any:
    body = {"name": name, "scopes": ["context:read", "handoffs:read"], **wish}
    return await callers.ok("POST", "/v1/tokens", body, token="admin", headers=tenant(callers))


def tenant(callers: Callers) -> dict[str, str]:
    return {"Handoff-Tenant": callers.tenant}


async def with_key(callers: Callers, key: str, path: str = "/v1/handoffs") -> Answer:
    return await callers.get(path, token=None, headers={"Authorization": f"Bearer {key}"})


async def test_a_key_works_in_its_tenant_and_is_shown_once(callers: Callers) -> None:
    key = await made(callers, environment="test")
    assert key["token"].startswith(f"hk_test_{key['id']}_")
    assert (await with_key(callers, key["token"])).status == 200
    assert (await with_key(callers, key["token"], "/v1/quarantine")).code == "missing_scope"
    (listed,) = (await callers.ok("GET", "/v1/tokens", token="admin", headers=tenant(callers)))["tokens"]
    assert listed == {name: value for name, value in key.items() if name != "token"}
    other = {"Handoff-Tenant": callers.other}
    assert (await callers.ok("GET", "/v1/tokens", token="admin", headers=other))["tokens"] == []
    elsewhere = await callers.call("DELETE", f"/v1/tokens/{key['id']}", token="admin", headers=other)
    assert elsewhere.status == 404


async def test_the_store_has_only_its_hmac(callers: Callers) -> None:
    key = await made(callers)
    (raw,) = await callers.server.store.api_keys.read([key["id"]])
    assert raw is not None
    assert key["token"][-20:].encode() not in raw
    assert callers.server.store.token_digests(key["token"])[0] in raw


async def test_a_changed_key_is_unauthenticated_like_any_other(callers: Callers) -> None:
    key = (await made(callers))["token"]
    head, tail = key[:-10], key[-10:]
    swapped = head + ("A" if tail[0] != "A" else "B") + tail[1:]
    assert api_keys.key_id(key) is not None
    assert api_keys.key_id(swapped) is None, "the checksum is wrong, so nothing is looked up"
    wrong = swapped[: -api_keys._CHECKSUM]
    forged = wrong + api_keys._checksum(wrong)
    assert api_keys.key_id(forged) == api_keys.key_id(key)
    bodies = {(await with_key(callers, it)).raw for it in (swapped, forged, "hk_live_x", "nonsense")}
    assert len(bodies) == 1


async def test_a_revoked_key_is_refused_at_once_by_every_server_and_ends_what_it_opened(
    callers: Callers, valkey: str
) -> None:
    key = await made(callers, scopes=["context:read", "handoffs:read", "handoffs:write"])
    bearer = {"Authorization": f"Bearer {key['token']}"}
    session = await callers.ok("POST", "/v1/sessions", {"agent": "mia"}, token=None, headers=bearer)
    async with serving.in_process(settings(valkey, callers.tenant, callers.other)) as (second, http):
        at_second = Callers(second, http, callers.tenant, callers.other)
        assert (await with_key(at_second, key["token"])).status == 200
        async with stream_of(at_second, "/v1/agents/mia/events", key["token"]) as events:
            assert (await events.get())[0] == "ready"
            revoked = await callers.call(
                "DELETE", f"/v1/tokens/{key['id']}", token="admin", headers=tenant(callers)
            )
            assert revoked.status == 204
            assert (await with_key(at_second, key["token"])).status == 401
            assert (await asyncio.wait_for(events.get(), 10))[0] == "session_ended"
    assert (await with_key(callers, key["token"])).status == 401
    assert (await callers.as_session("GET", "/v1/sessions/current", session)).status == 401


async def test_two_keys_of_one_name_are_live_for_a_rotation_and_no_third(callers: Callers) -> None:
    old = await made(callers, queues=["sales"])
    path = f"/v1/tokens/{old['id']}/rotate"
    new = await callers.ok("POST", path, {"overlap_s": 60}, token="admin", headers=tenant(callers))
    assert (new["name"], new["queues"]) == (old["name"], ["sales"])
    for key in (old, new):
        assert (await with_key(callers, key["token"])).status == 200
    third = await callers.post(
        "/v1/tokens", {"name": old["name"], "scopes": []}, token="admin", headers=tenant(callers)
    )
    assert (third.status, third.code) == (409, "too_many")
    await callers.call("DELETE", f"/v1/tokens/{old['id']}", token="admin", headers=tenant(callers))
    again = f"/v1/tokens/{new['id']}/rotate"
    last = await callers.ok("POST", again, {"overlap_s": 0}, token="admin", headers=tenant(callers))
    assert (await with_key(callers, new["token"])).status == 401
    assert (await with_key(callers, last["token"])).status == 200


async def test_requests_at_the_same_time_leave_two_live_keys_of_one_name_at_most(callers: Callers) -> None:
    body = {"name": "race", "scopes": []}
    making = (callers.post("/v1/tokens", body, token="admin", headers=tenant(callers)) for _ in range(8))
    made = [it for it in await asyncio.gather(*making) if it.status == 201]
    listed = (await callers.ok("GET", "/v1/tokens", token="admin", headers=tenant(callers)))["tokens"]
    assert {it["id"] for it in listed} == {it.json["id"] for it in made}
    assert len(listed) <= 2


async def test_a_key_that_was_revoked_while_it_was_rotated_stays_revoked(callers: Callers) -> None:
    for _ in range(5):
        old = await made(callers, name="turn")
        rotating = callers.post(f"/v1/tokens/{old['id']}/rotate", {}, token="admin", headers=tenant(callers))
        revoking = callers.call("DELETE", f"/v1/tokens/{old['id']}", token="admin", headers=tenant(callers))
        rotated, _revoked = await asyncio.gather(rotating, revoking)
        assert (await with_key(callers, old["token"])).status == 401
        if rotated.status == 201:
            path = f"/v1/tokens/{rotated.json['id']}"
            await callers.call("DELETE", path, token="admin", headers=tenant(callers))


async def test_a_key_expires_and_only_the_whole_key_shows_it(callers: Callers) -> None:
    key = (await made(callers, ttl_s=1))["token"]
    deadline = time.monotonic() + 20
    while (await with_key(callers, key)).status != 401:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    answer = await with_key(callers, key)
    assert answer.code == "token_expired"
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    head = key[: -api_keys._CHECKSUM - 1] + ("A" if key[-api_keys._CHECKSUM - 1] != "A" else "B")
    forged = head + api_keys._checksum(head)
    assert api_keys.key_id(forged) == api_keys.key_id(key)
    assert (await with_key(callers, forged)).raw == (await with_key(callers, "unknown")).raw


async def test_an_expired_key_from_a_network_that_it_may_not_use_is_unknown(callers: Callers) -> None:
    key = (await made(callers, ttl_s=1, networks=["10.0.0.0/8"]))["token"]
    await asyncio.sleep(1.1)  # it expires by the clock alone
    assert (await with_key(callers, key)).code == "unauthenticated"


@pytest.mark.parametrize(
    ("networks", "status"), [(["127.0.0.0/8"], 200), (["10.0.0.0/8", "::1/128"], 401), ([], 200)]
)
async def test_a_key_is_accepted_from_its_networks_only(
    callers: Callers, networks: list[str], status: int
) -> None:
    key = await made(callers, networks=networks)
    assert (await with_key(callers, key["token"])).status == status


async def test_limits_of_a_key_hold(callers: Callers) -> None:
    await callers.record("hello")
    handoff = await callers.hand_over("user:anna", "hr", "complaint")
    key = await made(callers, queues=["sales"])
    assert (await with_key(callers, key["token"], f"/v1/handoffs/{handoff['id']}")).status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "with space"},
        {"scopes": ["everything"]},
        {"networks": ["10.0.0.1/8"]},
        {"environment": "Live"},
        {"ttl_s": 0},
        {"scopes": ["admin"], "queues": ["sales"]},
    ],
)
async def test_a_wrong_wish_is_refused_with_its_place(callers: Callers, wrong: dict[str, Any]) -> None:
    body = {"name": "x", "scopes": [], **wrong}
    answer = await callers.post("/v1/tokens", body, token="admin", headers=tenant(callers))
    assert answer.status == 422


async def test_a_name_of_the_configuration_is_taken(callers: Callers) -> None:
    for name in ("desk", "admin"):
        answer = await callers.post(
            "/v1/tokens", {"name": name, "scopes": []}, token="admin", headers=tenant(callers)
        )
        assert (answer.status, answer.code) == (409, "configured")


@pytest.mark.parametrize("id_", ["x", "%ff", "%7Bx%7D", "a" * 12, "%00" * 12])
async def test_an_unknown_id_is_404(callers: Callers, id_: str) -> None:
    answer = await callers.call("DELETE", f"/v1/tokens/{id_}", token="admin", headers=tenant(callers))
    assert (answer.status, answer.code) == (404, "not_found")


async def test_only_admins_make_keys(callers: Callers) -> None:
    answer = await callers.post("/v1/tokens", {"name": "x", "scopes": []})
    assert (answer.status, answer.code) == (403, "missing_scope")


@pytest.mark.parametrize(
    ("peer", "networks", "expected"),
    [
        ("10.1.2.3", ["10.0.0.0/8"], True),
        ("::ffff:10.1.2.3", ["10.0.0.0/8"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("11.0.0.1", ["10.0.0.0/8"], False),
        (None, ["10.0.0.0/8"], False),
        ("unix", ["::/0"], False),
    ],
)
def test_addresses_and_networks(peer: str | None, networks: list[str], expected: bool) -> None:
    assert api_keys.is_within(peer, networks) is expected
