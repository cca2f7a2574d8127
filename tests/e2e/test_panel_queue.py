"""The queue: its order and the reason for it, countdowns, the keyboard, and the moves that take words."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from tests.e2e.agents import REASON, AgentTab, Backend
from tests.e2e.looks import LOOKS, findings_in_every_look
from tests.samples import EIGHT_DAYS_AGO

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDER = """async () => {
  const urgency = await import("./parts/queue/urgency.js");
  const now = Date.parse("2026-11-28T12:00:00Z");
  const at = (s) => new Date(now + 1000 * s).toISOString();
  const step = (state, s) => ({ state, at: at(s) });
  const handoff = (id, due, requested, more) => ({
    id, state: "requested", deadline: at(due), requested_at: at(requested), fallback_used: 0,
    offer_until: null, history: [step("requested", requested)], ...more,
  });
  const waits = { b: at(-60), c: at(-3600) };
  const waitingOf = (it) => waits[it.id] ?? null;
  const day = 24 * 3600;
  const all = [
    handoff("a", day - 100, -100), handoff("b", day - 200, -200), handoff("c", day - 50, -50),
    handoff("d", 40, -20), handoff("e", -5, -120), handoff("f", 2 * 3600, -10), handoff("g", 3 * day, -900),
    handoff("o", day, -500, {
      state: "offered", offer_until: at(10), history: [step("requested", -500), step("offered", -10)],
    }),
  ];
  const ordered = urgency.byUrgency(all, waitingOf, now);
  const pressure = (...given) => urgency.pressureOf(urgency.deadlineOf(handoff("x", ...given)), now);
  const fallen = { fallback_used: 1, history: [step("requested", -3600), step("expired", -10)] };
  return {
    order: ordered.map((it) => it.id).join(""),
    longest: [...urgency.longestWaits(ordered, waitingOf, now)],
    unread: [...urgency.longestWaits(ordered, (it) => waits[it.id], now)],
    kept: urgency.keepingRows(ordered, ["g", "a", "b"], "a").map((it) => it.id).join(""),
    pressure: [[300, -100], [100, -301], [59, -1], [0, -9], [290, -3600, fallen]].map((x) => pressure(...x)),
    length: urgency.deadlineOf(all[7]).length,
    accepted: urgency.deadlineOf({ ...all[0], state: "accepted" }),
  };
}"""

ACTIONS = {
    "accept": (["a"], "Accepted.", "accepted"),
    "decline": (["d", "Enter"], "Declined.", "declined"),
    "complete": (["c", "Enter"], "Completed.", "completed"),
    "transfer": (["t", "Enter"], "Sent to claims.", "accepted"),
    "release": (["r", "Enter"], "Released.", "released"),
}
"""The action -> its keys, what the queue reports, and the handoff's state then."""
OWNED = ("complete", "transfer", "release")


async def open_queue(backend: Backend, agent: str = "ville", **options: Any) -> AgentTab:
    tab = await backend.open_panel("queue=refunds", agent, **options)
    await tab.wait_until_live("handoff-queue")
    return tab


def row(tab: AgentTab, text: str) -> Locator:
    return tab.queue.locator(".card", has_text=text)


async def accepted(backend: Backend, agent: str = "ville", **changes: Any) -> str:
    await backend.record("first")
    id_, token = await backend.hand_over(**changes), await backend.token(agent)
    await backend.call("POST", f"/v1/handoffs/{id_}/accept", {"version": 1}, token=token)
    return id_


async def test_the_nearest_deadline_comes_first_then_the_longest_wait(backend: Backend) -> None:
    tab = await open_queue(backend)
    found = await tab.page.evaluate(ORDER)
    assert found["order"] == "eodfcbag"
    assert found["longest"] == ["c"]
    assert found["unread"] == []  # the wait of "a" is not known yet: it may be the longest
    assert found["kept"] == "gaeodfcb"
    assert found["pressure"] == ["ok", "soon", "soon", "overdue", "ok"]
    assert found["length"] == 20_000
    assert found["accepted"] is None


