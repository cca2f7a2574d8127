"""The panel in a real browser: how soon the story of a long life is on screen, and how smoothly it scrolls.

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
OLDEST = """() => [...document.querySelector("handoff-context").shadowRoot
  .querySelectorAll(".entry")].at(-1)?.dataset.id"""


OPENED = """async (target) => {
  const started = performance.now();
  location.hash = target;
  const line = () => document.querySelector("handoff-context")?.shadowRoot.querySelector(".brief .line");
  const before = line();
  while (!line() || line() === before) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame); // that frame is on the screen when the next one begins
  return performance.now() - started;
}"""
"""Milliseconds from the choice of another customer in an open panel to the painted brief."""
OBSERVE = """() => {
  window.longTasks = [];
  window.frames_ms = [];
  new PerformanceObserver((list) => list.getEntries().forEach((it) => window.longTasks.push(it.duration)))
    .observe({ type: "longtask" });
  let last = performance.now();
  const frame = (now) => {
    window.frames_ms.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""
OBSERVED = """() => {
  const found = { tasks: window.longTasks, frames: window.frames_ms };
  window.longTasks = [];
  window.frames_ms = [];
  return found;
}"""
WHEELS, WHEEL_PX = 120, 400  # turns of the wheel over the loaded part of the timeline
GOAL_MS = 500  # of the first paint of a story


class Smoothness(Struct, frozen=True, kw_only=True):
    """Milliseconds: tasks of over 50 ms, in which the page answers nothing, and times between frames."""

    tasks: tuple[float, ...]
    frames: tuple[float, ...]

    def text(self) -> str:
        p95 = sorted(self.frames)[int(len(self.frames) * 0.95)] if self.frames else 0.0
        longest = max(self.tasks, default=0.0)
        return f"{len(self.tasks)} long tasks, longest {longest:.0f}; frames {p95:.0f} at p95"


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
        changed = _changed(browser, addresses[SHORT.name])
        kept, smooth = _scrolled(browser, addresses[LONG.name])
        browser.close()
    return _table(taken, changed, kept, smooth)


def _table(
    taken: dict[str, list[float]],
    changed: dict[str, list[float]],
    kept: list[Kept],
    smooth: dict[str, Smoothness],
) -> Table:
    short = statistics.median(taken[SHORT.name])
    rows = []
    for life in (SHORT, LONG):
        label = f"{thousands(life.touchpoints)} touchpoints: brief on screen, ms"
        rows.append(
            (label, spread(taken[life.name], 0), f"{statistics.median(taken[life.name]) / short:.2f}")
        )
    opened = statistics.median(changed[SHORT.name])
    for life in (SHORT, LONG):
        label = f"{thousands(life.touchpoints)} touchpoints: opened in a running panel, ms"
        ratio = f"{statistics.median(changed[life.name]) / opened:.2f}"
        rows.append((label, spread(changed[life.name], 0), ratio))
    rows += [(f"{name}, ms", it.text(), "") for name, it in smooth.items()]
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
            f"ratio to the short life; the goal is {GOAL_MS} ms",
            "opened: from choosing the customer to the painted brief, the two lives in turn",
            "long tasks block the page for over 50 ms (PerformanceObserver); the wheel turns by "
            f"{WHEEL_PX} pixels",
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


def _changed(browser: Browser, address: str) -> dict[str, list[float]]:
    """Both customers in turn in one panel that stays open."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, extra_http_headers=dict(UNCACHED))
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(BRIEF, timeout=PATIENCE_MS)
    taken: dict[str, list[float]] = {SHORT.name: [], LONG.name: []}
    for turn in range(ROUNDS + 1):
        for life in (LONG, SHORT):
            milliseconds = float(page.evaluate(OPENED, f"identity={identity(life, 0)}"))
            if turn:
                taken[life.name].append(milliseconds)
    context.close()
    return taken


def _scrolled(browser: Browser, address: str) -> tuple[list[Kept], dict[str, Smoothness]]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto(address)
    page.wait_for_function(BRIEF, timeout=PATIENCE_MS)
    page.evaluate(OBSERVE)
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
    smooth = {"all of them loaded page by page": _observed(page)}
    page.mouse.move(900, 500)  # over the timeline
    page.evaluate(OBSERVED)
    for turn in range(2 * WHEELS):
        page.mouse.wheel(0, -WHEEL_PX if turn < WHEELS else WHEEL_PX)
    smooth[f"{WHEELS} turns of the wheel each way"] = _observed(page)
    context.close()
    return kept, smooth


def _observed(page: Page) -> Smoothness:
    found = page.evaluate(OBSERVED)
    return Smoothness(tasks=tuple(found["tasks"]), frames=tuple(found["frames"]))


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
