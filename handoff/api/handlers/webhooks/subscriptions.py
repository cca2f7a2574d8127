"""`/v1/webhooks`: subscriptions."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, UnsetType, field

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.exchange import (
    answer,
    encode_number,
    number_cursor,
    query_ascending,
    query_limit,
    read_json,
)
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.clock import format_time
from handoff.domain.touchpoint import TYPES
from handoff.services.access.principal import Principal
from handoff.services.conversations.vendor_threads import Desktop, Kind
from handoff.services.webhooks import subscriptions
from handoff.services.webhooks.deliveries import StatusView, status_view
from handoff.services.webhooks.signing import Scheme, public_key
from handoff.services.webhooks.spec import SubscriptionSpec, check_types, matches
from handoff.services.webhooks.subscriptions import DEFAULT_OVERLAP_S, WEBHOOK, Subscription, public_id
from handoff.store.repositories.deliveries import QueueState
from handoff.store.store import Store

_CONTENT = tuple(type_ for type_ in TYPES if not type_.startswith("handoff."))
"""Event types whose messages contain customers' data."""


class WebhookInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/webhooks`."""

    url: str
    types: list[str] = field(default_factory=lambda: ["handoff.*"])
    secret: str | None = None
    name: str | None = None
    include: Literal["context"] | None = None
    channels: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    rate_per_s: float | None = None
    signatures: list[Scheme] = field(default_factory=lambda: ["v1"])
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)
    retry_schedule_s: list[float] | None = None


class WebhookPatch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `PATCH /v1/webhooks/{id}`: members replace the current ones, null restores the default.

    `secret` or `rotate_secret` set a new secret; the old one keeps signing beside it for `overlap_s`.
    """

    url: str | UnsetType = UNSET
    types: list[str] | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    include: Literal["context"] | UnsetType | None = UNSET
    channels: list[str] | UnsetType = UNSET
    queues: list[str] | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET
    rate_per_s: float | UnsetType | None = UNSET
    signatures: list[Scheme] | UnsetType = UNSET
    allow_insecure: bool | UnsetType = UNSET
    allow_networks: list[str] | UnsetType = UNSET
    retry_schedule_s: list[float] | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    secret: str | UnsetType = UNSET
    rotate_secret: bool = False
    overlap_s: float = float(DEFAULT_OVERLAP_S)


class DesktopView(Struct, frozen=True, kw_only=True):
    """The desktop that a subscription writes to.

    `source` is the source of its touchpoints; `account` is the vendor's account, if there are several. Of a
    `transcriber`, which writes to the timeline, `source` is the name.
    """

    kind: Kind | Literal["transcriber"]
    source: str
    account: str | None = None


class WebhookView(Struct, frozen=True, kw_only=True):
    """A subscription. Only the response that creates or rotates `secret` has it. `headers` has names only.
    `connector` is the desktop that gets notes, null for webhooks."""

    id: str
    url: str
    types: list[str]
    name: str | None
    include: str | None
    channels: list[str]
    queues: list[str]
    headers: list[str]
    connector: DesktopView | None
    rate_per_s: float | None
    signatures: list[str]
    public_key: str | None
    allow_insecure: bool
    allow_networks: list[str]
    retry_schedule_s: list[float]
    enabled: bool
    disabled_reason: str | None
    disabled_at: str | None
    origin: str
    created_at: str
    version: int
    old_secrets_until: list[str]
    status: StatusView
    secret: str | UnsetType = UNSET


class WebhooksView(Struct, frozen=True, kw_only=True):
    """A page of subscriptions, newest first unless `order` is `asc`."""

    webhooks: list[WebhookView]
    total: int
    returned: int
    next: str | None


def _view(
    subscription: Subscription, state: QueueState, hashes: KeyedHash, *, secret: bool = False
) -> WebhookView:
    spec = subscription.wishes
    current = [key.key for key in subscription.keys if key.until is None]
    shared = next((key for key in current if key.startswith("whsec_")), None)
    private = next((key for key in current if key.startswith("whsk_")), None)
    return WebhookView(
        id=public_id(hashes, subscription.id),
        url=spec.url,
        types=list(spec.types),
        name=spec.name,
        include=spec.include,
        channels=list(spec.channels),
        queues=list(spec.queues),
        headers=list(spec.headers),
        connector=_desktop(spec.desktop),
        rate_per_s=spec.rate_per_s,
        signatures=list(spec.signatures),
        public_key=public_key(private) if private else None,
        allow_insecure=spec.allow_insecure,
        allow_networks=list(spec.allow_networks),
        retry_schedule_s=list(spec.schedule_s),
        enabled=state.enabled,
        disabled_reason=state.reason,
        disabled_at=format_time(state.disabled_at * 1000) if state.disabled_at else None,
        origin=subscription.origin,
        created_at=format_time(subscription.created_at),
        version=subscription.version,
        old_secrets_until=[format_time(key.until) for key in subscription.keys if key.until is not None],
        status=status_view(state),
        secret=shared if secret and shared else UNSET,
    )


async def _answer(
    store: Store, subscription: Subscription, status: int = 200, *, secret: bool = False
) -> web.Response:
    (state,) = await store.deliveries(subscription.tenant).states([subscription.id])
    view = _view(subscription, state, store.hashes(subscription.tenant), secret=secret)
    headers = {"Location": f"/v1/webhooks/{view.id}"} if status == 201 else None
    return answer(view, status=status, headers=headers)


def _desktop(desktop: Desktop | None) -> DesktopView | None:
    if desktop is None:
        return None
    return DesktopView(kind=desktop.kind, source=desktop.source, account=desktop.account)


def _check_rights(principal: Principal, spec: SubscriptionSpec) -> None:
    """Forbidden for events that the token could not read itself, and for unsafe destinations."""
    if spec.allow_insecure or spec.allow_networks:
        principal.require("admin")
    content = any(matches(pattern, type_) for pattern in spec.types for type_ in _CONTENT)
    if spec.include or content:
        principal.require("context:read")


async def create(request: web.Request) -> web.Response:
    """`POST /v1/webhooks`: 201 with the secret, which is shown only once."""
    principal = request[PRINCIPAL]
    given = await read_json(request, WebhookInput)
    check_types(given.types)
    spec = SubscriptionSpec(
        url=given.url,
        types=tuple(given.types),
        name=given.name,
        include=given.include,
        channels=tuple(given.channels),
        queues=tuple(given.queues),
        headers=given.headers,
        rate_per_s=given.rate_per_s,
        signatures=tuple(given.signatures),
        allow_insecure=given.allow_insecure,
        allow_networks=tuple(given.allow_networks),
        retry_schedule_s=None if given.retry_schedule_s is None else tuple(given.retry_schedule_s),
    )
    _check_rights(principal, spec)
    store = request.app[SITE].store
    made = await asyncio.shield(subscriptions.create(store, principal.tenant, spec, given.secret))
    return await _answer(store, made, 201, secret=True)


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/webhooks`."""
    principal = request[PRINCIPAL]
    store, tenant = request.app[SITE].store, principal.tenant
    found = await subscriptions.read_all(store, tenant)
    found.sort(key=lambda it: (it.created_at, it.id), reverse=not query_ascending(request))
    start = number_cursor(request) or 0
    limit = query_limit(request)
    part = found[start : start + limit]
    states = await store.deliveries(tenant).states([it.id for it in part])
    hashes = store.hashes(tenant)
    views = [_view(it, state, hashes) for it, state in zip(part, states, strict=True)]
    more = start + limit if start + limit < len(found) else None
    return answer(
        WebhooksView(webhooks=views, total=len(found), returned=len(views), next=encode_number(more))
    )


async def find(request: web.Request) -> tuple[Principal, Subscription]:
    """The caller, and the subscription that the path names."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    (id_,) = store.hashes(principal.tenant).private(WEBHOOK, request.match_info["id"])
    return principal, await subscriptions.read(store, principal.tenant, id_)