async def test_a_card_shows_the_customer_the_reason_and_both_waits(backend: Backend) -> None:
    await backend.record("first", text="Where is my refund?", thread="chat-1")
    await backend.record(
        "name", channel="web", type="identified", text=None, data={"traits": {"name": "Anna Aalto"}}
    )
    reason = "Refund missing, " + "and missing, " * 30
    await backend.hand_over(reason=reason)
    await backend.hand_over(identity="user:bertta", reason="Broken in transit", deadline_s=120)
    tab = await backend.new_tab()
    await tab.page.clock.install()
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    cards = tab.queue.locator(".group.waiting .card")
    await expect(cards.nth(0)).to_contain_text("Broken in transit")
    card = cards.nth(1)
    await expect(card.locator(".card-who")).to_have_text("Anna Aalto")
    assert await card.evaluate("(it) => it.firstElementChild.firstElementChild.className") == "card-who"
    why = card.locator(".card-why")
    await expect(why).to_have_attribute("title", reason)
    assert await why.evaluate("(it) => it.scrollWidth > it.clientWidth && it.clientHeight < 30")
    await expect(card.locator(".card-facts")).to_contain_text("in queue 0 min")
    await expect(card.locator(".card-facts")).to_contain_text("customer waiting")
    due = cards.nth(0).locator(".countdown")
    await expect(due).to_have_attribute("aria-live", "off")
    await expect(due).to_have_attribute("data-pressure", "ok")
    await expect(due).to_contain_text("due in 1")
    for passed, pressure, text in ((75_000, "soon", "due in"), (60_000, "overdue", "overdue by")):
        await tab.page.clock.fast_forward(passed)
        await expect(due).to_have_attribute("data-pressure", pressure)
        await expect(due).to_contain_text(text)
    assert not tab.errors


async def test_only_customers_on_the_screen_are_read_one_at_a_time(backend: Backend) -> None:
    await backend.record("last", identities=["user:last"])
    for at in range(29):
        await backend.hand_over(identity=f"user:guest{at}", reason=f"No. {at}", deadline_s=600)
    last = await backend.hand_over(identity="user:last", reason="The last one", deadline_s=90_000)
    tab, statuses = await backend.new_tab(), [429]
    reads: list[str] = []
    under_way: list[int] = [0, 0]

    async def answer(route: Route) -> None:
        reads.append(route.request.url)
        under_way[0] += 1
        under_way[1] = max(under_way)
        if statuses:
            under_way[0] -= 1
            await route.fulfill(status=statuses.pop(), json={"code": "rate_limited"})
        else:
            response = await route.fetch()
            under_way[0] -= 1  # before the page can see the answer, and read the next one
            await route.fulfill(response=response)

    await tab.page.route("**/v1/handoffs/*/context?*", answer)
    await tab.page.clock.install()
    await tab.page.goto(f"{backend.url}/panel/#token={await backend.token('ville')}&queue=refunds")
    rows = tab.queue.locator(".card")
    await expect(rows).to_have_count(30)
    await expect(rows.last).to_contain_text("The last one")
    steps = 0
    while len(reads) < 2 and steps < 60:
        await tab.page.clock.run_for(5_000)
        steps += 1
    assert steps > 5  # after the refusal nothing is read for half a minute
    await expect(rows.nth(5).locator(".card-who")).not_to_have_text("Refund bot")
    assert len(reads) < 20
    assert not any(last in it for it in reads)
    await rows.last.scroll_into_view_if_needed()
    await expect(rows.last.locator(".card-who")).to_have_text("last")
    assert under_way[1] == 1


