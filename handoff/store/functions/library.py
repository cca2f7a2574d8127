"""The store's Lua functions: a file per operation, named by the hash of its source.

Libraries are loaded where they are missing and never replaced, so that workers of two releases
share a server. `prune` removes those of other releases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from typing import Any

from handoff.domain.errors import StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.errors import FunctionMissing, StoreError, unavailable
from handoff.store.resp.transport import StoreRoute

NAMES = (
    "timeline_record",
    "timeline_refer",
    "timeline_bury",
    "timeline_clear",
    "timeline_forget",
    "timeline_rewrite",
    "timeline_horizon",
    "timeline_expire",
    "timeline_dissolve",
    "commit",
    "erase",
    "heartbeat",
    "lease",
    "advance",
    "release",
    "queue_put",
    "queue_claim",
    "queue_release",
    "queue_return",
    "queue_settle",
    "queue_switch",
    "queue_drop",
    "quarantine_keep",
    "quarantine_drop",
    "quarantine_trim",
    "quarantine_unname",
    "worker_beat",
    "worker_raise",
    "rewrap",
    "reseal",
    "replace",
)
HEARTBEAT = "heartbeat"
Call = tuple[Sequence[bytes], Sequence[bytes | int | str]]
"""Keys and arguments of a function; the keys share a slot."""
_TAIL = """
redis.register_function{{function_name = '{name}', callback = run{flags}}}
"""
FREEING = frozenset(
    {"erase", "advance", "lease", "release", "queue_drop", "queue_release", "quarantine_drop"}
    | {"quarantine_trim", "quarantine_unname", "worker_beat", "rewrap"}
    | {"timeline_bury", "timeline_clear", "timeline_forget"}
    | {"timeline_horizon", "timeline_expire", "timeline_dissolve"}
)
"""Functions that a full store still runs: they delete, or overwrite a few bytes of a fixed size. Without them
a full store could never be emptied, and a server could not start on it."""
_ALLOWED_WHEN_FULL = ", flags = {'allow-oom'}"
_SOURCES = {"erase": ("commit",)}
"""Operations made of another operation's file. `erase` is a `commit` that deletes more than it writes."""


def library(operation: str) -> tuple[str, bytes]:
    """The name, `<operation>_<8 hex of SHA-256>`, and the loadable source of an operation.

    `family_verb` is made of `family.lua`, which its verbs share, and its own file. The hash covers
    its flags too.
    """
    folder = resources.files("handoff.store").joinpath("functions")
    family, underscore, _rest = operation.partition("_")
    files = _SOURCES.get(operation, (family, operation) if underscore else (operation,))
    source = b"\n".join(folder.joinpath(f"{file}.lua").read_bytes() for file in files)
    flags = _ALLOWED_WHEN_FULL if operation in FREEING else ""
    name = f"{operation}_{sha256(source + flags.encode()).hexdigest()[:8]}"
    return name, f"#!lua name={name}\n".encode() + source + _TAIL.format(name=name, flags=flags).encode()


UNGATED = frozenset({HEARTBEAT, "worker_beat"})
"""Functions that store no data of a tenant: the heartbeat decides whether the gate opens, and a worker
registers whatever state the store is in."""


class Gate:
    """Whether functions may be called now. `on_failure` is called when the store did not take a call."""

    def __init__(self) -> None:
        self.refuses: str | None = None
        """The reason (`unavailable`) for which no function is called, save the heartbeat."""
        self.on_failure: Callable[[], None] | None = None

    def check(self) -> None:
        """StoreUnavailable while calls are refused."""
        if self.refuses:
            raise unavailable(self.refuses)

    def failed(self) -> None:
        if self.on_failure is not None:
            self.on_failure()


class Functions:
    """The functions of this release on one server or Cluster; called over `route` where one is given."""

    def __init__(
        self,
        connection: Connection,
        route: StoreRoute | None = None,
        gate: Gate | None = None,
        libraries: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> None:
        self.gate = gate or Gate()
        self._connection = connection
        self._route = route
        self._libraries = libraries or {operation: library(operation) for operation in NAMES}
        self._names = {operation: name for operation, (name, _source) in self._libraries.items()}

    async def load(self) -> None:
        """Load what is missing, on every primary: in one go, so that it waits for one fsync.

        A start of the same release loads nothing, so that it succeeds while the store is full.
        """
        present = await self._present()
        sources = [source for name, source in self._libraries.values() if name not in present]
        if not sources:
            return
        if self._connection.cluster:
            await asyncio.gather(*map(self._connection.load_function, sources))
            return
        for answer in await self._connection.pipeline([("FUNCTION", "LOAD", it) for it in sources]):
            if isinstance(answer, Exception) and "already exists" not in str(answer):
                raise answer

    async def _present(self) -> set[str]:
        """The libraries that every primary has. None where the server does not list them."""
        try:
            listings = await self._connection.on_primaries("FUNCTION", "LIST")
        except StoreError:
            return set()
        return set.intersection(*map(_library_names, listings))

    def on_own_route(self) -> Functions:
        """The same functions over connections that no other caller uses."""
        return Functions(self._connection, self._connection.new_route(), self.gate, self._libraries)

    async def call(self, operation: str, keys: Sequence[bytes], args: Sequence[bytes | int | str]) -> Any:
        """Call a function; where the server has lost its libraries they are loaded again.

        StoreUnavailable at once while the gate refuses calls.
        """
        if operation in UNGATED:
            return await self._call(operation, keys, args)
        self.gate.check()
        try:
            return await self._call(operation, keys, args)
        except StoreUnavailable:
            self.gate.failed()
            raise

    async def _call(self, operation: str, keys: Sequence[bytes], args: Sequence[bytes | int | str]) -> Any:
        name = self._names[operation]
        try:
            return await self._connection.fcall_durable(name, keys, args, route=self._route)
        except FunctionMissing:
            await self.load()
            return await self._connection.fcall_durable(name, keys, args, route=self._route)

    async def call_each(self, operation: str, calls: Sequence[Call]) -> list[Any]:
        """Call a function many times in one round trip (on a Cluster: one per server).

        It waits for no replicas. The first error is raised when all were called.
        """
        if operation not in UNGATED:
            self.gate.check()
        name = self._names[operation]
        commands = [("FCALL", name, len(keys), *keys, *args) for keys, args in calls]
        places = [keys[0] for keys, _args in calls]
        answers = await self._connection.pipeline(commands, keys=places)
        if any(isinstance(it, FunctionMissing) for it in answers):
            await self.load()
            answers = await self._connection.pipeline(commands, keys=places)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers


def _library_names(listing: Sequence[Any]) -> set[str]:
    """The names in an answer to FUNCTION LIST."""
    entries = (dict(zip(entry[::2], entry[1::2], strict=True)) for entry in listing)
    return {entry[b"library_name"].decode() for entry in entries}


async def prune(connection: Connection) -> list[str]:
    """Delete this product's libraries of other releases from every primary; the names removed."""
    current = {library(operation)[0] for operation in NAMES}
    removed: set[str] = set()
    for listing in await connection.on_primaries("FUNCTION", "LIST"):
        for name in _library_names(listing):
            operation, _, suffix = name.rpartition("_")
            if operation in NAMES and len(suffix) == 8 and name not in current:
                removed.add(name)
    for name in removed:
        await connection.on_primaries("FUNCTION", "DELETE", name, tolerate="not found")
    return sorted(removed)
