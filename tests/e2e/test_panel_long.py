"""Long histories in the panel: the loaded part is bounded and has no gaps, and everything can be reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.agents import Backend
from tests.samples import WEEK_AGO

pytestmark = pytest.mark.asyncio(loop_scope="session")

FIRST_AT = datetime(2026, 11, 1, 8, tzinfo=UTC)
MAX_LOADED = 1000
LOAD_OLDER = """async () => {
  const root = document.querySelector("handoff-context").shadowRoot;
  const oldest = () => [...root.querySelectorAll(".entry")].at(-1).dataset.id;
  const before = oldest();
  [...root.querySelectorAll(".rest button")].find((it) => it.textContent.startsWith("Load older")).click();
  while (oldest() === before) await new Promise(requestAnimationFrame);
}"""
SHOWN = """(text) => {
  const texts = document.querySelector("handoff-context").shadowRoot.querySelectorAll(".entry .text");
  return [...texts].some((it) => it.textContent === text);
}"""
WALK = """async ({ count, seed, steps }) => {
  const { Pages, PAGE } = await import("/panel/data/pages.js");
  let state = seed;
  const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
  const one = (at) => ({ id: `t${at}`, occurred_at: String(1e6 - Math.floor(at / 7)).padStart(8, "0") });
  let all = Array.from({ length: count }, (_, at) => one(at)); // seven at a time, newest first
  const after = (cursor) => (cursor === null ? 0 : all.findIndex((it) => it.id === cursor) + 1);
  const read = async (cursor) => {
    const touchpoints = all.slice(after(cursor), after(cursor) + PAGE);
    const more = after(cursor) + PAGE < all.length;
    return { touchpoints, next: more ? touchpoints.at(-1).id : null };
  };
  const pages = new Pages();
  pages.take(await read(null));
  let most = 0, fresh = 0;
  const gone = new Set();
  for (let step = 0; step < steps; step += 1) {
    const way = random();
    if (way < 0.1) { // a new touchpoint, then a refresh of the newest page
      all = [{ id: `new${fresh}`, occurred_at: String(1e6 + 1 + fresh).padStart(8, "0") }, ...all];
      fresh += 1;
      pages.take(await read(null));
    } else if (way < 0.15) { // a late touchpoint
      const at = Math.floor(random() * all.length);
      all.splice(at, 0, { id: `late${step}`, occurred_at: all[at].occurred_at });
      gone.add(`late${step}`);
    } else if (way < (step % 400 < 200 ? 0.9 : 0.3)) await pages.older(read);
    else await pages.newer(read);
    const shown = pages.ordered().map((it) => it.id).filter((it) => !gone.has(it));
    most = Math.max(most, shown.length);
    const known = all.map((it) => it.id).filter((it) => !gone.has(it));
    const from = known.indexOf(shown[0]);
    const wrong = shown.findIndex((id, at) => known[from + at] !== id);
    if (wrong >= 0) return `step ${step}: ${shown[wrong]} instead of ${known[from + wrong]} at ${wrong}`;
    if (!pages.evicted && from > 0) return `step ${step}: ${from} newer ones are missing`;
  }
  return { most, evicted: pages.evicted };
}"""


async def _ids(page: Page) -> list[str]:
    texts: list[str] = await page.locator("handoff-context .entry .text").all_text_contents()
    return [it.removeprefix("message ") for it in texts]


def touchpoints(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"m{number}",
            "channel": "chat",
            "type": "message.received",
            "occurred_at": (FIRST_AT + timedelta(minutes=number)).isoformat(),
            "identities": ["user:anna"],
            "text": f"message {number:05}",
        }
        for number in range(count)
    ]


async def test_distant_pages_are_evicted_and_load_again(backend: Backend) -> None:
    count = MAX_LOADED + 120
    for first in range(0, count, 500):
        await backend.call("POST", "/v1/touchpoints", touchpoints(count)[first : first + 500])
    tab = await backend.open_panel("identity=user:anna")
    await tab.wait_until_live()
    entries = tab.context.locator(".entry")
    await expect(entries).to_have_count(50)
    for _ in range(count // 50):
        await tab.page.evaluate(LOAD_OLDER)
    await expect(tab.context.locator(".rest")).to_contain_text("beginning")
    shown = await _ids(tab.page)
    assert shown == [f"{number:05}" for number in reversed(range(len(shown)))]
    assert MAX_LOADED - 50 <= len(shown) <= MAX_LOADED
    await backend.record("meanwhile", occurred_at=f"{WEEK_AGO}T10:00:00Z")
    newer = tab.context.get_by_role("button", name="Load newer")
    await newer.click()
    await tab.page.wait_for_function(SHOWN, arg=f"message {len(shown):05}")
    await newer.click()
    await tab.page.wait_for_function(SHOWN, arg=f"message {len(shown) + 50:05}")
    await newer.click()
    await tab.page.wait_for_function(SHOWN, arg="text of meanwhile")
    await expect(newer).to_have_count(0)
    assert len(await _ids(tab.page)) <= MAX_LOADED
    await expect(tab.context.get_by_role("button", name="Load older")).to_be_visible()
    assert not tab.errors


async def test_the_loaded_pages_have_no_gaps_in_either_direction(backend: Backend) -> None:
    tab = await backend.new_tab()
    await tab.page.goto(f"{backend.url}/panel/")
    for seed in (1, 7, 42):
        found = await tab.page.evaluate(WALK, {"count": 4000, "seed": seed, "steps": 1200})
        assert isinstance(found, dict), found
        assert found["most"] <= MAX_LOADED + 200  # touchpoints that arrived while the newest page was open
