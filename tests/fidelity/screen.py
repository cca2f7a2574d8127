"""Which facts of a journey an agent sees without scrolling: their words in the panel's first viewport.

The panel shows the brief's lines in the agent's language, from their codes, so a fact whose pattern is in
the API's English words is looked for in the panel's English words too (`WORDINGS`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field
from playwright.async_api import Browser, BrowserContext, Page

from .journey import Journey, Played
from .player import play_all
from .wire import AGENT_TOKEN

WORDS_ON_SCREEN = Path(__file__).with_name("screen.js").read_text("utf-8")
WIDTH, HEIGHT = 1280, 720
GOAL = 0.9
AT_ONCE = 2
PATIENCE_MS = 30_000
WORDINGS: Mapping[str, str] = {
    r"waiting for ": "waiting ",
    r"due by ": "by ",
    r"\(previously ": "(before: ",
    r"(\d) days?\b": r"\1 d",
    r"(\d) hrs?\b": r"\1 h",
    r"(\d) mins?\b": r"\1 min",
}
"""The panel's words, as a regular expression -> the API's."""
SHOWN = """(reason) => {
  const root = document.querySelector("handoff-context")?.shadowRoot;
  return Boolean(root?.querySelector("[data-state=live]")) && root.textContent.includes(reason);
}"""
BEGIN, END = "<!-- first viewport: make fidelity ARGS='--screen --write' -->", "<!-- /first viewport -->"


class FirstViewport(Struct, kw_only=True):
    """A journey's facts, and those whose words are on the screen."""

    facts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)


def seen(journey: Journey, text: str) -> FirstViewport:
    """Which facts are in the words on a screen."""
    found = FirstViewport()
    for shown, meant in WORDINGS.items():
        text = re.sub(shown, meant, text, flags=re.IGNORECASE)
    for fact in journey.facts:
        found.facts[fact.kind] += 1
        if fact.regex.search(text):
            found.seen[fact.kind] += 1
        else:
            found.missing.append(f"{fact.kind}: {fact.value or fact.pattern}")
    return found


async def look(
    browser: Browser, url: str, mail_port: int, journeys: list[Journey]
) -> list[tuple[Journey, FirstViewport]]:
    """Play the journeys and open each handoff as an agent does, at once: its waiting times must hold."""
    context = await browser.new_context(
        viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", timezone_id="Europe/Helsinki"
    )
    looked: list[tuple[Journey, FirstViewport]] = []

    async def read(played: Played) -> None:
        words = await words_on_screen(context, url, played)
        looked.append((played.journey, seen(played.journey, words)))

    try:
        await play_all(url, mail_port, journeys, at_once=AT_ONCE, then=read)
    finally:
        await context.close()
    return sorted(looked, key=lambda it: it[0].id)


async def words_on_screen(context: BrowserContext, url: str, played: Played) -> str:
    """The words of the first viewport of `/panel/`, with the queue and the story of the journey's handoff."""
    stated = played.journey.handoff
    page = await context.new_page()
    try:
        fragment = f"token={AGENT_TOKEN}&queue={stated['to']}&handoff={played.handoff}&language=en"
        await page.goto(f"{url}/panel/#{fragment}")
        await page.wait_for_function(SHOWN, arg=stated["reason"], timeout=PATIENCE_MS)
        return await read_screen(page)
    finally:
        await page.close()


async def read_screen(page: Page) -> str:
    """The words on the screen, one line for each block, once two frames were drawn."""
    await page.evaluate("() => new Promise((it) => requestAnimationFrame(() => requestAnimationFrame(it)))")
    return str(await page.evaluate(WORDS_ON_SCREEN))


def section(looked: Sequence[tuple[Journey, FirstViewport]]) -> str:
    """The table for docs/fidelity.md."""
    parts = [[it for it in looked if it[0].set_aside is aside] for aside in (False, True)]
    rows = [
        "## In the first viewport",
        "",
        f"{len(looked)} of these handoffs in the panel, in Chromium at {WIDTH} × {HEIGHT}, not scrolled.",
        "A fact counts if its words are inside the window, neither hidden, nor folded away, nor cut off.",
        f"The goal is {GOAL:.0%} of the facts.".replace("%", " %"),
        "",
        "| | worked with | set aside |",
        "|---|---|---|",
        f"| journeys | {len(parts[0])} | {len(parts[1])} |",
    ]
    kinds = sorted({kind for _journey, it in looked for kind in it.facts})
    rows.append(f"| facts on the screen | {_share(parts[0])} | {_share(parts[1])} |")
    rows += [f"| {kind} | {_share(parts[0], kind)} | {_share(parts[1], kind)} |" for kind in kinds]
    return "\n".join([BEGIN, *rows, END, ""])


def _share(looked: Sequence[tuple[Journey, FirstViewport]], kind: str | None = None) -> str:
    facts = sum(_count(it.facts, kind) for _journey, it in looked)
    there = sum(_count(it.seen, kind) for _journey, it in looked)
    return f"{100 * there / facts:.1f} %" if facts else "–"


def _count(counted: Counter[str], kind: str | None) -> int:
    return counted.total() if kind is None else counted[kind]


def with_section(page: str, section_: str) -> str:
    """The page with its section about the first viewport replaced, or added before the explanations."""
    _, found, rest = page.partition(BEGIN)
    if found:
        page = page.replace(f"{BEGIN}{rest.partition(END)[0]}{END}\n", "")
    head, title, tail = page.partition("\n## How to read it")
    return f"{head.rstrip()}\n\n{section_}{title}{tail}"


def section_of(page: str) -> str:
    """The section about the first viewport that a page has; empty if none."""
    _, begin, rest = page.partition(BEGIN)
    return f"{begin}{rest.partition(END)[0]}{END}\n" if begin else ""