async def test_rows_keep_their_places_while_one_has_the_focus(backend: Backend) -> None:
    await backend.record("of anna")
    await backend.record("of bertta", identities=["user:bertta"], occurred_at=f"{EIGHT_DAYS_AGO}T10:00:00Z")
    await backend.hand_over(reason="Anna's")
    await backend.hand_over(identity="user:bertta", reason="Bertta's")
    tab = await open_queue(backend)
    cards = tab.queue.locator(".card")
    await expect(cards.nth(0)).to_contain_text("Bertta's")  # requested later, waits longer
    await expect(cards.nth(0).locator(".longest")).to_have_text("waits longest")
    await expect(tab.queue.locator(".longest")).to_have_count(1)
    await cards.nth(0).focus()
    await backend.hand_over(identity="user:cecilia", reason="Urgent", deadline_s=90)
    await expect(cards).to_have_count(3)
    await expect(cards.nth(1)).to_contain_text("Urgent")
    await expect(cards.nth(0)).to_be_focused()
    sort = tab.queue.get_by_role("button", name="Sort by urgency")
    await expect(sort).to_be_visible()
    await tab.page.keyboard.press("s")
    await expect(cards.nth(0)).to_contain_text("Urgent")
    await expect(row(tab, "Bertta's")).to_be_focused()
    await expect(sort).to_be_hidden()
    for key, text in (("ArrowDown", "Anna's"), ("Home", "Urgent"), ("End", "Anna's"), ("k", "Bertta's")):
        await tab.page.keyboard.press(key)
        await expect(row(tab, text)).to_be_focused()
        await expect(tab.queue.locator(".card[tabindex='0']")).to_have_count(1)
        await expect(tab.queue.locator(".card-moves button.strong:visible")).to_have_count(1)
    assert not tab.errors


async def test_the_focus_stays_in_the_queue_when_another_agent_takes_the_row(backend: Backend) -> None:
    first = await backend.hand_over(reason="Taken by another", deadline_s=120)
    await backend.hand_over(identity="user:bertta", reason="The next one", deadline_s=600)
    tab, other = await open_queue(backend), await backend.token("aino")
    await row(tab, "Taken by another").focus()
    # The key meant the row that is gone: it must not accept the row that came in its place.
    await tab.page.evaluate(
        """() => document.querySelector("handoff-queue").shadowRoot.addEventListener("focusin", (event) => {
          const key = new KeyboardEvent("keydown", { key: "a", bubbles: true, composed: true });
          if (event.target.textContent.includes("The next one")) event.target.dispatchEvent(key);
        }, { once: true })"""
    )
    await backend.call("POST", f"/v1/handoffs/{first}/accept", {"version": 1}, token=other)
    await expect(row(tab, "The next one")).to_be_focused()
    await expect(row(tab, "Taken by another")).to_have_count(0)
    await expect(tab.queue.locator(".status")).to_contain_text("press again")
    await expect(tab.queue.locator(".group.mine")).to_have_count(0)
    for left in (await backend.call("GET", "/v1/handoffs?queue=refunds&state=requested"))["handoffs"]:
        await backend.call("POST", f"/v1/handoffs/{left['id']}/accept", {"version": 1}, token=other)
    await expect(tab.queue.locator(".status")).to_contain_text("aino accepted it")
    await expect(tab.queue.locator(".card")).to_have_count(0)
    assert await tab.page.evaluate("document.activeElement.localName") == "handoff-queue"
    assert not tab.errors


