"""Webhook subscriptions: who is told what, where, and signed with which keys."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import field

from handoff.codec.keyed_hash import SIZE, KeyedHash
from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import SECOND, Micros
from handoff.domain.errors import Conflict, NotFound, Unprocessable
from handoff.domain.open_record import OpenRecord
from handoff.services.conversations.vendor_threads import Desktop
from handoff.store.repositories.control import Change, Changed, Control, decode_record
from handoff.store.store import Store

from .destinations import EgressPolicy, check_url, parse_networks
from .signing import Scheme, check_key, make_key

WEBHOOK = "wh_"
SEALED_AS = b"webhook\0"
MAX_SUBSCRIPTIONS = 2_000  # per tenant: each change of a hand-off is matched against all of them
MAX_OVERLAP_S = 7 * 86400
DEFAULT_OVERLAP_S = 86400
# Standard Webhooks' example: with the first attempt at once, 75 h 35 min 5 s.
RETRY_SCHEDULE_S = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
LONGEST_SCHEDULE_S = 14 * 86400
MAX_ATTEMPTS = 50
MAX_TEXT = 200
ATTEMPTS = 5
_TYPE = re.compile(r"[a-z*][a-z0-9_.*]{0,99}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,2046}[\x21-\x7e])?", re.ASCII)
_OWN_HEADERS = frozenset(
    (
        *("host", "connection", "cookie", "expect", "te", "trailer", "upgrade", "user-agent"),
        *("content-length", "content-type", "content-encoding", "transfer-encoding", "accept-encoding"),
        *("webhook-id", "webhook-timestamp", "webhook-signature"),
    )
)


class Key(OpenRecord, frozen=True, kw_only=True):
    """A signing key; `until` (µs) ends the overlap of one that was replaced."""

    key: str
    until: Micros | None = None


class SubscriptionSpec(OpenRecord, frozen=True, kw_only=True):
    """What a subscription is made with, the same by API and by configuration; judged by `check`."""

    url: str
    types: tuple[str, ...] = ("handoff.*",)
    name: str | None = None
    include: Literal["context"] | None = None
    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    rate_per_s: float | None = None
    signatures: tuple[Scheme, ...] = ("v1",)
    allow_insecure: bool = False
    allow_networks: tuple[str, ...] = ()
    retry_schedule_s: tuple[float, ...] | None = None
    desktop: Desktop | None = None
    """Set by the configuration only: the messages are notes for an agents' desktop, and unsigned."""

    @property
    def policy(self) -> EgressPolicy:
        return EgressPolicy(networks=parse_networks(self.allow_networks), insecure=self.allow_insecure)

    @property
    def schedule_s(self) -> tuple[float, ...]:
        return RETRY_SCHEDULE_S if self.retry_schedule_s is None else self.retry_schedule_s


class Subscription(OpenRecord, frozen=True, kw_only=True):
    """A subscription as kept. `origin` is `api` or `configuration`."""

    id: bytes
    tenant: str
    wishes: SubscriptionSpec
    keys: tuple[Key, ...]
    origin: str
    created_at: Micros
    version: int = 1

    def signing_keys(self, now: Micros) -> list[str]:
        """The newest first; with those whose overlap has not ended."""
        return [it.key for it in self.keys if it.until is None or it.until > now]

    def wants(self, type_: str, channels: Sequence[str] = (), queues: Sequence[str] = ()) -> bool:
        """Whether an event of this type, about these channels and queues, is for it."""
        wishes = self.wishes
        if not any(matches(pattern, type_) for pattern in wishes.types):
            return False
        if wishes.channels and not set(wishes.channels) & set(channels):
            return False
        return not wishes.queues or bool(set(wishes.queues) & set(queues))


