"""A server with an audit trail, and its entries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.services.audit.chain import files_of
from tests.access.conftest import Callers, opened

__all__ = ["Callers", "entries", "lines", "with_trail"]


def lines(folder: Path) -> list[dict[str, Any]]:
    """Every line of a chain, oldest first."""
    return [msgspec.json.decode(raw) for path in files_of(folder) for raw in path.read_bytes().splitlines()]


def entries(root: Path) -> list[dict[str, Any]]:
    """The accesses in a server's trail."""
    return [it for it in lines(root / "w0") if "kind" not in it]


@asynccontextmanager
async def with_trail(valkey: str, root: Path, **more: Any) -> AsyncIterator[Callers]:
    async with opened(valkey, audit={"dir": str(root), **more}) as callers:
        yield callers


@pytest.fixture
async def audited(valkey: str, tmp_path: Path) -> AsyncIterator[tuple[Callers, Path]]:
    async with with_trail(valkey, tmp_path / "audit") as callers:
        yield callers, tmp_path / "audit"
