"""The API page in a real browser: it shows every operation, works, and loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from handoff.api.reference import OPERATIONS
from tests.api.described import ADMIN, Described, described_server
from tests.e2e.chromium import binary, page
from tests.store.servers import valkey_binary

ROWS = "document.querySelectorAll('.opblock').length"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Described]:
    binary()
    valkey_binary()
    (tmp_path / "server").mkdir()
    async with described_server(tmp_path / "server") as client:
        yield client


async def test_the_page_shows_every_operation_and_loads_only_from_here(
    server: Described, tmp_path: Path
) -> None:
    async with page(tmp_path / "profile") as tab:
        await tab.open(f"{server.url}/docs")
        await tab.until(f"{ROWS} === {len(OPERATIONS)}")
        await tab.evaluate("document.querySelector('#operations-Customers-lookUp button').click()")
        await tab.until("document.querySelector('#operations-Customers-lookUp .opblock-body')")
        elsewhere = [
            url for url in tab.requested if not url.startswith((f"{server.url}/", "data:", "about:"))
        ]
        assert not elsewhere
        assert f"{server.url}/openapi.json" in tab.requested
        assert not tab.complaints


async def test_a_request_can_be_tried_from_the_page(server: Described, tmp_path: Path) -> None:
    async with page(tmp_path / "profile") as tab:
        await tab.open(f"{server.url}/docs#/Operations/listQuarantine")
        await tab.until(f"{ROWS} === {len(OPERATIONS)}")
        await tab.evaluate(f"window.ui.preauthorizeApiKey('bearer', {ADMIN!r})")
        row = "document.querySelector('#operations-Operations-listQuarantine')"
        for step in (".try-out__btn", ".execute"):
            await tab.until(f"{row}.querySelector('{step}')")
            await tab.evaluate(f"{row}.querySelector('{step}').click()")
        await tab.until(f"{row}.querySelector('.live-responses-table .response-col_status')")
        status = await tab.evaluate(f"{row}.querySelector('.live-responses-table tbody tr td').innerText")
        assert status.startswith("200")
        assert not tab.complaints


async def test_the_browser_holds_the_page_to_its_policy(server: Described, tmp_path: Path) -> None:
    async with page(tmp_path / "profile") as tab:
        await tab.open(f"{server.url}/docs")
        await tab.until(f"{ROWS} > 0")
        await tab.evaluate("fetch('http://127.0.0.1:1/').catch(() => null)")
        assert any("Content Security Policy" in it for it in tab.complaints)
