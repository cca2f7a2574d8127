"""The customer's language in briefs, in handoffs, and in webhooks, by which platforms route."""

from __future__ import annotations

from typing import Any

from tests.delivery.subscribers import subscriber, until

from .conftest import Api
from .test_access import shop_headers
from .test_asyncapi import subscribe

GERMAN = "Wo bleibt meine Bestellung? Ich warte seit Montag und niemand ruft mich an."
STATED = {"language": "fi", "source": "stated"}
RECOGNISED = {"language": "de", "source": "recognised"}
TO = {"channel": "chat", "queue": "support"}


async def request(api: Api) -> Any:
    return await api.ok("POST", "/v1/handoffs", {"identity": "user:anna", "to": TO, "reason": "a person"})


async def state(api: Api, **traits: str) -> None:
    """The shop's server knows these traits of the customer."""
    body = {"messageId": "m1", "type": "identify", "userId": "anna", "traits": traits}
    sent = await api.post("/in/shop/v1/identify", body, token=None, headers=shop_headers())
    assert sent.status == 200, sent.raw


async def move(api: Api, handoff: Any, action: str) -> Any:
    moved = {"version": handoff["version"], "agent": "erik"}
    return await api.ok("POST", f"/v1/handoffs/{handoff['id']}/{action}", moved)


async def test_the_newest_messages_show_the_language_until_a_verified_trait_states_it(api: Api) -> None:
    await api.record("unsure", text="A-17")
    assert (await api.context())["brief"]["language"] is None
    await api.record("german", text=GERMAN)
    assert (await api.context())["brief"]["language"] == RECOGNISED
    await state(api, locale="fi_FI")
    assert (await api.context())["brief"]["language"] == STATED


async def test_a_handoff_and_its_webhooks_have_the_language_of_the_request_and_of_the_acceptance(
    api: Api,
) -> None:
    async with subscriber() as platform:
        await subscribe(api, platform, types=["handoff.*"])
        await api.record("german", text=GERMAN)
        handoff = await request(api)
        assert handoff["language"] == RECOGNISED
        await state(api, language="Finnish")
        assert (await api.ok("GET", f"/v1/handoffs/{handoff['id']}"))["language"] == RECOGNISED
        accepted = await move(api, await move(api, handoff, "offer"), "accept")
        assert accepted["language"] == STATED
        await until(lambda: "handoff.accepted" in platform.types())
    sent = {it.event["type"]: it.event["data"]["language"] for it in platform.accepted}
    assert sent == {
        "handoff.requested": RECOGNISED,
        "handoff.offered": RECOGNISED,
        "handoff.accepted": STATED,
    }


async def test_a_handoff_of_a_customer_who_wrote_nothing_has_no_language(api: Api) -> None:
    async with subscriber() as platform:
        await subscribe(api, platform, types=["handoff.*"])
        assert "language" not in await request(api)
        await until(lambda: platform.accepted)
    assert "language" not in platform.accepted[0].event["data"]
