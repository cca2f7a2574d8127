"""Legal holds forbid an erasure; restrictions keep the data and show it to nobody."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Api, erase

WHY = {"reason": "lawsuit"}


async def customer_of(api: Api) -> str:
    await api.record("m1")
    return str((await api.context())["customer"]["id"])


async def test_a_held_customer_is_not_erased(api: Api) -> None:
    customer = await customer_of(api)
    view = await api.ok("PUT", f"/v1/customers/{customer}/hold", WHY, token="officer")
    assert (view["customer_id"], view["by"], view["reason"]) == (customer, "officer", "lawsuit")
    answer = await api.call("DELETE", f"/v1/customers/{customer}", token="officer")
    assert (answer.status, answer.code, answer.json["identities"]) == (409, "legal_hold", ["user:anna"])
    assert (await api.context())["match"] == "one"
    lifted = await api.call("DELETE", f"/v1/customers/{customer}/hold", token="officer")
    assert lifted.status == 204
    assert (await erase(api, customer))["state"] == "completed"


async def test_a_restricted_customer_is_hidden_from_everybody(api: Api) -> None:
    customer = await customer_of(api)
    touchpoint = (await api.context())["timeline"]["touchpoints"][0]["id"]
    await api.ok("PUT", f"/v1/customers/{customer}/restriction", WHY, token="officer")
    paths = [f"/v1/customers/{customer}/{it}" for it in ("context", "timeline", "export", "links", "events")]
    for path in (*paths, f"/v1/touchpoints/{touchpoint}", "/v1/context?identity=user:anna"):
        answer = await api.call("GET", path)
        assert (answer.status, answer.code) == (403, "restricted"), path
    assert (await api.record("m2"))["accepted"] == 1, "data is kept, so that nothing is lost"
    lifted = await api.call("DELETE", f"/v1/customers/{customer}/restriction", token="officer")
    assert lifted.status == 204
    assert (await api.context())["timeline"]["total"] == 2


async def test_who_takes_over_a_restricted_customer_gets_no_history(api: Api) -> None:
    customer = await customer_of(api)
    wanted: dict[str, Any] = {
        "customer_id": customer,
        "from": {"channel": "chat", "party": "bot"},
        "to": {"queue": "sales"},
        "reason": "asked",
    }
    handoff = await api.ok("POST", "/v1/handoffs", wanted)
    await api.ok("PUT", f"/v1/customers/{customer}/restriction", WHY, token="officer")
    accept = {"version": handoff["version"], "agent": "ville"}
    accepted = await api.ok("POST", f"/v1/handoffs/{handoff['id']}/accept", accept)
    assert accepted["owner"] == "ville"
    snapshot = await api.ok("GET", f"/v1/handoffs/{handoff['id']}/snapshot?at=accepted")
    assert "text of m1" not in str(snapshot)


async def test_a_restricted_customer_can_be_erased(api: Api) -> None:
    customer = await customer_of(api)
    await api.ok("PUT", f"/v1/customers/{customer}/restriction", WHY, token="officer")
    assert (await erase(api, customer))["receipt"]["counts"]["touchpoints"] == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("what", ["hold", "restriction"])
async def test_protecting_needs_its_own_scope(api: Api, method: str, what: str) -> None:
    customer = await customer_of(api)
    body = WHY if method == "PUT" else None
    answer = await api.call(method, f"/v1/customers/{customer}/{what}", body)
    assert (answer.status, answer.code) == (403, "missing_scope")
