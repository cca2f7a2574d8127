"""The API page in a real browser: it shows every operation, sends requests, and loads only local files."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from handoff.api.operations import DOCUMENTED
from tests.e2e.agents import ADMIN, PATIENCE_MS, AgentTab, Backend
from tests.e2e.looks import Look, findings_in_every_look

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


async def test_the_entry_page_leads_to_the_reference_and_neither_has_violations(backend: Backend) -> None:
    narrow = Look(width=320)
    tab = await backend.new_tab(bypass_csp=True)
    await tab.page.goto(backend.url)
    assert await findings_in_every_look(tab, looks=(Look(), Look(theme="dark"), narrow)) == []
    await tab.page.get_by_role("link", name="API reference").click()
    await expect(tab.page.locator(".opblock")).to_have_count(len(DOCUMENTED), timeout=PATIENCE_MS)
    operation = tab.page.locator("[id$='-openSession']")
    await operation.get_by_role("button").first.click()
    await operation.locator(".try-out__btn").click()
    await operation.get_by_role("textbox", name="Request body").wait_for()
    assert await findings_in_every_look(tab, looks=(narrow,)) == []  # it has one theme
    assert not tab.errors
