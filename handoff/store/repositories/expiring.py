"""A tenant's records that expire by themselves: session tokens, and answers kept for idempotency keys."""

from __future__ import annotations

from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys


class SessionRecords:
    """Sessions by the hash of their token. One round trip a call."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    async def put(self, id_: bytes, session: bytes, *, seconds: int) -> None:
        """Keep a session for so many seconds."""
        key = self._keys.record("e", id_)
        await self._connection.call(b"SET", key, session, b"EX", seconds, key=key)

    async def read(self, id_: bytes) -> bytes | None:
        """The session, or None when there is none or it has expired."""
        key = self._keys.record("e", id_)
        found: bytes | None = await self._connection.call(b"GET", key, key=key)
        return found


class IdempotencyRecords:
    """Records of the first request with each idempotency key, by the key's place (`place_of`)."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys

    def place_of(self, key: bytes) -> bytes:
        """Where the record of a key is, by the key's hash."""
        return self._keys.idempotency(key)

    async def claim(self, place: bytes, claim: bytes, *, seconds: float) -> bytes | None:
        """Put `claim` at a free place. None when it is there now, otherwise the record that was first.

        `claim` must be unique to the caller: a repeated command finds its own claim.
        """
        ms = round(seconds * 1000)
        while await self._connection.call(b"SET", place, claim, b"NX", b"PX", ms, key=place) is None:
            found: bytes | None = await self._connection.call(b"GET", place, key=place)
            if found == claim:  # the answer to our own SET was lost, and the connection repeated it
                return None
            if found is not None:
                return found
        return None

    async def renew(self, place: bytes, claim: bytes, *, seconds: float) -> bool:
        """Let a claim last so many seconds from now; False when another one has taken its place.

        A claim that expired and was not taken is put back. Two round trips.
        """
        found = await self._connection.call(b"GET", place, key=place)
        if found is None:
            return await self.claim(place, claim, seconds=seconds) is None
        if found != claim:
            return False
        # GT: if an answer has replaced the claim meanwhile, it stays for its own time.
        await self._connection.call(b"PEXPIRE", place, round(seconds * 1000), b"GT", key=place)
        return True

    async def keep(self, place: bytes, record: bytes, *, seconds: int) -> None:
        """Replace whatever is at a place."""
        await self._connection.call(b"SET", place, record, b"EX", seconds, key=place)

    async def exists(self, place: bytes) -> bool:
        return bool(await self._connection.call(b"EXISTS", place, key=place))

    async def release(self, place: bytes, claim: bytes) -> None:
        """Delete a claim, unless something else has taken its place. Two round trips."""
        if await self._connection.call(b"GET", place, key=place) == claim:
            await self._connection.call(b"DEL", place, key=place)
