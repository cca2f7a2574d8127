"""The examples in docs/desktop.md work: pages of another origin embed the panel, and the Python runs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession, web
from playwright.async_api import Browser, expect

from handoff.bootstrap.server import running
from handoff.bootstrap.settings import PanelSettings
from tests.e2e.agents import Backend, free_port, settings
from tests.serving import options_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "desktop.md").read_text()
PLACEHOLDER = "https://handoff.example.com"
RECEIVE = """() => {
  window.received = new Promise((resolve) => {
    addEventListener("message", () => resolve(true), { once: true });
  });
}"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@asynccontextmanager
async def desktop(store: str, started: Browser, allowed: bool = True) -> AsyncIterator[tuple[Backend, str]]:
    """A server, and a desktop of another origin that serves the guide's pages and its tokens."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    chosen = msgspec.structs.replace(
        settings(store), panel=PanelSettings(allowed_origins=[origin] if allowed else [])
    )
    options = options_of()
    async with running(chosen, options) as server, ClientSession() as http:
        backend = Backend(server.url, chosen.tokens[0].secret, http, started)

        async def page(request: web.Request) -> web.Response:
            html = blocks("html")[int(request.match_info["number"])]
            return web.Response(text=html.replace(PLACEHOLDER, server.url), content_type="text/html")

        async def token(_request: web.Request) -> web.Response:
            return web.Response(text=await backend.token("ville"))

        app = web.Application()
        app.add_routes([web.get("/{number:\\d}", page), web.post("/handoff-token", token)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield backend, origin
        finally:
            await runner.cleanup()


async def test_the_guides_pages_embed_the_panel_as_a_frame_and_as_elements(
    valkey: str, chromium: Browser
) -> None:
    async with desktop(valkey, chromium) as (backend, origin):
        await backend.record("call", identities=[{"type": "phone", "value": "+358401234567"}])
        framed = await backend.new_tab()
        await framed.page.goto(f"{origin}/0")
        inside = framed.page.frame_locator("#panel")
        await expect(inside.locator("handoff-context .entry", has_text="text of call")).to_be_visible()
        await backend.record("chat")
        await backend.hand_over()
        elements = await backend.new_tab()
        await elements.page.goto(f"{origin}/1")
        await elements.queue.locator(".card").get_by_role("button", name="Accept").click()
        await expect(elements.entry("text of chat")).to_be_visible()
        await elements.wait_until_live()
        hosts = {url.split("/")[2] for url in elements.requests if url.startswith("http")}
        assert hosts == {backend.url.split("/")[2], origin.split("/")[2]}


async def test_an_origin_that_is_not_allowed_cannot_use_the_panel(valkey: str, chromium: Browser) -> None:
    async with desktop(valkey, chromium, allowed=False) as (backend, origin):
        framed = await backend.new_tab()
        await framed.page.goto(f"{origin}/0")
        inside = framed.page.frame_locator("#panel")
        await expect(inside.locator("body")).to_contain_text(f"{origin} may not embed this panel")
        assert await inside.locator("main, script").count() == 0
        token = await backend.token("ville")
        async with framed.page.expect_popup() as opening:
            await framed.page.evaluate("(url) => { window.opened = open(url); }", f"{backend.url}/panel/")
        panel = await opening.value
        await panel.get_by_label("Token").wait_for()
        message = {"type": "handoff:init", "token": token, "identity": "user:anna"}
        await panel.evaluate(RECEIVE)
        await framed.page.evaluate("(message) => window.opened.postMessage(message, '*')", message)
        await panel.evaluate("window.received")  # the panel's own listener ran first
        await expect(panel.get_by_label("Token")).to_be_visible()
        await expect(panel.locator("handoff-context")).to_have_count(0)


async def test_the_guides_python_accepts_one_waiting_handoff_and_leaves_the_others(
    valkey: str, chromium: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = blocks("python")
    module: dict[str, object] = {"__name__": "guide"}
    exec(compile(code, "desktop.md", "exec"), module)  # the guide's own example
    async with desktop(valkey, chromium) as (backend, _origin):
        waiting = []
        for name in ("anna", "ben"):
            await backend.record(f"of {name}", identities=[f"user:{name}"])
            waiting.append(await backend.hand_over(identity=f"user:{name}"))
        async with asyncio.timeout(20):
            await module["work"](backend.url, backend.secret)  # type: ignore[operator]
        assert "Refund bot" in capsys.readouterr().out
        owners = [(await backend.call("GET", f"/v1/handoffs/{it}"))["owner"] for it in waiting]
        assert sorted(owners) == ["Refund bot", "ville"]  # the bot still owns the other one
