"""`/v1/quarantine`: items that could not be recorded, one at a time and many at once."""

from __future__ import annotations

from functools import partial

from aiohttp import web
from msgspec import Struct, field

from handoff.adapter.contract import Outcome
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import concerns
from handoff.api.http.exchange import (
    MAX_NUMBER,
    InvalidCursor,
    answer,
    broken,
    encode_number,
    number_cursor,
    query_ascending,
    query_limit,
    read_json,
)
from handoff.domain.errors import NotFound
from handoff.services.sources import quarantine, reprocessing
from handoff.services.sources.hiding import source_secrets
from handoff.services.sources.inbound import Source
from handoff.services.sources.quarantine import Quarantined, QuarantineView
from handoff.services.sources.reprocessing import FailedItem, SelectedItems, Selection

MAX_IDS = reprocessing.AT_ONCE


class QuarantineAnswer(Struct, frozen=True, kw_only=True):
    """A page of quarantined items, newest first unless `order` is `asc`."""

    items: list[QuarantineView]
    total: int
    returned: int
    next: str | None


class ManyReplayed(Struct, frozen=True, kw_only=True):
    """The outcome of replaying many items. `failed` stay in quarantine.

    `next` is where the next call continues, null at the end.
    """

    replayed: int
    accepted: int
    duplicates: int
    failed: list[FailedItem]
    next: str | None


class ManyDismissed(Struct, frozen=True, kw_only=True):
    """How many items were deleted. `next` is where the next call continues, null at the end."""

    dismissed: int
    next: str | None


class SelectionInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Quarantined items: either those with `ids`, or those of a `source`, of one `code` if it is given.

    `cursor` is `next` of the previous answer, for a source.
    """

    ids: list[str] = field(default_factory=list)
    source: str | None = None
    code: str | None = None
    cursor: str | None = None

    def __post_init__(self) -> None:
        if bool(self.ids) == (self.source is not None):
            raise ValueError("Name either ids or source")
        if self.ids and (self.code is not None or self.cursor is not None):
            raise ValueError("code and cursor go with source")

    def selection(self) -> Selection:
        if len(self.ids) > MAX_IDS:
            raise broken("/ids", f"ids has at most {MAX_IDS} items")
        return Selection(ids=self.ids, source=self.source, code=self.code, after=_cursor(self.cursor))


def _cursor(raw: str | None) -> int | None:
    if raw is None:
        return None
    if len(raw) > MAX_NUMBER or not raw.isascii() or not raw.isalnum():
        raise InvalidCursor
    return int(raw, 36)


async def list_quarantine(request: web.Request) -> web.Response:
    """`GET /v1/quarantine?source=`."""
    principal = request[PRINCIPAL]
    page = await quarantine.page(
        request.app[SITE].store.of(principal.tenant).quarantine,
        limit=query_limit(request),
        newest_first=not query_ascending(request),
        below=number_cursor(request),
        source=request.query.get("source"),
    )
    return answer(
        QuarantineAnswer(
            items=page.items, total=page.total, returned=len(page.items), next=encode_number(page.bound)
        )
    )


async def _item(request: web.Request) -> Quarantined:
    records = request.app[SITE].store.of(request[PRINCIPAL].tenant).quarantine
    return await quarantine.read(records, request.match_info["id"])


def _source(site: AppContext, tenant: str, item: Quarantined) -> Source:
    source = site.sources.get(item.source)
    if source is None or source.tenant != tenant:
        raise NotFound(f"The source {item.source!r} is no longer configured")
    return source


async def read(request: web.Request) -> web.Response:
    """`GET /v1/quarantine/{id}`."""
    site, item = request.app[SITE], await _item(request)
    source = site.sources.get(item.source)
    secrets = source_secrets(source.options) if source is not None else ()
    return answer(reprocessing.content_view(item, secrets))


async def attempt(request: web.Request) -> web.Response:
    """`POST /v1/quarantine/{id}/try`."""
    item = await _item(request)
    source = _source(request.app[SITE], request[PRINCIPAL].tenant, item)
    return answer(await reprocessing.attempt(source.adapter, item))


async def replay(request: web.Request) -> web.Response:
    """`POST /v1/quarantine/{id}/replay`."""
    return answer(await _replay(request.app[SITE], request[PRINCIPAL].tenant, await _item(request)))


async def _replay(site: AppContext, tenant: str, item: Quarantined) -> Outcome:
    return await site.inbound.replay(_source(site, tenant, item), item)


async def _selected(request: web.Request) -> SelectedItems:
    """The items that the body selects. The audit trail names each of them."""
    selection = (await read_json(request, SelectionInput, stored=False)).selection()
    selected = await reprocessing.select(request.app[SITE].store, request[PRINCIPAL].tenant, selection)
    concerns(request, [it.id for it in selected.items])
    return selected


async def replay_many(request: web.Request) -> web.Response:
    """`POST /v1/quarantine/replay`."""
    site, tenant = request.app[SITE], request[PRINCIPAL].tenant
    done = await reprocessing.replay_many(await _selected(request), partial(_replay, site, tenant))
    return answer(
        ManyReplayed(
            replayed=done.replayed,
            accepted=done.accepted,
            duplicates=done.duplicates,
            failed=done.failed,
            next=encode_number(done.bound),
        )
    )


async def dismiss(request: web.Request) -> web.Response:
    """`DELETE /v1/quarantine/{id}`."""
    store = request.app[SITE].store
    await quarantine.dismiss(store, request[PRINCIPAL].tenant, await _item(request))
    return web.Response(status=204)


async def dismiss_many(request: web.Request) -> web.Response:
    """`POST /v1/quarantine/dismiss`."""
    selected = await _selected(request)
    store, tenant = request.app[SITE].store, request[PRINCIPAL].tenant
    count = await reprocessing.dismiss_many(store, tenant, selected)
    return answer(ManyDismissed(dismissed=count, next=encode_number(selected.bound)))
