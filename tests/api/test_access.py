"""Access: tokens, scopes, and the separation of tenants."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.api.conftest import SECRET, Api, message

ROUTES: list[tuple[str, str, str]] = [
    ("POST", "/v1/touchpoints", "touchpoints:write"),
    ("GET", "/v1/touchpoints/tp_x", "context:read"),
    ("POST", "/v1/context", "context:read"),
    ("GET", "/v1/context?identity=user:anna", "context:read"),
    ("GET", "/v1/customers/cu_x/context", "context:read"),
    ("GET", "/v1/customers/cu_x/timeline", "context:read"),
    ("GET", "/v1/conversations/cv_x", "context:read"),
    ("POST", "/v1/handoffs", "handoffs:write"),
    ("GET", "/v1/handoffs", "handoffs:read"),
    ("GET", "/v1/handoffs/ho_x", "handoffs:read"),
    ("GET", "/v1/handoffs/ho_x/snapshots", "handoffs:read"),
    ("POST", "/v1/handoffs/ho_x/accept", "handoffs:write"),
    ("POST", "/v1/handoffs/ho_x/decline", "handoffs:write"),
    ("POST", "/v1/callbacks", "callbacks:write"),
    ("GET", "/v1/callbacks", "context:read"),
    ("GET", "/v1/callbacks/cb_x", "context:read"),
    ("POST", "/v1/callbacks/cb_x/cancel", "callbacks:write"),
    ("POST", "/v1/callbacks/cb_x/reschedule", "callbacks:write"),
    ("GET", "/v1/quarantine", "operate"),
    ("POST", "/v1/quarantine/00/replay", "operate"),
    ("DELETE", "/v1/quarantine/00", "operate"),
]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_every_route_needs_a_token_with_its_scope(api: Api, method: str, path: str, scope: str) -> None:
    for authorization in (None, "Bearer", "Basic abc"):
        headers = {"Authorization": authorization} if authorization else {}
        answer = await api.call(method, path, token=None, headers=headers)
        assert (answer.status, answer.code) == (401, "token_missing")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for authorization in ("Bearer nonsense", "Bearer " + "x" * 5000):
        answer = await api.call(method, path, token=None, headers={"Authorization": authorization})
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    answer = await api.call(method, path, {} if method == "POST" else None, token="nothing")
    assert (answer.status, answer.code) == (403, "missing_scope")
    assert answer.json["scope"] == scope


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
async def test_a_scope_allows_only_its_own_routes(api: Api, method: str, path: str, scope: str) -> None:
    for token in ("touchpoints:write", "context:read", "handoffs:write", "callbacks:write", "operate"):
        body: Any = {} if method == "POST" else None
        answer = await api.call(method, path, body, token=f"only-{token}")
        allowed = token == scope or (scope, token) == ("handoffs:read", "handoffs:write")
        assert (answer.status == 403) is not allowed, (token, answer.raw)


async def test_a_handoffs_context_also_needs_the_scope_for_contexts(api: Api) -> None:
    made = await request_handoff(api)
    only = "only-handoffs:write"
    assert (await api.get(f"/v1/handoffs/{made['id']}", token=only)).status == 200
    for part in ("context", "snapshot"):
        answer = await api.get(f"/v1/handoffs/{made['id']}/{part}", token=only)
        assert (answer.status, answer.json["scope"]) == (403, "context:read")


async def request_handoff(api: Api, token: str = "desk", **changes: Any) -> Any:
    body = {"identity": "user:anna", "from": {"channel": "chat", "party": "bot"}, "to": {"queue": "refunds"}}
    return await api.ok("POST", "/v1/handoffs", {**body, "reason": "refund", **changes}, token=token)


async def ids_of(api: Api, token: str) -> dict[str, str]:
    """Paths of one resource of each kind, in the token's tenant."""
    stored = await api.ok(
        "POST", "/v1/touchpoints", message("secret", text="canary", thread="t"), token=token
    )
    handoff = await request_handoff(api, token)
    callback = await api.ok(
        "POST", "/v1/callbacks", {"identity": "user:anna", "phone": "+358401234567"}, token=token
    )
    customer = handoff["customer_id"]
    return {
        "touchpoint": f"/v1/touchpoints/{stored['ids'][0]}",
        "context": f"/v1/customers/{customer}/context",
        "timeline": f"/v1/customers/{customer}/timeline",
        "conversation": f"/v1/conversations/{handoff['conversation_id']}",
        "handoff": f"/v1/handoffs/{handoff['id']}",
        "handoff context": f"/v1/handoffs/{handoff['id']}/context",
        "snapshots": f"/v1/handoffs/{handoff['id']}/snapshots",
        "snapshot": f"/v1/handoffs/{handoff['id']}/snapshot",
        "callback": f"/v1/callbacks/{callback['id']}",
    }


