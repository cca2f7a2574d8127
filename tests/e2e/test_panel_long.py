"""Long lives in the panel: what is held at once is bounded, hangs together, and nothing is out of reach."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.e2e.desks import Office

pytestmark = pytest.mark.asyncio(loop_scope="session")

BEGUN = datetime(2026, 11, 1, 8, tzinfo=UTC)
HELD = 1000
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
    if (way < 0.1) { // something new, and the newest page is looked at again
      all = [{ id: `new${fresh}`, occurred_at: String(1e6 + 1 + fresh).padStart(8, "0") }, ...all];
      fresh += 1;
      pages.take(await read(null));
    } else if (way < 0.15) { // something late, somewhere
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
    if (!pages.away && from > 0) return `step ${step}: ${from} newer ones are missing`;
  }
  return { most, away: pages.away };
}"""


async def _ids(page: Page) -> list[str]:
    texts: list[str] = await page.locator("handoff-context .entry .text").all_text_contents()
    return [it.removeprefix("message ") for it in texts]


def life(count: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"m{number}",
            "channel": "chat",
            "type": "message.received",
            "occurred_at": (BEGUN + timedelta(minutes=number)).isoformat(),
            "identities": ["user:anna"],
            "text": f"message {number:05}",
        }
        for number in range(count)
    ]


async def test_what_is_far_is_put_away_and_comes_back(shop: Office) -> None:
    count = HELD + 120
    for first in range(0, count, 500):
        await shop.call("POST", "/v1/touchpoints", life(count)[first : first + 500])
    desk = await shop.desk("identity=user:anna")
    await desk.live()
    entries = desk.story.locator(".entry")
    await expect(entries).to_have_count(50)
    for _ in range(count // 50):
        await desk.page.evaluate(LOAD_OLDER)
    await expect(desk.story.locator(".rest")).to_contain_text("beginning")
    shown = await _ids(desk.page)
    assert shown == [f"{number:05}" for number in reversed(range(len(shown)))]
    assert HELD - 50 <= len(shown) <= HELD
    await shop.tell("meanwhile", occurred_at="2026-11-21T10:00:00Z")
    newer = desk.story.get_by_role("button", name="Load newer")
    await newer.click()
    await desk.page.wait_for_function(SHOWN, arg=f"message {len(shown):05}")
    await newer.click()
    await desk.page.wait_for_function(SHOWN, arg=f"message {len(shown) + 50:05}")
    await newer.click()
    await desk.page.wait_for_function(SHOWN, arg="text of meanwhile")
    await expect(newer).to_have_count(0)
    assert len(await _ids(desk.page)) <= HELD
    await expect(desk.story.get_by_role("button", name="Load older")).to_be_visible()
    assert not desk.complaints


async def test_what_is_held_hangs_together_whichever_way_one_goes(shop: Office) -> None:
    desk = await shop.tab()
    await desk.page.goto(f"{shop.url}/panel/")
    for seed in (1, 7, 42):
        found = await desk.page.evaluate(WALK, {"count": 4000, "seed": seed, "steps": 1200})
        assert isinstance(found, dict), found
        assert found["most"] <= HELD + 200  # those that came while the newest page was open