async def test_a_transfer_keeps_the_owner_until_the_next_agent_accepts(backend: Backend) -> None:
    id_ = await accepted(backend)
    tab = await open_queue(backend)
    card = tab.queue.locator(".group.mine .card")
    await expect(card.get_by_role("button", name="Transfer the handoff from anna")).to_be_visible()
    await card.focus()
    await tab.page.keyboard.press("t")
    form = tab.queue.get_by_role("dialog", name="Transfer the handoff from anna")
    await form.get_by_role("button", name="Transfer", exact=True).click()
    await expect(form.get_by_role("alert")).to_contain_text("Enter a queue")
    await form.get_by_label("Queue", exact=True).fill("claims")
    await form.get_by_role("textbox", name="Reason").fill("Needs an expert")
    await form.get_by_role("button", name="Add a detail").click()
    await form.get_by_label("Name", exact=True).fill("order")
    await form.get_by_label("Value").fill("A-17")
    lost: list[str] = []

    async def lose_the_answer(route: Route) -> None:
        headers = {"Authorization": f"Bearer {await backend.token('ville')}", **route.request.headers}
        await tab.page.request.post(route.request.url, headers=headers, data=route.request.post_data or "")
        lost.append(route.request.headers["idempotency-key"])
        await route.abort()

    await tab.page.route("**/v1/handoffs", lose_the_answer, times=1)
    await form.get_by_role("button", name="Transfer", exact=True).click()
    await expect(form.get_by_role("alert")).to_contain_text("The server is not responding.")
    assert len(lost) == 1
    await form.get_by_role("textbox", name="Reason").press("Enter")
    await expect(form).to_have_count(0)
    await expect(tab.queue.locator(".status")).to_contain_text("Sent to claims")
    await expect(card).to_be_focused()
    (sent,) = (await backend.call("GET", "/v1/handoffs?queue=claims"))["handoffs"]
    assert (sent["from"], sent["to"]) == (
        {"channel": "chat", "agent": "ville"},
        {"channel": "chat", "queue": "claims"},
    )
    assert (sent["reason"], sent["context"], sent["owner"]) == ("Needs an expert", {"order": "A-17"}, "ville")
    expert = await backend.token("aino")
    await backend.call("POST", f"/v1/handoffs/{sent['id']}/accept", {"version": 1}, token=expert)
    await expect(tab.queue.locator(".card")).to_have_count(0)
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["state"] == "transferred"


async def test_complete_takes_a_wrap_up_and_warns_of_an_unsaved_note(backend: Backend) -> None:
    id_ = await accepted(backend)
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}")
    note = tab.context.locator(".compose").get_by_role("textbox").first
    await note.fill("Prefers email")
    card = tab.queue.locator(".group.mine .card")
    await expect(card.get_by_role("button", name="Complete the handoff from anna")).to_be_visible()
    await card.focus()
    await tab.page.keyboard.press("c")
    form = tab.queue.get_by_role("dialog", name="Complete the handoff from anna")
    await expect(form.get_by_role("alert").first).to_contain_text(
        "a note that is not added yet: Prefers email"
    )
    await expect(form.get_by_role("button", name="Complete anyway")).to_be_visible()
    await tab.page.keyboard.press("Escape")
    await expect(card).to_be_focused()
    await tab.context.get_by_role("button", name="Add", exact=True).click()
    await expect(tab.entry("Prefers email")).to_be_visible()
    await card.focus()
    await tab.page.keyboard.press("c")
    await expect(form.get_by_role("button", name="Complete", exact=True)).to_be_visible()
    await tab.page.keyboard.type("Refund sent")
    await tab.page.keyboard.press("Shift+Enter")
    await tab.page.keyboard.type("by bank transfer")
    await tab.page.keyboard.press("Enter")
    await expect(card).to_have_count(0)
    await expect(tab.entry("by bank transfer")).to_be_visible()
    ended = await backend.call("GET", f"/v1/handoffs/{id_}")
    assert (ended["state"], ended["history"][-1]["reason"]) == ("completed", None)
    context = await backend.call("GET", f"/v1/handoffs/{id_}/context")
    (wrap_up,) = (it for it in context["timeline"]["touchpoints"] if it["data"].get("kind") == "wrap_up")
    assert (wrap_up["text"], wrap_up["visibility"]) == ("Refund sent\nby bank transfer", "internal")
    assert not tab.errors


async def test_without_the_right_to_notes_the_wrap_up_is_the_reason(backend: Backend) -> None:
    id_ = await accepted(backend)
    tab = await open_queue(backend, scopes=("context:read", "handoffs:write"))
    await tab.queue.locator(".card").focus()
    await tab.page.keyboard.press("c")
    await tab.page.keyboard.type("Refund sent")
    await tab.page.keyboard.press("Enter")
    await expect(tab.queue.locator(".status")).to_have_text("Completed.")
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["history"][-1]["reason"] == "Refund sent"


