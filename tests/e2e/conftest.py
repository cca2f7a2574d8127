"""One server and one browser for all tests; each test gets its own tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.agents import Backend, browser, settings
from tests.serving import in_process
from tests.store.servers import valkey_server

TENANTS = 60  # at least one for each test


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser. Every tab has its own profile."""
    async with browser() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def backends(chromium: Browser) -> AsyncIterator[Iterator[Backend]]:
    with valkey_server() as url:
        chosen = settings(url, tenants=TENANTS)
        async with in_process(chosen) as (server, http):
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
