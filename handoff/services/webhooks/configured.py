"""The subscriptions of the configuration: put into the store at each start."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from handoff.codec.keyed_hash import SIZE
from handoff.domain.clock import Micros
from handoff.domain.errors import Conflict
from handoff.store.repositories.control import Change, Changed, Control
from handoff.store.store import Store

from .signing import check_key
from .subscriptions import (
    ATTEMPTS,
    DEFAULT_OVERLAP_S,
    Key,
    Subscription,
    SubscriptionSpec,
    check,
    drop,
    ids_of,
    keys_for,
    opened,
    put,
    read_sealed,
    rotated,
    set_pace,
    touched,
)

ORIGIN = "configuration"
WRITTEN_AT_ONCE = 200  # subscriptions a commit: a few ms of the server's time, and one fsync


class Configured(Struct, frozen=True, kw_only=True):
    """A subscription of the configuration."""

    tenant: str
    wishes: SubscriptionSpec
    secret: str | None = None

    @property
    def id(self) -> bytes:
        """16 bytes that stay the same while tenant, URL and name do."""
        text = "\0".join((self.tenant, self.wishes.url, self.wishes.name or ""))
        return blake2b(text.encode(), digest_size=SIZE, person=b"webhook").digest()


async def configure(store: Store, tenants: Iterable[str], wanted: Sequence[Configured]) -> list[Subscription]:
    """Make the store's configured subscriptions those of the configuration.

    Those whose secret was made here, now and never shown again. What is no longer configured goes.
    One round trip for those that are as they should be, and one for each WRITTEN_AT_ONCE others.
    """
    made: list[Subscription] = []
    for tenant in tenants:
        mine = {it.id: it for it in wanted if it.tenant == tenant}
        for it in mine.values():
            check(it.wishes)
        ids = list(mine)
        for at in range(0, len(ids), WRITTEN_AT_ONCE):
            part = {id_: mine[id_] for id_ in ids[at : at + WRITTEN_AT_ONCE]}
            new = await _configure(store, store.control(tenant), part)
            made += [it for it in new if mine[it.id].secret is None]
        await _drop_and_reseal(store, store.control(tenant), mine)
    return made


async def _drop_and_reseal(store: Store, control: Control, wanted: Collection[bytes]) -> None:
    """Let those of the configuration that are not wanted go, and seal with the first key what is not."""
    ids = await ids_of(control)
    sealed = await read_sealed(store, control.tenant, ids)
    seal = store.seal(control.tenant)
    gone, stale = [], []
    for id_, raw in zip(ids, sealed, strict=True):
        it = opened(store, control.tenant, id_, raw) if raw else None
        if it and it.origin == ORIGIN and id_ not in wanted:
            gone.append(id_)
        elif it and raw and not seal.is_current(raw):
            stale.append(it)
    if gone:
        await drop(store, control, gone)
    for at in range(0, len(stale), WRITTEN_AT_ONCE):
        change = Change()
        for it in stale[at : at + WRITTEN_AT_ONCE]:
            put(store, control, change, it, it.version)
        with suppress(Changed):  # who changed one of them sealed it; the next start sees to the others
            await control.commit(change)


async def _configure(
    store: Store, control: Control, wanted: Mapping[bytes, Configured]
) -> list[Subscription]:
    """Those that are new; several workers may do it at once, and find what the other has written."""
    for _attempt in range(ATTEMPTS):
        sealed = await read_sealed(store, control.tenant, list(wanted))
        found = zip(wanted, sealed, strict=True)
        before = {id_: opened(store, control.tenant, id_, it) for id_, it in found if it}
        now = await control.clock()
        after = [_configured(it, before.get(id_), now) for id_, it in wanted.items()]
        changed = [it for it in after if it != before.get(it.id)]
        if not changed:
            return []
        # Before they are written: after a crash in between, the next start does it again.
        paced = [it for it in changed if it.wishes.rate_per_s != _rate(before.get(it.id))]
        await asyncio.gather(*(set_pace(store, it) for it in paced))
        change = Change()
        for it in changed:
            put(store, control, change, it, before[it.id].version if it.id in before else 0)
        try:
            await control.commit(touched(control, change))
        except Changed:
            continue
        return [it for it in changed if it.id not in before]
    raise Conflict("the subscriptions change too fast", code="busy_webhook")


def _rate(before: Subscription | None) -> float | None:
    return before.wishes.rate_per_s if before else None


def _configured(wanted: Configured, before: Subscription | None, now: Micros) -> Subscription:
    """The subscription as it should be; the one before where that is the same."""
    keys = _keys(wanted, before, now)
    if before is None:
        return Subscription(
            id=wanted.id,
            tenant=wanted.tenant,
            wishes=wanted.wishes,
            keys=keys,
            origin=ORIGIN,
            created_at=now,
        )
    # What a newer release keeps in it is not for this one to compare, nor to take away.
    wishes = replace(wanted.wishes, unknown_fields=before.wishes.unknown_fields)
    if (before.wishes, before.keys) == (wishes, keys):
        return before
    return replace(before, wishes=wishes, keys=keys, origin=ORIGIN, version=before.version + 1)


def _keys(wanted: Configured, before: Subscription | None, now: Micros) -> tuple[Key, ...]:
    """The keys it has, unless the configuration asks for others; then the old ones overlap."""
    if before is None:
        return keys_for(wanted.wishes, wanted.secret)
    current = [it.key for it in before.keys if it.until is None]
    same_schemes = {check_key(it) for it in current} == set(wanted.wishes.signatures)
    if same_schemes and wanted.secret in (None, *current):
        return before.keys
    return rotated(before, wanted.wishes, now, secret=wanted.secret, overlap_s=DEFAULT_OVERLAP_S)