def matches(pattern: str, type_: str) -> bool:
    """Whether a type matches a pattern in which `*` stands for any characters, also none."""
    if "*" not in pattern:
        return pattern == type_
    first, *rest = pattern.split("*")
    last = rest.pop()
    if len(type_) < len(first) + len(last) or not type_.startswith(first) or not type_.endswith(last):
        return False
    at, end = len(first), len(type_) - len(last)
    for part in rest:
        found = type_.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def check(wishes: SubscriptionSpec) -> None:
    """Unprocessable (with the field in `parameter`) when something of it cannot be."""
    check_url(wishes.url, wishes.policy)
    _limit("types", wishes.types, 1, 100)
    for type_ in wishes.types:
        if not _TYPE.fullmatch(type_) or type_.count("*") > 5:
            raise _wrong("types", f"{type_[:60]!r} is no event type; * stands for any characters")
    for names in ("channels", "queues"):
        _limit(names, getattr(wishes, names), 0, 100)
        if any(not 0 < len(it) <= MAX_TEXT for it in getattr(wishes, names)):
            raise _wrong(names, f"a name has 1 to {MAX_TEXT} characters")
    if wishes.name is not None and not 0 < len(wishes.name) <= MAX_TEXT:
        raise _wrong("name", f"a name has 1 to {MAX_TEXT} characters")
    if wishes.rate_per_s is not None and not 0.01 <= wishes.rate_per_s <= 1000:
        raise _wrong("rate_per_s", "a rate is 0.01 to 1000 messages a second")
    repeated = len(set(wishes.signatures)) != len(wishes.signatures)
    if repeated or bool(wishes.signatures) == bool(wishes.desktop):
        raise _wrong("signatures", "name each signature scheme once")
    _check_headers(wishes.headers)
    _check_schedule(wishes.retry_schedule_s)


def _check_headers(headers: dict[str, str]) -> None:
    _limit("headers", headers, 0, 20)
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise _wrong("headers", f"{name[:60]!r} is no header that can be set")
        if not _HEADER_VALUE.fullmatch(value):
            raise _wrong("headers", f"the value of {name} is not printable ASCII of 1 to 2048 characters")


def _check_schedule(schedule: tuple[float, ...] | None) -> None:
    if schedule is None:
        return
    _limit("retry_schedule_s", schedule, 0, MAX_ATTEMPTS)
    if any(not 0 <= it <= LONGEST_SCHEDULE_S for it in schedule) or sum(schedule) > LONGEST_SCHEDULE_S:
        raise _wrong("retry_schedule_s", "waits are 0 or more, and 14 days in all at most")


def _limit(name: str, given: Any, least: int, most: int) -> None:
    if not least <= len(given) <= most:
        raise _wrong(name, f"{name} has {least} to {most} entries")


def _wrong(name: str, detail: str) -> Unprocessable:
    pointer = {"pointer": f"/{name}", "detail": detail}
    return Unprocessable(detail, parameter=name, pointers=[pointer])


def keys_for(wishes: SubscriptionSpec, given: str | None) -> tuple[Key, ...]:
    """One key per scheme: the given one for its own, new ones for the others."""
    by_scheme: dict[Scheme, str] = {check_key(given): given} if given else {}
    if set(by_scheme) - set(wishes.signatures):
        raise _wrong("secret", "the secret is of a signature scheme that is not asked for")
    return tuple(Key(key=by_scheme.get(it) or make_key(it)) for it in wishes.signatures)


def public_id(hashes: KeyedHash, id_: bytes) -> str:
    return hashes.public(WEBHOOK, id_)


def record_key(control: Control, id_: bytes) -> bytes:
    return control.keys.record("w", id_)


def touched(control: Control, change: Change) -> Change:
    """Let every worker see that the tenant's subscriptions are not what they were."""
    return change.put(_generation(control), secrets.randbits(62), None)


def _generation(control: Control) -> bytes:
    return control.keys.named("webhooks")


async def create(
    store: Store, tenant: str, wishes: SubscriptionSpec, secret: str | None = None
) -> Subscription:
    """A new subscription, whose events are queued from now on. Conflict (`too_many`) above the limit."""
    check(wishes)
    control = store.control(tenant)
    known = await ids_of(control)
    if len(known) >= MAX_SUBSCRIPTIONS:
        raise Conflict(f"a tenant has at most {MAX_SUBSCRIPTIONS} subscriptions", code="too_many")
    made = Subscription(
        id=secrets.token_bytes(SIZE),
        tenant=tenant,
        wishes=wishes,
        keys=keys_for(wishes, secret),
        origin="api",
        created_at=await control.clock(),
    )
    await _write(store, control, made, 0)
    return made


def put(store: Store, control: Control, change: Change, it: Subscription, version: int) -> None:
    """Let the change write the subscription, sealed, over the one with this version (0: none)."""
    key = record_key(control, it.id)
    sealed = store.seal(it.tenant).seal(encode_record(it), SEALED_AS + it.id)
    change.expect(key, version).put(key, it.version, sealed)
    change.add(control.keys.set("webhooks"), it.created_at, it.id)


async def set_pace(store: Store, it: Subscription) -> None:
    """Let its queue keep its rate."""
    rate = it.wishes.rate_per_s
    await store.deliveries(it.tenant).switch(it.id, "pace", round(1000 / rate) if rate else 0)


