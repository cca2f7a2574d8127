"""A shift in the panel: sessions expire, the server goes away, and small things stay right."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession, web
from playwright.async_api import Browser, Route, expect

from handoff.bootstrap.server import running
from handoff.bootstrap.settings import PanelSettings, load_settings
from handoff.domain.errors import ConfigurationError
from tests.e2e.agents import REASON, Backend, free_port, settings
from tests.samples import WEEK_AGO
from tests.serving import options_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
SIGN_IN = "https://desk.example.com/sign-in"


async def end_session(backend: Backend, token: str) -> None:
    await backend.call("DELETE", "/v1/sessions/current", token=token)


async def test_an_expired_session_is_renewed_and_the_draft_is_kept(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    token = await backend.token("ville")
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}", token=token)
    await tab.wait_until_live()
    note = tab.context.locator(".compose").get_by_role("textbox").first
    await note.fill("Prefers to be called after five")
    await end_session(backend, token)
    asked = tab.page.get_by_role("alert").filter(has_text="Your session has expired.")
    await expect(asked).to_contain_text("Your drafts are kept")
    for element in (tab.queue, tab.context):
        await expect(element.locator(".connection")).to_have_text("Session expired")
    await expect(tab.entry("text of first")).to_be_visible()
    await expect(note).to_have_value("Prefers to be called after five")
    await asked.get_by_label("Token").fill(await backend.token("ville"))
    await tab.page.keyboard.press("Enter")
    await expect(asked).to_have_count(0)
    await tab.wait_until_live()
    await tab.wait_until_live("handoff-queue")
    await expect(note).to_have_value("Prefers to be called after five")
    await tab.context.get_by_role("button", name="Add", exact=True).click()
    await expect(tab.entry("Prefers to be called after five")).to_be_visible()
    await expect(note).to_have_value("")
    assert not [it for it in tab.errors if "401" not in it]


async def test_an_action_with_an_expired_session_shows_that_and_asks_for_a_new_one(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    token = await backend.token("ville")
    tab = await backend.new_tab()
    await tab.page.route("**/v1/events", lambda route: route.abort())  # no stream reports it
    await tab.page.goto(f"{backend.url}/panel/#token={token}&queue=refunds")
    accept = tab.queue.locator(".card").get_by_role("button", name="Accept")
    await accept.wait_for()
    await end_session(backend, token)
    await accept.click()
    await expect(tab.queue.locator(".status")).to_have_text(
        "Your session has expired. Sign in again to continue."
    )
    await expect(tab.page.get_by_role("alert").get_by_label("Token")).to_be_visible()


async def test_after_a_reload_and_back_there_is_a_way_in(valkey: str, chromium: Browser) -> None:
    chosen = msgspec.structs.replace(settings(valkey), panel=PanelSettings(sign_in_url=SIGN_IN))
    options = options_of()
    async with running(chosen, options) as server, ClientSession() as http:
        backend = Backend(server.url, chosen.tokens[0].secret, http, chromium)
        await backend.record("first")
        tab = await backend.open_panel("queue=refunds&identity=user:anna")
        await tab.wait_until_live()
        await tab.page.reload()
        link = tab.page.get_by_role("link", name="Sign in")
        await expect(link).to_have_attribute("href", f"{SIGN_IN}#identity=user%3Aanna&queue=refunds")
        await tab.page.goto(f"{backend.url}/docs")
        await tab.page.go_back()
        await expect(link).to_be_visible()
        await tab.page.get_by_label("Token").fill(await backend.token("ville"))
        await tab.page.keyboard.press("Enter")
        await expect(tab.entry("text of first")).to_be_visible()


@pytest.mark.parametrize("url", ["desk.example.com", "javascript:alert(1)", "https://desk.example.com/#x"])
async def test_a_sign_in_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    path = tmp_path / "handoff.toml"
    path.write_text(f'[panel]\nsign_in_url = "{url}"\n')
    with pytest.raises(ConfigurationError, match="sign_in_url"):
        load_settings(path, {})


async def test_not_responding_goes_away_once_the_server_answers(valkey: str, chromium: Browser) -> None:
    chosen = settings(valkey, free_port())
    options = options_of()
    async with ClientSession() as http:
        async with running(chosen, options) as server:
            backend = Backend(server.url, chosen.tokens[0].secret, http, chromium)
            await backend.record("first")
            id_ = await backend.hand_over()
            tab = await backend.open_panel(f"queue=refunds&handoff={id_}")
            await tab.wait_until_live()
            await tab.wait_until_live("handoff-queue")
        texts = tab.queue.locator(".status"), tab.context.locator(".notice")
        for element, text in zip((tab.queue, tab.context), texts, strict=True):
            await element.get_by_role("button", name="Accept").click()
            await expect(text).to_have_text("The server is not responding.")
        async with running(chosen, options):
            for text in texts:
                await expect(text).to_have_text("")
            await tab.queue.get_by_role("button", name="Accept").click()
            await expect(texts[0]).to_have_text("Accepted. This handoff is yours.")


async def test_a_callback_that_was_missed_once_is_not_missed_three_times(backend: Backend) -> None:
    call = {"channel": "phone", "thread": "call-1", "text": None, "data": {"callback": "cb1"}}
    due = {"callback": "cb1", "due": f"{WEEK_AGO}T12:00:00Z"}
    await backend.record("asked", type="callback.requested", **{**call, "data": due})
    await backend.record("tried", type="callback.attempted", occurred_at=f"{WEEK_AGO}T12:00:00Z", **call)
    await backend.record("missed", type="callback.missed", occurred_at=f"{WEEK_AGO}T12:01:00Z", **call)
    tab = await backend.open_panel("identity=user:anna")
    promised = tab.context.locator(".part.promised .line")
    await expect(promised).to_contain_text("missed")
    await expect(promised).not_to_contain_text("×")
    await expect(tab.context.locator(".why")).to_contain_text("Our callback was missed")
    await backend.record("again", type="callback.attempted", occurred_at=f"{WEEK_AGO}T13:00:00Z", **call)
    await backend.record("twice", type="callback.missed", occurred_at=f"{WEEK_AGO}T13:01:00Z", **call)
    await expect(promised).to_contain_text("2×")


async def test_waiting_ends_with_the_handoff(backend: Backend) -> None:
    await backend.record("first", text="Where is my refund?", thread="chat-1")
    id_ = await backend.hand_over()
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}")
    why = tab.context.locator(".why")
    await expect(why).to_contain_text("Waiting for")
    await tab.context.get_by_role("button", name="Accept").click()
    await tab.context.get_by_role("button", name="Complete").click()
    await tab.page.keyboard.press("Enter")
    await expect(tab.context.locator(".notice")).to_have_text("Completed.")
    await expect(why).not_to_contain_text("Waiting")
    await expect(tab.context.locator(".handoff-line")).not_to_contain_text("waiting")


async def test_a_look_at_the_context_does_not_undo_the_agents_next_move(backend: Backend) -> None:
    """The report that the owner looked makes a new version of the handoff."""
    await backend.record("first")
    id_ = await backend.hand_over()
    token = await backend.token("ville")

    async def look_first(route: Route) -> None:
        await backend.call("POST", f"/v1/handoffs/{id_}/viewed", {}, token=token)
        await route.continue_()

    tab = await backend.new_tab()
    await tab.page.route("**/viewed", lambda route: route.abort())
    await tab.page.route("**/complete", look_first, times=1)
    await tab.page.goto(f"{backend.url}/panel/#token={token}&handoff={id_}")
    await tab.context.get_by_role("button", name="Accept").click()
    await tab.context.get_by_role("button", name="Complete").click()
    await tab.page.keyboard.press("Enter")
    await expect(tab.context.locator(".notice")).to_have_text("Completed.")
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["state"] == "completed"


async def test_an_accept_whose_answer_was_lost_can_be_repeated(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    token = await backend.token("ville")

    async def lose_the_answer(route: Route) -> None:
        await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=token)
        await route.abort()

    tab = await backend.new_tab()
    await tab.page.route("**/v1/events", lambda route: route.abort())
    await tab.page.route("**/accept", lose_the_answer, times=1)
    await tab.page.goto(f"{backend.url}/panel/#token={token}&queue=refunds")
    accept = tab.queue.locator(".card").get_by_role("button", name="Accept")
    await accept.wait_for()
    await tab.page.route("**/v1/handoffs?*", lambda route: route.abort())  # nor a list
    await accept.click()
    status = tab.queue.locator(".status")
    await expect(status).to_have_text("The server is not responding.")
    await accept.click()
    await expect(status).to_have_text("Accepted. This handoff is yours.")
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["owner"] == "ville"


async def test_a_look_up_by_identity_offers_the_pending_handoff(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    tab = await backend.open_panel("identity=user:anna")
    await tab.context.get_by_role("button", name="Accept").click()
    await expect(tab.context.locator(".handoff-line")).to_contain_text("yours")


async def test_cards_open_on_click_and_on_enter_and_keep_the_focus(backend: Backend) -> None:
    for identity in ("user:anna", "user:bertta"):
        await backend.record(f"of {identity}", identities=[identity])
        await backend.hand_over(identity=identity, reason=f"Reason of {identity}")
    tab = await backend.open_panel("queue=refunds")
    await tab.wait_until_live("handoff-queue")
    cards = tab.queue.locator(".card")
    await tab.page.keyboard.press("Tab")
    await tab.page.keyboard.press("Enter")
    await expect(tab.entry("text of of user:anna")).to_be_visible()
    await expect(cards.nth(0)).to_be_focused()
    await tab.page.keyboard.press("d")
    await expect(tab.queue.get_by_role("textbox", name="Reason")).to_be_focused()
    await tab.page.keyboard.press("Escape")
    await expect(cards.nth(0)).to_be_focused()
    await cards.nth(1).locator(".card-why").click()
    await expect(tab.entry("text of of user:bertta")).to_be_visible()
    await expect(cards.nth(1)).to_have_attribute("aria-current", "true")
    assert not tab.errors


async def test_without_a_queue_the_first_enter_keeps_the_focus_too(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    tab = await backend.open_panel("language=en")
    await tab.wait_until_live("handoff-queue")
    await tab.queue.locator(".card").focus()
    await tab.page.keyboard.press("Enter")
    await tab.wait_until_live()
    await expect(tab.queue.locator(".card")).to_be_focused()
    await tab.page.keyboard.press("a")
    await expect(tab.queue.locator(".group.mine .card")).to_contain_text(REASON)


async def test_dates_of_other_years_have_their_year(backend: Backend) -> None:
    await backend.record("old", occurred_at="2019-03-05T10:00:00Z", text="long ago")
    tab = await backend.open_panel("identity=user:anna")
    await expect(tab.entry("long ago")).to_be_visible()
    shown = await tab.page.evaluate(
        """async () => {
          const { Times } = await import("./text/times.js");
          const year = new Date().getFullYear();
          const times = new Times("en-GB", "Europe/Helsinki");
          return [times.short("2019-03-05T10:00:00Z"), times.short(`${year}-01-05T10:00:00Z`)];
        }"""
    )
    assert "2019" in shown[0]
    assert not re.search(r"20\d\d", shown[1])


async def test_a_frame_of_a_foreign_origin_shows_the_reason(valkey: str, chromium: Browser) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    chosen = settings(valkey)
    options = options_of()
    async with running(chosen, options) as server, ClientSession() as http:
        backend = Backend(server.url, chosen.tokens[0].secret, http, chromium)

        async def page(request: web.Request) -> web.Response:
            policy = request.match_info["policy"]
            html = f'<iframe referrerpolicy="{policy}" src="{server.url}/panel/"></iframe>'
            return web.Response(text=html, content_type="text/html")

        app = web.Application()
        app.add_routes([web.get("/{policy}", page)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            tab = await backend.new_tab()
            await tab.page.goto(f"{origin}/origin")
            inside = tab.page.frame_locator("iframe")
            await expect(inside.locator("body")).to_contain_text(f"{origin} may not embed this panel")
            await expect(inside.locator("script, main")).to_have_count(0)
            await tab.page.goto(f"{origin}/no-referrer")
            async with asyncio.timeout(20):
                while not any("frame-ancestors" in it for it in tab.errors):  # noqa: ASYNC110 - the browser
                    await asyncio.sleep(0.05)
        finally:
            await runner.cleanup()
