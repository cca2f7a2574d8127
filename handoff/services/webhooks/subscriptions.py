"""Webhook subscriptions in the store: created, changed, rotated and deleted; read through a cache."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Sequence

import msgspec

from handoff.codec.keyed_hash import SIZE, KeyedHash
from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import SECOND, Micros
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.open_record import OpenRecord
from handoff.store.repositories.control import Change, Changed
from handoff.store.store import Store
from handoff.store.tenant import TenantStore

from .signing import Scheme, check_key, make_key
from .spec import SubscriptionSpec, check, matches, wrong

WEBHOOK = "wh_"
SEALED_AS = b"webhook\0"
MAX_SUBSCRIPTIONS = 2_000  # per tenant; each handoff change is matched against all of them
MAX_OVERLAP_S = 7 * 86400
DEFAULT_OVERLAP_S = 86400
ATTEMPTS = 5


class Key(OpenRecord, frozen=True, kw_only=True):
    """A signing key. `until` (µs) ends the overlap of a replaced key."""

    key: str
    until: Micros | None = None


class Subscription(OpenRecord, frozen=True, kw_only=True):
    """A stored subscription. `origin` is `api` or `configuration`."""

    id: bytes
    tenant: str
    wishes: SubscriptionSpec
    keys: tuple[Key, ...]
    origin: str
    created_at: Micros
    version: int = 1

    def signing_keys(self, now: Micros) -> list[str]:
        """The keys to sign with, newest first, including replaced ones whose overlap has not ended."""
        return [it.key for it in self.keys if it.until is None or it.until > now]

    def wants(self, type_: str, channels: Sequence[str] = (), queues: Sequence[str] = ()) -> bool:
        """Whether the subscription matches an event of this type with these channels and queues."""
        spec = self.wishes
        if not any(matches(pattern, type_) for pattern in spec.types):
            return False
        if spec.channels and not set(spec.channels) & set(channels):
            return False
        return not spec.queues or bool(set(spec.queues) & set(queues))


def keys_for(spec: SubscriptionSpec, given: str | None) -> tuple[Key, ...]:
    """One key per signature scheme: the given key for its scheme, new keys for the others."""
    by_scheme: dict[Scheme, str] = {check_key(given): given} if given else {}
    if set(by_scheme) - set(spec.signatures):
        raise wrong("secret", "the secret belongs to a signature scheme that the subscription does not use")
    return tuple(Key(key=by_scheme.get(it) or make_key(it)) for it in spec.signatures)


def public_id(hashes: KeyedHash, id_: bytes) -> str:
    return hashes.public(WEBHOOK, id_)


async def create(
    store: Store, tenant: str, spec: SubscriptionSpec, secret: str | None = None
) -> Subscription:
    """Create a subscription; events are queued for it from now on. Conflict (`too_many`) above the limit."""
    check(spec)
    part = store.of(tenant)
    known = await part.subscriptions.ids()
    if len(known) >= MAX_SUBSCRIPTIONS:
        raise Conflict(f"a tenant has at most {MAX_SUBSCRIPTIONS} subscriptions", code="too_many")
    subscription = Subscription(
        id=secrets.token_bytes(SIZE),
        tenant=tenant,
        wishes=spec,
        keys=keys_for(spec, secret),
        origin="api",
        created_at=await part.clock(),
    )
    await _write(part, subscription, 0)
    return subscription


def put(tenant: TenantStore, change: Change, subscription: Subscription, version: int) -> None:
    """Add to a change a subscription, sealed, that replaces this version of it (0: none)."""
    id_, created_at = subscription.id, subscription.created_at
    sealed = tenant.seal.seal(encode_record(subscription), SEALED_AS + id_)
    tenant.subscriptions.put(change, id_, version, subscription.version, sealed, created_at=created_at)


async def set_pace(tenant: TenantStore, subscription: Subscription) -> None:
    """Apply the subscription's rate limit to its queue."""
    rate = subscription.wishes.rate_per_s
    await tenant.deliveries.switch(subscription.id, "pace", round(1000 / rate) if rate else 0)


