"""Horizons: by tenant, channel, and type, the time before which touchpoints are deleted and refused.

Every partition has all of them, so that the function that records touchpoints finds them in its slot. A field
is the channel's code ‖ tenant; of a declared channel, which has no code of its own, 254 ‖ name ‖ 0 ‖ tenant.
A value has 8 bytes for each code of a type, as in places; zeros where there is no horizon.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from handoff.codec.member import OTHER_CHANNEL, channel_code, pack_occurred, type_code, unpack_occurred
from handoff.domain.clock import Micros
from handoff.domain.retention.rules import TYPE_CLASSES
from handoff.domain.touchpoint import CHANNELS
from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.keys import Keys
from handoff.store.repositories.identities import as_mapping

NONE = bytes(8)
_DECLARED = 254


class TenantHorizons:
    """The horizons of one tenant, by channel."""

    def __init__(self, by_channel: Mapping[str, bytes]) -> None:
        self.by_channel = by_channel
        self._declared = [it for it in by_channel if channel_code(it) == OTHER_CHANNEL]
        packed = [raw[at : at + 8] for raw in by_channel.values() for at in range(0, len(raw), 8)]
        self.latest = max(packed, default=NONE)
        """No horizon is after this one."""
        self.latest_at: Micros = unpack_occurred(self.latest)

    def of(self, channel: str, code: int) -> bytes:
        """The horizon of a type on a channel, packed. An empty name is an unknown one of the declared
        channels: what is on it stays as long as on any of them."""
        if not channel:
            return min((self.of(it, code) for it in self._declared), default=NONE)
        return self.by_channel.get(channel, b"")[8 * code : 8 * code + 8] or NONE

    def excludes(self, channel: str, type_: str, occurred_at: Micros) -> bool:
        """Whether a touchpoint is no longer stored."""
        if occurred_at >= self.latest_at:
            return False
        return pack_occurred(occurred_at) < self.of(channel, type_code(type_))

    def classes(self) -> dict[tuple[str, str], Micros]:
        """The horizon of each channel and class that has one."""
        found: dict[tuple[str, str], Micros] = {}
        for channel, raw in self.by_channel.items():
            for code in range(len(raw) // 8):
                horizon = self.of(channel, code)
                if horizon != NONE and code < len(TYPE_CLASSES):
                    found[channel, TYPE_CLASSES[code]] = unpack_occurred(horizon)
        return found


_NO_HORIZONS = TenantHorizons(MappingProxyType({}))


class Horizons:
    """The horizons of a store, as a worker knows them since the last `refresh`."""

    def __init__(self, connection: Connection, functions: Functions, keys: Keys) -> None:
        self._connection = connection
        self._functions = functions
        self._keys = keys
        self._raw: dict[bytes, bytes] = {}
        self._known: dict[str, TenantHorizons] = {}

    def of(self, tenant: str) -> TenantHorizons | None:
        """The horizons of a tenant, None where it has none."""
        return self._known.get(tenant)

    def at(self, tenant: str) -> TenantHorizons:
        """The horizons of a tenant, which may be none at all."""
        return self._known.get(tenant, _NO_HORIZONS)

    async def refresh(self) -> bool:
        """Read the horizons; whether any is new. One round trip."""
        key = self._keys.horizons(0)
        raw = as_mapping(await self._connection.call(b"HGETALL", key, key=key))
        if raw == self._raw:
            return False
        by_tenant: dict[str, dict[str, bytes]] = {}
        for field, value in raw.items():
            channel, tenant = _read_field(field)
            if channel is not None:
                by_tenant.setdefault(tenant, {})[channel] = value
        self._raw = raw
        self._known = {tenant: TenantHorizons(it) for tenant, it in by_tenant.items()}
        return True

    async def raise_to(self, tenant: str, wanted: Mapping[tuple[str, str], Micros]) -> None:
        """Raise the horizons of the `wanted` channels and classes, in every partition. They never fall."""
        arguments: list[bytes | int | str] = []
        for channel, packed in pack_horizons(wanted).items():
            arguments += (_field(channel, tenant), packed)
        # The first partition, which workers read, comes last: what they know holds everywhere.
        others = [([self._keys.horizons(it)], arguments) for it in range(1, self._keys.partitions)]
        await self._functions.call_each("timeline_horizon", others)
        await self._functions.call("timeline_horizon", [self._keys.horizons(0)], arguments)
        await self.refresh()


def pack_horizons(wanted: Mapping[tuple[str, str], Micros]) -> dict[str, bytes]:
    """The horizons of channels and classes by channel, as they are stored."""
    return {
        channel: b"".join(
            [pack_occurred(wanted[channel, it]) if (channel, it) in wanted else NONE for it in TYPE_CLASSES]
        )
        for channel in dict.fromkeys(channel for channel, _class in wanted)
    }


def _field(channel: str, tenant: str) -> bytes:
    code = channel_code(channel)
    if code != OTHER_CHANNEL:
        return bytes((code,)) + tenant.encode()
    return bytes((_DECLARED,)) + channel.encode() + b"\0" + tenant.encode()


def _read_field(field: bytes) -> tuple[str | None, str]:
    """Channel and tenant of a field; no channel where only a newer release knows its code."""
    if field[0] == _DECLARED:
        name, _, tenant = field[1:].partition(b"\0")
        return name.decode(), tenant.decode()
    return _BY_CODE.get(field[0]), field[1:].decode()


_BY_CODE: Mapping[int, str] = {channel_code(name): name for name in CHANNELS}
