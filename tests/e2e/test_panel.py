"""The agent panel at work: history, handoffs by keyboard, and live updates."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from playwright.async_api import Browser, Locator, expect

from handoff.bootstrap.server import running
from handoff.cli.journey import DemoTargets, play
from tests.e2e.agents import ADMIN, REASON, Backend, free_port, settings
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO
from tests.serving import options_of
from tests.store.servers import valkey_binary

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_demo_journey_is_shown_in_reading_order(tmp_path: Path, chromium: Browser) -> None:
    valkey_binary()
    pytest.importorskip("segment.analytics")
    from docs import screenshots  # the journey in the README's pictures

    chosen = screenshots.settings(str(tmp_path / "data"))
    options = options_of()
    async with running(chosen, options) as server, ClientSession() as http:
        secrets = {it["name"]: it["secrets"][0] for it in chosen.sources if it.get("secrets")}
        bot = next(it.secret for it in chosen.tokens if it.name == "bot")
        targets = DemoTargets(
            url=server.url,
            web_key=secrets["shop-web"],
            chat_secret=secrets["shop-chat"],
            phone_token=secrets["shop-phone"],
            mail=server.listeners["shop-mail"],
            bot_token=bot,
        )
        async for _step in play(targets):
            pass
        tab = await Backend(server.url, ADMIN, http, chromium).open_panel(
            "queue=refunds&identity=phone:+358401234567", viewport={"width": 1280, "height": 720}
        )
        await tab.wait_until_live()
        assert await tab.share_of_lines_in_view() >= 0.9
        assert "token" not in tab.page.url
        story = tab.context
        await expect(story.locator("h2")).to_have_text("Anna Virtanen")
        await expect(story.locator(".identity", has_text="anna.virtanen@example.com")).to_contain_text("✓")
        why = story.locator(".why")
        await expect(why).to_contain_text("the bot cannot find the order")
        await expect(why).to_contain_text("Our callback was missed")
        await expect(why).to_contain_text(re.compile(r"Waiting for 4\d min"))
        await expect(story.locator(".part.wants .line", has_text="I have tried")).to_contain_text("claimed")
        await expect(story.locator(".brief .line.read_article").first).to_contain_text("Returns and refunds")
        await expect(story.locator(".brief .line.callback")).to_contain_text("missed")
        for channel in ("web", "chat", "phone", "email"):
            await expect(story.locator(f".entry[data-channel={channel}]").first).to_be_attached()
        order = await story.locator(".who-part, .why, .handoff-part, .part.wants, .right").evaluate_all(
            "(all) => all.map((it) => it.className.split(' ').pop().replace('-part', ''))"
        )
        assert order == ["who", "handoff", "why", "wants", "right"]
        await story.locator(".brief .line", has_text="Refund request").get_by_role("link").click()
        await expect(story.locator(".entry:focus")).to_contain_text("form failed")
        assert not tab.errors


async def test_handoffs_can_be_worked_by_keyboard_alone(backend: Backend) -> None:
    await backend.record("first")
    await backend.record("second", identities=["user:bertta"], text="another matter")
    await backend.hand_over()
    other = await backend.hand_over(identity="user:bertta", reason="Wants to cancel")
    tab = await backend.open_panel("queue=refunds")
    await tab.wait_until_live("handoff-queue")
    cards = tab.queue.locator(".card")
    await expect(cards).to_have_count(2)
    keys = tab.page.keyboard
    await keys.press("Tab")
    await expect(cards.nth(0)).to_be_focused()
    await keys.press("ArrowDown")
    await keys.press("d")
    await keys.type("not my queue")
    await keys.press("Enter")
    await expect(cards).to_have_count(1)
    declined = await backend.call("GET", f"/v1/handoffs/{other}")
    assert declined["state"] == "declined"
    assert declined["history"][-1]["reason"] == "not my queue"
    await expect(cards.nth(0)).to_be_focused()
    await keys.press("a")
    await expect(tab.queue.locator(".group.mine .card")).to_contain_text(REASON)
    await expect(tab.context.locator(".handoff-line")).to_contain_text("yours")
    await expect(tab.context.locator(".entry", has_text="handoff accepted")).to_be_visible()
    await expect(tab.context.locator(".entry", has_text="context viewed")).to_be_attached()
    await tab.queue.locator(".group.mine .card").focus()
    await keys.press("c")
    await keys.press("Enter")
    await expect(tab.queue.locator(".group.mine")).to_have_count(0)
    assert not tab.errors


async def test_the_sound_plays_only_if_the_agent_turned_it_on(backend: Backend) -> None:
    await backend.record("first")
    await backend.hand_over()
    tab = await backend.new_tab()
    await tab.page.add_init_script(
        """window.tones = 0;
        window.OscillatorNode = class extends OscillatorNode {
          start(at) { window.tones += 1; super.start(at); }
        };"""
    )
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    await tab.wait_until_live("handoff-queue")
    cards = tab.queue.locator(".card")
    await expect(cards).to_have_count(1)
    await backend.hand_over(identity="user:bertta", reason="Silent")
    await expect(cards).to_have_count(2)
    assert await tab.page.evaluate("window.tones") == 0
    switch = tab.queue.get_by_role("switch", name="Sound")
    await expect(switch).to_have_attribute("aria-checked", "false")
    for _ in range(20):
        await tab.page.keyboard.press("Tab")
        if await switch.evaluate("(it) => it.matches(':focus')"):
            break
    await tab.page.keyboard.press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    heard = await tab.page.evaluate("window.tones")
    assert heard > 0
    await backend.hand_over(identity="user:cecilia", reason="Heard")
    await expect(cards).to_have_count(3)
    assert await tab.page.evaluate("window.tones") > heard
    assert await tab.page.evaluate("Object.entries(localStorage)") == [["handoff-sound", "on"]]
    await tab.page.reload()
    await tab.page.get_by_label("Token").fill(await backend.token("ville"))
    await tab.page.keyboard.press("Enter")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await switch.click()
    assert await tab.page.evaluate("localStorage.length") == 0
    assert not [url for url in tab.requests if not url.startswith(backend.url)]
    assert not tab.errors


async def test_the_slower_of_two_agents_sees_who_accepted(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    tab = await backend.open_panel("queue=refunds", agent="ville")
    card = tab.queue.locator(".group.waiting .card")
    await expect(card).to_have_count(1)
    # The other agent accepts while this agent's request is on its way.
    await tab.page.route("**/accept", lambda route: accept_first(backend, id_, route))
    await card.get_by_role("button", name="Accept").click()
    await expect(tab.queue.get_by_role("status").filter(has_text="aino accepted it")).to_be_visible()
    await expect(card).to_have_count(0)
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["owner"] == "aino"


async def accept_first(backend: Backend, id_: str, route: object) -> None:
    other = await backend.token("aino")
    await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=other)
    await route.continue_()  # type: ignore[attr-defined]


async def test_new_touchpoints_appear_live_and_are_marked(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    tab = await backend.open_panel(f"handoff={id_}")
    await tab.wait_until_live()
    await backend.record("late", occurred_at=f"{WEEK_AGO}T09:00:00Z", text="I had asked before")
    await backend.record("new", occurred_at=f"{WEEK_AGO}T10:05:00Z", channel="email", type="email.received")
    entry = tab.entry("I had asked before")
    await expect(entry.locator(".mark.late")).to_be_visible()
    await expect(entry.locator(".mark.new")).to_be_visible()
    await expect(tab.context.locator(".part.wants")).to_contain_text("text of new")
    await tab.context.get_by_role("button", name="Changes since the handoff").click()
    compare = tab.context.locator(".compare")
    await expect(compare).to_contain_text("I had asked before")
    await expect(compare).to_contain_text("text of new")
    await expect(compare).not_to_contain_text("text of first")
    await tab.context.locator(".chip[data-channel=email]").click()
    await expect(tab.context.locator(".entry")).to_have_count(1)
    await tab.context.locator(".chip[data-channel=email]").click()
    await tab.context.get_by_role("searchbox").fill("asked before")
    await expect(tab.context.locator(".entry")).to_have_count(1)


async def test_the_comparison_shows_changes_since_the_snapshot(backend: Backend) -> None:
    due = {"promise": "p1", "due": "2099-11-21T12:00:00Z"}
    promise = {"type": "promise.made", "direction": "outbound", "data": due, "text": "We call you back"}
    await backend.record("asked")
    await backend.record("promised", occurred_at=f"{WEEK_AGO}T10:01:00Z", **promise)
    id_ = await backend.hand_over()
    tab = await backend.open_panel(f"handoff={id_}")
    await tab.wait_until_live()
    await tab.context.get_by_role("button", name="Changes since the handoff").click()
    compare = tab.context.locator(".compare")
    await expect(compare).to_contain_text("The brief has not changed")
    await expect(compare.locator(".line")).to_have_count(0)
    kept = {"type": "promise.kept", "direction": "outbound", "data": {"promise": "p1"}, "text": ""}
    await backend.record("kept", occurred_at=f"{WEEK_AGO}T10:02:00Z", **kept)
    wish = {"channel": "email", "type": "email.received", "text": "Can it go to the parcel shop?"}
    await backend.record("wish", occurred_at=f"{WEEK_AGO}T10:03:00Z", **wish)
    verified = {"type": "email", "value": "anna@example.com", "assurance": "verified"}
    await backend.record("mail", occurred_at=f"{WEEK_AGO}T10:04:00Z", identities=["user:anna", verified])
    await expect(compare.locator(".line", has_text="We call you back").first).to_contain_text("kept")
    await expect(compare.locator(".line", has_text="We call you back").first).to_contain_text("was: ")
    await expect(compare.locator(".line", has_text="parcel shop").first).to_contain_text("new")
    await expect(compare.locator(".line", has_text="anna@example.com")).to_contain_text("new")
    await tab.context.get_by_role("button", name="Close comparison").click()
    await expect(compare).to_have_count(0)
    assert not tab.errors


async def test_an_unlink_removes_the_other_persons_history_live(backend: Backend) -> None:
    await backend.record("own", text="mine alone")
    await backend.record(
        "other", identities=["email:olga@example.com"], text="a stranger's mail", channel="email"
    )
    customer = await backend.call("GET", "/v1/context?identity=user:anna")
    link = await backend.call(
        "POST",
        f"/v1/customers/{customer['customer']['id']}/links",
        {"identity": "email:olga@example.com", "reason": "mistaken"},
    )
    tab = await backend.open_panel("identity=user:anna")
    await expect(tab.entry("a stranger's mail")).to_be_visible()
    await tab.wait_until_live()
    customer = await backend.call("GET", "/v1/context?identity=user:anna")
    path = f"/v1/customers/{customer['customer']['id']}/links/{link['id']}/withdraw"
    await backend.call("POST", path, {"reason": "two people"})
    await expect(tab.entry("a stranger's mail")).to_have_count(0)
    await expect(tab.context.locator(".identities")).not_to_contain_text("olga@example.com")
    await expect(tab.entry("mine alone")).to_be_visible()


async def test_a_candidate_is_confirmed_or_refused_from_the_panel(backend: Backend) -> None:
    await backend.record("typed", identities=["user:anna", "email:anna@example.com"])
    await backend.record(
        "mail", identities=["email:anna@example.com"], text="an earlier mail", channel="email"
    )
    tab = await backend.open_panel("identity=user:anna")
    confirm = tab.context.get_by_role("button", name="Confirm email:anna@example.com")
    await confirm.click()
    joining = tab.context.locator(".joining")
    await expect(joining).to_contain_text("user:anna, email:anna@example.com: 2 touchpoints")
    await expect(joining).to_contain_text("Claimed in chat")
    await expect(tab.entry("an earlier mail")).to_have_count(0)
    await joining.get_by_role("button", name="Cancel").click()
    await expect(joining).to_have_count(0)
    await confirm.click()
    await joining.get_by_role("button", name="Join email:anna@example.com with this customer").click()
    await expect(tab.entry("an earlier mail")).to_be_visible()
    await backend.record("typed-2", identities=["user:bertta", "email:other@example.com"])
    await backend.record("mail-2", identities=["email:other@example.com"], channel="email")
    second = await backend.open_panel("identity=user:bertta")
    await second.context.get_by_role("button", name="Confirm email:other@example.com").focus()
    await second.page.keyboard.press("n")
    await expect(second.context.locator(".candidates")).to_have_count(0)


async def test_one_act_on_two_channels_is_separated_from_the_panel(backend: Backend) -> None:
    data = {"external_id": "act-0123456789abcdef"}
    for second, source in enumerate(("desk", "platform")):
        given = {"source": source, "occurred_at": f"{WEEK_AGO}T10:00:0{second}Z", "data": data}
        await backend.record(f"by {source}", text="Where is my parcel?", **given)
    tab = await backend.open_panel("identity=user:anna")
    entries = tab.context.locator(".entry", has_text="Where is my parcel?")
    await expect(entries).to_have_count(1)
    await expect(entries).to_contain_text("Also by Chat (platform)")
    await expect(tab.context.locator(".brief .line").first).to_contain_text("(also by platform)")
    await entries.get_by_role("button", name="These are two").click()
    await expect(entries).to_have_count(2)
    await expect(entries.first).not_to_contain_text("Also by")


async def test_the_panel_continues_after_a_server_restart(valkey: str, chromium: Browser) -> None:
    chosen = settings(valkey, free_port())
    options = options_of()
    async with ClientSession() as http:
        async with running(chosen, options) as server:
            backend = Backend(server.url, chosen.tokens[0].secret, http, chromium)
            await backend.record("before")
            tab = await backend.open_panel("identity=user:anna")
            await tab.wait_until_live()
        await expect(tab.context.locator(".connection")).not_to_have_attribute("data-state", "live")
        async with running(chosen, options):
            await backend.record("meanwhile", occurred_at=f"{WEEK_AGO}T10:01:00Z")
            await expect(tab.entry("text of meanwhile")).to_be_visible(timeout=15_000)
            await tab.wait_until_live()
            await expect(tab.entry("text of before")).to_have_count(1)


async def test_without_streams_the_panel_polls_and_shows_it(backend: Backend) -> None:
    await backend.record("before")
    tab = await backend.new_tab()
    await tab.page.clock.install()  # the panel waits for long; the test advances its clock

    async def advance_until(shown: Locator) -> None:
        for _ in range(60):
            if await shown.count():
                return
            await tab.page.clock.fast_forward(3000)
            await asyncio.sleep(0.05)
        raise AssertionError(f"never shown: {shown}")

    await tab.page.route("**/events", lambda route: route.abort())
    fragment = f"token={await backend.token('ville')}&identity=user:anna&queue=refunds"
    await tab.page.goto(f"{backend.url}/panel/#{fragment}")
    await expect(tab.entry("text of before")).to_be_visible()
    for element in (tab.context, tab.queue):
        await advance_until(element.locator(".connection[data-state=polling]"))
    await expect(tab.context.locator(".connection")).to_have_text("Updated every few seconds")
    await backend.record("meanwhile", occurred_at=f"{WEEK_AGO}T10:01:00Z")
    await backend.hand_over()
    await advance_until(tab.entry("text of meanwhile"))
    await advance_until(tab.queue.locator(".card", has_text=REASON))
    await expect(tab.queue.locator(".connection")).to_have_attribute("data-state", "polling")
    await tab.page.unroute("**/events")
    for element in (tab.context, tab.queue):
        await advance_until(element.locator(".connection[data-state=live]"))


async def test_notes_promises_and_wrap_ups_are_touchpoints(backend: Backend) -> None:
    await backend.record("first")
    tab = await backend.open_panel("identity=user:anna")
    form = tab.context.locator(".compose")
    await form.get_by_role("textbox").first.fill("Prefers to be called after five")
    await form.get_by_role("button", name="Add").click()
    await expect(tab.entry("Prefers to be called after five")).to_contain_text("internal")
    due = datetime.now(UTC) + timedelta(hours=30)
    await form.get_by_label("Promise").check()
    await form.get_by_role("textbox").first.fill("We refund the 89 euros")
    await form.get_by_role("button", name="Add").click()
    await expect(form).to_contain_text("Enter when the promise is due")
    await form.get_by_label("Due").fill((due + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M"))  # Helsinki
    await form.get_by_role("button", name="Add").click()
    await expect(tab.context.locator(".part.promised")).to_contain_text("We refund the 89 euros")
    await form.get_by_role("button", name="Insert summary").click()
    await form.get_by_role("button", name="Add").click()
    await expect(tab.entry("Customer wants:")).to_be_visible()
    page = await backend.call("GET", "/v1/context?identity=user:anna")
    recorded = {it["type"]: it for it in page["timeline"]["touchpoints"]}
    assert recorded["promise.made"]["data"]["due"][:16] == due.strftime("%Y-%m-%dT%H:%M")
    assert recorded["note.added"]["visibility"] == "internal"
    assert recorded["note.added"]["actor"]["id"] == "ville"
    reader = await backend.open_panel("identity=user:anna", scopes=("context:read", "handoffs:read"))
    await expect(reader.context.locator(".entry.inbound")).to_be_visible()
    await expect(reader.context.locator(".compose")).to_have_count(0)


async def test_older_touchpoints_load_on_click(backend: Backend) -> None:
    stamp = EIGHT_DAYS_AGO + "T{:02}:{:02}:00Z"
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
    await backend.call("POST", "/v1/touchpoints", batch)
    tab = await backend.open_panel("identity=user:anna")
    entries = tab.context.locator(".entry")
    await expect(entries).to_have_count(50)
    await tab.context.get_by_role("button", name="Load older (70 not shown)").click()
    await expect(entries).to_have_count(100)
    await tab.context.get_by_role("button", name="Load older (20 not shown)").click()
    await expect(entries).to_have_count(120)
    texts = await entries.locator(".text").all_text_contents()
    assert texts == [f"message {number:03}" for number in reversed(range(120))]
    await expect(tab.context.locator(".rest")).to_contain_text("beginning")
