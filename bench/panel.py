"""The panel in a real browser: how soon the brief of a long life is on screen, and what scrolling it keeps.

A headless Chromium opens the customers in turn, each time in a profile of its own, so that nothing is
cached. Needs Playwright and a Chromium of the machine.
"""

from __future__ import annotations

import shutil
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from bench.contenders import UNCACHED, Started, ours
from bench.lives import Life, identity, live
from bench.processes import Failed, Missing
from bench.rounds import call
from bench.table import Table, spread, thousands

if TYPE_CHECKING:
    from playwright.sync_api import Browser, CDPSession, Page

SHORT = Life(name="short", identities=1, touchpoints=10)
LONG = Life(name="long", identities=1, touchpoints=10_000)
ROUNDS = 9
PATIENCE_MS = 60_000
STEPS = (50, 500, 1_000, 2_500, 5_000, 10_000)  # how many were shown so far, when memory is looked at
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BRIEF = """() => document.querySelector("handoff-context")?.shadowRoot.querySelector(".brief .line")
  ? performance.now() : null"""
"""Milliseconds from the beginning of the navigation; looked at before each frame."""
OLDER = """() => {
  const rest = document.querySelector("handoff-context").shadowRoot.querySelector(".rest");
  const button = rest.querySelector("button");
  button?.click();
  return Boolean(button);
}"""
OLDEST = """() => document.querySelector("handoff-context").shadowRoot
  .querySelector(".entry:last-child")?.dataset.id"""


class Kept(Struct, frozen=True, kw_only=True):
    """The memory of a tab after a garbage collection."""

    touchpoints: int
    heap_mb: float
    nodes: int


def measure(directory: Path) -> Table:
    """Store both customers and look at each in turn; then scroll the longer one to its beginning."""
    binary = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if binary is None:
        raise Missing(f"no Chromium ({', '.join(BROWSERS)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise Missing("playwright is not installed (`make bench-full` does)") from error
    with ours(directory) as started, sync_playwright() as play:
        session = msgspec.json.encode({"agent": "bench", "scopes": ["context:read"]})
        token = msgspec.json.decode(call(started, "/v1/sessions", session))["token"]
        addresses = {}
        for life in (SHORT, LONG):
            live(started, life)
            addresses[life.name] = _address(started, token, life)
        browser = play.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        taken: dict[str, list[float]] = {name: [] for name in addresses}
        for turn in range(ROUNDS + 1):  # the first warms up
            for name, address in addresses.items():
                milliseconds = _opened(browser, address)
                if turn:
                    taken[name].append(milliseconds)
        kept = _scrolled(browser, addresses[LONG.name])
        browser.close()
    return _table(taken, kept)


def _table(taken: dict[str, list[float]], kept: list[Kept]) -> Table:
    short = statistics.median(taken[SHORT.name])
    rows = []
    for life in (SHORT, LONG):
        label = f"{thousands(life.touchpoints)} touchpoints: brief on screen, ms"
        rows.append(
            (label, spread(taken[life.name], 0), f"{statistics.median(taken[life.name]) / short:.2f}")
        )
    for size in kept:
        label = f"{thousands(size.touchpoints)} scrolled through: heap, MB; DOM nodes"
        rows.append(
            (label, f"{size.heap_mb:.1f}; {thousands(size.nodes)}", f"{size.heap_mb / kept[0].heap_mb:.2f}")
        )
    return Table(
        title="The panel, in Chromium",
        columns=("what", "median (quartiles)", "ratio"),
        rows=tuple(rows),
        notes=(
            f"navigation of a fresh profile to the first line of the brief, {ROUNDS} times each, in turn; "
            "ratio to the short life",
            "heap after a collection, while everything older is loaded page by page; ratio to the first page",
        ),
    )


def _address(started: Started, token: str, life: Life) -> str:
    return f"http://127.0.0.1:{started.target.port}/panel/#token={token}&identity={identity(life, 0)}"


def _opened(browser: Browser, address: str) -> float:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, extra_http_headers=dict(UNCACHED))
    try:
        page = context.new_page()
        page.goto(address, wait_until="commit")
        return float(page.wait_for_function(BRIEF, timeout=PATIENCE_MS).json_value())
    finally:
        context.close()


def _scrolled(browser: Browser, address: str) -> list[Kept]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(BRIEF, timeout=PATIENCE_MS)
    session = context.new_cdp_session(page)
    kept = [_kept(session, 50)]
    shown = 50
    while shown < LONG.touchpoints:
        _older(page)
        shown += 50
        if shown in STEPS:
            kept.append(_kept(session, shown))
    if not page.locator("handoff-context .rest", has_text="beginning").count():
        raise Failed("the beginning of the timeline was not reached")
    context.close()
    return kept


def _older(page: Page) -> None:
    before = page.evaluate(OLDEST)
    if not page.evaluate(OLDER):
        raise Failed("nothing older can be loaded")
    page.wait_for_function(f"(before) => ({OLDEST})() !== before", arg=before, timeout=PATIENCE_MS)


def _kept(session: CDPSession, touchpoints: int) -> Kept:
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"]
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    return Kept(touchpoints=touchpoints, heap_mb=used / 1e6, nodes=nodes)
