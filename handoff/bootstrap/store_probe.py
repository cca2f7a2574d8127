"""Waits for a store that is still starting, and reports early that nobody can connect to it.

This module imports nothing that connects to stores: the probe runs while the server's modules are imported.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import structlog

from handoff.domain.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from handoff.store.connection import Connection

PROBE_S = 0.5
WAIT_S = 10.0  # how long to wait for a store that is still starting
GO_ON = (
    "Start the store, correct store.url (HANDOFF_STORE_URL overrides it), "
    "or leave it out to use the embedded store"
)
_PORTS = {"sentinel": 26379}

log = structlog.get_logger(__name__)


async def warn_if_unreachable(url: str) -> None:
    """Log a warning if no server of a store's URL accepts a connection within PROBE_S."""
    try:
        parts = urlsplit(url)
        places = _places(parts)
    except ValueError:
        return  # the start reports an invalid URL
    found = await asyncio.gather(*(_reason(it) for it in places))
    if found and all(found):
        shown = ", ".join(f"{host}:{port}" if port else host for host, port in places)
        log.warning("store_unreachable", store=f"{parts.scheme}://{shown}", reason=found[0], next=GO_ON)


def _places(parts: SplitResult) -> list[tuple[str, int]]:
    """Hosts and ports; the path and 0 for a Unix socket."""
    if parts.scheme == "unix":
        return [(parts.path, 0)]
    default = _PORTS.get(parts.scheme.partition("+")[2], 6379)
    hosts = (urlsplit(f"//{it}") for it in parts.netloc.rpartition("@")[2].split(","))
    return [(it.hostname, it.port or default) for it in hosts if it.hostname]


async def _reason(place: tuple[str, int]) -> str | None:
    """Why a server cannot be connected to; None if it can."""
    host, port = place
    try:
        async with asyncio.timeout(PROBE_S):
            opening = asyncio.open_connection(host, port) if port else asyncio.open_unix_connection(host)
            _reader, writer = await opening
        writer.close()
    except TimeoutError:
        return f"no answer within {PROBE_S:g} s"
    except OSError as error:
        return error.strerror or str(error)
    return None


async def wait_for_store(connection: Connection, *, wait_s: float = WAIT_S) -> None:
    """Return when the store answers. ConfigurationError if it does not respond in time."""
    reason = f"no answer within {wait_s:g} s"
    try:
        async with asyncio.timeout(wait_s):
            while True:
                try:
                    await connection.ping()
                    return
                except StoreUnavailable as error:
                    reason = error.detail
                    await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise ConfigurationError(f"the store at store.url does not respond: {reason}. {GO_ON}") from error
