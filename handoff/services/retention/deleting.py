"""One step of a sweep: the identities of one step of the scan, with everything of theirs that is outdated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgpack
import structlog
from msgspec import Struct, field

from handoff.codec.body import Body
from handoff.codec.member import OTHER_CHANNEL, Member, channel_name
from handoff.domain.clock import Micros
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity import Identity
from handoff.domain.retention.rules import TYPE_CLASSES
from handoff.domain.touchpoint import CHANNELS
from handoff.store.repositories.identities import has_index
from handoff.store.repositories.retention.expiry import AT_ONCE, Outdated, entries_in
from handoff.store.repositories.retention.horizons import TenantHorizons
from handoff.store.repositories.retention.scan import ScannedRecord, ScanStep
from handoff.store.repositories.timelines import read_amendments, read_at
from handoff.store.store import Store

FIRST_LOOK = 32  # touchpoints of an identity: most have no more that is old
HOMES = 32  # identities whose touchpoints are read at once

RETENTION = "retention"  # has turns as a tenant has

log = structlog.get_logger(__name__)


class Deleted(Struct, kw_only=True):
    """The deletions of a sweep: touchpoints by channel and class (`chat/messages`), others by kind.

    `by_tenant` counts all of them.
    """

    touchpoints: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    identities: int = 0
    by_tenant: dict[str, int] = field(default_factory=dict)
    oldest_kept: Micros | None = None

    @property
    def total(self) -> int:
        return sum(self.touchpoints.values())

    def of_tenant(self, tenant: str) -> Deleted:
        """Note that all of this was one tenant's."""
        count = self.total + sum(self.records.values()) + self.identities
        self.by_tenant = {tenant: count} if count else {}
        return self

    def add(self, other: Deleted) -> None:
        for ours, theirs in (
            (self.touchpoints, other.touchpoints),
            (self.records, other.records),
            (self.by_tenant, other.by_tenant),
        ):
            for name, count in theirs.items():
                ours[name] = ours.get(name, 0) + count
        self.identities += other.identities
        self.keep(other.oldest_kept)

    def keep(self, occurred_at: Micros | None) -> None:
        """Note a touchpoint that stays."""
        if occurred_at is not None and (self.oldest_kept is None or occurred_at < self.oldest_kept):
            self.oldest_kept = occurred_at


class _Part(Struct):
    """Some identities of a tenant, with what was deleted of theirs. `indexed` timelines may have edits."""

    horizons: TenantHorizons
    indexed: frozenset[bytes]
    emptied: set[bytes] = field(default_factory=set)
    deleted: Deleted = field(default_factory=Deleted)


