"""Callbacks: their customer, and a timeline entry for every step."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

NUMBER = "+358401234567"


async def promise(api: Api, **changes: Any) -> Any:
    return await api.ok("POST", "/v1/callbacks", {"identity": "user:anna", "phone": NUMBER, **changes})


async def types(api: Api) -> list[str]:
    return [it["type"] for it in reversed((await api.context())["timeline"]["touchpoints"])]


async def test_a_callback_is_in_the_timeline_of_its_customer(api: Api) -> None:
    answer = await api.post(
        "/v1/callbacks",
        {
            "identity": "user:anna",
            "phone": "+358 40 1234567",
            "reason": "refund",
            "due": "2031-01-01T10:00:00+02:00",
        },
    )
    made = answer.json
    assert (answer.status, made["state"], made["phone"]) == (201, "scheduled", NUMBER)
    assert made["due"] == "2031-01-01T08:00:00.000000Z"
    assert answer.headers["Location"] == f"/v1/callbacks/{made['id']}"
    assert await types(api) == ["callback.requested", "callback.scheduled"]
    context = await api.context()
    assert made["customer_id"] == context["customer"]["id"]
    assert [it["code"] for it in context["brief"]["promised"]] == ["callback"]
    assert [it["code"] for it in context["brief"]["tried"]] == ["asked_call_back"]


async def test_a_typed_number_links_no_customers(api: Api) -> None:
    await promise(api)
    await api.record("call", identities=[f"phone:{NUMBER}"], channel="phone", type="call.started")
    context = await api.context()
    assert [it["type"] for it in context["customer"]["identities"]] == ["user"]
    assert context["customer"]["candidates"] == []
    assert (await api.context(f"phone:{NUMBER}"))["customer"]["id"] != context["customer"]["id"]


async def test_without_an_identity_the_number_names_the_customer(api: Api) -> None:
    made = await api.ok("POST", "/v1/callbacks", {"phone": NUMBER})
    assert (await api.context(f"phone:{NUMBER}"))["customer"]["id"] == made["customer_id"]


async def test_a_callback_is_rescheduled_and_cancelled_once(api: Api) -> None:
    made = await promise(api)
    path = f"/v1/callbacks/{made['id']}"
    later = await api.ok("POST", f"{path}/reschedule", {"due": "2031-02-02T10:00:00Z"})
    assert (later["state"], later["version"], later["due"]) == ("scheduled", 2, "2031-02-02T10:00:00.000000Z")
    gone = await api.ok("POST", f"{path}/cancel")
    assert (gone["state"], gone["version"]) == ("cancelled", 3)
    for action, given in (("cancel", {}), ("reschedule", {"due": "2031-02-02T10:00:00Z"})):
        answer = await api.post(f"{path}/{action}", given)
        assert (answer.status, answer.code) == (409, "illegal_transition")
        assert answer.json["current"]["state"] == "cancelled"
    assert await types(api) == ["callback.requested", "callback.rescheduled", "callback.cancelled"]


async def test_the_timeline_has_the_reason_of_a_change(api: Api) -> None:
    path = f"/v1/callbacks/{(await promise(api, reason='refund'))['id']}"
    await api.ok("POST", f"{path}/reschedule", {"due": "2031-02-02T10:00:00Z", "reason": "at work till four"})
    await api.ok("POST", f"{path}/cancel", {"reason": "came to the branch"})
    timeline = (await api.context())["timeline"]["touchpoints"]
    assert [it["text"] for it in timeline] == ["came to the branch", "at work till four", "refund"]
    too_long = {"reason": "x" * 2001, "due": "2031-02-02T10:00:00Z"}
    assert (await api.post(f"{path}/reschedule", too_long)).status == 422
    assert (await api.post(f"{path}/cancel", {"reason": "x" * 2001})).status == 422


async def test_a_callback_in_the_past_is_422(api: Api) -> None:
    made = await promise(api)
    answer = await api.post(f"/v1/callbacks/{made['id']}/reschedule", {"due": "2020-01-01T00:00:00Z"})
    assert (answer.status, answer.code) == (422, "due_in_the_past")
    assert (await api.ok("GET", f"/v1/callbacks/{made['id']}"))["version"] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"phone": "12"},
        {"phone": "call me"},
        {"due": "soon"},
        {"customer_id": "cu_x"},
        {"reason": "x" * 2001},
        {"data": {"note": "x" * 300_000}},
        {"data": {"n": 2**80}},
    ],
)
async def test_an_invalid_request_is_422(api: Api, change: dict[str, Any]) -> None:
    answer = await api.post("/v1/callbacks", {"identity": "user:anna", "phone": NUMBER, **change})
    assert answer.status == 422
    assert answer.code
    assert (await api.ok("GET", "/v1/callbacks"))["returned"] == 0


async def test_an_error_points_at_the_invalid_number(api: Api) -> None:
    answer = await api.post("/v1/callbacks", {"phone": "12"})
    assert (answer.status, answer.code) == (422, "invalid_identity")
    assert [it["pointer"] for it in answer.json["errors"]] == ["/phone"]


async def test_a_rejected_request_creates_no_callback(api: Api) -> None:
    answer = await api.post("/v1/callbacks", {"identity": "email:noreply@example.com", "phone": NUMBER})
    assert (answer.status, answer.code) == (422, "blocked_identity")
    assert [it["pointer"] for it in answer.json["errors"]] == ["/identity"]
    assert (await api.ok("GET", "/v1/callbacks"))["total"] == 0


async def test_a_callers_data_cannot_replace_the_servers_fields(api: Api) -> None:
    made = await promise(api, due="2031-01-01T10:00:00Z", data={"callback": "cb_x", "due": "soon", "shop": 7})
    asked = (await api.context())["timeline"]["touchpoints"][-1]
    due = "2031-01-01T10:00:00.000000Z"
    assert asked["data"] == {"callback": made["id"], "attempts": 0, "due": due, "shop": 7}


async def test_lists_are_filtered_by_state_and_paged(api: Api) -> None:
    made = [(await promise(api, identity=f"user:u{n}"))["id"] for n in range(5)]
    await api.ok("POST", f"/v1/callbacks/{made[1]}/cancel")
    view = await api.ok("GET", "/v1/callbacks?limit=3")
    rest = await api.ok("GET", f"/v1/callbacks?limit=3&cursor={view['next']}")
    assert [it["id"] for it in (*view["callbacks"], *rest["callbacks"])] == made[::-1]
    assert rest["next"] is None
    assert (view["total"], rest["total"]) == (5, 5)
    oldest = await api.ok("GET", "/v1/callbacks?limit=3&order=asc")
    rest = await api.ok("GET", f"/v1/callbacks?limit=3&order=asc&cursor={oldest['next']}")
    assert [it["id"] for it in (*oldest["callbacks"], *rest["callbacks"])] == made
    cancelled = await api.ok("GET", "/v1/callbacks?state=cancelled")
    assert ([it["id"] for it in cancelled["callbacks"]], cancelled["total"]) == ([made[1]], 1)
    unknown = await api.get("/v1/callbacks?state=lost")
    assert (unknown.status, unknown.code) == (422, "invalid_parameter")


@pytest.mark.parametrize("id_", ["cb_x", "ho_" + "A" * 22, "cb_" + "A" * 22])
async def test_an_unknown_callback_is_404(api: Api, id_: str) -> None:
    answer = await api.get(f"/v1/callbacks/{id_}")
    assert (answer.status, answer.code) == (404, "not_found")
