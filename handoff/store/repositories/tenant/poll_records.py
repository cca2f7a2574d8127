"""The cursors of fetched sources, the leases of the workers that poll them, and their access tokens.

One worker holds a source's lease. Its fencing token grows with each new holder; a cursor moves only with the
newest one. Cursors and tokens are in the tenant's control partition.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import Micros
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.repositories.control import Change, Control, read_versioned

LEASE_MS = 3_000  # a dead worker's sources wait this long
_NONE = b"0-0"  # what the function answers where no state is kept


class PollState(Struct, frozen=True, kw_only=True):
    """Where a source's polling is: its cursor, when the next poll is due, and what failed since when."""

    cursor: str | None = None
    next_at: Micros = 0
    failures: int = 0
    failing_since: Micros | None = None
    reason: str = ""


class HeldPoll(Struct, frozen=True, kw_only=True):
    """A held lease: its fencing token, and the state that the last holder kept."""

    token: int
    state: PollState


class PollRecords:
    """The polling of one tenant's sources."""

    def __init__(self, connection: Connection, functions: Functions, control: Control) -> None:
        self._connection = connection
        self._functions = functions
        self._control = control
        self._keys = control.keys

    async def take(self, source: str, owner: str) -> HeldPoll | None:
        """Take or renew the lease; None while another worker holds it. One round trip."""
        keys = [self._lease(source), self._state(source)]
        token, kept = await self._functions.call("lease", keys, [owner, LEASE_MS])
        if not token:
            return None
        return HeldPoll(token=int(token), state=self._read(source, None if kept == _NONE else kept))

    async def keep(self, source: str, held: HeldPoll, state: PollState) -> bool:
        """Keep a new state; False, and nothing changed, if another worker has taken the lease since."""
        key = self._state(source)
        sealed = self._control.seal.seal(key, encode_record(state))
        keys = [self._lease(source), key, self._keys.outbox()]
        return bool(await self._functions.call("advance", keys, [str(held.token), sealed, b""]))

    async def release(self, source: str, owner: str) -> None:
        """Let another worker continue at once."""
        await self._functions.call("release", [self._lease(source)], [owner])

    async def states(self, sources: Sequence[str]) -> list[PollState]:
        """The state of each source; one round trip."""
        found = await self._connection.answers([(b"GET", self._state(it)) for it in sources])
        return [self._read(source, raw) for source, raw in zip(sources, found, strict=True)]

    def _read(self, source: str, raw: bytes | None) -> PollState:
        """The state; a new one if none is kept or it cannot be read: the source begins again at `since`."""
        plain = self._control.seal.open(self._state(source), raw) if raw else None
        if plain is None:
            return PollState()
        try:
            return decode_as(plain, PollState)
        except msgspec.DecodeError:
            return PollState()

    def _lease(self, source: str) -> bytes:
        return self._keys.named(f"poll_lease.{source}")

    def _state(self, source: str) -> bytes:
        return self._keys.named(f"poll_state.{source}")

    # Access tokens: sealed by the caller, and replaced only by a caller that knows the present ones

    async def tokens(self, source: str) -> tuple[int, bytes | None]:
        """The version of a source's sealed tokens, and the tokens; version 0 if there are none."""
        (raw,) = await self._control.read([self._tokens(source)])
        found = read_versioned(raw)
        return found.version, decode_as(found.blob, bytes) if found.version else None

    async def replace_tokens(self, source: str, version: int, sealed: bytes) -> None:
        """Durable when it returns. Changed if other tokens were stored since `version` was read."""
        key = self._tokens(source)
        await self._control.commit(Change().expect(key, version).put(key, version + 1, sealed))

    def _tokens(self, source: str) -> bytes:
        return self._keys.named(f"poll_tokens.{source}")
