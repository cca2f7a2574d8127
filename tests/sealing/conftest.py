"""Fixtures for sealed stores: a store is sealed for good, so each module has a server of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from handoff.store.connection import Connection
from handoff.store.sealing.sealing import FIELD
from handoff.store.sealing.settings import SealingSettings
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store
from tests.store.servers import valkey_server

MASTER = "the master key of these tests, 32 characters at least"


def sealing(folder: Path, keys: str = MASTER) -> SealingSettings:
    return SealingSettings(keys=keys, key_file=str(folder / "keys.json"))


@asynccontextmanager
async def opened_sealed(
    url: str, sealed: SealingSettings, *tenants: str, **more: Any
) -> AsyncIterator[Store]:
    """Open a sealed store as the server does."""
    chosen = StoreSettings(url=url, **more)
    async with Connection(chosen) as connection, open_store(chosen, connection, sealed=sealed) as store:
        await store.prepare_tenants(tenants)
        yield store


async def destroy_key(store: Store, home: bytes) -> None:
    """Destroy an identity's key and value, as another server does with an erasure."""
    await store.connection.call("HDEL", store.keys.record(home), FIELD, "v")


@pytest.fixture(scope="module")
def keys_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
async def sealed_store(valkey: str, keys_folder: Path, tenant: str) -> AsyncIterator[Store]:
    """The module's Valkey as a sealed store."""
    async with opened_sealed(valkey, sealing(keys_folder), tenant) as store:
        yield store


@pytest.fixture
def fresh_valkey() -> Iterator[str]:
    """A Valkey for one test."""
    with valkey_server() as url:
        yield url
