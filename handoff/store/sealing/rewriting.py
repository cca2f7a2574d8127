"""`handoff store seal`: seals what was stored before sealing was turned on, beside the running servers.

Bounded steps; each replaces a value only if it is unchanged. Sealed values are passed over, so that an
interrupted run is continued by starting it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress

import msgpack
from msgspec import Struct

from handoff.codec.body import DIGEST_KEPT, keyed_digest
from handoff.codec.compression import SEALED
from handoff.codec.data_key import DataKey
from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.member import FLAG_ARRIVAL, FLAG_BLANKED, FLAG_REFERENCE, sealed_at
from handoff.domain.errors import StoreUnavailable
from handoff.domain.identity import Identity
from handoff.store.connection import Connection
from handoff.store.functions.library import Call, Functions
from handoff.store.keys import META, Keys, is_record, tenant_of
from handoff.store.repositories.identities import HOLD, RESTRICTION, as_mapping

from .control_seal import VERSION, ControlSeal
from .scanning import scan_names
from .sealing import FIELD, SEALED_VALUE, Sealing, seal_text, seal_value
from .store_keys import open_tenant_keys

MEMBERS = 100  # touchpoints of one call: some milliseconds of the server's time
_FLAGS_AT, _CODEC_AT, _DIGEST_AT = 32, 35, 36
_RECORDS = (b"h", b"r", b"m", b"b", b"w", b"q", b"j")
"""Kinds of versioned records in a control partition."""
_PROTECTIONS = (HOLD, RESTRICTION)
_KEPT = (b"s", b"de")
"""Kinds of compressed values in a control partition: snapshots, and events kept for replays."""


class SealProgress(Struct):
    """The progress of a run. `skipped`: identities of no known tenant, or whose key does not open."""

    names: int = 0
    sealed: int = 0
    skipped: int = 0


class Rewriting:
    """Seals the clear values of `tenants` in the store at `url`."""

    def __init__(
        self, connection: Connection, url: str, functions: Functions, keys: Keys, tenants: Iterable[str]
    ) -> None:
        assert keys.sealing is not None
        self._sealing: Sealing = keys.sealing
        self._connection = connection
        self._url = url
        self._functions = functions
        self._keys = keys
        self._tenants = tuple(tenants)
        self._hashes: tuple[KeyedHash, ...] = ()

    @classmethod
    async def opened(cls, connection: Connection, url: str, keys: Keys, tenants: Sequence[str]) -> Rewriting:
        """With the store's functions and the tenants' keys, which are made where they are missing."""
        assert keys.sealing is not None
        functions = Functions(connection)
        await functions.load()
        await open_tenant_keys(connection, keys.sealing, tenants)
        return cls(connection, url, functions, keys, tenants)

    async def run(self) -> AsyncIterator[SealProgress]:
        """Seal what is in clear, a step at a time."""
        pepper = await self._connection.call(b"HGET", META, b"pepper", key=META)
        self._hashes = tuple(KeyedHash(pepper, tenant) for tenant in self._tenants)
        progress = SealProgress()
        async for names in scan_names(self._connection, self._url, b"{*}*"):
            progress.names += len(names)
            for name in names:
                if is_record(name):
                    await self._identity(name[-16:], progress)
                    yield progress
            progress.sealed += await self._control(names)
            yield progress

    async def _identity(self, home: bytes, progress: SealProgress) -> None:
        complete = False
        while not complete:  # its key may be made by a server at the same time
            key = await self._key(home)
            if key is None:
                progress.skipped += 1
                return
            done, complete = await self._seal_identity(home, key)
            progress.sealed += done

    async def _key(self, home: bytes) -> DataKey | None:
        """The identity's key, or a new one. None if it does not open, or if no configured tenant has it."""
        record = self._keys.record(home)
        standing, plain = await self._connection.call(b"HMGET", record, FIELD, b"v", key=record)
        if standing:
            with suppress(StoreUnavailable):
                return self._sealing.key(home, standing)
            return None
        tenant = None if plain is None or plain[:1] == SEALED_VALUE else self._tenant_of(home, plain)
        return None if tenant is None else self._sealing.candidate(tenant, home)

    def _tenant_of(self, home: bytes, plain: bytes) -> str | None:
        """The tenant of an identity, whose key is a hash of both."""
        identity = Identity(*msgpack.unpackb(plain)[:3])
        return next((it.tenant for it in self._hashes if it.identity(identity) == home), None)

    async def _seal_identity(self, home: bytes, key: DataKey) -> tuple[int, bool]:
        """How many values were sealed, and whether all were: False if the identity has another key."""
        record, timeline = self._keys.record(home), self._keys.timeline(home)
        fields = as_mapping(await self._connection.call(b"HGETALL", record, key=record))
        changed = list(_sealed_fields(key, fields))
        done, last = 0, b"-"
        while True:
            command = (b"ZRANGE", timeline, last, b"+", b"BYLEX", b"LIMIT", 0, MEMBERS)
            members = await self._connection.call(*command, key=timeline)
            pairs = [pair for raw in members if (pair := _sealed_member(key, raw))]
            if changed or pairs:
                arguments: list[bytes | int | str] = [key.wrapped, len(changed)]
                arguments += [part for field in changed for part in field]
                arguments += [part for pair in pairs for part in pair]
                ours, count = await self._functions.call("reseal", [record, timeline], arguments)
                if not ours:
                    return done, False
                done, changed = done + int(count), []
            if len(members) < MEMBERS:
                return done, True
            last = b"(" + members[-1]

    async def _control(self, names: Sequence[bytes]) -> int:
        """Seal values of control partitions; how many."""
        found = [(name, seal) for name in names if (seal := self._seal_of(name)) is not None]
        if not found:
            return 0
        values = await self._connection.pipeline([(b"GET", name) for name, _seal in found])
        calls: list[Call] = []
        for (name, seal), value in zip(found, values, strict=True):
            sealed = _sealed_value(seal, name, value) if isinstance(value, bytes) else None
            if sealed is not None:
                calls.append(([name], [value, sealed]))
        return sum(await self._functions.call_each("replace", calls)) if calls else 0

    def _seal_of(self, name: bytes) -> ControlSeal | None:
        """The seal of a control key's tenant; None for a key of no kind that is sealed here."""
        tenant = tenant_of(name)
        if tenant not in self._tenants or not _kind(name):
            return None
        return ControlSeal(self._sealing, tenant)


