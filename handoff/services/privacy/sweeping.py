"""The sweep: what else is kept for a tenant and names erased people goes, wherever it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import msgspec
import structlog

from handoff.codec.compression import decompress
from handoff.domain.errors import ConfigurationError
from handoff.services.events.publishing import (
    HandoffEntry,
    StoredEvent,
    decode_entry,
    pack_event,
    unpack_event,
)
from handoff.services.sources.quarantine import Quarantined
from handoff.store.repositories.control import decode_record
from handoff.store.store import Store

from .traces import Traces

AT_ONCE = 200  # keys a step
ERASED_DATA = b'{"erased":true}'

log = structlog.get_logger(__name__)


class Sweep:
    """One tenant's control partition, searched for traces."""

    def __init__(self, store: Store, tenant: str, traces: Traces, homes: Collection[bytes]) -> None:
        self._store = store
        self._tenant = tenant
        self._traces = traces
        self._homes = frozenset(homes)
        self._keep = store.of(tenant).sweeping
        self._kinds: dict[bytes, Callable[[bytes, bytes], Awaitable[bool]]] = {
            b"s": self._snapshot,
            b"y": self._answer,
            b"q": self._quarantined,
            b"de": self._message,
        }

    async def run(self) -> int:
        """Remove or redact what names the people; how many things did."""
        found = 0
        for kind, handle in self._kinds.items():
            async for key, raw in self._keep.values(kind, AT_ONCE):
                try:
                    found += await handle(key, raw)
                except (ValueError, msgspec.MsgspecError, ConfigurationError) as error:
                    log.warning("erasure_cannot_read", kind=kind.decode(), error=type(error).__name__)
        return found + await self._outbox()

    async def _snapshot(self, key: bytes, raw: bytes) -> bool:
        return self._traces.are_in(decompress(raw[0], raw[1:])) and await self._keep.drop(key)

    async def _answer(self, key: bytes, raw: bytes) -> bool:
        kept = msgspec.msgpack.decode(raw)
        body = kept.get("body") or b""
        plain = self._store.seal(self._tenant).open(body, key) if body else b""
        named = self._traces.are_in(plain) or self._traces.are_in(raw)
        return named and await self._keep.drop(key)

    async def _quarantined(self, _key: bytes, raw: bytes) -> bool:
        item = decode_record(raw, Quarantined)
        words = "&".join((item.path, item.detail, *(f"{name}={value}" for name, value in item.query)))
        if not (self._traces.are_in(item.content()) or self._traces.are_in(words.encode(errors="replace"))):
            return False
        quarantine = self._store.of(self._tenant).quarantine
        return bool(await quarantine.drop(item.source, [bytes.fromhex(item.id)]))

    async def _message(self, key: bytes, raw: bytes) -> bool:
        """An event for subscribers keeps its id and type, so that its queue goes on."""
        event = unpack_event(raw)
        if event.data == ERASED_DATA or not self._names(event):
            return False
        bare = msgspec.structs.replace(event, data=ERASED_DATA, snapshot=None)
        return await self._keep.replace(key, pack_event(bare))

    def _names(self, event: StoredEvent) -> bool:
        if event.type == "customer.erased":
            return False
        return self._traces.are_in(event.data) or self._traces.are_in(event.subject.encode())

    async def _outbox(self) -> int:
        """Entries that the relay has passed on, or would still pass on, with what the people wrote."""
        gone = 0
        async for entries in self._keep.outbox(AT_ONCE):
            named = [id_ for id_, payload in entries if self._in_entry(payload)]
            gone += await self._keep.drop_entries(named)
        return gone

    def _in_entry(self, payload: bytes) -> bool:
        try:
            content = decode_entry(payload)
        except (ValueError, msgspec.MsgspecError):
            return self._traces.are_in(payload)
        if isinstance(content, HandoffEntry):
            ours = content.handoff.home in self._homes
            return ours and content.handoff.reason != "[erased]"
        if getattr(content, "type", "") == "customer.erased":
            return False
        return self._traces.are_in(payload)
