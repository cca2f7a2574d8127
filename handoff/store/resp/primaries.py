"""Connections of our own to the primaries of a Cluster, for one caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .packing import Prepared
from .transport import Places, Transport
from .wire import HostPort, RespConnection

REST_S = 5.0


class PrimaryConnections:
    """A connection to each primary, opened when it is first used.

    `primary_of` gives the place of a key's primary, None while it is unknown. `connect` makes a connection
    to a place. `fallback` takes over whatever a connection cannot do: it knows how a Cluster changes.
    """

    def __init__(
        self,
        primary_of: Callable[[bytes], HostPort | None],
        connect: Callable[[HostPort], RespConnection],
        fallback: Transport,
    ) -> None:
        self._primary_of = primary_of
        self._connect = connect
        self._fallback = fallback
        self._by_place: dict[HostPort, PrimaryConnection] = {}

    def toward(self, key: bytes) -> Transport:
        """The connection to a key's primary; the fallback while that is unknown or the connection rests."""
        place = self._primary_of(key)
        if place is None:
            return self._fallback
        known = self._by_place.get(place)
        if known is None:
            known = self._by_place[place] = PrimaryConnection(self._connect(place), self._fallback)
        return self._fallback if known.rests else known


class PrimaryConnection:
    """The connection to one primary. After a failure it rests: its primary may have a successor."""

    def __init__(self, connection: RespConnection, fallback: Transport) -> None:
        self.fallback = fallback
        self._connection = connection
        self._rests_until = 0.0

    @property
    def rests(self) -> bool:
        return self._rests_until > 0.0 and self._rests_until > asyncio.get_running_loop().time()

    @property
    def is_open(self) -> bool:
        return self._connection.is_open

    async def exchange(self, batch: Prepared, places: Places = None) -> list[Any]:
        try:
            return await self._connection.exchange(batch)
        except (OSError, TimeoutError):
            self._rests_until = asyncio.get_running_loop().time() + REST_S
            raise

    async def exchange_in_order(self, batch: Prepared, key: bytes) -> list[Any]:
        return await self.exchange(batch)
