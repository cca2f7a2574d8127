"""Rotation: every data key is wrapped again in its tenant's current epoch, then the old epoch is destroyed.

A scan beside the running servers, in bounded steps. Keys of the current epoch are passed over, so that an
interrupted rotation is continued by starting it again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.functions.library import Call, Functions
from handoff.store.keys import ControlKeys, is_buried_record, is_record, tenant_of

from .epochs import ID, Epochs
from .scanning import scan_names
from .sealing import FIELD
from .store_keys import owner_of

RETIRED_S = 120
"""An epoch is destroyed at the earliest so long after it was retired: a server may use it for STALE_S, and a
call to the store may take a minute."""


class StoredKey(Struct, frozen=True):
    """A wrapped data key as it is in the store: the hash that has it, and its owner."""

    place: bytes
    owner: bytes
    wrapped: bytes


class RewrapProgress(Struct):
    """How far a scan has come. `unreadable`: keys that do not open, or whose epoch is not in the key file."""

    seen: int = 0
    rewrapped: int = 0
    unreadable: int = 0
    outdated: Counter[str] = field(default_factory=Counter)
    """Keys that were not in their tenant's current epoch, by the epoch that they were in."""


class Rotation:
    """Rewraps the data keys of the store at `url`."""

    def __init__(self, connection: Connection, url: str, functions: Functions, epochs: Epochs) -> None:
        self._connection = connection
        self._url = url
        self._functions = functions
        self._epochs = epochs

    @property
    def epochs(self) -> Epochs:
        return self._epochs

    async def run(self) -> AsyncIterator[RewrapProgress]:
        """Rewrap every key whose epoch is not its tenant's current one, a step at a time."""
        progress = RewrapProgress()
        async for keys in self._stored():
            progress.seen += len(keys)
            calls: list[Call] = []
            for stored in keys:
                if self._epochs.is_current(stored.wrapped):
                    continue
                progress.outdated[stored.wrapped[:ID].hex()] += 1
                new = self._rewrapped(stored)
                if new is None:
                    progress.unreadable += 1
                else:
                    calls.append(([stored.place], [stored.wrapped, new]))
            if calls:
                progress.rewrapped += sum(await self._functions.call_each("rewrap", calls))
            yield progress

    def _rewrapped(self, stored: StoredKey) -> bytes | None:
        tenant = self._epochs.tenant_of(stored.wrapped)
        try:
            secret = self._epochs.unwrap(stored.owner, stored.wrapped)
        except StoreUnavailable:  # the epoch is gone, or is another key file's
            return None
        if secret is None or tenant is None:
            return None
        return self._epochs.wrap(tenant, stored.owner, secret)

    async def count(self) -> Counter[str]:
        """How many data keys each epoch wraps, by the epoch's id."""
        found: Counter[str] = Counter()
        async for keys in self._stored():
            found.update(it.wrapped[:ID].hex() for it in keys)
        return found

    async def destroy(self, id_: str, clock: Callable[[], float] = time.time) -> None:
        """Destroy a retired epoch. ConfigurationError while a data key may need it."""
        self._epochs.refresh()
        epoch = next((it for it in self._epochs.content.epochs if it.id == id_), None)
        if epoch is not None and epoch.retired_at is not None:
            wait = epoch.retired_at + RETIRED_S - clock()
            if wait > 0:
                raise ConfigurationError(f"servers may still use epoch {id_}: wait {wait:.0f} s")
            left = (await self.count())[id_]
            if left:
                raise ConfigurationError(
                    f"epoch {id_} still wraps {left} data keys: run `handoff keys rotate --resume` first"
                )
        self._epochs.destroy(id_)

    async def _stored(self) -> AsyncIterator[list[StoredKey]]:
        async for names in scan_names(self._connection, self._url, b"{*}[gnx]*"):
            places = [(name, owner) for name in names if (owner := _owner(name)) is not None]
            commands = [(b"HGET", name, FIELD) for name, _owner in places]
            replies = await self._connection.answers(commands)
            yield _present(places, replies)


def _owner(name: bytes) -> bytes | None:
    """The owner of the data key that a hash of this name has; None for any other name."""
    if is_record(name) or is_buried_record(name):
        return name[-16:]
    tenant = tenant_of(name)
    if tenant is not None and name == ControlKeys(tenant).named("sealing"):
        return owner_of(tenant)
    return None


def _present(places: Sequence[tuple[bytes, bytes]], replies: Sequence[bytes | None]) -> list[StoredKey]:
    pairs = zip(places, replies, strict=True)
    return [StoredKey(name, owner, reply) for (name, owner), reply in pairs if reply]
