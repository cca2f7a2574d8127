"""Queues of outgoing messages: one per webhook subscription, in its tenant's control partition.

A message is an event on its way to one subscription. Workers claim messages on a lease and settle
them; what a dead worker had claimed is claimed again. `queue.lua` lists the keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from handoff.store.connection import Connection
from handoff.store.errors import StoreError
from handoff.store.functions.library import Functions
from handoff.store.sealing.control_seal import ControlSeal

from .control import read_scored
from .identities import as_mapping

NO_DEADLINE = (1 << 53) - 1  # ms: the greatest that a Lua number holds exactly
KEEP_S = 30 * 86400  # as in queue.lua
LEASE_S = 30.0  # as in queue.lua
TARGETS = 100  # subscriptions a call: about 1 ms of the server's time
_STATES = {b"p": "pending", b"c": "sending", b"d": "delivered", b"x": "dead", b"r": "superseded"}


class QueueEntry(Struct, frozen=True, kw_only=True):
    """An event to queue. Of one `line` the lowest `order` goes first; `deadline` in ms."""

    event: bytes
    blob: bytes
    type: str
    line: bytes = b""
    order: int = 0
    deadline: int = NO_DEADLINE


class Claimed(Struct, frozen=True, kw_only=True):
    """A message to send now. Times in ms of the store's clock, 0 for none; `supersedes` are event ids.

    `failures` in a row and `failing_since` are the subscription's, as is `noticed`.
    """

    subscription: bytes
    event: bytes
    type: str
    attempts: int
    first_failure: int
    deadline: int
    born: int
    supersedes: tuple[bytes, ...]
    blob: bytes
    failures: int
    failing_since: int
    noticed: int
    now: int
    token: str


class Claim(Struct, frozen=True, kw_only=True):
    """Claimed messages; `again_ms` until the next may be due, None while nothing waits."""

    messages: list[Claimed]
    again_ms: int | None


class Settlement(Struct, frozen=True, kw_only=True):
    """The outcome of a message: `ok`, `retry`, `dead` or `back` (never sent).

    `against`: the failure is the subscriber's. `notices` are appended to the tenant's outbox.
    """

    verdict: str
    wait_ms: int = 0
    pause_ms: int = 0
    attempt: bytes = b""
    why: str = ""
    against: bool = False
    disable: str = ""
    failing_noticed: bool = False
    notices: tuple[bytes, ...] = ()


class Message(Struct, frozen=True, kw_only=True):
    """A message in a subscription's log. Times in ms."""

    event: bytes
    type: str
    state: str
    born: int
    next_at: int
    attempts: int
    deadline: int
    why: bytes
    supersedes: tuple[bytes, ...]
    log: tuple[bytes, ...] = ()


class QueueState(Struct, frozen=True, kw_only=True):
    """The state of a subscription's queue. Times in ms, 0 for never; totals since its creation."""

    enabled: bool = True
    reason: str | None = None
    disabled_at: int = 0
    failures: int = 0
    failing_since: int = 0
    paused_until: int = 0
    last_success: int = 0
    pending: int = 0
    oldest_pending: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    superseded: int = 0


def beats_key(tenant: str) -> bytes:
    """The hash of the heartbeats of workers that hold leases on the tenant's messages."""
    return b"{c." + tenant.encode() + b"}dH"


