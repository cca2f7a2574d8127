"""API keys: credentials that are made, rotated, and revoked while the server runs.

A key is `hk_<environment>_<id>_<secret><checksum>`. The store has its HMAC, never the key. The checksum
distinguishes a key from other text without a look-up.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
import string
import time
import zlib
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from handoff.codec.records import decode_as, encode_record
from handoff.domain.clock import SECOND, Micros
from handoff.domain.errors import Conflict, NotFound, TokenExpired
from handoff.domain.identity import Assurance
from handoff.domain.open_record import OpenRecord
from handoff.store.store import Store

from .principal import Audience, Principal
from .reader import ACCESS_AFTER_S

PREFIX = "hk_"
CREDENTIAL = b"key"
MAX_KEYS = 500  # of a tenant
LIVE = 2  # keys with one name: the one that is in use, and the one that replaces it
DEFAULT_OVERLAP_S = 24 * 3600
_DIGITS = string.digits + string.ascii_letters
_ID, _SECRET, _CHECKSUM = 12, 43, 6  # characters: 71, 256, and 32 bits
_KEY = re.compile(
    rf"{PREFIX}([a-z0-9]{{1,16}})_([0-9A-Za-z]{{{_ID}}})_([0-9A-Za-z]{{{_SECRET}}})([0-9A-Za-z]{{{_CHECKSUM}}})"
)
_NAME = re.compile(rf"[0-9A-Za-z]{{{_ID}}}")
_UNKNOWN = bytes(32)


class ApiKey(OpenRecord, frozen=True, kw_only=True):
    """A stored key. `digest` is the HMAC of the key; `networks` are the addresses it may come from."""

    id: str
    tenant: str
    name: str
    environment: str
    scopes: tuple[str, ...]
    digest: bytes
    created_at: Micros
    created_by: str
    expires_at: Micros | None = None
    networks: tuple[str, ...] = ()
    audience: str = "agent"
    queues: tuple[str, ...] | None = None
    agent: str | None = None
    role: str = "agent"
    access_after_s: int = ACCESS_AFTER_S


class ApiKeyWish(Struct, frozen=True, kw_only=True):
    """The key that a caller asks for."""

    name: str
    scopes: tuple[str, ...]
    environment: str = "live"
    expires_at: Micros | None = None
    networks: tuple[str, ...] = ()
    audience: str = "agent"
    queues: tuple[str, ...] | None = None
    agent: str | None = None
    role: str = "agent"
    access_after_s: int = ACCESS_AFTER_S


def key_id(token: str) -> str | None:
    """The public id in a well-formed key with a correct checksum. None for other tokens."""
    found = _KEY.fullmatch(token)
    if found is None or found[4] != _checksum(token[:-_CHECKSUM]):
        return None
    return found[2]


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM):
        number, rest = divmod(number, len(_DIGITS))
        digits = _DIGITS[rest] + digits
    return digits


def _random(length: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(length))


async def create_key(store: Store, tenant: str, wish: ApiKeyWish, by: str, now: Micros) -> tuple[str, ApiKey]:
    """Create a key; returns it and its record. Conflict (`too_many`) if two of its name are live.

    Counts again after writing: of several requests at the same time, those that exceed the limit withdraw
    their keys, which nobody has seen. They may all withdraw.
    """
    _check_room(await list_keys(store, tenant, now), wish.name, more=1)
    id_ = _random(_ID)
    head = f"{PREFIX}{wish.environment}_{id_}_{_random(_SECRET)}"
    token = head + _checksum(head)
    key = ApiKey(
        id=id_,
        tenant=tenant,
        digest=store.token_digests(token)[0],
        created_at=now,
        created_by=by,
        **{name: getattr(wish, name) for name in ApiKeyWish.__struct_fields__},
    )
    await store.api_keys.put(tenant, id_, encode_record(key), now)
    try:
        _check_room(await list_keys(store, tenant, now), wish.name)
    except Conflict:
        await store.api_keys.drop(tenant, id_)
        raise
    return token, key


def _check_room(live: Sequence[ApiKey], name: str, more: int = 0) -> None:
    if sum(it.name == name for it in live) + more > LIVE:
        raise Conflict(f"Two keys are named {name!r}: revoke one first", code="too_many")
    if len(live) + more > MAX_KEYS:
        raise Conflict(f"A tenant has at most {MAX_KEYS} keys", code="too_many")


async def rotate_key(
    store: Store, tenant: str, id_: str, overlap_s: float, by: str, now: Micros
) -> tuple[str, ApiKey]:
    """Create the key's successor with the same rights. The key itself ends after `overlap_s`."""
    old = await read_key(store, tenant, id_, now)
    wish = ApiKeyWish(**{name: getattr(old, name) for name in ApiKeyWish.__struct_fields__})
    made = await create_key(store, tenant, wish, by, now)
    until = now + round(overlap_s * SECOND)
    ends = until if old.expires_at is None else min(until, old.expires_at)
    ended = msgspec.structs.replace(old, expires_at=ends)
    if not await store.api_keys.change(id_, encode_record(ended)):  # revoked in the meantime
        await store.api_keys.drop(tenant, made[1].id)
        raise NotFound("there is no such token")
    return made


