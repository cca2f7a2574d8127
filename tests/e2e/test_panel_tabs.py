"""The panel over a whole shift: many customers after each other, frozen tabs, and late answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Request, Route, expect

from tests.e2e.agents import Backend

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_customers_of_before_leave_the_stream(backend: Backend) -> None:
    """Each opens before the one before it is forgotten."""
    for name in ("anna", "bertta", "cecilia"):
        await backend.record(f"of {name}", identities=[f"user:{name}"])
    tab = await backend.new_tab()
    streams: list[list[str]] = []

    def opened(request: Request) -> None:
        if request.url.endswith("/v1/events"):
            streams.append([it["topic"] for it in (request.post_data_json or {})["topics"]])

    tab.page.on("request", opened)
    await tab.page.clock.install()
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&identity=user:anna")
    for name in ("bertta", "cecilia", "anna", "cecilia"):
        await tab.wait_until_live()
        await tab.page.evaluate("name => { location.hash = `identity=user:${name}`; }", name)
        await expect(tab.entry(f"text of of {name}")).to_be_visible()
    await tab.wait_until_live()
    async with tab.page.expect_request("**/v1/events"):  # the stream without them
        await tab.page.clock.run_for(5000)
    customer = (await backend.call("GET", "/v1/context?identity=user:cecilia"))["customer"]["id"]
    assert streams[-1] == [f"customer:{customer}"]


async def test_a_late_answer_does_not_change_the_story_that_is_shown_now(backend: Backend) -> None:
    await backend.record("first")
    await backend.record("other", identities=["user:bertta"])
    mine, next_one = await backend.hand_over(), await backend.hand_over(identity="user:bertta", reason="Next")
    tab = await backend.open_panel(f"handoff={mine}")
    held: list[Route] = []
    await tab.page.route(f"**/{mine}/accept", lambda route: held.append(route))
    await tab.context.get_by_role("button", name="Accept").click()
    await expect(tab.context.locator(".notice")).to_have_text("Sending…")
    await tab.page.evaluate("id => { location.hash = `handoff=${id}`; }", next_one)
    await expect(tab.entry("text of other")).to_be_visible()  # until then, the stream of before is live
    await tab.wait_until_live()
    await tab.page.route("**/context?*", lambda route: route.abort())  # nothing corrects it
    async with tab.page.expect_response(f"**/{mine}/accept"):
        await held[0].continue_()
    await tab.context.get_by_role("button", name="Accept").click()  # the other one is still on its way
    await expect(tab.context.locator(".handoff-line")).to_contain_text("yours")
    assert (await backend.call("GET", f"/v1/handoffs/{next_one}"))["owner"] == "ville"


async def test_a_move_whose_conflict_cannot_be_explained_is_not_stuck(backend: Backend) -> None:
    """The agent's name is asked again after a renewed session, and that request fails."""
    await backend.record("first")
    id_ = await backend.hand_over()
    token = await backend.token("ville")
    tab = await backend.new_tab()
    await tab.page.route("**/v1/events", lambda route: route.abort())
    await tab.page.goto(f"{backend.url}/panel/#token={token}&handoff={id_}")
    accept = tab.context.get_by_role("button", name="Accept")
    await accept.wait_for()
    await tab.page.route("**/v1/handoffs/*/context?*", lambda route: route.abort())
    await tab.page.route("**/sessions/current", lambda route: route.abort())
    other = await backend.token("aino")
    await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=other)
    await tab.page.evaluate("document.querySelector('handoff-context').api.current = undefined")
    await accept.click()
    await expect(tab.context.locator(".notice")).to_contain_text("aino")


async def test_a_decline_after_another_agents_does_not_decline_the_next_step(backend: Backend) -> None:
    """The next step is the same queue again, so the handoff looks as before."""
    await backend.record("first")
    again = {"channel": "chat", "queue": "refunds", "deadline_s": 900}
    id_ = await backend.hand_over(fallback=[again, {**again, "queue": "claims"}])
    token, other = await backend.token("ville"), await backend.token("aino")
    reason = {"version": 1, "reason": "Not mine"}

    async def decline_first(route: Route) -> None:
        await backend.call("POST", f"/v1/handoffs/{id_}/decline", reason, token=other)
        await route.continue_()

    tab = await backend.new_tab()
    await tab.page.route("**/v1/events", lambda route: route.abort())
    await tab.page.route("**/decline", decline_first, times=1)
    await tab.page.goto(f"{backend.url}/panel/#token={token}&queue=refunds")
    card = tab.queue.locator(".card")
    await card.get_by_role("button", name="Decline").click()
    await tab.queue.get_by_role("textbox", name="Reason").fill("Not mine")
    await tab.page.keyboard.press("Enter")
    await expect(tab.queue.locator(".status")).to_contain_text("waiting")
    now = await backend.call("GET", f"/v1/handoffs/{id_}")
    assert (now["fallback_used"], now["to"]["queue"]) == (1, "refunds")