async def _write(store: Store, control: Control, it: Subscription, version: int) -> None:
    change = Change()
    put(store, control, change, it, version)
    await control.commit(touched(control, change))
    await set_pace(store, it)


async def change(
    store: Store, tenant: str, id_: bytes, wishes: SubscriptionSpec, keys: tuple[Key, ...]
) -> Subscription:
    """The subscription with other wishes and keys. Conflict (`configured`) for one of the configuration."""
    check(wishes)
    control = store.control(tenant)
    for _attempt in range(ATTEMPTS):
        before = await read(store, tenant, id_)
        require_own(before)
        after = msgspec.structs.replace(before, wishes=wishes, keys=keys, version=before.version + 1)
        try:
            await _write(store, control, after, before.version)
        except Changed:
            continue
        return after
    raise Conflict("the subscription changes too fast, try again", code="busy_webhook")


def require_own(it: Subscription) -> None:
    if it.origin != "api":
        raise Conflict("this subscription is changed in the configuration", code="configured")


def rotated(
    it: Subscription, wishes: SubscriptionSpec, now: Micros, *, secret: str | None, overlap_s: float
) -> tuple[Key, ...]:
    """New keys, with the old ones signing beside them for `overlap_s`."""
    if not 0 <= overlap_s <= MAX_OVERLAP_S:
        raise _wrong("overlap_s", f"an overlap is 0 to {MAX_OVERLAP_S} seconds")
    until = now + round(overlap_s * SECOND)
    old = [key for key in it.keys if key.until is None or key.until > now]
    kept = [msgspec.structs.replace(key, until=min(until, key.until or until)) for key in old]
    return (*keys_for(wishes, secret), *kept[:8])


async def delete(store: Store, tenant: str, id_: bytes) -> None:
    """The subscription with everything that waits for it."""
    control = store.control(tenant)
    require_own(await read(store, tenant, id_))
    await drop(store, control, [id_])


async def drop(store: Store, control: Control, ids: Sequence[bytes]) -> None:
    """These subscriptions, whoever made them, with everything that waits for them."""
    change = Change()
    for id_ in ids:
        change.drop(record_key(control, id_)).remove(control.keys.set("webhooks"), id_)
    await control.commit(touched(control, change))
    queues = store.deliveries(control.tenant)
    await asyncio.gather(*(queues.switch(id_, "drop") for id_ in ids))


async def read(store: Store, tenant: str, id_: bytes) -> Subscription:
    (sealed,) = await read_sealed(store, tenant, [id_])
    if sealed is None:
        raise NotFound("there is no such webhook")
    return opened(store, tenant, id_, sealed)


async def read_all(store: Store, tenant: str, ids: Iterable[bytes] | None = None) -> list[Subscription]:
    """The subscriptions with these ids, or all; oldest first."""
    wanted = list(ids) if ids is not None else await ids_of(store.control(tenant))
    found = await read_sealed(store, tenant, wanted)
    return [opened(store, tenant, id_, it) for id_, it in zip(wanted, found, strict=True) if it]


async def read_sealed(store: Store, tenant: str, ids: Sequence[bytes]) -> list[bytes | None]:
    """The subscriptions as they lie in the store. All of one is sealed: URLs and headers have secrets too."""
    control = store.control(tenant)
    raws = await control.read([record_key(control, id_) for id_ in ids])
    return [decode_record(raw, bytes) if raw else None for raw in raws]


def opened(store: Store, tenant: str, id_: bytes, sealed: bytes) -> Subscription:
    """ConfigurationError when it was sealed with a key that is not among `store.secret_keys`."""
    return decode_as(store.seal(tenant).open(sealed, SEALED_AS + id_), Subscription)


async def ids_of(control: Control) -> list[bytes]:
    return await control.oldest(control.keys.set("webhooks"))


class Directory:
    """The subscriptions of each tenant, read again when somebody has changed them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[bytes | None, tuple[Subscription, ...]]] = {}

    async def of(self, tenant: str) -> tuple[Subscription, ...]:
        """As of now; one round trip while nothing changes."""
        control = self._store.control(tenant)
        generation = await control.value(_generation(control))
        known = self._known.get(tenant)
        if known is None or known[0] != generation:
            # Read after the generation: what changes in between is read again next time.
            known = (generation, tuple(await read_all(self._store, tenant)))
            self._known[tenant] = known
        return known[1]
