"""axe-core on a page in every look: themes, widths, languages, and a right-to-left desktop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec import Struct

from tests.e2e.agents import AgentTab

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HEIGHT = 800
ARABIC = "مرحبا، أين طلبي رقم A-4711؟ دفعت 35 يورو"
HEBREW = "שלום, ההזמנה שלי לא הגיעה (A-4712)!"


class Look(Struct, frozen=True, kw_only=True):
    """How a page is shown."""

    theme: Literal["light", "dark"] = "light"
    width: int = 1280
    language: str = "en"
    direction: Literal["ltr", "rtl"] = "ltr"

    def __str__(self) -> str:
        return f"{self.theme} {self.width} {self.language} {self.direction}"


LOOKS = (
    Look(),
    Look(theme="dark", language="fi"),
    Look(width=320, language="sv"),
    Look(theme="dark", width=320, language="de"),
    Look(theme="dark", direction="rtl"),
    Look(width=320, direction="rtl"),
)
"""Every language and direction, and each theme at each width."""


async def findings(tab: AgentTab) -> list[str]:
    """The violations on the page as it is now."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm install)")
    if not await tab.page.evaluate("'axe' in window"):
        await tab.page.evaluate(AXE.read_text())
    found: dict[str, Any] = await tab.page.evaluate(
        "(rules) => axe.run(document, { runOnly: rules, resultTypes: ['violations'] })", RULES
    )
    return [
        f"{it['id']}: {node['target']} {node['failureSummary']}"
        for it in found["violations"]
        for node in it["nodes"]
    ]


async def findings_in_every_look(
    tab: AgentTab, speak: Callable[[str], Awaitable[None]] | None = None, looks: tuple[Look, ...] = LOOKS
) -> list[str]:
    """The violations in each look, and looks that must be scrolled sideways.

    `speak` shows the page in a language. Without it, the page has only one.
    """
    found = []
    language = "en"
    for look in looks:
        await tab.page.emulate_media(color_scheme=look.theme)
        await tab.page.set_viewport_size({"width": look.width, "height": HEIGHT})
        await tab.page.evaluate("(it) => { document.documentElement.dir = it; }", look.direction)
        if speak and look.language != language:
            language = look.language
            await speak(language)
        found += [f"{look}: {it}" for it in await findings(tab)]
        if await tab.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{look}: wider than the window")
    return found
