"""The plan of `make shift`, and its judgement of actions: reached, explained, or stuck."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page

from tests.shift.plan import FATES, FULL, SHORT, plan
from tests.shift.tabs import WATCH

pytestmark = pytest.mark.asyncio(loop_scope="session")
PANEL = """() => {
  const queue = document.createElement("handoff-queue");
  queue.attachShadow({ mode: "open" });
  const card = Object.assign(document.createElement("li"), { tabIndex: 0 });
  card.dataset.id = "h1";
  const status = document.createElement("p");
  status.setAttribute("role", "status");
  queue.shadowRoot.append(card, status);
  document.body.append(queue);
  window.status_ = status;
  window.card = card;
}"""


@pytest.mark.parametrize("pace", [SHORT, FULL], ids=["short", "full"])
async def test_a_plan_has_every_fate_and_ends_with_plain_handoffs(pace: object) -> None:
    assert pace in (SHORT, FULL)
    works = plan(pace, seed=1)  # type: ignore[arg-type]
    assert len({it.mark for it in works}) == len(works)
    assert {it.fate for it in works} == set(FATES)


async def panel_page(chromium: Browser) -> Page:
    page = await chromium.new_page()
    await page.add_init_script(path=WATCH)
    await page.goto("data:text/html,<!doctype html><title>AgentBrowser</title>")
    await page.evaluate(PANEL)
    await page.evaluate("shift.expect('complete', { id: 'h1' })")
    return page


@pytest.mark.parametrize(
    ("happens", "reached", "reported"),
    [
        ("", False, ""),
        ("status_.textContent = 'Sending…'", False, ""),
        ("status_.textContent = 'The server is not responding.'", False, "The server is not responding."),
        ("card.remove()", True, ""),
    ],
    ids=["nothing", "sending without end", "a reason", "its effect"],
)
async def test_an_action_is_reached_explained_or_stuck(
    chromium: Browser, happens: str, reached: bool, reported: str
) -> None:
    page = await panel_page(chromium)
    try:
        await page.evaluate(f"() => {{ {happens}; }}")
        outcome = await page.evaluate("shift.outcome(300, 100)")
        assert (outcome["reached"], outcome["reported"]) == (reached, reported)
    finally:
        await page.close()