async def _write(tenant: TenantStore, subscription: Subscription, version: int) -> None:
    change = Change()
    put(tenant, change, subscription, version)
    await tenant.commit(tenant.subscriptions.touch(change))
    await set_pace(tenant, subscription)


async def change(
    store: Store, tenant: str, id_: bytes, spec: SubscriptionSpec, keys: tuple[Key, ...]
) -> Subscription:
    """Replace settings and keys. Raises Conflict (`configured`) for a subscription of the configuration."""
    check(spec)
    part = store.of(tenant)
    for _attempt in range(ATTEMPTS):
        before = await read(store, tenant, id_)
        require_own(before)
        after = msgspec.structs.replace(before, wishes=spec, keys=keys, version=before.version + 1)
        try:
            await _write(part, after, before.version)
        except Changed:
            continue
        return after
    raise Conflict("the subscription changes too fast, try again", code="busy_webhook")


def require_own(subscription: Subscription) -> None:
    """Raise Conflict (`configured`) unless the subscription was created by the API."""
    if subscription.origin != "api":
        raise Conflict("this subscription belongs to the configuration; change it there", code="configured")


def rotated(
    subscription: Subscription, spec: SubscriptionSpec, now: Micros, *, secret: str | None, overlap_s: float
) -> tuple[Key, ...]:
    """New keys, followed by the old ones, which also sign for another `overlap_s`."""
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise wrong("overlap_s", f"an overlap is 0 to {MAX_OVERLAP_S} seconds")
    until = now + round(overlap_s * SECOND)
    old = [key for key in subscription.keys if key.until is None or key.until > now]
    kept = [msgspec.structs.replace(key, until=min(until, key.until or until)) for key in old]
    return (*keys_for(spec, secret), *kept[:8])


async def delete(store: Store, tenant: str, id_: bytes) -> None:
    """Delete a subscription and its queue."""
    require_own(await read(store, tenant, id_))
    await drop(store.of(tenant), [id_])


async def drop(tenant: TenantStore, ids: Sequence[bytes]) -> None:
    """Delete subscriptions of any origin, with their queues."""
    change = Change()
    for id_ in ids:
        tenant.subscriptions.drop(change, id_)
    await tenant.commit(tenant.subscriptions.touch(change))
    await asyncio.gather(*(tenant.deliveries.drop(id_) for id_ in ids))


async def read(store: Store, tenant: str, id_: bytes) -> Subscription:
    (sealed,) = await store.of(tenant).subscriptions.read([id_])
    if sealed is None:
        raise NotFound("there is no such webhook")
    return opened(store, tenant, id_, sealed)


async def read_all(store: Store, tenant: str, ids: Iterable[bytes] | None = None) -> list[Subscription]:
    """The subscriptions with these ids, or all of them, oldest first."""
    wanted = list(ids) if ids is not None else await store.of(tenant).subscriptions.ids()
    found = await store.of(tenant).subscriptions.read(wanted)
    return [opened(store, tenant, id_, it) for id_, it in zip(wanted, found, strict=True) if it]


def opened(store: Store, tenant: str, id_: bytes, sealed: bytes) -> Subscription:
    """Open a sealed subscription. ConfigurationError if `store.secret_keys` lacks the key that sealed it."""
    return decode_as(store.seal(tenant).open(sealed, SEALED_AS + id_), Subscription)


class Directory:
    """The subscriptions of each tenant, cached until one of them changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[bytes | None, tuple[Subscription, ...]]] = {}

    async def of(self, tenant: str) -> tuple[Subscription, ...]:
        """The tenant's current subscriptions; one round trip while none changes."""
        generation = await self._store.of(tenant).subscriptions.generation()
        known = self._known.get(tenant)
        if known is None or known[0] != generation:
            # Read after the generation, so that a change in between is noticed next time.
            known = (generation, tuple(await read_all(self._store, tenant)))
            self._known[tenant] = known
        return known[1]
