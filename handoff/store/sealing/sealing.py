"""The data keys of identities and tenants, as one process knows them.

A key that was opened once is recognised by its stored, wrapped form: when that is gone from the store, or
another one is there, the known key opens nothing.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

import structlog

from handoff.codec.data_key import DataKey, new_secret
from handoff.domain.errors import StoreUnavailable
from handoff.store.errors import KEYS_UNAVAILABLE, unavailable

from .epochs import WRAPPED, Epochs

KEPT = 8192  # opened keys: about 10 MB
LOG_EVERY_S = 60.0
FIELD = b"k"
"""The field of an identity's record that holds its wrapped data key."""
SEALED_VALUE = b"\x01"
"""Starts a sealed value where a clear one may be, too: no msgpack array or map starts with it."""

log = structlog.get_logger(__name__)


class Sealing:
    """Opens and makes the keys of one store. `counted` is called with the kind of each unreadable value."""

    def __init__(self, epochs: Epochs, clock: Callable[[], float] = time.monotonic) -> None:
        self.epochs = epochs
        self.counted: Callable[[str], None] | None = None
        self.unreadable: dict[str, int] = {}
        self._clock = clock
        self._logged: dict[str, float] = {}
        self._opened: OrderedDict[bytes, DataKey] = OrderedDict()
        self._of_home: OrderedDict[bytes, DataKey] = OrderedDict()
        self._tenants: dict[str, DataKey] = {}

    @property
    def key_set(self) -> bytes:
        """The name of these keys, which the store has once it is sealed."""
        return self.epochs.content.id.encode()

    def ready(self) -> str | None:
        """Why this process should get no requests, or None."""
        return KEYS_UNAVAILABLE if self.epochs.failing else None

    def key(self, owner: bytes, wrapped: bytes | None) -> DataKey | None:
        """The data key behind its stored form. None without one, or if it does not open for this owner.

        StoreUnavailable (`keys_unavailable`) if this server does not have its epoch.
        """
        if not wrapped:
            return None
        known = self._opened.get(wrapped)
        if known is None:
            known = self._unwrapped(owner, wrapped)
            if known is not None:
                _keep(self._opened, wrapped, known)
            return known
        return self._owned(known, owner)

    def passing_key(self, owner: bytes, wrapped: bytes | None) -> DataKey | None:
        """The same for work that goes through all identities: it keeps no key that others would need again.

        None also if this server does not have the key's epoch.
        """
        if not wrapped:
            return None
        known = self._opened.get(wrapped)
        if known is not None:
            return self._owned(known, owner)
        try:
            return self._unwrapped(owner, wrapped)
        except StoreUnavailable:
            self.met("key")
            return None

    def _unwrapped(self, owner: bytes, wrapped: bytes) -> DataKey | None:
        secret = self.epochs.unwrap(owner, wrapped) if len(wrapped) == WRAPPED else None
        if secret is None:
            self.met("key")
            return None
        return DataKey(secret, owner, wrapped, self.met)

    def _owned(self, known: DataKey, owner: bytes) -> DataKey | None:
        if known.owner == owner:
            return known
        self.met("key")
        return None

    def standing(self, home: bytes, wrapped: bytes) -> DataKey:
        """The key that a home has in the store, to write with.

        StoreUnavailable (`keys_unavailable`) if it does not open: nothing is stored in clear instead.
        """
        key = self.key(home, wrapped)
        if key is None:
            raise unavailable(KEYS_UNAVAILABLE)
        return key

    def candidate(self, tenant: str, owner: bytes) -> DataKey:
        """A new key for an owner that may have none.

        StoreUnavailable (`keys_unavailable`) if the key file cannot be used.
        """
        secret = new_secret()
        return DataKey(secret, owner, self.epochs.wrap(tenant, owner, secret), self.met)

    def known(self, home: bytes) -> DataKey | None:
        """The key that a home had when this process last wrote to it."""
        return self._of_home.get(home)

    def learn(self, key: DataKey) -> None:
        """The store has this key for its home."""
        _keep(self._of_home, key.owner, key)
        _keep(self._opened, key.wrapped, key)

    def forget(self, home: bytes) -> None:
        """The store has no key for this home, or another one."""
        self._of_home.pop(home, None)

    def forget_all(self) -> None:
        """Drop the opened keys of all identities: some of them may be destroyed in the store."""
        self._opened.clear()
        self._of_home.clear()

    def value_of(self, home: bytes, fields: Mapping[bytes, bytes]) -> tuple[bytes | None, DataKey | None]:
        """The plain value of an identity's record, None if it does not open, and its key."""
        key = self.key(home, fields.get(FIELD))
        return open_value(key, home, fields.get(b"v")), key

    def tenant_key(self, tenant: str) -> DataKey:
        """The key of a tenant's control partition.

        StoreUnavailable (`keys_unavailable`) before `Store.prepare_tenants` has read it.
        """
        known = self._tenants.get(tenant)
        if known is None:
            raise unavailable(KEYS_UNAVAILABLE)
        return known

    def learn_tenant(self, tenant: str, key: DataKey) -> None:
        self._tenants[tenant] = key

    def met(self, what: str) -> None:
        """Count a stored value that does not open, and log it once a minute."""
        self.unreadable[what] = self.unreadable.get(what, 0) + 1
        if self.counted is not None:
            self.counted(what)
        now = self._clock()
        if now - self._logged.get(what, -LOG_EVERY_S) >= LOG_EVERY_S:
            self._logged[what] = now
            log.error("sealed_value_unreadable", what=what, count=self.unreadable[what])


def value_at(home: bytes) -> bytes:
    """The place of an identity's plain value."""
    return b"v" + home


def seal_value(key: DataKey, plain: bytes) -> bytes:
    """The plain value of an identity's record, sealed."""
    return SEALED_VALUE + key.seal(plain, value_at(key.owner))


def open_value(key: DataKey | None, home: bytes, stored: bytes | None) -> bytes | None:
    """The plain value of an identity's record; None if there is none, or if it does not open."""
    if stored is None or stored[:1] != SEALED_VALUE:
        return stored
    return key.open(stored[1:], value_at(home), "identity") if key else None


def seal_text(key: DataKey | None, field: bytes, content: bytes) -> bytes:
    """The content of a field of an identity's record, sealed if the store is."""
    return content if key is None else SEALED_VALUE + key.seal(content, field + key.owner)


def open_text(key: DataKey | None, field: bytes, stored: bytes) -> bytes | None:
    """The content of a field; None, and counted, if it does not open."""
    if stored[:1] != SEALED_VALUE:
        return stored
    return key.open(stored[1:], field + key.owner, "evidence") if key else None


def _keep(kept: OrderedDict[bytes, DataKey], name: bytes, key: DataKey) -> None:
    kept[name] = key
    if len(kept) > KEPT:
        kept.popitem(last=False)
