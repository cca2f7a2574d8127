"""The subscriptions of the configuration: written to the store at each start."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b

import structlog
from msgspec import Struct
from msgspec.structs import replace

from handoff.codec.keyed_hash import SIZE
from handoff.domain.clock import Micros
from handoff.domain.errors import Conflict
from handoff.store.repositories.control import Change, Changed
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .signing import check_key
from .spec import SubscriptionSpec, check, useless_types
from .subscriptions import (
    ATTEMPTS,
    DEFAULT_OVERLAP_S,
    Key,
    Subscription,
    drop,
    keys_for,
    opened,
    put,
    rotated,
    set_pace,
)

ORIGIN = "configuration"
MAX_WRITTEN = 200  # subscriptions in one commit: a few ms of the store's time, and one fsync

log = structlog.get_logger(__name__)


class Configured(Struct, frozen=True, kw_only=True):
    """A subscription of the configuration."""

    tenant: str
    wishes: SubscriptionSpec
    secret: str | None = None

    @property
    def id(self) -> bytes:
        """16 bytes that depend on tenant, URL and name only."""
        text = "\0".join((self.tenant, self.wishes.url, self.wishes.name or ""))
        return blake2b(text.encode(), digest_size=SIZE, person=b"webhook").digest()


async def configure(store: Store, tenants: Iterable[str], wanted: Sequence[Configured]) -> list[Subscription]:
    """Write the configured subscriptions to the store, and delete those that are no longer configured.

    Returns new subscriptions with a generated secret, which is never shown again. Takes one round trip for
    unchanged subscriptions, and one for each MAX_WRITTEN others.
    """
    generated: list[Subscription] = []
    for tenant in tenants:
        mine = {it.id: it for it in wanted if it.tenant == tenant}
        for configured in mine.values():
            check(configured.wishes)
            for problem in useless_types(configured.wishes.types).values():
                log.warning("webhook_type_useless", webhook=configured.wishes.name, problem=problem)
        ids = list(mine)
        for at in range(0, len(ids), MAX_WRITTEN):
            part = {id_: mine[id_] for id_ in ids[at : at + MAX_WRITTEN]}
            new = await _configure(store, store.of(tenant), part)
            generated += [it for it in new if mine[it.id].secret is None]
        await _drop_and_reseal(store, store.of(tenant), mine)
    return generated


async def _drop_and_reseal(store: Store, tenant: TenantStore, wanted: Collection[bytes]) -> None:
    """Delete configured subscriptions that are not wanted, and reseal those not sealed with the first key."""
    ids = await tenant.subscriptions.ids()
    sealed = await tenant.subscriptions.read(ids)
    gone, stale = [], []
    for id_, raw in zip(ids, sealed, strict=True):
        subscription = opened(store, tenant.tenant, id_, raw) if raw else None
        if subscription and subscription.origin == ORIGIN and id_ not in wanted:
            gone.append(id_)
        elif subscription and raw and not tenant.seal.is_current(raw):
            stale.append(subscription)
    if gone:
        await drop(tenant, gone)
    for at in range(0, len(stale), MAX_WRITTEN):
        change = Change()
        for subscription in stale[at : at + MAX_WRITTEN]:
            put(tenant, change, subscription, subscription.version)
        with suppress(Changed):  # a concurrent change reseals its subscription; the next start does the rest
            await tenant.commit(change)


async def _configure(
    store: Store, tenant: TenantStore, wanted: Mapping[bytes, Configured]
) -> list[Subscription]:
    """Write the changed subscriptions; returns the new ones. Several workers may do this concurrently."""
    for _attempt in range(ATTEMPTS):
        sealed = await tenant.subscriptions.read(list(wanted))
        found = zip(wanted, sealed, strict=True)
        before = {id_: opened(store, tenant.tenant, id_, it) for id_, it in found if it}
        now = await tenant.clock()
        after = [_configured(it, before.get(id_), now) for id_, it in wanted.items()]
        changed = [it for it in after if it != before.get(it.id)]
        if not changed:
            return []
        # Before the subscriptions are written, so that the next start repeats it after a crash in between.
        paced = [it for it in changed if it.wishes.rate_per_s != _rate(before.get(it.id))]
        await asyncio.gather(*(set_pace(tenant, it) for it in paced))
        change = Change()
        for subscription in changed:
            known = before.get(subscription.id)
            put(tenant, change, subscription, known.version if known else 0)
        try:
            await tenant.commit(tenant.subscriptions.touch(change))
        except Changed:
            continue
        return [it for it in changed if it.id not in before]
    raise Conflict("the subscriptions change too fast", code="busy_webhook")


def _rate(before: Subscription | None) -> float | None:
    return before.wishes.rate_per_s if before else None


def _configured(wanted: Configured, before: Subscription | None, now: Micros) -> Subscription:
    """The subscription as configured; the stored one if nothing changed."""
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
    # Fields that only a newer release knows are kept, and not compared.
    spec = replace(wanted.wishes, unknown_fields=before.wishes.unknown_fields)
    if (before.wishes, before.keys) == (spec, keys):
        return before
    return replace(before, wishes=spec, keys=keys, origin=ORIGIN, version=before.version + 1)


def _keys(wanted: Configured, before: Subscription | None, now: Micros) -> tuple[Key, ...]:
    """The stored keys, or new ones if the configuration asks for others; the old keys then overlap."""
    if before is None:
        return keys_for(wanted.wishes, wanted.secret)
    current = [it.key for it in before.keys if it.until is None]
    same_schemes = {check_key(it) for it in current} == set(wanted.wishes.signatures)
    if same_schemes and wanted.secret in (None, *current):
        return before.keys
    return rotated(before, wanted.wishes, now, secret=wanted.secret, overlap_s=DEFAULT_OVERLAP_S)
