"""The agents' desktop at work: the story shown, hand-offs moved by keyboard, everything live."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, expect

from handoff.bootstrap.server import Options, running
from handoff.cli.journey import DemoTargets, play
from tests.e2e.desks import ADMIN, REASON, Office, free_port, settings
from tests.store.servers import valkey_binary

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_demo_journey_is_told_in_reading_order(tmp_path: Path, chromium: Browser) -> None:
    valkey_binary()
    pytest.importorskip("segment.analytics")
    from docs import screenshots  # the same that the README's pictures show

    chosen = screenshots.settings(str(tmp_path / "data"))
    options = Options(admin_token=ADMIN)
    async with running(chosen, options) as server, ClientSession() as http:
        secrets = {it["name"]: it["secrets"][0] for it in chosen.sources if it.get("secrets")}
        bot = next(it.secret for it in chosen.tokens if it.name == "bot")
        await play(
            DemoTargets(
                url=server.url,
                web_key=secrets["shop-web"],
                chat_secret=secrets["shop-chat"],
                phone_token=secrets["shop-phone"],
                mail=server.listeners["shop-mail"],
                bot_token=bot,
            )
        )
        desk = await Office(server.url, ADMIN, http, chromium).desk("identity=phone:+358401234567")
        await desk.live()
        assert "token" not in desk.page.url
        story = desk.story
        await expect(story.locator("h2")).to_have_text("Anna Virtanen")
        await expect(story.locator(".identity", has_text="anna.virtanen@example.com")).to_contain_text("✓")
        why = story.locator(".why")
        await expect(why).to_contain_text("the bot cannot find the order")
        await expect(why).to_contain_text("Our call back was missed")
        await expect(why).to_contain_text(re.compile(r"Waiting for 4\d min"))
        await expect(story.locator(".part.wants .line", has_text="I have tried")).to_contain_text("claimed")
        await expect(story.locator(".part.tried")).to_contain_text("Returns and refunds")
        await expect(story.locator(".part.promised")).to_contain_text("missed")
        for channel in ("web", "chat", "phone", "email"):
            await expect(story.locator(f".entry[data-channel={channel}]").first).to_be_attached()
        order = await story.locator(".who-part, .why, .handoff-part, .part.wants, .right").evaluate_all(
            "(all) => all.map((it) => it.className.split(' ').pop().replace('-part', ''))"
        )
        assert order == ["who", "why", "handoff", "wants", "right"]
        await story.locator(".part.tried .line", has_text="Refund request").get_by_role("button").click()
        await expect(story.locator(".entry:focus")).to_contain_text("form failed")
        assert not desk.complaints


async def test_accepting_declining_and_completing_need_no_mouse(shop: Office) -> None:
    await shop.tell("first")
    await shop.tell("second", identities=["user:bertta"], text="another matter")
    await shop.hand_over()
    other = await shop.hand_over(identity="user:bertta", reason="Wants to cancel")
    desk = await shop.desk("queue=refunds")
    await desk.live("handoff-queue")
    cards = desk.queue.locator(".card")
    await expect(cards).to_have_count(2)
    keys = desk.page.keyboard
    await keys.press("Tab")
    await expect(cards.nth(0)).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("d")
    await keys.type("not my queue")
    await keys.press("Enter")
    await expect(cards).to_have_count(1)
    declined = await shop.call("GET", f"/v1/handoffs/{other}")
    assert declined["state"] == "declined"
    assert declined["history"][-1]["reason"] == "not my queue"
    await expect(cards.nth(0)).to_be_focused()
    await keys.press("a")
    await expect(desk.queue.locator(".group.mine .card")).to_contain_text(REASON)
    await expect(desk.story.locator(".handoff-line")).to_contain_text("yours")
    await expect(desk.story.locator(".entry", has_text="hand-off accepted")).to_be_visible()
    await expect(desk.story.locator(".entry", has_text="context viewed")).to_be_attached()
    await desk.queue.locator(".group.mine .card").focus()
    await keys.press("c")
    await expect(desk.queue.locator(".group.mine")).to_have_count(0)
    assert not desk.complaints


async def test_a_sound_is_made_only_where_it_was_asked_for(shop: Office) -> None:
    await shop.tell("first")
    await shop.hand_over()
    desk = await shop.tab()
    await desk.page.add_init_script(
        """window.tones = 0;
        window.OscillatorNode = class extends OscillatorNode {
          start(at) { window.tones += 1; super.start(at); }
        };"""
    )
    await desk.page.goto(f"{shop.url}/panel/#token={await shop.token('ville')}&queue=refunds")
    await desk.live("handoff-queue")
    cards = desk.queue.locator(".card")
    await expect(cards).to_have_count(1)
    await shop.hand_over(identity="user:bertta", reason="Silent")
    await expect(cards).to_have_count(2)
    assert await desk.page.evaluate("window.tones") == 0
    switch = desk.queue.get_by_role("switch", name="Sound")
    await expect(switch).to_have_attribute("aria-checked", "false")
    for _ in range(20):
        await desk.page.keyboard.press("Tab")
        if await switch.evaluate("(it) => it.matches(':focus')"):
            break
    await desk.page.keyboard.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    heard = await desk.page.evaluate("window.tones")
    assert heard > 0
    await shop.hand_over(identity="user:cecilia", reason="Heard")
    await expect(cards).to_have_count(3)
    assert await desk.page.evaluate("window.tones") > heard
    assert await desk.page.evaluate("Object.entries(localStorage)") == [["handoff-sound", "on"]]
    await desk.page.reload()
    await desk.page.get_by_label("Token").fill(await shop.token("ville"))
    await desk.page.keyboard.press("Enter")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await switch.click()
    assert await desk.page.evaluate("localStorage.length") == 0
    assert not [url for url in desk.asked if not url.startswith(shop.url)]
    assert not desk.complaints


async def test_of_two_agents_one_sees_that_the_other_was_faster(shop: Office) -> None:
    await shop.tell("first")
    id_ = await shop.hand_over()
    desk = await shop.desk("queue=refunds", agent="ville")
    card = desk.queue.locator(".group.waiting .card")
    await expect(card).to_have_count(1)
    # The other's answer is on its way to this desk while this agent decides.
    await desk.page.route("**/accept", lambda route: _after(shop, id_, route))
    await card.get_by_role("button", name="Accept").click()
    await expect(desk.queue.get_by_role("status").filter(has_text="aino was faster")).to_be_visible()
    await expect(card).to_have_count(0)
    assert (await shop.call("GET", f"/v1/handoffs/{id_}"))["owner"] == "aino"


async def _after(shop: Office, id_: str, route: object) -> None:
    other = await shop.token("aino")
    await shop.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=other)
    await route.continue_()  # type: ignore[attr-defined]


async def test_what_happens_while_it_is_open_is_shown_and_marked(shop: Office) -> None:
    await shop.tell("first")
    id_ = await shop.hand_over()
    desk = await shop.desk(f"handoff={id_}")
    await desk.live()
    await shop.tell("late", occurred_at="2026-11-21T09:00:00Z", text="I had asked before")
    await shop.tell("new", occurred_at="2026-11-21T10:05:00Z", channel="email", type="email.received")
    entry = desk.entry("I had asked before")
    await expect(entry.locator(".mark.late")).to_be_visible()
    await expect(entry.locator(".mark.new")).to_be_visible()
    await expect(desk.story.locator(".part.wants")).to_contain_text("text of new")
    await desk.story.get_by_role("button", name="What is new since?").click()
    compare = desk.story.locator(".compare")
    await expect(compare).to_contain_text("I had asked before")
    await expect(compare).to_contain_text("text of new")
    await expect(compare).not_to_contain_text("text of first")
    await desk.story.locator(".chip[data-channel=email]").click()
    await expect(desk.story.locator(".entry")).to_have_count(1)
    await desk.story.locator(".chip[data-channel=email]").click()
    await desk.story.get_by_role("searchbox").fill("asked before")
    await expect(desk.story.locator(".entry")).to_have_count(1)


async def test_what_the_owner_was_shown_stands_beside_what_is_known_now(shop: Office) -> None:
    due = {"promise": "p1", "due": "2026-11-21T12:00:00Z"}
    promise = {"type": "promise.made", "direction": "outbound", "data": due, "text": "We call you back"}
    await shop.tell("asked")
    await shop.tell("promised", occurred_at="2026-11-21T10:01:00Z", **promise)
    id_ = await shop.hand_over()
    desk = await shop.desk(f"handoff={id_}")
    await desk.live()
    await desk.story.get_by_role("button", name="What is new since?").click()
    compare = desk.story.locator(".compare")
    await expect(compare).to_contain_text("The brief says the same as then")
    await expect(compare.locator(".line")).to_have_count(0)
    kept = {"type": "promise.kept", "direction": "outbound", "data": {"promise": "p1"}, "text": ""}
    await shop.tell("kept", occurred_at="2026-11-21T10:02:00Z", **kept)
    wish = {"channel": "email", "type": "email.received", "text": "Can it go to the parcel shop?"}
    await shop.tell("wish", occurred_at="2026-11-21T10:03:00Z", **wish)
    verified = {"type": "email", "value": "anna@example.com", "assurance": "verified"}
    await shop.tell("mail", occurred_at="2026-11-21T10:04:00Z", identities=["user:anna", verified])
    await expect(compare.locator(".line", has_text="We call you back").first).to_contain_text("kept")
    await expect(compare.locator(".line", has_text="We call you back").first).to_contain_text("then: ")
    await expect(compare.locator(".line", has_text="parcel shop").first).to_contain_text("new")
    await expect(compare.locator(".line", has_text="anna@example.com")).to_contain_text("new")
    await desk.story.get_by_role("button", name="Close the comparison").click()
    await expect(compare).to_have_count(0)
    assert not desk.complaints


async def test_an_unlink_while_open_shows_the_right_person_alone(shop: Office) -> None:
    await shop.tell("own", text="mine alone")
    await shop.tell("other", identities=["email:olga@example.com"], text="a stranger's mail", channel="email")
    customer = await shop.call("GET", "/v1/context?identity=user:anna")
    link = await shop.call(
        "POST",
        f"/v1/customers/{customer['customer']['id']}/links",
        {"identity": "email:olga@example.com", "reason": "mistaken"},
    )
    desk = await shop.desk("identity=user:anna")
    await expect(desk.entry("a stranger's mail")).to_be_visible()
    await desk.live()
    customer = await shop.call("GET", "/v1/context?identity=user:anna")
    path = f"/v1/customers/{customer['customer']['id']}/links/{link['id']}/withdraw"
    await shop.call("POST", path, {"reason": "two people"})
    await expect(desk.entry("a stranger's mail")).to_have_count(0)
    await expect(desk.story.locator(".identities")).not_to_contain_text("olga@example.com")
    await expect(desk.entry("mine alone")).to_be_visible()


async def test_a_candidate_is_confirmed_or_refused_from_the_panel(shop: Office) -> None:
    await shop.tell("typed", identities=["user:anna", "email:anna@example.com"])
    await shop.tell("mail", identities=["email:anna@example.com"], text="an earlier mail", channel="email")
    desk = await shop.desk("identity=user:anna")
    await desk.story.get_by_role("button", name="Confirm email:anna@example.com").click()
    await expect(desk.entry("an earlier mail")).to_be_visible()
    await shop.tell("typed-2", identities=["user:bertta", "email:other@example.com"])
    await shop.tell("mail-2", identities=["email:other@example.com"], channel="email")
    second = await shop.desk("identity=user:bertta")
    await second.story.get_by_role("button", name="email:other@example.com is not this person").click()
    await expect(second.story.locator(".candidates")).to_have_count(0)


async def test_it_goes_on_where_it_was_when_the_server_comes_back(valkey: str, chromium: Browser) -> None:
    chosen = settings(valkey, free_port())
    options = Options(admin_token=ADMIN)
    async with ClientSession() as http:
        async with running(chosen, options) as server:
            shop = Office(server.url, chosen.tokens[0].secret, http, chromium)
            await shop.tell("before")
            desk = await shop.desk("identity=user:anna")
            await desk.live()
        await expect(desk.story.locator(".connection")).not_to_have_attribute("data-state", "live")
        async with running(chosen, options):
            await shop.tell("meanwhile", occurred_at="2026-11-21T10:01:00Z")
            await expect(desk.entry("text of meanwhile")).to_be_visible(timeout=15_000)
            await desk.live()
            await expect(desk.entry("text of before")).to_have_count(1)


async def test_without_streams_it_looks_by_itself_and_says_so(shop: Office) -> None:
    await shop.tell("before")
    desk = await shop.tab()
    await desk.page.clock.install()  # its pauses are long; here they pass as fast as the test likes

    async def sooner(shown: Locator) -> None:
        for _ in range(60):
            if await shown.count():
                return
            await desk.page.clock.fast_forward(3000)
            await asyncio.sleep(0.05)
        raise AssertionError(f"never shown: {shown}")

    await desk.page.route("**/events", lambda route: route.abort())
    fragment = f"token={await shop.token('ville')}&identity=user:anna&queue=refunds"
    await desk.page.goto(f"{shop.url}/panel/#{fragment}")
    await expect(desk.entry("text of before")).to_be_visible()
    for element in (desk.story, desk.queue):
        await sooner(element.locator(".connection[data-state=polling]"))
    await expect(desk.story.locator(".connection")).to_have_text("Updated now and then")
    await shop.tell("meanwhile", occurred_at="2026-11-21T10:01:00Z")
    await shop.hand_over()
    await sooner(desk.entry("text of meanwhile"))
    await sooner(desk.queue.locator(".card", has_text=REASON))
    await expect(desk.queue.locator(".connection")).to_have_attribute("data-state", "polling")
    await desk.page.unroute("**/events")
    for element in (desk.story, desk.queue):
        await sooner(element.locator(".connection[data-state=live]"))


async def test_notes_promises_and_wrap_ups_are_touchpoints(shop: Office) -> None:
    await shop.tell("first")
    desk = await shop.desk("identity=user:anna")
    form = desk.story.locator(".compose")
    await form.get_by_role("textbox").first.fill("Prefers to be called after five")
    await form.get_by_role("button", name="Add").click()
    await expect(desk.entry("Prefers to be called after five")).to_contain_text("internal")
    due = datetime.now(UTC) + timedelta(hours=30)
    await form.get_by_label("Promise").check()
    await form.get_by_role("textbox").first.fill("We refund the 89 euros")
    await form.get_by_role("button", name="Add").click()
    await expect(form).to_contain_text("A promise needs its time")
    await form.get_by_label("Due").fill((due + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"))  # Helsinki
    await form.get_by_role("button", name="Add").click()
    await expect(desk.story.locator(".part.promised")).to_contain_text("We refund the 89 euros")
    await form.get_by_role("button", name="Begin with the brief").click()
    await form.get_by_role("button", name="Add").click()
    await expect(desk.entry("Wants:")).to_be_visible()
    page = await shop.call("GET", "/v1/context?identity=user:anna")
    told = {it["type"]: it for it in page["timeline"]["touchpoints"]}
    assert told["promise.made"]["data"]["due"][:16] == due.strftime("%Y-%m-%dT%H:%M")
    assert told["note.added"]["visibility"] == "internal"
    assert told["note.added"]["actor"]["id"] == "ville"
    reader = await shop.desk("identity=user:anna", scopes=("context:read", "handoffs:read"))
    await expect(reader.story.locator(".entry.inbound")).to_be_visible()
    await expect(reader.story.locator(".compose")).to_have_count(0)


async def test_what_was_left_out_is_one_click_away(shop: Office) -> None:
    stamp = "2026-11-20T{:02}:{:02}:00Z"
    batch = [
        {
            "id": f"m{number}",
            "channel": "chat",
            "type": "message.received",
            "occurred_at": stamp.format(number // 60, number % 60),
            "identities": ["user:anna"],
            "text": f"message {number:03}",
        }
        for number in range(120)
    ]
    await shop.call("POST", "/v1/touchpoints", batch)
    desk = await shop.desk("identity=user:anna")
    entries = desk.story.locator(".entry")
    await expect(entries).to_have_count(50)
    await desk.story.get_by_role("button", name="Load older (70 not shown)").click()
    await expect(entries).to_have_count(100)
    await desk.story.get_by_role("button", name="Load older (20 not shown)").click()
    await expect(entries).to_have_count(120)
    texts = await entries.locator(".text").all_text_contents()
    assert texts == [f"message {number:03}" for number in reversed(range(120))]
    await expect(desk.story.locator(".rest")).to_contain_text("beginning")
