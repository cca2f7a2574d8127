"""Which primary holds which slots of a Cluster, by all its nodes: the newest claim to a slot counts.

redis-py believes any one node. A primary that is cut off from the others keeps claiming its slots, and its
clients would stay with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from msgspec import Struct

from .address import StoreAddress
from .packing import prepare
from .transport import all_answers
from .watch import LOOK_S
from .wire import HostPort, RespConnection

_COMMANDS = prepare((("CLUSTER", "SLOTS"), ("CLUSTER", "NODES")))
SLOTS = 16384

log = structlog.get_logger(__name__)


class SlotClaim(Struct, frozen=True, order=True):
    """That a primary holds the slots `first` to `last` since an epoch."""

    epoch: int
    first: int
    last: int
    place: HostPort


class ClusterMap:
    """The slots of a Cluster as its nodes claim them. `version` grows whenever a slot changes its primary."""

    def __init__(self, address: StoreAddress) -> None:
        self.version = 0
        self.owners: tuple[HostPort | None, ...] = ()
        self.informed: tuple[HostPort, ...] = ()
        """The nodes whose own view is the one that counts."""
        self._address = address
        self._connections: dict[HostPort, RespConnection] = {}
        self._known: tuple[HostPort, ...] = ()

    async def look(self) -> None:
        places = tuple(dict.fromkeys((*self._known, *self._address.nodes)))
        views = await asyncio.gather(*map(self._ask, places))
        heard = {place: claims for place, claims in zip(places, views, strict=True) if claims}
        if not heard:
            return
        owners = merged(it for claims in heard.values() for it in claims)
        self.informed = tuple(place for place, claims in heard.items() if merged(claims) == owners)
        if owners != self.owners:
            if self.owners:
                self.version += 1
                log.info("store_slots_changed")
            self.owners = owners
        self._known = tuple(dict.fromkeys(it for it in owners if it is not None))
        for place in self._connections.keys() - {*self._known, *self._address.nodes}:
            self._connections.pop(place).close()

    async def aclose(self) -> None:
        for connection in self._connections.values():
            connection.close()

    async def _ask(self, place: HostPort) -> list[SlotClaim]:
        connection = self._connections.get(place)
        if connection is None:
            connection = self._connections[place] = RespConnection(self._one(place), silence_s=LOOK_S)
        try:
            async with asyncio.timeout(LOOK_S):
                slots, nodes = await all_answers(connection, _COMMANDS)
            return read_claims(slots, nodes, place[0])
        except Exception:  # silent, gone, or not a Cluster node: others are asked
            return []

    def _one(self, place: HostPort) -> StoreAddress:
        address = self._address
        return StoreAddress(
            kind="single",
            name=address.name,
            tls=address.tls,
            nodes=(place,),
            username=address.username,
            password=address.password,
            options=address.options,
        )


def read_claims(slots: Sequence[Sequence[Any]], nodes: bytes, host: str) -> list[SlotClaim]:
    """The claims a node at `host` knows of: places as CLUSTER SLOTS has them, epochs of CLUSTER NODES."""
    rows = [line.split(" ") for line in nodes.decode(errors="replace").splitlines() if line]
    epochs = {row[0]: int(row[6]) for row in rows if len(row) > 6}
    claims = []
    for first, last, primary, *_replicas in slots:
        name = (primary[0] or b"").decode()
        epoch = epochs.get(primary[2].decode(), 0)
        claims.append(SlotClaim(epoch, first, last, (name if name not in ("", "?") else host, primary[1])))
    return claims


def merged(claims: Iterable[SlotClaim]) -> tuple[HostPort | None, ...]:
    """The primary of each slot, by the newest claim to it."""
    owners: list[HostPort | None] = [None] * SLOTS
    for claim in sorted(set(claims)):
        owners[claim.first : claim.last + 1] = [claim.place] * (claim.last - claim.first + 1)
    return tuple(owners)