async def test_ids_of_one_tenant_are_404_in_another(api: Api) -> None:
    mine = await ids_of(api, "desk")
    for path in mine.values():
        assert (await api.get(path)).status == 200, path
    for existing in (False, True):
        if existing:
            await ids_of(api, "elsewhere")
        for path in mine.values():
            answer = await api.get(path, token="elsewhere")
            assert (answer.status, answer.code) == (404, "not_found"), path
            assert b"canary" not in answer.raw
        handoff, callback = mine["handoff"], mine["callback"]
        for path, body in (
            (f"{handoff}/accept", {"version": 1, "agent": "eve"}),
            (f"{handoff}/withdraw", {"version": 1}),
            (f"{callback}/cancel", {}),
            (f"{callback}/reschedule", {"due": "2031-01-01T00:00:00Z"}),
        ):
            assert (await api.post(path, body, token="elsewhere")).status == 404, path
    assert (await api.ok("GET", mine["handoff"]))["state"] == "requested"


async def test_the_same_person_in_two_tenants_is_two(api: Api) -> None:
    await api.record("e1", text="mine")
    assert (await api.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="elsewhere"))[
        "match"
    ] == "none"
    await api.ok("POST", "/v1/touchpoints", message("e1", text="theirs"), token="elsewhere")
    mine = await api.context()
    theirs = await api.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="elsewhere")
    assert [it["text"] for it in mine["timeline"]["touchpoints"]] == ["mine"]
    assert [it["text"] for it in theirs["timeline"]["touchpoints"]] == ["theirs"]
    assert mine["customer"]["id"] != theirs["customer"]["id"]


async def test_lists_and_quarantine_show_only_their_own_tenant(api: Api) -> None:
    await ids_of(api, "desk")
    await api.post("/in/shop/v1/track", data=b"{", token=None, headers=shop_headers())
    (kept,) = (await api.ok("GET", "/v1/quarantine"))["items"]
    for path in ("/v1/handoffs", "/v1/callbacks", "/v1/quarantine"):
        body = await api.ok("GET", path, token="elsewhere")
        assert body["returned"] == 0, path
    for method, path in (
        ("POST", f"/v1/quarantine/{kept['id']}/replay"),
        ("DELETE", f"/v1/quarantine/{kept['id']}"),
    ):
        assert (await api.call(method, path, token="elsewhere")).status == 404
    assert (await api.ok("GET", "/v1/quarantine"))["returned"] == 1


def shop_headers() -> dict[str, str]:
    import base64

    token = base64.b64encode(f"{SECRET}:".encode()).decode()
    return {"Authorization": f"Basic {token}", "Content-Type": "application/json"}


async def test_only_an_admin_may_use_the_tenant_header(api: Api) -> None:
    await api.record("e1")
    body = {"identities": ["user:anna"]}
    header = {"Handoff-Tenant": api.tenant}
    assert (await api.ok("POST", "/v1/context", body, token="admin"))["match"] == "none"
    assert (await api.ok("POST", "/v1/context", body, token="admin", headers=header))["match"] == "one"
    assert (await api.ok("POST", "/v1/context", body, headers=header))["match"] == "one"
    answer = await api.post("/v1/context", body, token="elsewhere", headers=header)
    assert (answer.status, answer.code) == (403, "other_tenant")
    answer = await api.post("/v1/context", body, token="admin", headers={"Handoff-Tenant": "no-such"})
    assert (answer.status, answer.code) == (404, "unknown_tenant")


async def test_idempotency_keys_are_separate_by_tenant_and_token(api: Api) -> None:
    key = {"Idempotency-Key": "same"}
    for token in ("desk", "elsewhere", "only-touchpoints:write"):
        answer = await api.post("/v1/touchpoints", message(f"by {token}"), token=token, headers=key)
        assert answer.status == 200
        assert "Idempotent-Replayed" not in answer.headers


async def test_a_customer_facing_token_sees_verified_touchpoints_by_default(api: Api) -> None:
    await api.record("sure")
    await api.record("claimed", identities=[{"type": "user", "value": "anna", "assurance": "claimed"}])
    mine = await api.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="bot")
    assert [it["text"] for it in mine["timeline"]["touchpoints"]] == ["text of sure"]
    assert mine["left_out"]["below_min_assurance"] == 1
    asked = {"identities": ["user:anna"], "min_assurance": "claimed"}
    assert (await api.ok("POST", "/v1/context", asked, token="bot"))["timeline"]["returned"] == 2


async def test_responses_must_not_be_cached(api: Api) -> None:
    await api.record("e1")
    answer = await api.post("/v1/context", {"identities": ["user:anna"]})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.headers["Handoff-Request-Id"]) == 16


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/nothing", "/v2/touchpoints", "/in/nobody"])
async def test_an_unknown_path_gets_a_problem_document(api: Api, path: str) -> None:
    answer = await api.post(path, {})
    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_wrong_method_lists_the_allowed_ones(api: Api) -> None:
    answer = await api.call("DELETE", "/v1/touchpoints")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    assert msgspec.json.decode(answer.raw)["detail"]
