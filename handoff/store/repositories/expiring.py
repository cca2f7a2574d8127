"""A tenant's records that expire by themselves: session tokens, and answers kept for idempotency keys."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.store.connection import Connection
from handoff.store.keys import ControlKeys

CHUNK = 500  # sessions read or ended in one round trip


class SessionRecords:
    """Sessions by the hash of their token, listed by their end. The tenant's epoch ends them all."""

    def __init__(self, connection: Connection, keys: ControlKeys) -> None:
        self._connection = connection
        self._keys = keys
        self._list = keys.set("sessions")
        self._epoch = keys.named("session-epoch")

    async def put(self, id_: bytes, session: bytes, *, seconds: int, expires_at: int, now: int) -> None:
        """Keep a session for so many seconds, and drop those from the list that have ended by themselves."""
        key = self._keys.record("e", id_)
        await self._connection.answers(
            [
                (b"ZREMRANGEBYSCORE", self._list, b"-inf", now),
                (b"ZADD", self._list, expires_at, id_),
            ]
        )
        await self._connection.call(b"SET", key, session, b"EX", seconds, key=key)

    async def change(self, id_: bytes, session: bytes) -> None:
        """Replace a session that has not ended. It ends when it would have."""
        key = self._keys.record("e", id_)
        await self._connection.call(b"SET", key, session, b"XX", b"KEEPTTL", key=key)

    async def epoch(self) -> int:
        found: bytes | None = await self._connection.call(b"GET", self._epoch, key=self._epoch)
        return int(found or 0)

    async def read(self, id_: bytes) -> tuple[bytes | None, int]:
        """The session, or None when there is none or it has ended; and the epoch. One round trip."""
        (found,), epoch = await self.read_many([id_])
        return found, epoch

    async def read_many(self, ids: Sequence[bytes]) -> tuple[list[bytes | None], int]:
        """The same for several sessions. One round trip."""
        keys = [self._epoch, *(self._keys.record("e", id_) for id_ in ids)]
        ((epoch, *found),) = await self._connection.answers([(b"MGET", *keys)])
        return list(found), int(epoch or 0)

    async def ids(self, now: int) -> list[bytes]:
        """The sessions that have not ended by time, the one that ends last first."""
        command = (b"ZRANGE", self._list, b"+inf", now, b"BYSCORE", b"REV")
        (found,) = await self._connection.answers([command])
        return list(found)

    async def drop(self, ids: Sequence[bytes]) -> int:
        """End sessions; returns how many there were."""
        ended = 0
        for at in range(0, len(ids), CHUNK):
            some = ids[at : at + CHUNK]
            count, _ = await self._connection.answers(
                [
                    (b"DEL", *(self._keys.record("e", id_) for id_ in some)),
                    (b"ZREM", self._list, *some),
                ]
            )
            ended += int(count)
        return ended

    async def end_all(self) -> None:
        """Begin another epoch: every session of the tenant has ended, listed or not."""
        await self._connection.call_durable(b"INCR", self._epoch, key=self._epoch)
        await self._connection.call(b"DEL", self._list, key=self._list)


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