class Deleter:
    """Deletes what is outdated by the horizons of some tenants; with `dry_run` it only counts.

    `unused_before` has for each tenant the time before which an identity was last heard of whose record may
    go with its last touchpoint.
    """

    def __init__(
        self,
        store: Store,
        horizons: Mapping[str, TenantHorizons],
        unused_before: Mapping[str, Micros],
        *,
        dry_run: bool = False,
    ) -> None:
        self._store = store
        self._horizons = horizons
        self._unused_before = unused_before
        self._dry_run = dry_run

    async def step(self, step: ScanStep) -> Deleted:
        """Delete what is outdated of the records of one step of the scan."""
        deleted = Deleted()
        for tenant, records in (await self._by_tenant(step.records)).items():
            for at in range(0, len(records), HOMES):
                found = await self._delete(tenant, records[at : at + HOMES])
                deleted.add(found.of_tenant(tenant))
        return deleted

    async def _by_tenant(self, records: Sequence[ScannedRecord]) -> dict[str, list[ScannedRecord]]:
        found: dict[str, list[ScannedRecord]] = {}
        for record in records:
            await self._store.pace.breathe(RETENTION)
            identity = _identity(record)
            for tenant in self._horizons:
                if identity is not None and self._store.hashes(tenant).owns(record.home, identity):
                    found.setdefault(tenant, []).append(record)
                    break
        return found

    async def _delete(self, tenant: str, records: Sequence[ScannedRecord]) -> Deleted:
        part = _Part(self._horizons[tenant], frozenset(it.home for it in records if has_index(it.head)))
        homes = [it.home for it in records if entries_in(it.head)]
        old = await self._store.expiry.read_old(homes, part.horizons.latest, b"", FIRST_LOOK)
        await self._delete_of([member for it in old for member in it.members], part)
        for home, first in zip(homes, old, strict=True):
            if first.more:
                await self._delete_rest(home, first.members[-1].place, part)
        if not self._dry_run and tenant in self._unused_before:
            before = self._unused_before[tenant]
            empty = {it.home for it in records if not entries_in(it.head) and _time(it.recorded) < before}
            await self._dissolve(tenant, sorted(empty | part.emptied), part.deleted)
        return part.deleted

    async def _delete_rest(self, home: bytes, after: bytes, part: _Part) -> None:
        """Go through a long timeline."""
        more = True
        while more:
            (page,) = await self._store.expiry.read_old([home], part.horizons.latest, after, AT_ONCE)
            await self._delete_of(page.members, part)
            more = page.more
            after = page.members[-1].place if page.members else after

    async def _delete_of(self, members: Sequence[Member], part: _Part) -> None:
        channels, deleted = await self._channels(members), part.deleted
        outdated: list[Outdated] = []
        for member, channel in zip(members, channels, strict=True):
            await self._store.pace.breathe(RETENTION)
            code = member.codes[0]
            if code >= len(TYPE_CLASSES) or member.place[:8] >= part.horizons.of(channel, code):
                deleted.keep(member.occurred_at)
                continue
            body = _body(member) if member.home in part.indexed else None  # only there edits are linked
            outdated.append(Outdated(member, body.amends or b"" if body else b""))
            name = f"{channel}/{TYPE_CLASSES[code]}"
            deleted.touchpoints[name] = deleted.touchpoints.get(name, 0) + 1
        if self._dry_run:
            return
        for at in range(0, len(outdated), AT_ONCE):
            answers = await self._store.expiry.delete(outdated[at : at + AT_ONCE])
            part.emptied.update(home for home, _gone, left in answers if not left)

    async def _channels(self, members: Sequence[Member]) -> list[str]:
        """The channel of each touchpoint. A declared channel has its name in the content: a reference has it
        in the touchpoint it points at, a deleted touchpoint in its deletion. Empty where it is gone."""
        names = [CHANNELS[it.channel_number] if it.channel_number < len(CHANNELS) else "" for it in members]
        declared = [at for at, it in enumerate(members) if it.channel_number == OTHER_CHANNEL]
        if not declared:
            return names
        connection, keys = self._store.connection, self._store.keys
        referred = {at: (home, members[at].place) for at in declared if (home := members[at].reference)}
        originals = dict(zip(referred, await read_at(connection, keys, list(referred.values())), strict=True))
        named = {at: originals.get(at) if at in referred else members[at] for at in declared}
        blanked = [(it.home, it.id) for it in named.values() if it is not None and it.blanked]
        deletions = await read_amendments(connection, keys, blanked)
        for at, member in named.items():
            if member is not None and member.blanked:
                member = deletions.get((member.home, member.id))
            body = _body(member) if member is not None else None
            if member is not None and body is not None:
                names[at] = channel_name(member, body)
        return names

    async def _dissolve(self, tenant: str, homes: Sequence[bytes], deleted: Deleted) -> None:
        """Delete the records of which nothing is left, together with those that only links tie to them."""
        before, done = self._unused_before[tenant], set[bytes]()
        handoffs = self._store.of(tenant).handoffs
        for home in homes:
            if home in done:
                continue
            tied = await self._store.expiry.tied_to(home)
            if tied is None:
                continue
            done |= tied.fields.keys()
            if any(changed_at(it) >= before for it in tied.fields.values()):
                continue
            if await handoffs.of_homes(sorted(tied.fields), 1):
                continue
            deleted.identities += await self._store.expiry.dissolve(tied)


def changed_at(fields: Mapping[bytes, bytes]) -> Micros:
    """When a record last changed: its first recording, last arrival, or newest evidence."""
    times = [fields.get(b"f", b""), fields.get(b"h", b"")]
    times += [raw for name, raw in fields.items() if name[:1] == b"e"]
    found = [_time(it) for it in times]
    for name, raw in fields.items():
        if name[:1] == b"w":
            found.append(int(msgpack.unpackb(raw)[1]))
    return max(found)


def _time(raw: bytes) -> Micros:
    return int.from_bytes(raw[:8], "big")


def _identity(record: ScannedRecord) -> Identity | None:
    try:
        return Identity(*msgpack.unpackb(record.plain)[:3])
    except (ValueError, TypeError, msgpack.UnpackException):
        log.warning("retention_cannot_read_identity", home=record.home.hex())
        return None


def _body(member: Member) -> Body | None:
    """The body of a touchpoint; None for a reference, deleted content, or what only a newer release reads."""
    if member.reference is not None or member.blanked:
        return None
    try:
        return member.body()
    except (ValueError, ConfigurationError):
        return None
