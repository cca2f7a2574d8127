"""The words that `make fidelity ARGS=--screen` counts are those on the screen."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser

from tests.fidelity.journey import Fact, Journey
from tests.fidelity.screen import BEGIN, END, read_screen, section, section_of, seen, with_section

pytestmark = pytest.mark.asyncio(loop_scope="session")
PAGE = """<!doctype html><body style="margin:0;font:16px/20px sans-serif">
<p>An <b>open</b> <i>order</i></p><my-story></my-story>
<details><summary>More</summary>folded</details>
<p style="display:none">none</p><p style="visibility:hidden">invisible</p><p style="opacity:0">transparent</p>
<p style="position:absolute;width:1px;height:1px;overflow:hidden">spoken</p>
<p style="width:90px;white-space:nowrap;overflow:hidden;text-overflow:ellipsis">short and cut-off-far-away</p>
<div style="height:30px;overflow:auto"><p style="margin:0">above</p><p style="margin:0">scrolled</p></div>
<p style="margin-top:800px">below</p>"""
SHADOW = """() => {
  const root = document.querySelector("my-story").attachShadow({ mode: "open" });
  root.append(Object.assign(document.createElement("p"), { textContent: "in the shadow" }));
}"""


async def test_only_words_on_the_screen_count(chromium: Browser) -> None:
    page = await chromium.new_page(viewport={"width": 1280, "height": 720})
    try:
        await page.set_content(PAGE)
        await page.evaluate(SHADOW)
        words = await read_screen(page)
    finally:
        await page.close()
    lines = [it for it in words.split("\n") if it]
    assert lines == ["An open order", "in the shadow", "More", "short and", "above"]


async def test_a_fact_counts_in_the_panels_words_and_the_page_keeps_its_section() -> None:
    facts = (
        Fact(kind="waiting", pattern="waiting 3 h (19|20) min"),
        Fact(kind="wants", value="89 euros"),
    )
    journey = Journey(
        id="one",
        title="One",
        industry="retail",
        language="en",
        name="Anna",
        handoff={},
        steps=(),
        facts=facts,
    )
    found = seen(journey, "Waiting for 3 hrs 20 mins (since 10:00)")
    assert (found.seen.total(), found.missing) == (1, ["wants: 89 euros"])
    written = with_section("# Page\n\n## How to read it\n", section([(journey, found)]))
    assert "| facts on the screen | " in written
    assert with_section(written, section([(journey, found)])) == written
    assert section_of(written).startswith(BEGIN)
    assert section_of(written).endswith(f"{END}\n")