async def read_key(store: Store, tenant: str, id_: str, now: Micros) -> ApiKey:
    """A live key of the tenant. Raises NotFound for any other."""
    (raw,) = await store.api_keys.read([id_]) if _NAME.fullmatch(id_) else (None,)
    key = _live(raw, now)
    if key is None or key.tenant != tenant:
        raise NotFound("there is no such token")
    return key


async def list_keys(store: Store, tenant: str, now: Micros) -> list[ApiKey]:
    """The tenant's live keys, the newest first. Two round trips."""
    found = await store.api_keys.read(await store.api_keys.ids(tenant))
    return [key for raw in found if (key := _live(raw, now)) is not None and key.tenant == tenant]


async def revoke_key(store: Store, tenant: str, id_: str, now: Micros) -> None:
    """End a key at once, on every worker."""
    await read_key(store, tenant, id_, now)
    await store.api_keys.drop(tenant, id_)


async def authenticate_key(store: Store, token: str, peer: str | None) -> Principal | None:
    """The caller of a key; None if it is unknown, or sent from another network. One round trip.

    TokenExpired if the whole key is right and has expired: without its secret nobody learns that it existed.
    """
    id_ = key_id(token)
    if id_ is None:
        return None
    (raw,) = await store.api_keys.read([id_])
    key = decode_as(raw, ApiKey) if raw is not None else None
    stored = key.digest if key else _UNKNOWN  # compared in any case, so that the time is the same
    same = [hmac.compare_digest(it, stored) for it in store.token_digests(token)]
    if key is None or not any(same) or not _from_network(key, peer):
        return None
    if not _is_live(key, time.time_ns() // 1000):
        raise TokenExpired
    return principal_of_key(key)


async def current_keys(store: Store, ids: Sequence[str], now: Micros) -> list[ApiKey | None]:
    """The keys with these ids; None for one that has ended. One round trip."""
    return [_live(raw, now) for raw in await store.api_keys.read(ids)]


def principal_of_key(key: ApiKey) -> Principal:
    customer = key.audience != Audience.AGENT
    return Principal(
        name=key.name,
        credential=CREDENTIAL + key.id.encode(),
        tenant=key.tenant,
        scopes=frozenset(key.scopes),
        min_assurance=Assurance.VERIFIED if customer else Assurance.INFERRED,
        agent=key.agent,
        audience=Audience.CUSTOMER if customer else Audience.AGENT,
        queues=frozenset(key.queues) if key.queues is not None else None,
        role="lead" if key.role == "lead" else "agent",
        access_after_s=key.access_after_s,
        expires_at=key.expires_at,
    )


def _live(raw: bytes | None, now: Micros) -> ApiKey | None:
    key = decode_as(raw, ApiKey) if raw is not None else None
    return key if key and _is_live(key, now) else None


def _is_live(key: ApiKey, now: Micros) -> bool:
    return key.expires_at is None or key.expires_at > now


def _from_network(key: ApiKey, peer: str | None) -> bool:
    return not key.networks or is_within(peer, key.networks)


def is_within(peer: str | None, networks: Sequence[str]) -> bool:
    """Whether an address is in one of the networks; a v4 address over v6 counts as itself."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    found = (ipaddress.ip_network(it) for it in networks)
    return any(plain.version == it.version and plain in it for it in found)
