"""`/v1/webhooks` on a running server: subscribe, test, list deliveries, replay, rotate, delete."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import msgspec
import pytest

from handoff.bootstrap.server import running
from handoff.bootstrap.settings import Settings
from handoff.services.webhooks.spec import SubscriptionSpec
from handoff.services.webhooks.subscriptions import create, public_id
from handoff.store.store import Store
from tests.delivery.conftest import stored_values
from tests.delivery.subscribers import SECRET, Subscriber, subscriber, until, until_async
from tests.serving import options_of

ADMIN = "admin-token-of-these-tests"
SCOPES = {
    "hooks": ["webhooks:write"],
    "reader": ["webhooks:write", "context:read"],
    "desktop": ["handoffs:write"],
    "other": ["webhooks:write"],
}
LOOPBACK = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}


class Api:
    """A client that has every token."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str = "admin", **headers: str
    ) -> tuple[int, Any]:
        secret = ADMIN if token == "admin" else f"{token}-token-of-these-tests"
        sent = {"Authorization": f"Bearer {secret}", **headers}
        data = None if body is None else msgspec.json.encode(body)
        async with self._session.request(method, self.url + path, data=data, headers=sent) as response:
            raw = await response.read()
            return response.status, msgspec.json.decode(raw) if raw else None

    async def subscribe(self, platform: Subscriber, **options: Any) -> str:
        status, made = await self.call("POST", "/v1/webhooks", {"url": platform.url, **LOOPBACK, **options})
        assert status == 201, made
        platform.secret = made.get("secret", platform.secret)
        return str(made["id"])

    async def request_handoff(self, number: int = 0) -> dict[str, Any]:
        body = {"identity": f"user:u{number}", "to": {"queue": "support"}, "reason": "help"}
        status, made = await self.call("POST", "/v1/handoffs", body)
        assert status == 201, made
        return dict(made)


