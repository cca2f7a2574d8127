"""Seals what a tenant's control partition holds: handoffs, callbacks, snapshots, events, quarantine.

One key for each tenant, in its control partition, wrapped in an epoch like an identity's. Erasing a
person deletes these values; a backup forgets them when the epoch is destroyed.
"""

from __future__ import annotations

from handoff.codec.compression import SEALED
from handoff.codec.data_key import DataKey

from .sealing import SEALED_VALUE, Sealing

VERSION = 8  # bytes before a record, which the store's functions compare


class ControlSeal:
    """The seal of one tenant's control partition; without `sealing` everything stays as it is.

    A value opens at its own `place` only: its key, or what it is about.
    """

    def __init__(self, sealing: Sealing | None, tenant: str) -> None:
        self._sealing = sealing
        self._tenant = tenant

    @property
    def on(self) -> bool:
        return self._sealing is not None

    @property
    def _key(self) -> DataKey | None:
        return self._sealing.tenant_key(self._tenant) if self._sealing is not None else None

    def seal(self, place: bytes, plain: bytes) -> bytes:
        """StoreUnavailable (`keys_unavailable`) if the tenant's key was not read."""
        key = self._key
        return plain if key is None or not plain else SEALED_VALUE + key.seal(plain, place)

    def open(self, place: bytes, stored: bytes) -> bytes | None:
        """The plain value, which must not start with SEALED_VALUE; None, and counted, if it does not open."""
        if self._sealing is None or stored[:1] != SEALED_VALUE:
            return stored
        return self._sealing.tenant_key(self._tenant).open(stored[1:], place, "control")

    def seal_kept(self, key: bytes, value: bytes) -> bytes:
        """A value that starts with the codec of its compression, such as a snapshot."""
        return value if not self.on else bytes((SEALED | value[0],)) + self.seal(key, value[1:])[1:]

    def open_kept(self, key: bytes, stored: bytes) -> bytes | None:
        """The value with its codec in front; None, and counted, if it does not open."""
        if not self.on or stored[0] < SEALED:
            return stored
        plain = self.open(key, SEALED_VALUE + stored[1:])
        return None if plain is None else bytes((stored[0] - SEALED,)) + plain

    def seal_record(self, key: bytes, record: bytes) -> bytes:
        """A record with its version in front."""
        if not self.on:
            return record
        return record[:VERSION] + self.seal(key, record[VERSION:])

    def open_record(self, key: bytes, stored: bytes | None) -> bytes | None:
        """The record with its version in front; None, and counted, if it does not open."""
        if not self.on or stored is None:
            return stored
        plain = self.open(key, stored[VERSION:])
        return None if plain is None else stored[:VERSION] + plain
