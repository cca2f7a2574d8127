"""The memory use of the store, by kind of key and by touchpoint.

The names of all keys are read in steps (SCAN), none of which holds up the server for longer than a
request does. Sizes are measured for a sample of each kind and projected.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.errors import StoreError, reason_of
from handoff.store.keys import META, WORKERS
from handoff.store.settings import StoreSettings

STEP = 1000  # keys of one SCAN, commands of one pipeline: about a millisecond of the server's time
NESTED = 50  # members of a large key whose sizes are looked at
TIMELINES = "timelines"
OTHER = "other"
_PARTITION = {
    b"t": TIMELINES,
    b"i": "indexes",
    b"n": "identities",
    b"a": "last arrivals",
    b"c": "conversations",
    b"p": "checkpoints",
    b"o": "outbox",
    b"k": "cursors and leases",
    b"l": "cursors and leases",
    b"b": "heartbeats",
    b"g": "erased",
    b"D": "erased",
    b"~": "markers",
}
_CONTROL = {
    b"h": "handoffs",
    b"r": "chains of handoffs",
    b"m": "chains of handoffs",
    b"s": "snapshots",
    b"b": "callbacks",
    b"p": "promises and complaints",
    b"n": "continuity codes",
    b"u": "continuity codes",
    b"w": "subscriptions",
    b"d": "deliveries",
    b"e": "sessions",
    b"j": "erasures",
    b"q": "quarantine",
    b"y": "kept answers",
    b"o": "outbox",
    b"z": "lists",
    b"x": "cursors and leases",
}
_CONTROL_WHOLE = {b"timers": "timers", b"sources": "sources"}


class KindSize(Struct, frozen=True, kw_only=True):
    """The keys of one kind. `bytes` is projected from the `measured` ones."""

    kind: str
    keys: int
    measured: int
    bytes: int


class Sizes(Struct, frozen=True, kw_only=True):
    """All primaries together, in bytes. `used` is allocated memory; `overhead` the part of it that is not
    data (tables of keys, buffers of clients), including `startup`, which each server allocates before its
    first key; `rss` the memory taken from the machine.

    `touchpoints` are entries of timelines, `error` their standard error as a share of them (0: counted).
    """

    servers: int
    kinds: tuple[KindSize, ...]
    touchpoints: int
    error: float
    used: int
    overhead: int
    startup: int
    rss: int

    @property
    def rest(self) -> int:
        """Data outside of keys: functions, the log's buffer; and the error of the sample."""
        return self.used - self.overhead - sum(it.bytes for it in self.kinds)

    @property
    def fragmentation(self) -> float:
        """Bytes of the machine's memory for each byte allocated."""
        return self.rss / self.used if self.used else 1.0

    def per_touchpoint(self, bytes_: int) -> float | None:
        """Bytes of it for each touchpoint; None where there are none."""
        return bytes_ / self.touchpoints if self.touchpoints else None


def kind_of(key: bytes) -> str:
    """The kind of a key of the product, as `keys` lays them out; `other` for anybody else's."""
    if key in (META, WORKERS):
        return "meta"
    tag, brace, rest = key.partition(b"}")
    if not brace or not rest:
        return OTHER
    if tag[1:].isdigit():
        return _PARTITION.get(rest[:1], OTHER)
    if not tag.startswith(b"{c."):
        return OTHER
    if rest == b"~":
        return _PARTITION[rest]
    return _CONTROL_WHOLE.get(rest) or _CONTROL.get(rest[:1], OTHER)


async def sizes(connection: Connection, url: str, sample: int) -> Sizes:
    """Measure up to `sample` keys of each kind on every primary, all of them where it is 0.

    `url` is the connection's. ConfigurationError where the server does not know or allow a command.
    """
    async with AsyncExitStack() as stack:
        nodes = [connection]
        if connection.cluster:
            slots, *_ = await connection.on_primaries("CLUSTER", "SLOTS")
            urls = primary_urls(url, slots)
            nodes = [await stack.enter_async_context(Connection(StoreSettings(url=it))) for it in urls]
        found = await asyncio.gather(*(_Server(it, sample).measure() for it in nodes))
    return _together(found)


def primary_urls(url: str, slots: Iterable[Sequence[Any]]) -> list[str]:
    """The URL of each primary: as the cluster's, with the address that the cluster has for it."""
    parts = urlsplit(url)
    credentials, at, hosts = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]
    urls = []
    for _from, _to, primary, *_replicas in slots:
        # A node that has met no other does not know its own address, or may keep it to itself.
        host = (primary[0] or b"").decode() or urlsplit(f"//{hosts.partition(',')[0]}").hostname or ""
        port = primary[1]
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        urls.append(parts._replace(scheme=scheme, netloc=credentials + at + place).geturl())
    return sorted(set(urls))


class _Kind:
    """The counts of one kind so far; `picked` are the keys that will be measured."""

    def __init__(self) -> None:
        self.keys = self.measured = self.bytes = 0
        self.picked: list[bytes] = []
        self.entries: list[int] = []
        """Of measured timelines: how many touchpoints each holds."""


