"""Accessibility and localization: themes, narrow screens, four languages, the agent's time zone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from handoff.domain.touchpoint import TYPE_SET
from tests.e2e.agents import Backend
from tests.e2e.looks import ARABIC, HEBREW, LOOKS, findings_in_every_look
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO

in_the_browser = pytest.mark.asyncio(loop_scope="session")
ROOT = Path(__file__).resolve().parents[2]
MESSAGES = ROOT / "handoff" / "panel" / "text" / "messages"


async def journey(backend: Backend) -> str:
    """Record one of everything that the panel shows and return the handoff's id."""
    await backend.record("a", channel="web", type="article.viewed", data={"title": "Returns"}, text=None)
    await backend.record("b", channel="web", type="form.failed", data={"form": "Refund", "error": "no order"})
    await backend.record("c", identities=["user:anna", "email:anna@example.com"], thread="chat-1")
    await backend.record("d", channel="email", type="email.received", identities=["email:anna@example.com"])
    due = {"due": f"{WEEK_AGO}T12:00:00Z"}
    await backend.record("e", type="promise.made", text="We call you back", data=due, direction="outbound")
    await backend.record("f", type="note.added", text="Sounded tired", actor={"type": "agent", "id": "aino"})
    await backend.record("g", occurred_at=f"{EIGHT_DAYS_AGO}T10:00:00Z", text="came late")
    await backend.record("h", text=ARABIC)
    await backend.hand_over(identity="user:bertta", reason=HEBREW)
    return await backend.hand_over()


@in_the_browser
async def test_axe_reports_no_violations_in_any_look(backend: Backend) -> None:
    id_, token = await journey(backend), await backend.token("ville")
    tab = await backend.open_panel(f"queue=refunds&handoff={id_}", token=token, bypass_csp=True)

    async def speak(language: str) -> None:
        await tab.page.evaluate("(it) => { location.hash = `language=${it}`; }", language)
        for element in ("handoff-queue", "handoff-context"):  # a narrow window hides the queue
            live = tab.page.locator(f"{element} [lang={language}] [data-state=live]")
            await live.wait_for(state="attached")

    await tab.wait_until_live()
    await tab.wait_until_live("handoff-queue")
    assert await findings_in_every_look(tab, speak) == []
    await speak("en")
    await tab.context.locator(".moves").get_by_role("button", name="Accept").click()
    await expect(tab.context.locator(".handoff-line")).to_contain_text("yours")
    await tab.context.get_by_role("button", name="Changes since the handoff").click()
    await tab.context.locator(".entry summary").first.click()
    assert await findings_in_every_look(tab, looks=LOOKS[::3]) == []
    await backend.call("DELETE", "/v1/sessions/current", token=token)
    await tab.page.get_by_role("alert").get_by_label("Token").wait_for()
    assert await findings_in_every_look(tab, looks=LOOKS[3:4]) == []


@in_the_browser
async def test_axe_reports_no_violations_before_an_agent_signs_in(backend: Backend) -> None:
    for language, looks in (("en", LOOKS[::3]), ("fi", LOOKS[4:5]), ("sv", LOOKS[5:6]), ("de", LOOKS[3:4])):
        tab = await backend.new_tab(bypass_csp=True)
        await tab.page.goto(f"{backend.url}/panel/#language={language}")
        await tab.page.locator("form.sign-in input").wait_for()
        assert await findings_in_every_look(tab, looks=looks) == []


@in_the_browser
async def test_customers_words_keep_their_direction(backend: Backend) -> None:
    """In either direction of the desktop, a text is read in its own, and its marks do not turn the rest."""
    await backend.record("arabic", text=ARABIC)
    await backend.record("hebrew", text=HEBREW)
    await backend.record("english", text="Where is my order?")
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    for direction in ("ltr", "rtl"):
        await tab.page.evaluate("(it) => { document.documentElement.dir = it; }", direction)
        for text, expected in ((ARABIC, "rtl"), (HEBREW, "rtl"), ("Where is my order?", "ltr")):
            shown = tab.entry(text).get_by_text(text).last
            assert await shown.evaluate("(it) => getComputedStyle(it).direction") == expected


@in_the_browser
async def test_no_width_needs_horizontal_scrolling(backend: Backend) -> None:
    id_ = await journey(backend)
    tab = await backend.open_panel(f"handoff={id_}")
    await tab.wait_until_live()
    queue = await backend.open_panel("queue=refunds")
    await queue.wait_until_live("handoff-queue")
    for direction in ("ltr", "rtl"):
        for width in (320, 640, 1600, 2560):  # 640 is 1280 at a zoom of 200 %
            for shown in (tab, queue):
                await shown.page.evaluate("(it) => { document.documentElement.dir = it; }", direction)
                await shown.page.set_viewport_size({"width": width, "height": 700})
                assert await shown.page.evaluate("document.documentElement.scrollWidth") <= width
    badge = await tab.context.locator(".entry.inbound .badge").first.bounding_box()
    text = await tab.context.locator(".entry.inbound .entry-head").first.bounding_box()
    assert badge
    assert text
    assert badge["x"] > text["x"]  # mirrored


@in_the_browser
async def test_times_use_the_agents_zone_and_messages_their_language(backend: Backend) -> None:
    await backend.record("first")
    tab = await backend.open_panel("identity=user:anna&language=fi", timezone_id="America/New_York")
    entry = tab.entry("text of first")
    await expect(entry.locator("time").first).to_have_text("5.00")
    await expect(tab.context.locator(".why h3")).to_have_text("Miksi nyt")
    assert await tab.page.evaluate("document.documentElement.lang") == "fi"
    tab = await backend.open_panel("identity=user:anna&language=sv&zone=Asia/Tokyo")
    await expect(tab.entry("text of first").locator("time").first).to_have_text("19:00")
    await expect(tab.context.locator(".connection")).to_have_text("Live")


@pytest.mark.parametrize("language", ["fi", "sv", "de"])
def test_every_language_has_every_message_with_the_same_values(language: str) -> None:
    english, other = (json.loads((MESSAGES / f"{it}.json").read_text()) for it in ("en", language))
    assert other.keys() == english.keys()
    for key, message in english.items():
        assert _values(other[key]) == _values(message), key


@pytest.mark.parametrize("language", ["en", "fi", "sv", "de"])
def test_the_name_of_a_button_contains_its_label(language: str) -> None:
    """Agents who speak to their computer say what they see."""
    for path in (MESSAGES, ROOT / "handoff" / "panel" / "ops" / "messages"):
        messages = json.loads((path / f"{language}.json").read_text())
        for key, named in messages.items():
            label = messages.get(key.removesuffix(".this")) if key.endswith(".this") else None
            if isinstance(label, str):
                assert label.rstrip("…").lower() in named.lower(), key


def test_every_type_and_every_used_key_has_a_message() -> None:
    messages = json.loads((MESSAGES / "en.json").read_text())
    assert {f"type.{it}" for it in TYPE_SET} <= messages.keys()
    panel = ROOT / "handoff" / "panel"
    operators = json.loads((panel / "ops" / "messages" / "en.json").read_text())
    for script in panel.rglob("*.js"):
        used = set(re.findall(r'(?:words\.(?:text|nodes)|[sS]ay)\(\s*"([a-z_.]+)"', script.read_text()))
        known = operators if "ops" in script.relative_to(panel).parts else messages
        assert used <= known.keys(), script.name


def _values(message: str | dict[str, str]) -> set[str]:
    whole = message if isinstance(message, str) else message["other"]
    return set(re.findall(r"\{(\w+)\}", whole))
