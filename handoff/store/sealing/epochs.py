"""Key epochs: they wrap the data keys in the store, and the master key wraps them in the key file.

A wrapped data key is the epoch's id (4 bytes) ‖ nonce (12) ‖ key and tag (48): 64 bytes, which keeps an
identity's record compact on a server with default settings.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

import structlog
from msgspec.structs import replace

from handoff.codec.data_key import OVERHEAD, SECRET, WrappingKey, derived, new_secret
from handoff.domain.errors import ConfigurationError
from handoff.store.errors import KEYS_UNAVAILABLE, unavailable

from .key_file import Epoch, KeySet, locked, new_key_set, read_key_file, stamp, write_key_file

ID = 4  # bytes
WRAPPED = ID + SECRET + OVERHEAD
STALE_S = 10.0
"""A key file that could not be read this long makes no new data keys: their epoch may be destroyed by now."""

log = structlog.get_logger(__name__)


class Epochs:
    """The epochs of one store, as its key file has them."""

    def __init__(
        self,
        path: Path,
        master: bytes,
        content: KeySet,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._monotonic = monotonic
        self._master = WrappingKey(derived(master, b"handoff key epochs"))
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._fresh_until = 0.0
        self.failing = False
        """Whether the key file could not be read when it was last looked at."""
        self._take(content)
        self.refresh()

    def _take(self, content: KeySet) -> None:
        """Open all epochs first, so that a wrong master key changes nothing."""
        opened = {bytes.fromhex(it.id): self._open(content.id, it) for it in content.epochs if it.wrapped}
        self.content = content
        self._wrapping = opened
        self._current = {it.tenant: bytes.fromhex(it.id) for it in content.epochs if it.current}

    def _open(self, set_: str, epoch: Epoch) -> WrappingKey:
        secret = self._master.unwrap(bytes.fromhex(epoch.wrapped), _bound(set_, epoch))
        if secret is None:
            raise ConfigurationError(
                f"privacy.sealing.keys does not open the key file {self.path}: it is not the master key of "
                "this store, or the file was changed"
            )
        return WrappingKey(secret)

    def refresh(self) -> None:
        """Read the key file again if it was replaced. Never fails: see `failing`."""
        try:
            found = stamp(self.path)
            if found != self._stamp:
                content = read_key_file(self.path)
                if content is None or content.id != self.content.id:
                    raise ConfigurationError(f"the key file {self.path} is another store's")
                self._take(content)
                self._stamp = found
        except (OSError, ConfigurationError) as error:
            if not self.failing:
                log.error("sealing_keys_unreadable", error=str(error))
            self.failing = True
            return
        self.failing = False
        self._fresh_until = self._monotonic() + STALE_S

    def current(self, tenant: str) -> bytes:
        """The id of the epoch that wraps the tenant's new keys; the first one is made now.

        StoreUnavailable (`keys_unavailable`) if the key file cannot be used.
        """
        if self._monotonic() > self._fresh_until:
            self.refresh()
            if self.failing and self._monotonic() > self._fresh_until:
                raise unavailable(KEYS_UNAVAILABLE)
        known = self._current.get(tenant)
        if known is None:
            try:
                self.begin(tenant, only_first=True)
            except ConfigurationError as error:
                log.error("sealing_keys_unwritable", error=str(error))
                raise unavailable(KEYS_UNAVAILABLE) from error
            known = self._current[tenant]
        return known

    def wrap(self, tenant: str, owner: bytes, secret: bytes) -> bytes:
        """A data key as it is stored, in the tenant's current epoch."""
        id_ = self.current(tenant)
        return id_ + self._wrapping[id_].wrap(secret, owner)

    def unwrap(self, owner: bytes, wrapped: bytes) -> bytes | None:
        """The data key; None if it was changed or is another owner's.

        StoreUnavailable (`keys_unavailable`) if this server does not have its epoch.
        """
        wrapping = self._wrapping.get(wrapped[:ID])
        if wrapping is None:
            self.refresh()  # another process may have added the epoch
            wrapping = self._wrapping.get(wrapped[:ID])
        if wrapping is None:
            raise unavailable(KEYS_UNAVAILABLE)
        return wrapping.unwrap(wrapped[ID:], owner)

    def is_current(self, wrapped: bytes) -> bool:
        """Whether a data key is wrapped in its tenant's current epoch."""
        return wrapped[:ID] in self._current.values()

    def tenant_of(self, wrapped: bytes) -> str | None:
        """The tenant of a data key's epoch; None for an unknown epoch."""
        id_ = wrapped[:ID].hex()
        return next((it.tenant for it in self.content.epochs if it.id == id_), None)

    def begin(self, tenant: str, *, only_first: bool = False) -> None:
        """Begin an epoch and retire the tenant's current one; not if `only_first` and there is one."""
        with locked(self.path):
            self._reread()
            if only_first and tenant in self._current:
                return
            epochs = self.content.epochs
            found = next((it for it in epochs if it.tenant == tenant and it.prepared), None)
            new = found or self._new(tenant)
            self._write(self._begun([*epochs, new] if found is None else epochs, [new.id]))

    def prepare(self, instead_of: Mapping[str, str]) -> None:
        """Add the next epochs of tenants, which wrap nothing until `begin_prepared`.

        `instead_of` has the tenants' current epochs: where another one is current by now, nothing is done.
        """
        with locked(self.path):
            self._reread()
            prepared = {it.tenant for it in self.content.epochs if it.prepared}
            new = [
                self._new(tenant)
                for tenant, id_ in instead_of.items()
                if self._current.get(tenant, b"").hex() == id_ and tenant not in prepared
            ]
            if new:
                self._write([*self.content.epochs, *new])

    def begin_prepared(self) -> list[Epoch]:
        """Make all prepared epochs their tenants' current ones."""
        with locked(self.path):
            self._reread()
            prepared = [it for it in self.content.epochs if it.prepared]
            if prepared:
                self._write(self._begun(self.content.epochs, [it.id for it in prepared]))
            return prepared

    def mark_emptied(self, ids: Collection[str]) -> None:
        """Note that these epochs wrap nothing any more."""
        with locked(self.path):
            self._reread()
            now, epochs = int(self._clock()), self.content.epochs
            self._write([replace(it, emptied_at=now) if it.id in ids else it for it in epochs])

    def digest(self) -> str:
        """Differs where another process has another epoch, or uses another one."""
        known = ((it.id, it.current, bool(it.wrapped)) for it in self.content.epochs)
        return blake2b(repr(sorted(known)).encode(), digest_size=8).hexdigest()

    def _new(self, tenant: str) -> Epoch:
        new = Epoch(id=self._new_id(), tenant=tenant, created_at=int(self._clock()), prepared=True)
        wrapped = self._master.wrap(new_secret(), _bound(self.content.id, new))
        return replace(new, wrapped=wrapped.hex())

    def _begun(self, epochs: Iterable[Epoch], ids: Collection[str]) -> list[Epoch]:
        """The epochs, with these as their tenants' current ones."""
        now, listed = int(self._clock()), list(epochs)
        tenants = {it.tenant for it in listed if it.id in ids}
        return [
            replace(it, prepared=False, created_at=now)
            if it.id in ids
            else replace(it, retired_at=now)
            if it.current and it.tenant in tenants
            else it
            for it in listed
        ]

    def destroy(self, id_: str) -> None:
        """Destroy a retired epoch's key. ConfigurationError for a current or unknown one."""
        with locked(self.path):
            self._reread()
            found = next((it for it in self.content.epochs if it.id == id_), None)
            if found is None:
                raise ConfigurationError(f"the key file has no epoch {id_}")
            if found.retired_at is None:  # prepared ones, too
                raise ConfigurationError(f"epoch {id_} is in use: run `handoff keys rotate` first")
            gone = replace(found, wrapped="", destroyed_at=found.destroyed_at or int(self._clock()))
            self._write([gone if it.id == id_ else it for it in self.content.epochs])

    def _new_id(self) -> str:
        known = {it.id for it in self.content.epochs}
        return next(id_ for id_ in iter(lambda: secrets.token_hex(ID), "") if id_ not in known)

    def _reread(self) -> None:
        content = read_key_file(self.path)
        if content is None or content.id != self.content.id:
            raise ConfigurationError(f"the key file {self.path} is missing or another store's")
        self._take(content)

    def _write(self, epochs: list[Epoch]) -> None:
        write_key_file(self.path, replace(self.content, epochs=epochs))
        self.refresh()


def open_epochs(path: Path, master: bytes, *, expected: str | None) -> Epochs:
    """The epochs in a key file, which is created unless the store `expected` one.

    ConfigurationError if it is missing, another store's, open to everybody, or not of this master key.
    """
    content = read_key_file(path)
    if content is None and expected is not None:
        raise ConfigurationError(
            f"the store is sealed and its key file {path} is missing: restore it, or set "
            "privacy.sealing.key_file to where it is"
        )
    content = content or _created(path)
    if expected is not None and content.id != expected:
        raise ConfigurationError(f"the key file {path} is another store's: this one expects {expected}")
    return Epochs(path, master, content)


def _created(path: Path) -> KeySet:
    """The key set of a new file, or of the one that another process has just made."""
    with locked(path):
        return read_key_file(path) or _written(path, new_key_set())


def _written(path: Path, content: KeySet) -> KeySet:
    write_key_file(path, content)
    return content


def _bound(set_: str, epoch: Epoch) -> bytes:
    """The owner of an epoch's key: it unwraps for its tenant only."""
    return f"{set_}\0{epoch.id}\0{epoch.tenant}".encode()