class Deliveries:
    """The queues of one tenant. `skip_ms` moves their clock ahead of the store's, for simulations."""

    def __init__(
        self,
        connection: Connection,
        functions: Functions,
        tenant: str,
        *,
        skip_ms: int = 0,
        seal: ControlSeal | None = None,
    ) -> None:
        self._connection = connection
        self._functions = functions
        self._tag = b"{c." + tenant.encode() + b"}"
        self._outbox = self._tag + b"o"
        self._seal = seal or ControlSeal(None, tenant)
        self.skip_ms = skip_ms

    async def put(self, entry: QueueEntry, subscriptions: Sequence[bytes], *, again: bool = False) -> int:
        """Keep the event and queue it for each subscription that does not have it; how many were queued.

        `again` also queues what was settled before. A subscription that is gone or off gets nothing.
        """
        blob = self._seal.seal_kept(entry.event, entry.blob)
        arguments: list[bytes | int | str] = [self.skip_ms, entry.event, blob, entry.type]
        arguments += [entry.line, entry.order]
        arguments += [entry.deadline, int(again)]
        queued = 0
        for at in range(0, max(len(subscriptions), 1), TARGETS):
            part = subscriptions[at : at + TARGETS]
            queued += await self._functions.call("queue_put", [self._tag], [*arguments, *part])
        return queued

    async def claim(self, token: str, most: int, most_failing: int, *, beat: int = 0) -> Claim:
        """Messages whose time has come, `most` to healthy subscribers and `most_failing` to others.

        A `token` is the worker's name, a dot and a number; `beat` is the worker's newest, see `heartbeats`.
        """
        now, again_at, found = await self._functions.call(
            "queue_claim", [self._tag], [self.skip_ms, token, most, most_failing, beat]
        )
        messages = [self._opened(_claimed(it, now, token)) for it in found]
        return Claim(messages=messages, again_ms=None if again_at < 0 else max(again_at - now, 0))

    def _opened(self, claimed: Claimed) -> Claimed:
        if not self._seal.on or not claimed.blob:
            return claimed
        blob = self._seal.open_kept(claimed.event, claimed.blob)
        return msgspec.structs.replace(claimed, blob=blob or b"")

    async def settle(self, claimed: Claimed, outcome: Settlement) -> bool:
        """Record the outcome; False when another worker has the message now."""
        arguments: list[Any] = [self.skip_ms, claimed.subscription, claimed.event, claimed.token]
        attempt = self._seal.seal(claimed.subscription + claimed.event, outcome.attempt)
        arguments += [outcome.verdict, outcome.wait_ms, outcome.pause_ms, attempt, outcome.why]
        arguments += [int(outcome.against), outcome.disable, int(outcome.failing_noticed)]
        arguments += [self._seal.seal(self._outbox, it) for it in outcome.notices]
        return bool(await self._functions.call("queue_settle", [self._tag], arguments))

    async def release(self, worker: str, beat: int) -> int:
        """Release the claims of a worker that is gone; how many, -1 if it sent a heartbeat since `beat`."""
        return int(await self._functions.call("queue_release", [self._tag], [self.skip_ms, worker, beat]))

    async def give_back(self, worker: str, held: Sequence[tuple[bytes, bytes]]) -> int:
        """Return the claims of a living worker, except those of the subscriptions and events in `held`."""
        arguments: list[bytes | int | str] = [self.skip_ms, worker]
        arguments += [subscription + event for subscription, event in held]
        return int(await self._functions.call("queue_return", [self._tag], arguments))

    async def switch(self, subscription: bytes, what: str, value: str | int = "") -> None:
        """`on`, `off` (with the reason), or `pace` (ms between messages)."""
        arguments: list[bytes | int | str] = [self.skip_ms, subscription, what, value]
        await self._functions.call("queue_switch", [self._tag], arguments)

    async def drop(self, subscription: bytes) -> None:
        """Delete a subscription's queue with its messages."""
        await self._functions.call("queue_drop", [self._tag], [self.skip_ms, subscription])

    def _key(self, kind: bytes, subscription: bytes, event: bytes = b"") -> bytes:
        return self._tag + b"d" + kind + subscription + event

    async def states(self, subscriptions: Sequence[bytes]) -> list[QueueState]:
        """The state of each subscription's queue; one round trip."""
        commands: list[tuple[Any, ...]] = []
        for subscription in subscriptions:
            pending = self._key(b"p", subscription)
            commands.append((b"HGETALL", self._key(b"s", subscription)))
            commands += [(b"ZCARD", pending), (b"ZRANGE", pending, 0, 0, b"WITHSCORES")]
        replies = _checked(await self._connection.pipeline(commands))
        triples = zip(replies[::3], replies[1::3], replies[2::3], strict=True)
        return [_state(as_mapping(raw), pending, first) for raw, pending, first in triples]

    async def log(
        self, subscription: bytes, *, dead: bool, limit: int, below: int | None
    ) -> tuple[list[Message], int | None, int]:
        """Messages with their attempts, newest first, where the next page begins, and how many there are.

        Two round trips.
        """
        key = self._key(b"x" if dead else b"h", subscription)
        bound = b"(%d" % below if below is not None else b"+inf"
        command = (b"ZRANGE", key, bound, b"-inf", b"BYSCORE", b"REV", b"LIMIT", 0, limit + 1, b"WITHSCORES")
        reply, total = _checked(await self._connection.pipeline([command, (b"ZCARD", key)]))
        found = read_scored(reply)
        messages = await self.messages(subscription, [event for event, _ in found[:limit]])
        more = len(found) > limit
        return messages, found[limit - 1][1] if more else None, total

    async def messages(self, subscription: bytes, events: Sequence[bytes]) -> list[Message]:
        """The messages of these events that are known; one round trip."""
        commands: list[tuple[Any, ...]] = []
        for event in events:
            commands.append((b"HGETALL", self._key(b"m", subscription, event)))
            commands.append((b"LRANGE", self._key(b"a", subscription, event), 0, -1))
        replies = _checked(await self._connection.pipeline(commands))
        found: list[Message] = []
        for event, raw, log in zip(events, replies[::2], replies[1::2], strict=True):
            opened = [self._seal.open(subscription + event, it) for it in log if raw]
            if raw:
                found.append(_message(event, as_mapping(raw), [it for it in opened if it is not None]))
        return found

    async def events(
        self, since: int, until: int, limit: int
    ) -> tuple[list[tuple[bytes, bytes]], int | None]:
        """Kept events of a time (µs, both ends included), oldest first, and where the next page begins."""
        command = (
            b"ZRANGE",
            self._tag + b"dE",
            since,
            until,
            b"BYSCORE",
            b"LIMIT",
            0,
            limit + 1,
            b"WITHSCORES",
        )
        (reply,) = _checked(await self._connection.pipeline([command]))
        found = read_scored(reply)
        blobs = await self.blobs([event for event, _ in found[:limit]])
        return blobs, found[limit][1] if len(found) > limit else None

    async def blobs(self, events: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """The kept bytes of these events; those that are gone are left out. One round trip."""
        if not events:
            return []
        replies = _checked(
            await self._connection.pipeline([(b"GET", self._tag + b"de" + it) for it in events])
        )
        found = [
            (it, self._seal.open_kept(it, blob)) for it, blob in zip(events, replies, strict=True) if blob
        ]
        return [(event, blob) for event, blob in found if blob]


def _checked(replies: list[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return replies


def _ids(packed: bytes) -> tuple[bytes, ...]:
    return tuple(packed[at : at + 16] for at in range(0, len(packed), 16))


def _claimed(raw: list[Any], now: int, token: str) -> Claimed:
    if len(raw) != 12:
        raise StoreError("a claimed message has twelve fields", "CLAIM")
    return Claimed(
        subscription=raw[0],
        event=raw[1],
        type=raw[2].decode(),
        attempts=raw[3],
        first_failure=raw[4],
        deadline=raw[5],
        born=raw[6],
        supersedes=_ids(raw[7]),
        blob=raw[8],
        failures=raw[9],
        failing_since=raw[10],
        noticed=raw[11],
        now=now,
        token=token,
    )


def _state(raw: Mapping[bytes, bytes], pending: int, first: Any) -> QueueState:
    def number(name: bytes) -> int:
        return int(raw.get(name, b"0"))

    oldest = read_scored(first)
    return QueueState(
        enabled=raw.get(b"on") != b"0",
        reason=raw[b"why"].decode() if b"why" in raw else None,
        disabled_at=number(b"at"),
        failures=number(b"f"),
        failing_since=number(b"F"),
        paused_until=number(b"g"),
        last_success=number(b"k"),
        pending=pending,
        oldest_pending=oldest[0][1] if oldest else 0,
        delivered=number(b"ok"),
        retried=number(b"again"),
        dead=number(b"dead"),
        superseded=number(b"over"),
    )


def _message(event: bytes, raw: Mapping[bytes, bytes], log: list[bytes]) -> Message:
    return Message(
        event=event,
        type=raw[b"y"].decode(),
        state=_STATES.get(raw[b"s"]) or f"unknown:{raw[b's'].decode(errors='replace')}",
        born=int(raw[b"b"]),
        next_at=int(raw[b"n"]),
        attempts=int(raw[b"a"]),
        deadline=int(raw[b"e"]),
        why=raw.get(b"w", b""),
        supersedes=_ids(raw.get(b"u", b"")),
        log=tuple(log),
    )