async def read(request: web.Request) -> web.Response:
    """`GET /v1/webhooks/{id}`."""
    _principal, subscription = await find(request)
    return await _answer(request.app[SITE].store, subscription)


async def change(request: web.Request) -> web.Response:
    """`PATCH /v1/webhooks/{id}`; the response has the new secret if it was rotated."""
    given = await read_json(request, WebhookPatch)
    if not isinstance(given.types, UnsetType):
        check_types(given.types)
    principal, subscription = await find(request)
    store = request.app[SITE].store
    spec = _patched(subscription.wishes, given)
    if spec != subscription.wishes:
        _check_rights(principal, spec)
    rotates = (
        given.rotate_secret or given.secret is not UNSET or spec.signatures != subscription.wishes.signatures
    )
    keys = subscription.keys
    if rotates:
        secret = None if isinstance(given.secret, UnsetType) else given.secret
        now = time.time_ns() // 1000
        keys = subscriptions.rotated(subscription, spec, now, secret=secret, overlap_s=given.overlap_s)
    if spec != subscription.wishes or rotates:
        subscription = await asyncio.shield(
            subscriptions.change(store, subscription.tenant, subscription.id, spec, keys)
        )
    if given.enabled is not UNSET:
        what, why = ("on", "") if given.enabled else ("off", "asked")
        await asyncio.shield(store.deliveries(subscription.tenant).switch(subscription.id, what, why))
    return await _answer(store, subscription, secret=rotates)


_OTHER = frozenset({"enabled", "secret", "rotate_secret", "overlap_s"})


def _patched(spec: SubscriptionSpec, given: WebhookPatch) -> SubscriptionSpec:
    changes: dict[str, Any] = {}
    for name in WebhookPatch.__struct_fields__:
        value = getattr(given, name)
        if name not in _OTHER and value is not UNSET:
            changes[name] = tuple(value) if isinstance(value, list) else value
    return msgspec.structs.replace(spec, **changes)


async def delete(request: web.Request) -> web.Response:
    """`DELETE /v1/webhooks/{id}`, with all waiting messages."""
    _principal, subscription = await find(request)
    await asyncio.shield(subscriptions.delete(request.app[SITE].store, subscription.tenant, subscription.id))
    return web.Response(status=204)
