"""For people: no finding of axe in both themes, narrow and wide, four languages, the agent's own zone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from handoff.domain.touchpoint import TYPE_SET
from tests.e2e.desks import Desk, Office

in_the_browser = pytest.mark.asyncio(loop_scope="session")
ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
MESSAGES = ROOT / "handoff" / "panel" / "text" / "messages"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def journey(shop: Office) -> str:
    """Something of everything that the panel can show; the hand-off."""
    await shop.tell("a", channel="web", type="article.viewed", data={"title": "Returns"}, text=None)
    await shop.tell("b", channel="web", type="form.failed", data={"form": "Refund", "error": "no order"})
    await shop.tell("c", identities=["user:anna", "email:anna@example.com"], thread="chat-1")
    await shop.tell("d", channel="email", type="email.received", identities=["email:anna@example.com"])
    due = {"due": "2026-11-21T12:00:00Z"}
    await shop.tell("e", type="promise.made", text="We call you back", data=due, direction="outbound")
    await shop.tell("f", type="note.added", text="Sounded tired", actor={"type": "agent", "id": "aino"})
    await shop.tell("g", occurred_at="2026-11-20T10:00:00Z", text="came late")
    await shop.hand_over(identity="user:bertta", reason="Another one")
    return await shop.hand_over()


async def findings(desk: Desk) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install)")
    await desk.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await desk.page.evaluate(
        "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES
    )
    return [
        f"{it['id']}: {node['target']} {node['failureSummary']}"
        for it in found["violations"]
        for node in it["nodes"]
    ]


@in_the_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(shop: Office, theme: str) -> None:
    id_ = await journey(shop)
    desk = await shop.desk(f"queue=refunds&handoff={id_}", color_scheme=theme, bypass_csp=True)
    await desk.live()
    await desk.live("handoff-queue")
    assert await findings(desk) == []
    await desk.story.locator(".moves").get_by_role("button", name="Accept").click()
    await expect(desk.story.locator(".handoff-line")).to_contain_text("yours")
    await desk.story.get_by_role("button", name="What is new since?").click()
    await desk.story.locator(".moves").get_by_role("button", name="Release…").click()
    await desk.story.locator(".entry summary").first.click()
    assert await findings(desk) == []
    empty = await shop.tab(color_scheme=theme, bypass_csp=True)
    await empty.page.goto(f"{shop.url}/panel/")
    await empty.page.get_by_label("Token").wait_for()
    assert await findings(empty) == []


@in_the_browser
async def test_nothing_is_scrolled_sideways(shop: Office) -> None:
    id_ = await journey(shop)
    desk = await shop.desk(f"handoff={id_}")
    await desk.live()
    queue = await shop.desk("queue=refunds")
    await queue.live("handoff-queue")
    for width in (320, 640, 1600):  # 640 is 1280 at a zoom of 200 %
        for it in (desk, queue):
            await it.page.set_viewport_size({"width": width, "height": 700})
            assert await it.page.evaluate("document.documentElement.scrollWidth") <= width


@in_the_browser
async def test_times_are_the_agents_and_words_their_language(shop: Office) -> None:
    await shop.tell("first")
    desk = await shop.desk("identity=user:anna&language=fi", timezone_id="America/New_York")
    entry = desk.entry("text of first")
    await expect(entry.locator("time").first).to_have_text("5.00")
    await expect(desk.story.locator(".why h3")).to_have_text("Miksi nyt")
    assert await desk.page.evaluate("document.documentElement.lang") == "fi"
    desk = await shop.desk("identity=user:anna&language=sv&zone=Asia/Tokyo")
    await expect(desk.entry("text of first").locator("time").first).to_have_text("19:00")
    await expect(desk.story.locator(".connection")).to_have_text("Live")


@pytest.mark.parametrize("language", ["fi", "sv", "de"])
def test_every_language_says_everything(language: str) -> None:
    english, other = (json.loads((MESSAGES / f"{it}.json").read_text()) for it in ("en", language))
    assert other.keys() == english.keys()
    for key, message in english.items():
        assert _values(other[key]) == _values(message), key


def test_every_type_and_every_word_used_has_its_message() -> None:
    messages = json.loads((MESSAGES / "en.json").read_text())
    assert {f"type.{it}" for it in TYPE_SET} <= messages.keys()
    code = "".join(it.read_text() for it in (ROOT / "handoff" / "panel").rglob("*.js"))
    used = set(re.findall(r'(?:words\.(?:text|nodes)|[sS]ay)\(\s*"([a-z_.]+)"', code))
    assert used
    assert used <= messages.keys()


def _values(message: str | dict[str, str]) -> set[str]:
    whole = message if isinstance(message, str) else message["other"]
    return set(re.findall(r"\{(\w+)\}", whole))
