"""Pictures of the panel and of the operators' page, of the demo's journey: `python docs/screenshots.py`.

They are taken from the running product, so that they stay true. Needs the extra `demo`, Playwright
and a Chromium of the machine.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import aiohttp
import msgspec
from playwright.async_api import Browser, async_playwright

from handoff.bootstrap.server import Options, running
from handoff.bootstrap.settings import Settings, load_settings
from handoff.cli.journey import DemoTargets, play

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ADMIN = "admin-token-for-pictures"
SIZE = {"width": 1280, "height": 800}
SCOPES = ("context:read", "handoffs:write", "touchpoints:write", "links:write")


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
            await _pictures(server.url, await _session(server.url), targets)


async def _session(url: str) -> tuple[str, str]:
    """An agent's token, and the pending handoff, accepted by them."""
    headers = {"Authorization": f"Bearer {ADMIN}"}
    async with aiohttp.ClientSession(url, headers=headers) as http:
        async with http.post("/v1/sessions", json={"agent": "Ville", "scopes": SCOPES}) as response:
            token = (await response.json())["token"]
        async with http.get("/v1/handoffs", params={"state": "requested"}) as response:
            (handoff,) = (await response.json())["handoffs"]
        return token, handoff["id"]


async def _pictures(url: str, session: tuple[str, str], targets: Path) -> None:
    token, handoff = session
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on this machine")
    async with async_playwright() as play_:
        browser = await play_.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for theme in ("light", "dark"):
            context = await browser.new_context(
                viewport=SIZE, color_scheme=theme, locale="en-GB", timezone_id="Europe/Helsinki"
            )
            page = await context.new_page()
            await page.goto(f"{url}/panel/#token={token}&queue=refunds&handoff={handoff}")
            await page.locator("handoff-context .entry").first.wait_for()
            await page.locator("handoff-context .connection[data-state=live]").wait_for()
            await page.wait_for_timeout(300)
            await page.screenshot(path=targets / f"panel-{theme}.png")
            await context.close()
        await _operators_page(browser, url, targets)
        await browser.close()


async def _operators_page(browser: Browser, url: str, targets: Path) -> None:
    """The sources, after a vendor's signature did not match."""
    signed = {"X-Twilio-Signature": "d3Jvbmc=", "Content-Type": "application/x-www-form-urlencoded"}
    async with aiohttp.ClientSession(url) as http:
        for _ in range(3):
            await http.post("/in/shop-phone/status", data=b"CallSid=CA1", headers=signed)
    context = await browser.new_context(viewport=SIZE, locale="en-GB", timezone_id="Europe/Helsinki")
    page = await context.new_page()
    await page.goto(f"{url}/panel/ops/#token={ADMIN}&section=sources")
    await page.locator("ops-sources .why").wait_for()
    await page.screenshot(path=targets / "operations.png")
    await context.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
