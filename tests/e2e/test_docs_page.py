"""The API page in a real browser: it shows every operation, sends requests, and loads only local files."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from handoff.api.operations import DOCUMENTED
from tests.e2e.agents import ADMIN, PATIENCE_MS, AgentTab, Backend
from tests.e2e.test_panel_for_people import findings

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def page(backend: Backend, fragment: str = "") -> AgentTab:
    """Open the page in a new tab and wait until it shows every operation."""
    tab = await backend.new_tab()
    await tab.page.goto(f"{backend.url}/docs{fragment}")
    await expect(tab.page.locator(".opblock")).to_have_count(len(DOCUMENTED), timeout=PATIENCE_MS)
    return tab


async def test_the_page_shows_every_operation_and_loads_only_local_files(backend: Backend) -> None:
    tab = await page(backend)
    operation = tab.page.locator("#operations-Customers-lookUp")
    await operation.get_by_role("button").first.click()
    await expect(operation.locator(".opblock-body")).to_be_visible()
    elsewhere = [url for url in tab.requests if not url.startswith((f"{backend.url}/", "data:", "about:"))]
    assert not elsewhere
    assert f"{backend.url}/openapi.json" in tab.requests
    assert not tab.errors


async def test_a_request_can_be_tried_from_the_page(backend: Backend) -> None:
    tab = await page(backend, "#/Operations/listQuarantine")
    await tab.page.evaluate("(token) => { window.ui.preauthorizeApiKey('bearer', token); }", ADMIN)
    operation = tab.page.locator("#operations-Operations-listQuarantine")
    for step in (".try-out__btn", ".execute"):
        await operation.locator(step).click()
    status = operation.locator(".live-responses-table .response-col_status").last
    await expect(status).to_contain_text("200")
    assert not tab.errors


async def test_the_browser_enforces_the_content_security_policy(backend: Backend) -> None:
    tab = await backend.new_tab()
    await tab.page.goto(f"{backend.url}/docs", wait_until="commit")
    await tab.page.evaluate("fetch('http://127.0.0.1:1/').catch(() => null)")
    assert any("Content Security Policy" in it for it in tab.errors)


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": {"width": 320, "height": 640}}],
    ids=["light", "dark", "narrow"],
)
async def test_the_entry_page_leads_to_the_reference_and_has_no_violations(
    backend: Backend, options: dict[str, Any]
) -> None:
    tab = await backend.new_tab(bypass_csp=True, **options)
    await tab.page.goto(backend.url)
    assert await findings(tab) == []
    assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await tab.page.get_by_role("link", name="API reference").click()
    await expect(tab.page.locator(".opblock")).to_have_count(len(DOCUMENTED), timeout=PATIENCE_MS)
    assert not tab.errors
