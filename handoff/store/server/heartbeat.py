"""The heartbeat: a small write every few seconds that proves writes, and shows a loss of what was stored.

`{n}b` is a hash. `n` counts the heartbeats of all servers, `w…` is the count at each server's own last one,
`accepted` the number of losses that an operator accepted, `lost` why data is known to be lost (`empty` or
`older`) until the operator accepts that. A server remembers the count that was confirmed to it; a store with
a lower one has lost the data acknowledged since. On a Cluster every partition has a heartbeat, and each
primary gets that of one of its partitions; elsewhere the first partition's is the only one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal, cast

from handoff.store.connection import Connection
from handoff.store.errors import unavailable
from handoff.store.functions.library import HEARTBEAT, Functions
from handoff.store.keys import META, Keys
from handoff.store.settings import Durability

from .seen import Floor

Loss = Literal["empty", "older"]

FSYNC_S = 3.0  # everysec: a second, and up to two more while the disk is slow
FAILOVER_S = 10.0  # replicas that nobody waits for: minutes behind would be a fault, seconds are not
CLUSTER_S = 2.0  # for a primary of a Cluster: more than replicas are waited for


def tolerated_s(durability: Durability, *, fails_over: bool) -> float:
    """How much of the newest data the promise allows to be lost, in seconds."""
    if durability == "replicated":
        return 0.0
    if durability == "provider" or fails_over:
        return FAILOVER_S
    return FSYNC_S if durability == "everysec" else 0.0


@asynccontextmanager
async def patience(connection: Connection) -> AsyncIterator[None]:
    """StoreUnavailable after CLUSTER_S on a Cluster: one slow primary does not stand for the others, and
    probes of `/readyz` time out early. A single store gets the whole deadline of a call.
    """
    try:
        async with asyncio.timeout(CLUSTER_S if connection.cluster else None):
            yield
    except TimeoutError as error:
        raise unavailable("timeout") from error


class Memory:
    """This server's knowledge of one heartbeat. Data younger than `tolerated_s` may be lost."""

    def __init__(self, tolerated_s: float, floor: Floor) -> None:
        self._tolerated_s = tolerated_s
        self._floor = floor
        self._confirmed: deque[tuple[float, int]] = deque()

    def arguments(self, now: float) -> tuple[int, int, int]:
        """`expected`, `floor` and `accepted` as heartbeat.lua takes them."""
        return self._settled(now), self._floor.count, self._floor.accepted

    def floor(self, now: float) -> Floor:
        """The least that the store must have from now on."""
        return Floor(count=max(self._settled(now), self._floor.count), accepted=self._floor.accepted)

    def note(self, now: float, count: int, accepted: int, lost: bool) -> None:
        """Keep the answer to a heartbeat that started at `now`.

        While data is lost the expectation stays: the right data may come back.
        """
        if accepted > self._floor.accepted:
            self._confirmed.clear()
            self._floor = Floor(accepted=accepted)
        if lost:
            return
        while self._confirmed and self._confirmed[-1][1] >= count:
            self._confirmed.pop()  # lost within what is tolerated
        self._confirmed.append((now, count))
        while len(self._confirmed) > 1 and self._confirmed[1][0] <= now - self._tolerated_s:
            self._confirmed.popleft()
        self._floor = Floor(accepted=self._floor.accepted)

    def _settled(self, now: float) -> int:
        settled = [count for since, count in self._confirmed if since <= now - self._tolerated_s]
        return settled[-1] if settled else 0


class Heartbeats:
    """This server's heartbeats on one store."""

    def __init__(
        self,
        connection: Connection,
        functions: Functions,
        keys: list[bytes],
        tolerated_s: float,
        floor: Floor,
    ) -> None:
        self._connection = connection
        self._functions = functions
        self.keys = keys
        self._tolerated_s = tolerated_s
        self._first_floor = floor
        self._writer = secrets.token_bytes(8)
        self._memories: dict[bytes, Memory] = {}

    def floor(self) -> Floor:
        """The least that the store must have at the next start; of a single server only."""
        memory = self._memories.get(self.keys[0])
        return memory.floor(asyncio.get_running_loop().time()) if memory else self._first_floor

    async def beat(self) -> list[Loss | Exception | None]:
        """A durable write to each primary: None where its data is there, what is lost of it, or why the
        write failed."""
        chosen = self._connection.one_of_each_primary(self.keys)
        outcomes = await asyncio.gather(*map(self._beat, chosen), return_exceptions=True)
        return [it for it in outcomes if not isinstance(it, BaseException) or isinstance(it, Exception)]

    async def _beat(self, key: bytes) -> Loss | None:
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = Memory(self._tolerated_s, self._first_floor)
        now = asyncio.get_running_loop().time()
        arguments: list[bytes | int | str] = [self._writer, *memory.arguments(now), 1]
        async with patience(self._connection):
            count, accepted, why = await self._functions.call(HEARTBEAT, [key], arguments)
        memory.note(now, count, accepted, bool(why))
        return cast(Loss, why.decode()) if why else None


def heartbeat_keys(keys: Keys, *, cluster: bool) -> list[bytes]:
    """The heartbeats that a store has."""
    return [keys.heartbeat(number) for number in range(keys.partitions if cluster else 1)]


async def prepare_heartbeats(connection: Connection, keys: Sequence[bytes]) -> None:
    """Create the heartbeats of a store that never had any: later a missing one means a loss."""
    made = b"heartbeats:%d" % len(keys)
    if await connection.call(b"HGET", META, made, key=META) is None:
        await connection.answers([(b"HSETNX", key, b"n", 0) for key in keys])
        await connection.call(b"HSET", META, made, 1, key=META)


async def accept_loss(connection: Connection, keys: Sequence[bytes]) -> list[Loss]:
    """Accept every loss that the store's servers found; the losses, one for each heartbeat."""
    found = await connection.answers([(b"HGET", key, b"lost") for key in keys])
    losses = {key: cast(Loss, why.decode()) for key, why in zip(keys, found, strict=True) if why}
    if losses:
        # Servers must see the acceptance before the loss is gone, or they would find it again. All heartbeats
        # record it: on a Cluster the primary that lost data may hold others that no server reads now.
        await connection.answers([(b"HSETNX", key, b"n", 0) for key in keys])
        await connection.answers([(b"HINCRBY", key, b"accepted", 1) for key in keys])
        await connection.answers([(b"HDEL", key, b"lost") for key in losses])
    return list(losses.values())