async def test_without_a_stream_another_queue_is_read_at_once(backend: Backend) -> None:
    await backend.hand_over(to={"channel": "chat", "queue": "claims"})
    tab = await backend.new_tab()
    await tab.page.clock.install()
    await tab.page.route("**/v1/events", lambda route: route.abort())
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    connection = tab.queue.locator(".connection")
    for _ in range(3):
        await tab.page.clock.run_for(3000)
    await expect(connection).to_have_attribute("data-state", "polling")
    await tab.page.clock.pause_at(await tab.page.evaluate("Date.now() + 100"))
    await tab.page.evaluate("document.querySelector('handoff-queue').setAttribute('queue', 'claims')")
    await expect(tab.queue.locator(".card")).to_have_count(1)


async def test_a_queue_without_a_possible_name_stops_no_other(backend: Backend) -> None:
    tab = await backend.open_panel("queue=refunds " + "x" * 300)
    status = tab.queue.locator(".status")
    await expect(status).to_contain_text("A topic is")
    await backend.hand_over()
    await expect(tab.queue.locator(".card")).to_have_count(1)


async def test_words_typed_while_a_note_is_sent_stay(backend: Backend) -> None:
    await backend.record("first")
    tab = await backend.open_panel("identity=user:anna")
    held: list[Any] = []
    await tab.page.route("**/v1/touchpoints", lambda route: held.append(route))
    note = tab.context.locator(".compose").get_by_role("textbox").first
    await note.fill("Called back")
    async with tab.page.expect_request("**/v1/touchpoints"):
        await tab.context.get_by_role("button", name="Add", exact=True).click()
    await note.fill("Called back, and wants a letter")
    await held[0].continue_()
    await expect(tab.entry("Called back")).to_be_visible()
    await expect(note).to_have_value("Called back, and wants a letter")


@pytest.mark.parametrize("action", ["Complete", "Release", "Decline"])
async def test_a_move_whose_answer_was_lost_is_done(backend: Backend, action: str) -> None:
    await backend.record("first")
    fallback = [{"channel": "chat", "queue": name, "deadline_s": 900} for name in ("refunds", "claims")]
    id_, token = await backend.hand_over(fallback=fallback), await backend.token("ville")
    if action != "Decline":
        await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=token)
    lost: list[str] = []

    async def lose_the_answer(route: Route) -> None:
        await backend.call("POST", route.request.url.removeprefix(backend.url), body_of(route), token=token)
        lost.append(route.request.url)
        await route.abort()

    tab = await backend.new_tab()
    await tab.page.route("**/v1/events", lambda route: route.abort())
    await tab.page.route(f"**/{action.lower()}", lose_the_answer, times=1)
    await tab.page.goto(f"{backend.url}/panel/#token={token}&queue=refunds")
    button = tab.queue.locator(".card").get_by_role("button", name=action)
    await button.wait_for()
    await tab.page.route("**/v1/handoffs?*", lambda route: route.abort())  # no list shows the change
    status = tab.queue.locator(".status")
    await button.click()
    if action != "Complete":
        await tab.page.keyboard.type("Not mine")
    for text in ("The server is not responding.", f"{action}d."):
        await tab.page.keyboard.press("Enter")  # what was typed is still there
        await expect(status).to_have_text(text)
    assert len(lost) == 1
    now = await backend.call("GET", f"/v1/handoffs/{id_}")
    assert now["fallback_used"] == (action == "Decline")


def body_of(route: Route) -> Any:
    return route.request.post_data_json


async def test_a_queue_that_is_listed_in_part_is_marked_and_filled_up(backend: Backend) -> None:
    """A stream that begins with 200 waiting handoffs and more, which other agents then accept."""
    id_ = await backend.hand_over()
    one = await backend.call("GET", f"/v1/handoffs/{id_}")
    many = [{**one, "id": f"of-others-{n}"} for n in range(200)]
    ended = [{**it, "version": 9, "state": "completed"} for it in many[:151]]
    start = {"topic": "queue:refunds", "position": "1-1"}
    events = [
        ("started", {**start, "data": {"handoffs": many, "more": True}}),
        ("ready", {"topics": [start]}),
        *(("handoff.completed", {**start, "data": it}) for it in ended),
    ]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    tab = await backend.new_tab()
    held: list[Route] = []
    await tab.page.route("**/v1/handoffs?*", lambda route: held.append(route))
    await tab.page.route("**/v1/events", lambda _route: None)  # no second stream, and no polling
    stream = {"status": 200, "content_type": "text/event-stream", "body": body}
    await tab.page.route("**/v1/events", lambda route: route.fulfill(**stream), times=1)
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    cut = tab.queue.get_by_text("Not all handoffs are shown")
    await expect(tab.queue.locator(".card")).to_have_count(49)
    await expect(cut).to_be_visible()
    await tab.page.unroute("**/v1/handoffs?*")
    for route in held:
        await route.continue_()
    await expect(tab.queue.locator(".card")).to_have_count(1)
    await expect(cut).to_have_count(0)
