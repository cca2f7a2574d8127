"""One server and one browser for all desktops; each test is a tenant of its own in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest_asyncio
from playwright.async_api import Browser

from tests.e2e.desks import Office, browser, settings
from tests.serving import in_process

TENANTS = 40  # tests that may ask for one


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser; every tab is a profile of its own in it."""
    async with browser() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def offices(valkey: str, chromium: Browser) -> AsyncIterator[Iterator[Office]]:
    chosen = settings(valkey, tenants=TENANTS)
    async with in_process(chosen) as (server, http):
        yield iter([Office(server.url, it.secret, http, chromium) for it in chosen.tokens])


@pytest_asyncio.fixture(loop_scope="session")
async def shop(offices: Iterator[Office]) -> AsyncIterator[Office]:
    """A tenant with nothing in it. Its tabs are closed afterwards."""
    office = next(offices)
    before = list(office.browser.contexts)
    yield office
    for it in office.browser.contexts:
        if it not in before:
            await it.close()
