"""Pictures of the panel and of the operators' page, of the demo's journey: `python docs/screenshots.py`.

They are taken from the running product, so that they stay true. Needs the extra `demo`, Playwright
and a Chromium of the machine.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
from msgspec import Struct
from playwright.async_api import Browser, async_playwright

from handoff.bootstrap.server import Options, running
from handoff.bootstrap.settings import Settings, load_settings
from handoff.cli.journey import DemoTargets, play

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ADMIN = "admin-token-for-pictures"
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
AGENT = {"locale": "en-GB", "timezone_id": "Europe/Helsinki"}
PANELS = (
    ("panel-light", "light", WIDE),
    ("panel-dark", "dark", WIDE),
    ("panel-narrow", "light", NARROW),
)
SCOPES = ("context:read", "handoffs:write", "touchpoints:write", "links:write")


class Waiting(Struct, frozen=True, kw_only=True):
    """Another customer in the queue."""

    user: str
    name: str
    words: str
    reason: str
    minutes: int
    deadline_s: int


WAITING = (
    Waiting(
        user="ben",
        name="Ben Carter",
        words="Order 20417 arrived with a broken handle. Can I get a new one?",
        reason="Damaged item, wants a replacement",
        minutes=7,
        deadline_s=240,
    ),
    Waiting(
        user="elif",
        name="Elif Demir",
        words="I was charged twice for order 20398",
        reason="Charged twice",
        minutes=4,
        deadline_s=900,
    ),
    Waiting(
        user="marco",
        name="Marco Rossi",
        words="Can I change the delivery address of order 20421?",
        reason="New delivery address",
        minutes=2,
        deadline_s=1800,
    ),
)


def settings(directory: str) -> Settings:
    """The demo's configuration on free ports, with a store that is thrown away."""
    found = load_settings(ROOT / "config" / "demo.toml", {})
    sources = [{**it, "listen": "127.0.0.1:0"} if "listen" in it else it for it in found.sources]
    return msgspec.structs.replace(
        found,
        server=msgspec.structs.replace(found.server, port=0),
        store=msgspec.structs.replace(found.store, data_dir=directory),
        sources=sources,
    )


async def main(targets: Path) -> None:
    """Play the journey, let an agent accept, and take the page in both themes."""
    with tempfile.TemporaryDirectory() as directory:
        chosen = settings(directory)
        async with running(chosen, Options(admin_token=ADMIN)) as server:
            secrets = {it["name"]: it["secrets"][0] for it in chosen.sources if it.get("secrets")}
            sources = DemoTargets(
                url=server.url,
                web_key=secrets["shop-web"],
                chat_secret=secrets["shop-chat"],
                phone_token=secrets["shop-phone"],
                mail=server.listeners["shop-mail"],
                bot_token=next(it.secret for it in chosen.tokens if it.name == "bot"),
            )
            async for _step in play(sources):
                pass
            await _pictures(server.url, await _agent(server.url), targets)


async def _agent(url: str) -> tuple[str, str]:
    """An agent's token, and the journey's handoff, which they have accepted; others wait in the queue."""
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(url, headers=headers) as http:
        async with http.get("/v1/handoffs", params={"state": "requested"}) as response:
            (handoff,) = (await response.json())["handoffs"]
        async with http.post("/v1/sessions", json={"agent": "Ville", "scopes": SCOPES}) as response:
            token = (await response.json())["token"]
        for waiting in WAITING:
            await _wait(http, waiting)
        mine = {"Authorization": f"Bearer {token}"}
        move = {"version": handoff["version"]}
        async with http.post(f"/v1/handoffs/{handoff['id']}/accept", json=move, headers=mine) as response:
            response.raise_for_status()
        return token, handoff["id"]


async def _wait(http: aiohttp.ClientSession, waiting: Waiting) -> None:
    """Another customer, who asked in a chat and waits for an agent."""
    touchpoint = {
        "id": f"asked-{waiting.user}",
        "channel": "chat",
        "type": "message.received",
        "occurred_at": (datetime.now(UTC) - timedelta(minutes=waiting.minutes)).isoformat(),
        "identities": [{"type": "user", "value": waiting.user, "assurance": "verified"}],
        "text": waiting.words,
    }
    handoff = {
        "identity": f"user:{waiting.user}",
        "from": {"channel": "chat", "party": "Shop bot"},
        "to": {"channel": "chat", "queue": "refunds"},
        "reason": waiting.reason,
        "deadline_s": waiting.deadline_s,
    }
    known = {
        "id": f"known-{waiting.user}",
        "channel": "web",
        "type": "identified",
        "occurred_at": touchpoint["occurred_at"],
        "identities": touchpoint["identities"],
        "data": {"traits": {"name": waiting.name}},
    }
    for path, body in (("/v1/touchpoints", [known, touchpoint]), ("/v1/handoffs", handoff)):
        async with http.post(path, json=body) as response:
            response.raise_for_status()


async def _pictures(url: str, session: tuple[str, str], targets: Path) -> None:
    token, handoff = session
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on this machine")
    address = f"{url}/panel/#token={token}&queue=refunds&handoff={handoff}"
    async with async_playwright() as play_:
        browser = await play_.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, theme, size in PANELS:
            context = await browser.new_context(viewport=size, color_scheme=theme, **AGENT)
            page = await context.new_page()
            await page.goto(address)
            await page.locator("handoff-context [data-state=live]").first.wait_for()
            await page.locator("handoff-context").get_by_text("Anna Virtanen").first.wait_for()
            await page.evaluate(
                "() => new Promise((it) => requestAnimationFrame(() => requestAnimationFrame(it)))"
            )
            await page.screenshot(path=targets / f"{name}.png")
            await context.close()
        await _operators_page(browser, url, targets)
        await browser.close()


async def _operators_page(browser: Browser, url: str, targets: Path) -> None:
    """The sources, after a vendor's signature did not match."""
    signed = {"X-Twilio-Signature": "d3Jvbmc=", "Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession(url) as http:
        for _ in range(3):
            await http.post("/in/shop-phone/status", data=b"CallSid=CA1", headers=signed)
    context = await browser.new_context(viewport=WIDE, **AGENT)
    page = await context.new_page()
    await page.goto(f"{url}/panel/ops/#token={ADMIN}&section=sources")
    await page.locator("ops-sources .why").wait_for()
    await page.screenshot(path=targets / "operations.png")
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