def _kind(name: bytes) -> bytes:
    """The kind of a control key; empty if it is none that is sealed."""
    rest = name.partition(b"}")[2]
    return next((it for it in (*_RECORDS, *_KEPT) if rest.startswith(it) and len(rest) >= len(it) + 16), b"")


def _sealed_value(seal: ControlSeal, name: bytes, value: bytes) -> bytes | None:
    """A control value, sealed. None if it is sealed."""
    kind = _kind(name)
    if kind in _RECORDS:
        return None if value[VERSION : VERSION + 1] == SEALED_VALUE else seal.seal_record(name, value)
    place = name if kind == b"s" else name[-16:]
    return None if value[0] & SEALED else seal.seal_kept(place, value)


def _sealed_fields(key: DataKey, fields: Mapping[bytes, bytes]) -> Iterable[tuple[bytes, bytes, bytes]]:
    """Name, clear and sealed value of the fields with personal data that are in clear."""
    for name, raw in fields.items():
        if name == b"v" and raw[:1] != SEALED_VALUE:
            yield name, raw, seal_value(key, raw)
        elif (name[:1] == b"w" or name in _PROTECTIONS) and raw[:1] != SEALED_VALUE:
            yield name, raw, seal_text(key, name, raw)
        elif name == b"s" and raw[1:2] not in (b"", SEALED_VALUE):
            yield name, raw, raw[:1] + seal_text(key, name, raw[1:])
        elif name[:1] == b"e" and raw[8:9] != SEALED_VALUE and msgpack.unpackb(raw[8:])[6] is not None:
            yield name, raw, raw[:8] + seal_text(key, name, raw[8:])


def _sealed_member(key: DataKey, raw: bytes) -> tuple[bytes, bytes] | None:
    """A clear entry and the same, sealed. None if it is sealed, or has no content."""
    flags, codec = raw[_FLAGS_AT], raw[_CODEC_AT]
    if codec & SEALED or flags & (FLAG_BLANKED | FLAG_REFERENCE):
        return None
    digest_at = _DIGEST_AT + (8 if flags & FLAG_ARRIVAL else 0)
    body_at = digest_at + DIGEST_KEPT
    head = raw[:_CODEC_AT] + bytes((codec | SEALED,)) + raw[_DIGEST_AT:digest_at]
    body = key.seal(raw[body_at:], sealed_at(key.owner, head))
    return raw, head + keyed_digest(raw[digest_at:body_at], key) + body
