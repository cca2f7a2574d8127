"""The sweep: what else is kept for a tenant and names erased people goes, wherever it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress

import msgspec
import structlog

from handoff.codec.compression import decompress
from handoff.codec.keyed_hash import HANDOFF
from handoff.domain.errors import ConfigurationError
from handoff.domain.handoff import Handoff
from handoff.services.events.publishing import (
    HandoffEntry,
    StoredEvent,
    decode_entry,
    pack_event,
    unpack_event,
)
from handoff.services.sources.quarantine import Quarantined
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.store import Store

from .traces import Traces

AT_ONCE = 200  # keys a step
ERASED = "[erased]"
ERASED_DATA = b'{"erased":true}'
CREATED = 201
PROBLEM = "application/problem+json"
ERASED_ANSWER = msgspec.json.encode(
    {
        "type": "urn:handoff:problem:customer_erased",
        "title": "Erased",
        "status": 410,
        "detail": "what this request created belonged to a customer who was erased",
        "code": "customer_erased",
    }
)

log = structlog.get_logger(__name__)


class Sweep:
    """One tenant's control partition, searched for traces."""

    def __init__(
        self,
        store: Store,
        tenant: str,
        traces: Traces,
        homes: Collection[bytes],
        handoffs: Collection[str] = (),
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._traces = traces
        self._homes = frozenset(homes)
        self._handoffs = frozenset(handoffs)
        self._keep = store.of(tenant).sweeping
        self._kinds: dict[bytes, Callable[[bytes, bytes], Awaitable[bool]]] = {
            b"s": self._snapshot,
            b"y": self._answer,
            b"q": self._quarantined,
            b"h": self._hops,
            b"de": self._message,
            b"da": self._attempts,
        }

    async def run(self) -> int:
        """Remove or redact what names the people; how many things did."""
        found = await self._store.of(self._tenant).quarantine.drop_naming(list(self._homes))
        async for kind, key, raw in self._keep.values(AT_ONCE):
            await self._store.pace.breathe(self._tenant)
            try:
                found += await self._kinds[kind](key, raw)
            except (ValueError, msgspec.MsgspecError, ConfigurationError) as error:
                log.warning("erasure_cannot_read", kind=kind.decode(), error=type(error).__name__)
        return found + await self._outbox()

    async def _snapshot(self, key: bytes, raw: bytes) -> bool:
        return self._traces.are_in(decompress(raw[0], raw[1:])) and await self._keep.drop(key)

    async def _answer(self, key: bytes, raw: bytes) -> bool:
        kept = msgspec.msgpack.decode(raw)
        seal = self._store.seal(self._tenant)
        plain = seal.open(kept["body"], key) if kept.get("body") else b""
        if not (self._traces.are_in(plain) or self._traces.are_in(raw)):
            return False
        if kept.get("status") != CREATED:  # running it again finds that everything is there, or was erased
            return await self._keep.drop(key)
        # A retry must not create again, for the erased person, what the first request created.
        gone = kept | {"status": 410, "body": seal.seal(ERASED_ANSWER, key), "content_type": PROBLEM}
        return await self._keep.replace(key, msgspec.msgpack.encode(gone | {"location": None}))

    async def _attempts(self, key: bytes, raw: bytes) -> bool:
        """A subscriber's answer, which may repeat the message."""
        return self._traces.are_in(raw) and await self._keep.drop(key)

    async def _hops(self, _key: bytes, raw: bytes) -> bool:
        """Blank the reasons of the erased handoffs in another customer's handoff of the same chain."""
        handoff = decode_record(raw, Handoff)
        named = [hop for hop in handoff.hops if hop.id in self._handoffs and hop.reason != ERASED]
        if handoff.home in self._homes or not named:
            return False
        hops = tuple(
            msgspec.structs.replace(it, reason=ERASED) if it.id in self._handoffs else it
            for it in handoff.hops
        )
        of_tenant, change, version = self._store.of(self._tenant), Change(), handoff.version + 1
        (id_,) = of_tenant.hashes.private(HANDOFF, handoff.id)
        after = msgspec.structs.replace(handoff, version=version, hops=hops)
        of_tenant.handoffs.put(change, id_, handoff.version, version, after)
        with suppress(Changed):  # the next sweep finds it again
            await of_tenant.commit(change)
        return True

    async def _quarantined(self, _key: bytes, raw: bytes) -> bool:
        item = decode_record(raw, Quarantined)
        head = item.head().encode(errors="replace")
        if not any(self._traces.are_in(it, written=True) for it in (item.content(), head)):
            return False
        quarantine = self._store.of(self._tenant).quarantine
        return bool(await quarantine.drop(item.source, [bytes.fromhex(item.id)]))

    async def _message(self, key: bytes, raw: bytes) -> bool:
        """An event for subscribers keeps its id and type, so that its queue continues."""
        event = unpack_event(raw)
        if event.data == ERASED_DATA or not self._names(event):
            return False
        bare = msgspec.structs.replace(event, data=ERASED_DATA, snapshot=None)
        return await self._keep.replace(key, pack_event(bare))

    def _names(self, event: StoredEvent) -> bool:
        if event.type == "customer.erased" or _is_bare(event):
            return False
        return self._traces.are_in(event.data) or self._traces.are_in(event.subject.encode())

    async def _outbox(self) -> int:
        """Entries that the relay has passed on, or would still pass on, with what the people wrote."""
        gone = 0
        async for entries in self._keep.outbox(AT_ONCE):
            payloads = [payload for _id, payload in entries]
            found = await self._store.pace.each(self._tenant, self._in_entry, payloads)
            named = [id_ for (id_, _payload), ours in zip(entries, found, strict=True) if ours]
            gone += await self._keep.drop_entries(named)
        return gone

    def _in_entry(self, payload: bytes) -> bool:
        try:
            content = decode_entry(payload)
        except (ValueError, msgspec.MsgspecError):
            return self._traces.are_in(payload)
        if isinstance(content, HandoffEntry):
            ours = content.handoff.home in self._homes
            return ours and content.handoff.reason != ERASED
        if getattr(content, "type", "") == "customer.erased":
            return False
        return self._traces.are_in(payload)


def _is_bare(event: StoredEvent) -> bool:
    """Whether an event reports the end of a redacted handoff, which subscribers still have to learn."""
    if event.type != "handoff.withdrawn":
        return False
    state = msgspec.json.decode(event.data)
    return state.get("reason") == ERASED and state.get("context") is None