class _Server:
    """One primary, looked through once."""

    def __init__(self, connection: Connection, sample: int) -> None:
        self._connection = connection
        self._sample = sample
        self._kinds: dict[str, _Kind] = {}

    async def measure(self) -> Sizes:
        cursor = b"0"
        while True:
            cursor, names = await self._connection.call("SCAN", cursor, "COUNT", STEP)
            self._pick(names)
            if not self._sample:
                await self._measure_picked()
            if cursor == b"0":
                break
        await self._measure_picked()
        return self._sizes(_numbers(await self._connection.call("INFO", "memory")))

    def _pick(self, names: Iterable[bytes]) -> None:
        """Each key of a kind is as likely as any other to be among its sample (Vitter's algorithm R)."""
        for name in names:
            kind = self._kinds.setdefault(kind_of(name), _Kind())
            kind.keys += 1
            if not self._sample or len(kind.picked) < self._sample:
                kind.picked.append(name)
            elif (place := random.randrange(kind.keys)) < self._sample:
                kind.picked[place] = name

    async def _measure_picked(self) -> None:
        for name, kind in self._kinds.items():
            for at in range(0, len(kind.picked), STEP):
                await self._ask(kind, kind.picked[at : at + STEP], timelines=name == TIMELINES)
            kind.picked = []

    async def _ask(self, kind: _Kind, keys: Sequence[bytes], *, timelines: bool) -> None:
        taken = await self._answers([("MEMORY", "USAGE", it, "SAMPLES", NESTED) for it in keys], keys)
        lengths = await self._answers([("ZCARD", it) for it in keys], keys) if timelines else [0] * len(keys)
        for bytes_, length in zip(taken, lengths, strict=True):
            if bytes_ is not None and length is not None:  # else the key is gone meanwhile, or moved
                kind.measured += 1
                kind.bytes += bytes_
                kind.entries += [length] if timelines else []

    async def _answers(
        self, commands: Sequence[Sequence[bytes | str | int]], keys: Sequence[bytes]
    ) -> list[int | None]:
        replies = await self._connection.pipeline(commands, keys=keys)
        for reply in replies:
            if isinstance(reply, Exception) and reason_of(reply) == "credentials":
                raise reply
            if isinstance(reply, StoreError) and reply.code == "ERR":
                raise ConfigurationError(f"the store does not let its sizes be read: {reply}")
        return [it if isinstance(it, int) else None for it in replies]

    def _sizes(self, memory: dict[str, int]) -> Sizes:
        timelines = self._kinds.get(TIMELINES, _Kind())
        touchpoints, error = _projected(timelines.keys, timelines.entries)
        return Sizes(
            servers=1,
            kinds=tuple(
                KindSize(
                    kind=name,
                    keys=it.keys,
                    measured=it.measured,
                    bytes=round(it.bytes * it.keys / it.measured) if it.measured else 0,
                )
                for name, it in self._kinds.items()
            ),
            touchpoints=touchpoints,
            error=error,
            used=memory.get("used_memory", 0),
            overhead=memory.get("used_memory_overhead", 0),
            startup=memory.get("used_memory_startup", 0),
            rss=memory.get("used_memory_rss", 0),
        )


def _projected(keys: int, entries: Sequence[int]) -> tuple[int, float]:
    """The sum over all keys, projected from some of them, and its standard error as a share of it."""
    count = len(entries)
    if not count:
        return 0, 0.0
    mean = sum(entries) / count
    if count >= keys or count < 2 or not mean:
        return round(mean * keys), 0.0
    variance = sum((it - mean) ** 2 for it in entries) / (count - 1)
    return round(mean * keys), (variance / count * (1 - count / keys)) ** 0.5 / mean


def _numbers(info: bytes) -> dict[str, int]:
    pairs = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: int(value) for name, _, value in pairs if value.strip().isdigit()}


def _together(found: Sequence[Sizes]) -> Sizes:
    """The sum of several servers; kinds by size, the largest first."""
    kinds: dict[str, KindSize] = {}
    for size in (kind for one in found for kind in one.kinds):
        had = kinds.get(size.kind, KindSize(kind=size.kind, keys=0, measured=0, bytes=0))
        kinds[size.kind] = msgspec.structs.replace(
            had,
            keys=had.keys + size.keys,
            measured=had.measured + size.measured,
            bytes=had.bytes + size.bytes,
        )
    touchpoints = sum(it.touchpoints for it in found)
    off = sum((it.error * it.touchpoints) ** 2 for it in found) ** 0.5
    return Sizes(
        servers=len(found),
        kinds=tuple(sorted(kinds.values(), key=lambda it: -it.bytes)),
        touchpoints=touchpoints,
        error=off / touchpoints if touchpoints else 0.0,
        used=sum(it.used for it in found),
        overhead=sum(it.overhead for it in found),
        startup=sum(it.startup for it in found),
        rss=sum(it.rss for it in found),
    )
