"""The store's format, and which living workers understand it.

A format is one number for all data structures in a store. Workers write nothing above the store's
format, however new their release is, so that all workers can read what they write. The
format is raised by `handoff store upgrade`, once every living worker understands the new one.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from handoff import __version__
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions

from .errors import StoreError
from .formats import FORMAT
from .keys import META, WORKERS

BEAT_S = 2.0  # how soon a worker notices that the format was raised
NO_FORMAT = 2**31
ALIVE_MS = 15_000  # a worker that was silent this long is gone, or must check the format when it returns
NAME, FORMER_NAME = "handoff-worker", "handoff"
"""Names of the connections of workers, and of workers of releases that do not register."""

log = structlog.get_logger(__name__)


class WorkerInfo(Struct, frozen=True, kw_only=True):
    """One worker as it registered. `keys` is the digest of the key epochs that it knows."""

    host: str
    pid: int
    release: str
    format: int = 0
    keys: str = ""


class Workers:
    """This worker's registration in the store: call `beat` every BEAT_S and `leave` at the end.

    `understood` is the highest format its code reads and writes; `current` the store's, as of the last
    beat. `keys` states the digest of the key epochs that this worker knows; empty without sealing.
    """

    def __init__(
        self,
        functions: Functions,
        understood: int = FORMAT,
        release: str = __version__,
        keys: Callable[[], str] = str,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.understood = understood
        self.current = 1
        self._functions = functions
        self._registered = False
        self._info = WorkerInfo(host=socket.gethostname(), pid=os.getpid(), release=release)
        self._keys = keys

    def writes(self, format_: int) -> bool:
        """Whether data of this format may be written now."""
        return format_ <= min(self.understood, self.current)

    def ready(self) -> str | None:
        """Why this worker should get no requests, or None."""
        if not self._registered:
            return "not_registered"
        return None if self.current <= self.understood else "store_format"

    async def beat(self) -> None:
        """Register, and learn the store's format; one round trip."""
        described = msgspec.json.encode(msgspec.structs.replace(self._info, keys=self._keys()))
        (answer,) = await self._functions.call_each(
            "worker_beat", [([META, WORKERS], [self.id, self.understood, described])]
        )
        self._registered = True
        before, self.current = self.current, int(answer)
        if self.current > self.understood >= before:
            log.error("store_format_not_understood", format=self.current, understood=self.understood)
        elif self.current > before:
            log.info("store_format_raised", format=self.current)

    async def alive(self) -> list[WorkerInfo]:
        """The registered workers that are alive; one round trip."""
        # A dry run for a format that no worker understands names them all.
        alive = await self._functions.call("worker_raise", [META, WORKERS], [NO_FORMAT, ALIVE_MS, 0, 1])
        return [_info(it) for it in alive[1]]

    async def hosts(self) -> set[str]:
        """The machines with workers that are alive; one round trip."""
        return {it.host for it in await self.alive()} | {socket.gethostname()}

    async def leave(self, connection: Connection) -> None:
        """Deregister now instead of after ALIVE_MS."""
        await connection.call(b"HDEL", WORKERS, self.id, key=WORKERS)


class Upgrade(Struct, frozen=True, kw_only=True):
    """The result of raising a format: the store's current one, and the workers that prevent it."""

    format: int
    old: tuple[WorkerInfo, ...] = ()
    """Registered workers that do not understand the wanted format."""
    unregistered: tuple[str, ...] = ()
    """Addresses of connections from releases that do not register."""
    unseen: bool = False
    """Whether the server does not let its connections be listed."""

    @property
    def obstacles(self) -> list[str]:
        """A description of each worker that prevents it."""
        found = [
            f"host {it.host}, pid {it.pid}, release {it.release}: understands formats up to {it.format}"
            for it in self.old
        ]
        found += [f"{it}: a server of a release that does not register" for it in self.unregistered]
        if self.unseen:
            found.append("the store does not allow CLIENT LIST: servers that do not register cannot be seen")
        return found


async def raise_format(
    connection: Connection, functions: Functions, wanted: int, *, force: bool = False, dry_run: bool = False
) -> Upgrade:
    """Raise the store's format to `wanted`, unless a living worker is too old for it.

    `force` raises it anyway. It is never lowered.
    """
    unregistered, unseen = await _unregistered(connection)
    blocked = bool(unregistered or unseen) and not force
    arguments = [wanted, ALIVE_MS, int(force), int(dry_run or blocked)]
    current, old = await functions.call("worker_raise", [META, WORKERS], arguments)
    return Upgrade(
        format=int(current), old=tuple(map(_info, old)), unregistered=tuple(unregistered), unseen=unseen
    )


def _info(raw: bytes) -> WorkerInfo:
    _seen, format_, described = raw.split(b" ", 2)
    try:
        info = msgspec.json.decode(described, type=WorkerInfo)
    except msgspec.DecodeError:  # a release with another description: it counts too
        info = WorkerInfo(host="unknown", pid=0, release="unknown")
    return msgspec.structs.replace(info, format=int(format_))


async def _unregistered(connection: Connection) -> tuple[list[str], bool]:
    """Addresses of former releases' connections, and whether the server refuses to list them."""
    try:
        answers: Sequence[Any] = await connection.on_primaries("CLIENT", "LIST")
    except StoreError:
        return [], True
    found: dict[str, None] = {}
    for line in (line for answer in answers for line in answer.decode(errors="replace").splitlines()):
        fields = dict(part.partition("=")[::2] for part in line.split())
        if fields.get("name") == FORMER_NAME:
            host, _, _port = fields.get("addr", "").rpartition(":")
            found[host or "unknown"] = None
    return list(found), False