async def test_the_keyboard_map_the_skip_link_and_the_names_of_buttons(backend: Backend) -> None:
    await backend.record("first")
    id_ = await backend.hand_over()
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}")
    await tab.wait_until_live()
    await tab.wait_until_live("handoff-queue")
    card = tab.queue.locator(".card")
    await expect(tab.queue.get_by_role("button", name="Accept the handoff from anna")).to_be_visible()
    await expect(tab.queue.get_by_role("button", name="Decline the handoff from anna")).to_be_visible()
    keys = tab.page.keyboard
    await tab.page.evaluate("document.body.focus()")
    await keys.press("?")
    await expect(tab.queue.get_by_role("dialog")).to_have_count(0)  # no card has the focus
    await keys.press("Tab")
    await expect(tab.page.get_by_role("link", name="Skip to the customer's history")).to_be_focused()
    await keys.press("Enter")
    assert await tab.page.evaluate("document.activeElement.localName") == "handoff-context"
    assert f"handoff={id_}" in await tab.page.evaluate("location.hash")
    await card.focus()
    await keys.press("?")
    shown = tab.queue.get_by_role("dialog", name="Keyboard")
    await expect(shown).to_contain_text("Transfer")
    await keys.press("a")
    await keys.press("Escape")
    await expect(shown).to_have_count(0)
    await expect(card).to_be_focused()
    assert (await backend.call("GET", f"/v1/handoffs/{id_}"))["state"] == "requested"
    assert not tab.errors


async def test_each_action_takes_at_most_two_keys(backend: Backend) -> None:
    """Keys that act on the focused row. Typed words and the way between fields do not count."""
    token = await backend.token("ville")
    ids = {}
    for action in ACTIONS:
        identity = f"user:{action}"
        await backend.record(action, identities=[identity])
        ids[action] = await backend.hand_over(identity=identity, reason=f"To {action}")
        if action in OWNED:
            path = f"/v1/handoffs/{ids[action]}/accept"
            await backend.call("POST", path, {"version": 1}, token=token)
    tab = await open_queue(backend)
    for action, (keys, done, state) in ACTIONS.items():
        await tab.queue.locator(f".card[data-id={ids[action]}]").focus()
        await tab.page.keyboard.press(keys[0])
        if action == "transfer":
            await tab.page.keyboard.type("claims")
            await tab.queue.get_by_role("textbox", name="Reason").focus()
            await tab.page.keyboard.type("Needs an expert")
        for key in keys[1:]:
            await tab.page.keyboard.press(key)
        await expect(tab.queue.locator(".status")).to_contain_text(done)
        assert (await backend.call("GET", f"/v1/handoffs/{ids[action]}"))["state"] == state
        assert len(keys) <= 2
    (requested,) = (await backend.call("GET", "/v1/handoffs?state=requested&queue=claims"))["handoffs"]
    assert requested["reason"] == "Needs an expert"


async def test_axe_reports_no_violations_in_the_queue_and_its_dialogs(backend: Backend) -> None:
    await accepted(backend)
    await backend.record("waits", identities=["user:bertta"])
    await backend.hand_over(identity="user:bertta", deadline_s=50)
    await backend.hand_over(identity="user:cecilia", deadline_s=600)
    tab = await open_queue(backend, bypass_csp=True)
    await expect(tab.queue.locator(".card")).to_have_count(3)
    await expect(tab.queue.locator(".countdown[data-pressure=soon]")).to_have_count(1)
    await tab.queue.locator(".card", has_text=REASON).first.locator(".card-why").click()
    assert await findings_in_every_look(tab, looks=LOOKS[::3]) == []
    for key in ("t", "?"):
        await tab.page.set_viewport_size({"width": 1280, "height": 800})
        await tab.queue.locator(".group.mine .card").focus()
        await tab.page.keyboard.press(key)
        await tab.queue.get_by_role("dialog").wait_for()
        assert await findings_in_every_look(tab, looks=LOOKS[::3]) == []
        await tab.page.keyboard.press("Escape")
