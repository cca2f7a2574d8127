"""Deliveries that could not be read, as agents see them: only for customers whom they may concern."""

from __future__ import annotations

import time

import msgspec
import pytest
from playwright.async_api import Browser, expect

from handoff.domain.clock import format_time
from tests.e2e.agents import Backend, settings
from tests.serving import in_process
from tests.store.servers import valkey_server

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = "write-key-of-the-shop"


async def test_an_agent_dismisses_a_notice_until_another_delivery_is_unreadable(chromium: Browser) -> None:
    with valkey_server() as url:
        chosen = settings(url)
        (token,) = chosen.tokens
        source = {"name": "shop", "adapter": "web.segment", "secrets": [KEY], "trust": "server"}
        chosen = msgspec.structs.replace(chosen, sources=[{**source, "tenant": token.tenant}])
        async with in_process(chosen) as (server, http):
            backend = Backend(server.url, token.secret, http, chromium)

            async def unreadable(body: bytes) -> None:
                await http.post(f"{backend.url}/in/shop/v1/track?writeKey={KEY}", data=body)

            now = format_time(time.time_ns() // 1000)
            for user in ("anna", "bert", "carl"):
                shop = {"source": "shop"} if user != "carl" else {}
                await backend.record(f"of-{user}", identities=[f"user:{user}"], occurred_at=now, **shop)
            await unreadable(b'{"userId": "anna"}')
            await unreadable(b"{")
            tab = await backend.open_panel("identity=user:anna")
            await tab.wait_until_live()
            banner, notice = tab.context.locator(".banner"), tab.context.locator(".notice.possible")
            await expect(banner).to_contain_text("shop: 1 could not be read")
            await expect(notice).to_contain_text("shop: 1 delivery could not be read")
            await notice.get_by_role("button", name="Dismiss").click()
            await expect(notice).to_have_count(0)
            await expect(tab.context.locator(".who-part")).to_be_focused()
            await tab.page.reload()
            await tab.page.get_by_label("Token").fill(await backend.token("ville"))
            await tab.page.keyboard.press("Enter")
            await expect(banner).to_be_visible()
            await expect(notice).to_have_count(0)

            async def show(user: str) -> None:
                await tab.context.evaluate("(it, who) => it.setAttribute('identity', who)", f"user:{user}")
                await expect(tab.entry(f"text of of-{user}")).to_be_visible()

            await show("carl")
            await expect(tab.context.locator(".banner, .notice.possible")).to_have_count(0)
            await show("bert")
            await expect(notice).to_be_visible()  # dismissed for another customer
            await expect(banner).to_have_count(0)
            await unreadable(b"[")
            await show("anna")
            await expect(notice).to_contain_text("shop: 2 deliveries could not be read")
            assert "anna" not in await tab.page.evaluate("JSON.stringify(localStorage)")
            assert not tab.errors