@pytest.fixture
async def api(server_url: str, store: Store) -> AsyncIterator[Api]:
    tokens = [
        {
            "name": name,
            "scopes": scopes,
            "secret": f"{name}-token-of-these-tests",
            "tenant": "elsewhere" if name == "other" else "default",
        }
        for name, scopes in SCOPES.items()
    ]
    table = {
        "server": {"port": 0},
        "store": {"url": server_url, "partitions": store.keys.partitions},
        "tokens": tokens,
        "webhooks": [{"url": "https://configured.example/", "types": ["nothing.at.all"], "secret": SECRET}],
        "connectors": [
            {
                "name": "notes",
                "kind": "chatwoot.note",
                "url": "https://chat.example",
                "account": "3",
                "token": "token-of-the-vendor",
                "source": "shop-chat",
            }
        ],
    }
    settings = msgspec.convert(table, Settings)
    async with (
        running(settings, options_of(admin_token=ADMIN)) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Api(server.url, session)


async def test_the_secret_is_shown_once(api: Api) -> None:
    status, made = await api.call("POST", "/v1/webhooks", {"url": "https://one.example/"}, token="hooks")
    assert status == 201
    assert made["secret"].startswith("whsec_")
    assert made["types"] == ["handoff.*"]
    status, read = await api.call("GET", f"/v1/webhooks/{made['id']}", token="hooks")
    assert status == 200
    assert "secret" not in read
    assert {key: read[key] for key in read} == {key: made[key] for key in read}


async def test_a_connectors_view_has_its_target_and_not_its_token(api: Api) -> None:
    _, listed = await api.call("GET", "/v1/webhooks")
    views = {it["name"]: it for it in listed["webhooks"]}
    assert views["notes"]["connector"] == {"kind": "chatwoot.note", "source": "shop-chat", "account": "3"}
    assert views["notes"]["headers"] == ["api_access_token"]
    assert "token-of-the-vendor" not in json.dumps(listed)
    assert views[None]["connector"] is None


@pytest.mark.parametrize(
    ("body", "token", "scope"),
    [
        ({}, "desktop", "webhooks:write"),
        ({"allow_insecure": True}, "hooks", "admin"),
        ({"allow_networks": ["10.0.0.0/8"]}, "reader", "admin"),
        ({"include": "context"}, "hooks", "context:read"),
        ({"types": ["*"]}, "hooks", "context:read"),
        ({"types": ["message.*"]}, "hooks", "context:read"),
    ],
)
async def test_a_subscription_needs_the_scopes_for_its_events(
    api: Api, body: dict[str, Any], token: str, scope: str
) -> None:
    given = {"url": "https://one.example/", **body}
    status, problem = await api.call("POST", "/v1/webhooks", given, token=token)
    assert (status, problem["code"], problem["scope"]) == (403, "missing_scope", scope)


async def test_only_admin_may_change_the_url_of_an_exempted_subscription(api: Api) -> None:
    _, made = await api.call("POST", "/v1/webhooks", {"url": "https://a.example/", **LOOPBACK})
    path = f"/v1/webhooks/{made['id']}"
    status, problem = await api.call("PATCH", path, {"url": "http://127.0.0.1:6379/"}, token="reader")
    assert (status, problem["scope"]) == (403, "admin")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://127.0.0.1/"}, "forbidden_address"),
        ({"url": "https://169.254.169.254/"}, "forbidden_address"),
        ({"url": "http://one.example/"}, "invalid_url"),
        ({"url": "https://one.example/", "secret": "short"}, "invalid_secret"),
        ({"url": "https://one.example/", "surprise": 1}, "invalid"),
        ({"url": "https://one.example/", "types": []}, "invalid"),
        ({"url": "https://one.example/", "include": "everything"}, "invalid"),
        ({"url": "https://one.example/", "headers": {"X": "a\r\nb"}}, "invalid"),
        ({}, "invalid"),
    ],
)
async def test_invalid_subscriptions_are_422(api: Api, body: dict[str, Any], code: str) -> None:
    status, problem = await api.call("POST", "/v1/webhooks", body)
    assert (status, problem["code"]) == (422, code)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("calback.*", "did you mean 'callback.*'?"),
        ("call.endd", "did you mean 'call.ended'?"),
        ("handoff", "did you mean 'handoff."),
        ("zz9.*", "/asyncapi.json lists the event types"),
        ("*.acceptd", "matches no event type"),
    ],
)
async def test_a_type_that_matches_no_event_is_refused(api: Api, pattern: str, hint: str) -> None:
    wanted = {"url": "https://one.example/", "types": ["message.*", pattern]}
    status, problem = await api.call("POST", "/v1/webhooks", wanted)
    assert (status, problem["code"]) == (422, "invalid")
    (error,) = problem["errors"]
    assert error["pointer"] == "/types/1"
    assert hint in error["detail"]
    _, made = await api.call("POST", "/v1/webhooks", {"url": "https://one.example/"})
    status, _ = await api.call("PATCH", f"/v1/webhooks/{made['id']}", {"types": [pattern]})
    assert status == 422


async def test_types_that_an_earlier_release_accepted_stay(api: Api, store: Store) -> None:
    """Until somebody states them again."""
    spec = SubscriptionSpec(url="https://one.example/", types=("nothing.*",))
    id_ = public_id(store.hashes("default"), (await create(store, "default", spec)).id)
    status, changed = await api.call("PATCH", f"/v1/webhooks/{id_}", {"rate_per_s": 5})
    assert (status, changed["types"]) == (200, ["nothing.*"])
    _, listed = await api.call("GET", "/v1/webhooks")
    assert "nothing.at.all" in [it["types"][0] for it in listed["webhooks"]]


async def test_another_tenants_subscription_is_404(api: Api) -> None:
    _, made = await api.call("POST", "/v1/webhooks", {"url": "https://one.example/"}, token="hooks")
    path = f"/v1/webhooks/{made['id']}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {}),
        ("DELETE", "", None),
        ("POST", "/test", None),
        ("GET", "/deliveries", None),
        ("POST", "/replay", {"since": "2026-01-01T00:00:00Z"}),
    ]
    for method, rest, body in calls:
        status, _ = await api.call(method, path + rest, body, token="other")
        assert status == 404, (method, rest)
    _, listed = await api.call("GET", "/v1/webhooks", token="other")
    assert listed["webhooks"] == []


