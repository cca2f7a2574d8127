"""Fixtures for all tests: real stores of every kind, with a new tenant for each test."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings

from handoff.cli.main import GC_THRESHOLDS
from handoff.store.connection import Connection
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store
from tests.examples import SHARE, examples
from tests.store.servers import cluster_of_three, redis7_server, valkey_server

# Shared machines can be slow, and a failure of CI must be reproducible.
settings.register_profile(
    "shared",
    deadline=None,
    derandomize=SHARE <= 1,
    max_examples=examples(100),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("shared")

gc.set_threshold(*GC_THRESHOLDS)  # as the server's own processes: thousands of tests are many objects

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run each test on the loop of production; those marked `both_loops` on the standard loop as well."""
    if item.get_closest_marker("both_loops"):
        return LOOPS
    return {"uvloop": LOOPS["uvloop"]}


BACKENDS = {"valkey": valkey_server, "redis-7.0": redis7_server, "cluster": cluster_of_three}
BACKEND_PARAMS = [
    "valkey",
    pytest.param("redis-7.0", marks=pytest.mark.no_cover),  # runs the same lines as on Valkey
    "cluster",
]
_tenants = itertools.count()


def fresh_tenant() -> str:
    """A new tenant. It isolates a test from others on the same server."""
    return f"tenant{next(_tenants)}"


@asynccontextmanager
async def opened(url: str, **settings: Any) -> AsyncIterator[Store]:
    """Open the store at `url` as the server does."""
    chosen = StoreSettings(url=url, **settings)
    async with Connection(chosen) as connection, open_store(chosen, connection) as store:
        yield store


async def slot_errors(store: Store) -> int:
    """How often the store's servers refused a command because of its keys' slots."""
    count = 0
    for info in await store.connection.on_primaries("INFO", "errorstats"):
        for line in info.decode().splitlines():
            name, _, rest = line.partition(":count=")
            if name in ("errorstat_CROSSSLOT", "errorstat_MOVED", "errorstat_ASK"):
                count += int(rest)
    return count


@pytest.fixture(scope="session", params=BACKEND_PARAMS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server of each kind, without persistence."""
    with BACKENDS[request.param](appendonly="no") as url:
        yield url


@pytest.fixture(scope="module")
def valkey() -> Iterator[str]:
    """The URL of a durable Valkey, one for each module: a server under test would first work off what the
    tests of other modules left in the outbox."""
    with valkey_server() as url:
        yield url


@pytest.fixture
async def store(backend: str) -> AsyncIterator[Store]:
    """An open store of each kind. A command for keys in a wrong slot fails the test."""
    async with opened(backend) as store:
        before = await slot_errors(store)
        yield store
        assert await slot_errors(store) == before, "a command named keys of several or of foreign slots"


@pytest.fixture
async def own_store(valkey: str) -> AsyncIterator[Store]:
    """An open store on the durable Valkey, for tests that do not depend on the kind of server."""
    async with opened(valkey) as store:
        yield store


@pytest.fixture
def tenant() -> str:
    return fresh_tenant()
