"""Where the primary is, by all sentinels: the newest failover that any of them knows of counts.

redis-py believes the first sentinel that answers. One that is cut off together with an old primary keeps
naming it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from msgspec import Struct
from redis.asyncio.sentinel import MasterNotFoundError

from .address import StoreAddress
from .packing import prepare
from .transport import all_answers
from .watch import LOOK_S
from .wire import HostPort, RespConnection

_DOWN = ("s_down", "o_down")

log = structlog.get_logger(__name__)


class SentinelView(Struct, frozen=True):
    """The view of one sentinel: the epoch of the last failover, the primary since, and whether it is up."""

    epoch: int
    up: bool
    place: HostPort


class Sentinels:
    """The sentinels of one service. `version` grows with every new primary."""

    def __init__(self, address: StoreAddress) -> None:
        self.version = 0
        self.place: HostPort | None = None
        self._service = address.service
        service = address.service
        self._commands = prepare(
            (("SENTINEL", "MASTER", service), ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service))
        )
        self._connections = [RespConnection(_one(address, node), silence_s=LOOK_S) for node in address.nodes]

    async def discover_master(self, service: str) -> HostPort:
        """Where the primary is now; redis-py requires this name.

        MasterNotFoundError where no sentinel knows one that is up.
        """
        best = await self._newest()
        if best is None or not best.up:
            raise MasterNotFoundError(f"no sentinel knows a primary of {service!r} that is up")
        self._note(best.place)
        return best.place

    async def look(self) -> None:
        best = await self._newest()
        if best is not None and best.up:
            self._note(best.place)

    async def aclose(self) -> None:
        for connection in self._connections:
            connection.close()

    def _note(self, place: HostPort) -> None:
        if place == self.place:
            return
        if self.place is not None:
            self.version += 1
            log.warning("store_primary_changed", service=self._service)
        self.place = place

    async def _newest(self) -> SentinelView | None:
        """The newest view of all that answered. Waits for a majority, and LOOK_S at most."""
        asking = {asyncio.ensure_future(self._ask(connection)) for connection in self._connections}
        views: list[SentinelView] = []
        try:
            async with asyncio.timeout(LOOK_S):
                while asking and len(views) <= len(self._connections) // 2:
                    done, asking = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                    views += [view for it in done if (view := it.result()) is not None]
        except TimeoutError:
            pass
        finally:
            for task in asking:
                task.cancel()
        return newest(views)

    async def _ask(self, connection: RespConnection) -> SentinelView | None:
        try:
            master, place = await all_answers(connection, self._commands)
            return read_view(master, place)
        except Exception:  # silent, gone, or without the service: others are asked
            return None


def newest(views: Iterable[SentinelView]) -> SentinelView | None:
    """The view of the newest failover, preferably of a sentinel that reaches the primary."""
    return max(views, key=lambda it: (it.epoch, it.up), default=None)


def read_view(master: Sequence[bytes], place: Sequence[bytes]) -> SentinelView:
    """The view in the answers of SENTINEL MASTER and GET-MASTER-ADDR-BY-NAME."""
    fields = dict(zip(master[::2], master[1::2], strict=True))
    flags = fields[b"flags"].decode().split(",")
    at = (place[0].decode(), int(place[1]))
    # While a failover ends, the new primary is named already and the flags are still the old one's.
    old = (fields[b"ip"].decode(), int(fields[b"port"]))
    up = at != old or ("master" in flags and not any(it in flags for it in _DOWN))
    return SentinelView(int(fields[b"config-epoch"]), up, at)


def _one(address: StoreAddress, node: HostPort) -> StoreAddress:
    """The address of one sentinel, with the sentinels' own credentials."""
    own: dict[str, Any] = {it: address.options.get(f"sentinel_{it}") for it in ("username", "password")}
    return StoreAddress(
        kind="single", name=address.name, tls=address.tls, nodes=(node,), options=address.options, **own
    )