async def test_a_test_message_returns_the_subscribers_response(api: Api) -> None:
    async with subscriber(secret=SECRET) as platform:
        id_ = await api.subscribe(platform, secret=SECRET)
        status, view = await api.call("POST", f"/v1/webhooks/{id_}/test")
        assert (status, view["type"], view["state"]) == (200, "webhook.test", "delivered")
        (attempt,) = view["attempts"]
        assert (attempt["status"], attempt["answer"]) == (200, "received")
        platform.status = 401
        _, view = await api.call("POST", f"/v1/webhooks/{id_}/test")
        assert (view["state"], view["attempts"][0]["status"]) == ("pending", 401)


async def test_deliveries_are_paged_without_a_gap_and_replayed(api: Api) -> None:
    async with subscriber() as platform:
        id_ = await api.subscribe(platform, secret=SECRET)
        made = [await api.request_handoff(number) for number in range(12)]
        await until(lambda: len(platform.accepted) == 12)
        seen: list[str] = []
        cursor = ""
        while True:
            path = f"/v1/webhooks/{id_}/deliveries?limit=5{cursor}"
            _, page = await api.call("GET", path)
            assert page["total"] == 12
            seen += [it["id"] for it in page["deliveries"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert sorted(seen) == sorted(it.id for it in platform.accepted)
        _, one = await api.call("GET", f"/v1/webhooks/{id_}/deliveries?id={seen[3]}")
        assert [it["id"] for it in one["deliveries"]] == [seen[3]]
        status, _ = await api.call("GET", f"/v1/webhooks/{id_}/deliveries?id={seen[3]}&state=lost")
        assert status == 422
        status, replayed = await api.call("POST", f"/v1/webhooks/{id_}/replay", {"id": seen[3]})
        assert (status, replayed) == (202, {"queued": 1, "next": None})
        await until(lambda: len(platform.accepted) == 13)
        assert platform.accepted[-1].id == seen[3]
        since = {"since": made[0]["requested_at"]}
        await until_async(lambda: _delivered(api, id_))
        _, replayed = await api.call("POST", f"/v1/webhooks/{id_}/replay", since)
        assert replayed["queued"] == 12
        await until(lambda: len(platform.accepted) == 25)


async def _delivered(api: Api, id_: str) -> bool:
    _, view = await api.call("GET", f"/v1/webhooks/{id_}")
    return bool(view["status"]["pending"] == 0)


@pytest.mark.parametrize(
    "body", [{}, {"id": "ev_1", "since": "2026-01-01T00:00:00Z"}, {"since": "yesterday"}, {"since": ""}]
)
async def test_a_replay_needs_an_id_or_a_time(api: Api, body: dict[str, Any]) -> None:
    _, made = await api.call("POST", "/v1/webhooks", {"url": "https://one.example/"})
    status, _ = await api.call("POST", f"/v1/webhooks/{made['id']}/replay", body)
    assert status == 422


async def test_a_rotation_shows_the_new_secret_and_keeps_the_old_for_a_while(api: Api) -> None:
    async with subscriber() as platform:
        id_ = await api.subscribe(platform, secret=SECRET)
        _, patched = await api.call("PATCH", f"/v1/webhooks/{id_}", {"rotate_secret": True, "overlap_s": 60})
        assert patched["secret"] != SECRET
        assert len(patched["old_secrets_until"]) == 1
        await api.request_handoff()
        await until(lambda: platform.accepted)  # verified with the old secret
        platform.secret = patched["secret"]
        await api.request_handoff(1)
        await until(lambda: len(platform.accepted) == 2)
        status, _ = await api.call("PATCH", f"/v1/webhooks/{id_}", {"secret": SECRET, "overlap_s": 1e9})
        assert status == 422


async def test_enabling_a_disabled_subscription_sends_pending_deliveries(api: Api) -> None:
    async with subscriber(status=500) as platform:
        id_ = await api.subscribe(platform, secret=SECRET, retry_schedule_s=[1000.0])
        await api.request_handoff()
        await until(lambda: platform.received)
        _, off = await api.call("PATCH", f"/v1/webhooks/{id_}", {"enabled": False})
        assert (off["enabled"], off["disabled_reason"]) == (False, "asked")
        status, problem = await api.call("POST", f"/v1/webhooks/{id_}/test")
        assert (status, problem["code"]) == (409, "webhook_disabled")
        platform.status = 200
        _, on = await api.call("PATCH", f"/v1/webhooks/{id_}", {"enabled": True})
        assert on["enabled"]
        await until(lambda: platform.accepted)


async def test_changes_take_effect_and_null_restores_the_default(api: Api) -> None:
    async with subscriber() as platform:
        id_ = await api.subscribe(platform, secret=SECRET, types=["callback.*"], rate_per_s=5, name="old")
        change = {"types": ["handoff.*"], "rate_per_s": None, "name": None}
        _, patched = await api.call("PATCH", f"/v1/webhooks/{id_}", change)
        assert (patched["types"], patched["rate_per_s"], patched["name"]) == (["handoff.*"], None, None)
        assert patched["version"] == 2
        assert "secret" not in patched
        await api.request_handoff()
        await until(lambda: platform.accepted)


async def test_a_configured_subscription_is_listed_and_read_only(api: Api) -> None:
    _, listed = await api.call("GET", "/v1/webhooks")
    (configured,) = [it for it in listed["webhooks"] if it["url"] == "https://configured.example/"]
    path = f"/v1/webhooks/{configured['id']}"
    for method, body in (("PATCH", {"types": ["*"]}), ("DELETE", None)):
        status, problem = await api.call(method, path, body)
        assert (status, problem["code"]) == (409, "configured")


async def test_a_list_is_paged_newest_first(api: Api) -> None:
    made = []
    for number in range(5):
        _, view = await api.call("POST", "/v1/webhooks", {"url": f"https://w{number}.example/"})
        made.append(view["id"])
    _, first = await api.call("GET", "/v1/webhooks?limit=4")
    _, second = await api.call("GET", f"/v1/webhooks?limit=4&cursor={first['next']}")
    ids = [it["id"] for it in first["webhooks"] + second["webhooks"]]
    assert ids[:5] == made[::-1]
    assert (first["total"], len(ids), second["next"]) == (7, 7, None)
    _, oldest = await api.call("GET", "/v1/webhooks?limit=3&order=asc")
    assert oldest["webhooks"][2]["id"] == made[0]


async def test_a_deleted_subscription_is_404(api: Api) -> None:
    _, made = await api.call("POST", "/v1/webhooks", {"url": "https://one.example/"}, token="hooks")
    path = f"/v1/webhooks/{made['id']}"
    assert (await api.call("DELETE", path, token="hooks"))[0] == 204
    assert (await api.call("GET", path, token="hooks"))[0] == 404


async def test_a_stored_idempotent_response_has_no_plain_secret(api: Api, store: Store) -> None:
    body = {"url": "https://one.example/"}
    for _ in range(2):
        _, made = await api.call("POST", "/v1/webhooks", body, **{"Idempotency-Key": "k"})
        _, session = await api.call("POST", "/v1/sessions", {"agent": "erik"}, **{"Idempotency-Key": "s"})
        stored = await stored_values(store)
        assert made["secret"].encode() not in stored
        assert session["token"].encode() not in stored


async def test_an_idempotency_key_creates_one_subscription(api: Api) -> None:
    key = {"Idempotency-Key": "k-1"}
    body = {"url": "https://one.example/"}
    answers = [await api.call("POST", "/v1/webhooks", body, **key) for _ in range(2)]
    assert answers[0] == answers[1]
    _, listed = await api.call("GET", "/v1/webhooks")
    assert listed["total"] == 3


async def test_an_asymmetric_subscription_shows_its_public_key(api: Api) -> None:
    body = {"url": "https://one.example/", "signatures": ["v1a"]}
    _, made = await api.call("POST", "/v1/webhooks", body)
    assert made["public_key"].startswith("whpk_")
    assert "secret" not in made
