"""Accessibility and localization: themes, narrow screens, four languages, the agent's time zone."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from handoff.domain.touchpoint import TYPE_SET
from tests.e2e.agents import AgentTab, Backend

in_the_browser = pytest.mark.asyncio(loop_scope="session")
ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
MESSAGES = ROOT / "handoff" / "panel" / "text" / "messages"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


async def journey(backend: Backend) -> str:
    """Record one of everything that the panel shows and return the handoff's id."""
    await backend.record("a", channel="web", type="article.viewed", data={"title": "Returns"}, text=None)
    await backend.record("b", channel="web", type="form.failed", data={"form": "Refund", "error": "no order"})
    await backend.record("c", identities=["user:anna", "email:anna@example.com"], thread="chat-1")
    await backend.record("d", channel="email", type="email.received", identities=["email:anna@example.com"])
    due = {"due": "2026-11-21T12:00:00Z"}
    await backend.record("e", type="promise.made", text="We call you back", data=due, direction="outbound")
    await backend.record("f", type="note.added", text="Sounded tired", actor={"type": "agent", "id": "aino"})
    await backend.record("g", occurred_at="2026-11-20T10:00:00Z", text="came late")
    await backend.hand_over(identity="user:bertta", reason="Another one")
    return await backend.hand_over()


async def findings(tab: AgentTab) -> list[str]:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install)")
    await tab.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await tab.page.evaluate(
        "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES
    )
    return [
        f"{it['id']}: {node['target']} {node['failureSummary']}"
        for it in found["violations"]
        for node in it["nodes"]
    ]


@in_the_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_reports_no_violations(backend: Backend, theme: str) -> None:
    id_, token = await journey(backend), await backend.token("ville")
    fragment = f"queue=refunds&handoff={id_}"
    tab = await backend.open_panel(fragment, token=token, color_scheme=theme, bypass_csp=True)
    await tab.wait_until_live()
    await tab.wait_until_live("handoff-queue")
    assert await findings(tab) == []
    await tab.context.locator(".moves").get_by_role("button", name="Accept").click()
    await expect(tab.context.locator(".handoff-line")).to_contain_text("yours")
    await tab.context.get_by_role("button", name="What has changed?").click()
    await tab.context.locator(".entry summary").first.click()
    assert await findings(tab) == []
    await tab.context.locator(".moves").get_by_role("button", name="Transfer").click()
    assert await findings(tab) == []
    await tab.page.keyboard.press("Escape")
    await backend.call("DELETE", "/v1/sessions/current", token=token)
    await tab.page.get_by_role("alert").get_by_label("Token").wait_for()
    assert await findings(tab) == []
    empty = await backend.new_tab(color_scheme=theme, bypass_csp=True)
    await empty.page.goto(f"{backend.url}/panel/")
    await empty.page.get_by_label("Token").wait_for()
    assert await findings(empty) == []


@in_the_browser
async def test_no_width_needs_horizontal_scrolling(backend: Backend) -> None:
    id_ = await journey(backend)
    tab = await backend.open_panel(f"handoff={id_}")
    await tab.wait_until_live()
    queue = await backend.open_panel("queue=refunds")
    await queue.wait_until_live("handoff-queue")
    for width in (320, 640, 1600):  # 640 is 1280 at a zoom of 200 %
        for shown in (tab, queue):
            await shown.page.set_viewport_size({"width": width, "height": 700})
            assert await shown.page.evaluate("document.documentElement.scrollWidth") <= width


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
