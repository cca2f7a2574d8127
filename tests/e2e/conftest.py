"""One server and one browser for all tests; each test gets its own tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Browser

from handoff.bootstrap.server import Options, running
from tests.e2e.agents import ADMIN, Backend, browser, settings

TENANTS = 40  # at least one for each test


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser. Every tab has its own profile."""
    async with browser() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backends(valkey: str, chromium: Browser) -> AsyncIterator[Iterator[Backend]]:
    chosen = settings(valkey, tenants=TENANTS)
    options = Options(admin_token=ADMIN)
    async with running(chosen, options) as server, ClientSession() as http:
        yield iter([Backend(server.url, it.secret, http, chromium) for it in chosen.tokens])


@pytest_asyncio.fixture(loop_scope="session")
async def backend(backends: Iterator[Backend]) -> AsyncIterator[Backend]:
    """An empty tenant. Its tabs are closed afterwards."""
    mine = next(backends)
    before = list(mine.browser.contexts)
    yield mine
    for context in mine.browser.contexts:
        if context not in before:
            await context.close()
