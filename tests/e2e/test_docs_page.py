"""The API page in a real browser: it shows every operation, works, and loads nothing from elsewhere."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from handoff.api.operations import DOCUMENTED
from tests.e2e.desks import ADMIN, Desk, Office

pytestmark = pytest.mark.asyncio(loop_scope="session")
PATIENCE_MS = 20_000  # the page's script is large


async def page(shop: Office, fragment: str = "") -> Desk:
    """The page in a tab of its own, with every operation on it."""
    desk = await shop.tab()
    await desk.page.goto(f"{shop.url}/docs{fragment}")
    await expect(desk.page.locator(".opblock")).to_have_count(len(DOCUMENTED), timeout=PATIENCE_MS)
    return desk


async def test_the_page_shows_every_operation_and_loads_only_from_here(shop: Office) -> None:
    desk = await page(shop)
    operation = desk.page.locator("#operations-Customers-lookUp")
    await operation.get_by_role("button").first.click()
    await expect(operation.locator(".opblock-body")).to_be_visible()
    elsewhere = [url for url in desk.asked if not url.startswith((f"{shop.url}/", "data:", "about:"))]
    assert not elsewhere
    assert f"{shop.url}/openapi.json" in desk.asked
    assert not desk.complaints


async def test_a_request_can_be_tried_from_the_page(shop: Office) -> None:
    desk = await page(shop, "#/Operations/listQuarantine")
    await desk.page.evaluate("(token) => { window.ui.preauthorizeApiKey('bearer', token); }", ADMIN)
    operation = desk.page.locator("#operations-Operations-listQuarantine")
    for step in (".try-out__btn", ".execute"):
        await operation.locator(step).click()
    status = operation.locator(".live-responses-table .response-col_status").last
    await expect(status).to_contain_text("200")
    assert not desk.complaints


async def test_the_browser_holds_the_page_to_its_policy(shop: Office) -> None:
    desk = await shop.tab()
    await desk.page.goto(f"{shop.url}/docs", wait_until="commit")
    await desk.page.evaluate("fetch('http://127.0.0.1:1/').catch(() => null)")
    assert any("Content Security Policy" in it for it in desk.complaints)
