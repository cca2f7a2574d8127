"""The lease of the worker that sweeps, and where its sweep is. Rotations of key epochs have another one."""

from __future__ import annotations

from msgspec import Struct

from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys

LEASE_MS = 30_000
SWEEPS, ROTATIONS = "retention", "sealing"
_NONE = b"0-0"  # what the function answers where nothing is kept


class HeldSweep(Struct, frozen=True):
    """The lease with its fencing token, and what its last holder kept; empty at first."""

    token: int
    kept: bytes


class SweepLease:
    """One lease for the whole store: one worker sweeps."""

    def __init__(
        self, connection: Connection, functions: Functions, keys: Keys, consumer: str = SWEEPS
    ) -> None:
        self._connection = connection
        self._functions = functions
        self._lease = keys.lease(0, consumer)
        self._cursor = keys.cursor(0, consumer)
        self._outbox = keys.outbox(0)

    async def take(self, owner: str) -> HeldSweep | None:
        """Take or renew the lease; None while another worker has it."""
        answer = await self._functions.call("lease", [self._lease, self._cursor], [owner, LEASE_MS])
        token, kept = int(answer[0]), answer[1]
        if not token:
            return None
        return HeldSweep(token, b"" if kept == _NONE else kept)

    async def read(self) -> bytes:
        """The state that the last holder kept; empty if there was none."""
        return await self._connection.call(b"GET", self._cursor, key=self._cursor) or b""

    async def keep(self, held: HeldSweep, kept: bytes) -> bool:
        """Keep where the sweep is; False if another worker has the lease now."""
        arguments: list[bytes | int | str] = [str(held.token), kept, b""]
        keys = [self._lease, self._cursor, self._outbox]
        return bool(await self._functions.call("advance", keys, arguments))

    async def release(self, owner: str) -> None:
        """Let another worker continue immediately."""
        await self._functions.call("release", [self._lease], [owner])
