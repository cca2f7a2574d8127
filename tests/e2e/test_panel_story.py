"""The story of a customer: the first lines, the brief with its evidence, the journey, and the timeline."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from tests.e2e.agents import ADMIN, AgentTab, Backend

pytestmark = pytest.mark.asyncio(loop_scope="session")
UUID = "0b5f3c1e-7a44-4c1f-9d55-6a1f0e2c3d4b"


ANNA: dict[str, Any] = {"identities": ["user:anna", "email:anna@example.com"]}
AINO = {"direction": "outbound", "actor": {"type": "agent", "id": "aino", "name": "Aino Kallio"}}
MAIL = {"channel": "email", "thread": "mail-1"}
CALL = {"channel": "phone", "thread": "call-1", "text": None, "data": {"status": "no-answer", "call": UUID}}
WEB = {"channel": "web", "thread": "web-1"}


def ago(hours: float) -> str:
    """A time before now: the brief leaves out what is long answered."""
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat()


PROMISE = {"promise": "p1", "due": ago(48)}
STORY: dict[float, dict[str, Any]] = {
    73: {"type": "identified", "text": None, "data": {"traits": {"name": "Anna Virtanen"}}, **WEB},
    72.9: {"type": "form.failed", "data": {"form": "Refund", "error": "unknown order"}, **WEB},
    72: {"text": "Where is my refund for A-71?"},
    71.9: {"type": "promise.made", "text": "We refund the 89 euros", "data": PROMISE, **AINO},
    47: {"type": "promise.broken", "text": None, "data": PROMISE, "direction": "internal"},
    26: {"type": "email.received", "text": "Still no refund for A-71, I ask again", **MAIL},
    25.9: {"type": "complaint.opened", "text": "I want to complain", **MAIL},
    25: {"type": "survey.answered", "text": "Slow", "data": {"score": 1, "out_of": 5}, **WEB},
    24: {"type": "call.started", **CALL},
    23.9: {"type": "call.ended", **CALL},
}


async def record_refund(backend: Backend) -> None:
    """A waiting customer on four channels, with a broken promise, a complaint and a low score."""
    for hours, changes in STORY.items():
        await backend.record(f"at-{hours}", occurred_at=ago(hours), **{**ANNA, **changes})


def line(tab: AgentTab, text: str) -> Locator:
    return tab.context.locator(".brief .line, .why .line", has_text=text).first


async def test_the_top_states_who_wants_what_since_when_and_what_was_promised(backend: Backend) -> None:
    await record_refund(backend)
    tab = await backend.open_panel(f"handoff={await backend.hand_over()}")
    await tab.wait_until_live()
    headline = tab.context.locator(".headline")
    await expect(headline).to_contain_text("Anna Virtanen: “Where is my refund for A-71?”")
    await expect(headline).to_contain_text("waiting for")
    await expect(headline).to_contain_text("promised: “We refund the 89 euros”")
    await expect(headline).to_contain_text("broken")
    alerts = tab.context.get_by_role("list", name="Alerts")
    for alert in ("Promise broken", "Open complaint", "Low score: 1 of 5", "contacts so far"):
        await expect(alerts).to_contain_text(alert)
    await alerts.get_by_role("button", name="Open complaint").click()
    await expect(tab.context.locator(".entry:focus")).to_contain_text("I want to complain")
    bar = tab.context.locator(".actions")
    await tab.page.mouse.wheel(0, 4000)
    await expect(bar.get_by_role("button", name="Accept")).to_be_in_viewport()
    assert not tab.errors


async def test_a_line_leads_to_its_evidence_on_an_older_page_and_back(backend: Backend) -> None:
    await backend.record(
        "form",
        occurred_at=ago(61),
        channel="web",
        type="form.failed",
        data={"form": "Refund request", "error": "unknown order"},
        text=None,
    )
    await backend.record("asked", occurred_at=ago(60.9), text="Where is my refund?")
    pages = [
        {
            "id": f"p{at}",
            "channel": "web",
            "type": "page.viewed",
            "identities": ["user:anna"],
            "occurred_at": ago(60 - at / 300),
            "data": {"title": f"Page {at}"},
        }
        for at in range(300)
    ]
    await backend.call("POST", "/v1/touchpoints", pages)
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    await expect(tab.entry("unknown order")).to_have_count(0)
    failed = line(tab, "unknown order").get_by_role("link")
    await failed.focus()
    await tab.page.keyboard.press("Enter")
    found = tab.context.locator(".entry:focus")
    await expect(found).to_contain_text("unknown order")
    await expect(found).to_have_attribute("aria-current", "true")
    await expect(found).to_be_in_viewport()
    await tab.page.keyboard.press("Escape")
    await expect(failed).to_be_focused()
    day = tab.context.get_by_label("Jump to a date")
    await day.fill(ago(24)[:10])
    await expect(tab.context.locator(".entry:focus")).to_contain_text("Page 299")
    assert not tab.errors


async def test_lines_are_reported_and_candidates_are_decided_by_a_key(backend: Backend) -> None:
    agent = {"direction": "outbound", "actor": {"type": "agent", "id": "aino"}, "type": "message.sent"}
    await backend.record("asked", text="Where is my refund for A-71?", occurred_at=ago(2))
    claim = {"type": "email", "value": "anna@example.com", "assurance": "claimed"}
    await backend.record(
        "claimed", identities=["user:anna", claim], text="Is A-71 lost?", occurred_at=ago(1.9)
    )
    for minute, text in enumerate(("I will send the refund tomorrow.", "I will call you on Friday.")):
        await backend.record(f"sent{minute}", occurred_at=ago(1 - minute / 60), text=text, **agent)
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    wrong = line(tab, "Where is my refund")
    await wrong.hover()
    await wrong.get_by_role("button", name=re.compile("This line is wrong: .*Where is my refund")).click()
    await expect(wrong).to_contain_text("reported")
    await expect(wrong.get_by_role("link")).to_be_focused()
    promised = tab.context.locator(".part.promised")
    first = promised.locator(".line", has_text="send the refund").get_by_role("link")
    await first.focus()
    await tab.page.keyboard.press("y")
    await expect(promised.locator(".line.promise", has_text="send the refund")).to_have_count(1)
    await promised.locator(".line", has_text="call you").get_by_role("link").focus()
    await tab.page.keyboard.press("n")
    await expect(promised.locator(".line", has_text="call you")).to_have_count(0)
    await tab.page.reload()
    page = await backend.call("GET", "/v1/context?identity=user:anna")
    assert [it["code"] for it in page["brief"]["promised"]] == ["promise"]
    reports = [it for it in page["timeline"]["touchpoints"] if it["type"] == "brief.line_wrong"]
    assert {it["data"]["rule"] for it in reports} == {"said"}
    reader = await backend.open_panel("identity=user:anna", scopes=("context:read", "handoffs:read"))
    await expect(line(reader, "Where is my refund")).to_be_visible()
    await expect(reader.context.locator(".line-acts")).to_have_count(0)


async def test_the_journey_is_a_row_of_channels_that_lead_to_their_place(backend: Backend) -> None:
    await record_refund(backend)
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    journey = tab.context.get_by_role("navigation", name="Journey")
    channels = await journey.locator(".step").evaluate_all("(all) => all.map((it) => it.dataset.channel)")
    assert channels == ["web", "chat", "email", "web", "phone"]
    await expect(journey.get_by_role("listitem").nth(1)).to_contain_text("1 day")
    await expect(journey).to_contain_text("The customer's way through the channels: Web")
    await journey.get_by_role("button", name="Email").click()
    await expect(tab.context.locator(".entry:focus")).to_contain_text("I ask again")


async def test_the_brief_groups_lines_by_matter(backend: Backend) -> None:
    await backend.record("one", text="Where is my refund for order A-71?", thread="c1", occurred_at=ago(2))
    await backend.record(
        "two",
        occurred_at=ago(1.9),
        channel="email",
        type="email.received",
        thread="m1",
        subject="Invoice IN-55",
        text="Please correct invoice IN-55",
    )
    await backend.record(
        "seen",
        occurred_at=ago(1.8),
        thread="c1",
        type="message.sent",
        direction="outbound",
        text="We are checking order A-71, it left our bank",
        actor={"type": "agent", "id": "aino", "name": "Aino"},
    )
    tab = await backend.open_panel("identity=user:anna")
    refund = tab.context.locator(".matter", has_text="Where is my refund")
    invoice = tab.context.locator(".matter", has_text="correct invoice")
    await expect(invoice.get_by_role("heading")).to_contain_text("IN-55")
    await expect(refund).to_contain_text("left our bank")
    await expect(invoice).not_to_contain_text("left our bank")


async def test_settled_conversations_and_call_steps_are_folded(backend: Backend) -> None:
    await record_refund(backend)
    settled = {"thread": "old", "occurred_at": ago(240)}
    await backend.record("old", text="Change my address", **settled)
    await backend.record("done", type="conversation.resolved", text=None, direction="internal", **settled)
    await backend.record(
        "hello",
        actor={"type": "agent", "id": "aino"},
        direction="outbound",
        type="message.sent",
        occurred_at=ago(23),
        text="Hello again",
    )
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    await expect(tab.entry("Change my address")).to_be_hidden()
    fold = tab.context.locator(".talk", has=tab.page.locator(".entry", has_text="Change my address"))
    await expect(fold.locator("> summary")).to_contain_text("2 touchpoints")
    await fold.locator("> summary").click()
    await expect(tab.entry("Change my address")).to_be_visible()
    steps = tab.context.locator(".steps")
    await expect(steps.locator("> summary")).to_contain_text("2 steps")
    await expect(steps.locator(".entry").first).to_be_hidden()
    await backend.record("more", occurred_at=ago(0.1), text="Any news?")
    await expect(tab.entry("Any news?")).to_be_visible()
    await expect(tab.entry("Change my address")).to_be_visible()  # what the agent opened stays open
    assert await tab.entry("Hello again").locator(".who").text_content() == "Aino Kallio"
    await expect(tab.entry("Where is my refund").locator(".who")).to_have_text("Anna Virtanen")
    for details in await tab.context.locator("details").all():
        await details.evaluate("(it) => { it.open = true; }")
    assert UUID not in await tab.context.evaluate("(it) => it.shadowRoot.textContent")


async def test_the_first_screen_shows_nearly_all_facts_of_the_brief(backend: Backend) -> None:
    await record_refund(backend)
    id_ = await backend.hand_over()
    size = {"width": 1280, "height": 720}
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}", viewport=size)
    await tab.wait_until_live()
    assert await tab.share_of_lines_in_view() >= 0.9
    widest = await tab.context.locator(".text, .line-text").evaluate_all(
        "(all) => Math.max(...all.map((it) => it.offsetWidth / parseFloat(getComputedStyle(it).fontSize)))"
    )
    assert widest <= 45  # em, about 75 characters


async def test_theme_density_and_properties_are_set_from_outside(backend: Backend) -> None:
    await backend.record("first")
    tab = await backend.open_panel(
        "identity=user:anna&theme=dark&density=comfortable", color_scheme="light", bypass_csp=True
    )
    await tab.wait_until_live()

    async def style(name: str) -> str:
        return str(await tab.context.evaluate("(it, name) => getComputedStyle(it)[name]", name))

    assert await style("backgroundColor") == "rgb(18, 22, 27)"
    assert await style("fontSize") == "15px"
    await tab.context.evaluate(
        "(it) => { it.setAttribute('theme', 'light'); it.removeAttribute('density'); }"
    )
    assert await style("backgroundColor") == "rgb(244, 245, 247)"
    assert await style("fontSize") == "13px"
    await tab.context.evaluate("(it) => it.style.setProperty('--handoff-ground', 'rgb(1, 2, 3)')")
    assert await style("backgroundColor") == "rgb(1, 2, 3)"
    await tab.page.add_style_tag(content="handoff-context::part(headline) { color: rgb(9, 8, 7); }")
    headline = tab.context.locator(".headline")
    assert await headline.evaluate("(it) => getComputedStyle(it).color") == "rgb(9, 8, 7)"


async def test_a_restricted_customer_leaves_the_screen(backend: Backend) -> None:
    await backend.record("first")
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    customer = (await backend.call("GET", "/v1/context?identity=user:anna"))["customer"]["id"]
    tenant = backend.secret.removeprefix("desktop-").removesuffix("-token-secret")
    headers = {"Authorization": f"Bearer {ADMIN}", "Handoff-Tenant": tenant}
    path = f"{backend.url}/v1/customers/{customer}/restriction"
    async with backend.http.put(path, json={"reason": "asked"}, headers=headers) as response:
        assert response.status < 300, await response.text()
    await expect(tab.context.locator(".status")).to_contain_text("is restricted")
    await expect(tab.context.locator(".entry, .line")).to_have_count(0)


async def test_automatic_replies_and_corrected_numbers_are_named_in_every_language(backend: Backend) -> None:
    tab = await backend.open_panel("queue=refunds")
    lines = [
        {"code": "bot_answered", "params": {"channel": "email", "words": "Thanks!", "automatic": True}},
        {"code": "bot_answered", "params": {"channel": "email", "words": "", "automatic": True}},
        {"code": "bot_answered", "params": {"channel": "chat", "words": "Thanks!"}},
        {"code": "said", "params": {"channel": "chat", "words": "Where is A-1?", "corrected": ["A-1 → A-2"]}},
    ]
    found = await tab.page.evaluate(
        """async (lines) => {
          const { plain } = await import("./parts/brief.js");
          const { Words } = await import("./text/words.js");
          const texts = async (language) => {
            const words = await Words.load(language);
            return lines.map((it) => plain(it, { words, times: null }));
          };
          return Promise.all(["en", "fi", "sv", "de"].map(texts));
        }""",
        lines,
    )
    english, *others = found
    assert english[:3] == [
        "Automatic reply on Email: “Thanks!”",
        "Automatic reply on Email",
        "A bot answered on Chat: “Thanks!”",
    ]
    assert english[3].endswith("“Where is A-1?” (corrected later: A-1 → A-2)")
    for texts in others:
        assert "A-1 → A-2" in texts[3]
        assert len(set(texts)) == 4
        assert not set(texts) & set(english)
    assert not tab.errors


async def test_a_transcript_is_shown_with_its_message_and_marked(backend: Backend) -> None:
    await backend.record("voice", text=None, attachments=[{"name": "voice.ogg", "content_type": "audio/ogg"}])
    heard = {"of": "voice", "kind": "transcript", "by": "whisper", "confidence": 0.82}
    at = ago(2)
    words = "My zebra invoice is wrong"
    await backend.record("heard", type="text.derived", text=words, data=heard, occurred_at=at)
    tab = await backend.open_panel(f"handoff={await backend.hand_over()}")
    await tab.wait_until_live()
    entry = tab.context.locator(".entry", has_text=words)
    await expect(entry).to_have_count(1)
    await expect(entry.locator(".derived .mark")).to_have_text("as transcribed by whisper, 82 % sure")
    wish = line(tab, words)
    await expect(wish.locator(".mark.derived")).to_have_text("as transcribed by whisper, 82 % sure")
    await wish.locator(".line-text").click()
    await expect(entry).to_have_attribute("aria-current", "true")
