"""`/v1/promises`, `/v1/complaints`, `/v1/announcements`, and decisions about them."""

from __future__ import annotations

import asyncio
import time
from typing import TypedDict

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import about, about_homes
from handoff.api.http.exchange import (
    answer,
    bad_parameter,
    broken,
    check_reason,
    encode_number,
    number_cursor,
    query_ascending,
    query_limit,
    read_json,
)
from handoff.domain.clock import Micros, parse_time
from handoff.domain.ledger.entry import ANNOUNCEMENT, COMPLAINT, PROMISE, LedgerEntry
from handoff.services.access.customer_access import check_customer, reads_home
from handoff.services.announcements.dismissing import dismiss
from handoff.services.announcements.shown import STORED_STATES, AnnouncementView, announcement_view
from handoff.services.customers.customer import Customer, by_id, require_current
from handoff.services.ledger.deciding import Decision, decide
from handoff.services.ledger.listing import (
    COMPLAINT_STATES,
    PROMISE_STATES,
    ComplaintView,
    LedgerPage,
    LedgerQuery,
    PromiseView,
    complaint_view,
    list_entries,
    promise_view,
    words_of,
)


class ConfirmInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `…/confirm`. `due` overrides the time that the words name."""

    due: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        check_reason(self.reason)


class DismissInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `…/dismiss`, and of `…/complaints/{complaint}/confirm`."""

    reason: str | None = None

    def __post_init__(self) -> None:
        check_reason(self.reason)


class _Extent(TypedDict):
    """The fields that the pages of all lists share."""

    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None


def _extent(page: LedgerPage) -> _Extent:
    return {
        "total": page.total,
        "returned": len(page.entries),
        "next": encode_number(page.bound),
        "scanned_to": encode_number(page.scanned_to),
    }


class PromisesAnswer(Struct, frozen=True, kw_only=True):
    """A page of promises, newest first unless `order` is `asc`.

    `total` is null for filtered lists; `scanned_to` is then how far they were searched.
    """

    promises: list[PromiseView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None


class ComplaintsAnswer(Struct, frozen=True, kw_only=True):
    """A page of complaints, newest first unless `order` is `asc`.

    `total` is null for filtered lists; `scanned_to` is then how far they were searched.
    """

    complaints: list[ComplaintView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None


class AnnouncementsAnswer(Struct, frozen=True, kw_only=True):
    """A page of announcements, newest first unless `order` is `asc`.

    `total` is null for filtered lists; `scanned_to` is then how far they were searched.
    """

    announcements: list[AnnouncementView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None


async def confirm_promise(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/promises/{promise}/confirm`."""
    given = await read_json(request, ConfirmInput, optional=True)
    due = _due(given.due) if given.due is not None else None
    return await _decide(request, PROMISE, "promise", confirm=True, due=due, reason=given.reason)


async def dismiss_promise(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/promises/{promise}/dismiss`."""
    given = await read_json(request, DismissInput, optional=True)
    return await _decide(request, PROMISE, "promise", confirm=False, reason=given.reason)


async def confirm_complaint(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/complaints/{complaint}/confirm`."""
    given = await read_json(request, DismissInput, optional=True)
    return await _decide(request, COMPLAINT, "complaint", confirm=True, reason=given.reason)


async def dismiss_complaint(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/complaints/{complaint}/dismiss`."""
    given = await read_json(request, DismissInput, optional=True)
    return await _decide(request, COMPLAINT, "complaint", confirm=False, reason=given.reason)


def _due(text: str) -> Micros:
    try:
        return parse_time(text)
    except ValueError as error:
        raise broken("/due", "due must be an RFC 3339 time with a zone", "invalid_time") from error


async def _customer(request: web.Request) -> Customer:
    """The customer of the path, whom the token may read and whose id is current."""
    principal, store = request[PRINCIPAL], request.app[SITE].store
    requested = request.match_info["id"]
    customer = await by_id(store, principal.tenant, requested)
    about(request, customer.id)
    await check_customer(store, principal, customer.group.members)
    require_current(customer, requested)
    return customer


async def _decide(
    request: web.Request,
    kind: str,
    name: str,
    *,
    confirm: bool,
    due: Micros | None = None,
    reason: str | None = None,
) -> web.Response:
    principal, site = request[PRINCIPAL], request.app[SITE]
    customer = await _customer(request)
    decision = Decision(
        kind=kind, confirm=confirm, by=principal.agent or principal.name, due=due, reason=reason
    )
    now = time.time_ns() // 1000
    id_ = request.match_info[name]
    decided = decide(site.store, principal.tenant, customer, id_, decision, site.ledger, now)
    return answer(await asyncio.shield(decided))


async def list_promises(request: web.Request) -> web.Response:
    """`GET /v1/promises?state=&owner=`."""
    page, words, now = await _list(request, PROMISE, PROMISE_STATES)
    hashes = request.app[SITE].store.hashes(request[PRINCIPAL].tenant)
    views = [promise_view(hashes, it, page.owners[it.id], words.get(it.id), now) for it in page.entries]
    return answer(PromisesAnswer(promises=views, **_extent(page)))


async def list_complaints(request: web.Request) -> web.Response:
    """`GET /v1/complaints?state=&owner=`."""
    page, words, now = await _list(request, COMPLAINT, COMPLAINT_STATES)
    hashes = request.app[SITE].store.hashes(request[PRINCIPAL].tenant)
    views = [complaint_view(hashes, it, page.owners[it.id], words.get(it.id), now) for it in page.entries]
    return answer(ComplaintsAnswer(complaints=views, **_extent(page)))


async def _list(
    request: web.Request, kind: str, states: tuple[str, ...]
) -> tuple[LedgerPage, dict[bytes, str], Micros]:
    principal, store = request[PRINCIPAL], request.app[SITE].store
    state = request.query.get("state")
    if state is not None and state not in states:
        raise bad_parameter("state", f"state must be one of {', '.join(states)}")
    wanted = LedgerQuery(
        kind=kind,
        state=STORED_STATES.get(state or "", state) if kind == ANNOUNCEMENT else state,
        owner=request.query.get("owner"),
        limit=query_limit(request),
        newest_first=not query_ascending(request),
        bound=number_cursor(request),
    )
    now = time.time_ns() // 1000

    async def readable(entry: LedgerEntry) -> bool:
        return await reads_home(store, principal, entry.home)

    limited = principal.queues is not None
    page = await list_entries(store, principal.tenant, wanted, now, readable if limited else None)
    about_homes(request, (it.home for it in page.entries))
    return page, await words_of(store, principal.tenant, page.entries), now


async def list_announcements(request: web.Request) -> web.Response:
    """`GET /v1/announcements?state=&owner=`."""
    page, words, _now = await _list(request, ANNOUNCEMENT, tuple(STORED_STATES))
    hashes = request.app[SITE].store.hashes(request[PRINCIPAL].tenant)
    views = [
        announcement_view(hashes, it, page.owners[it.id], words.get(it.touchpoint)) for it in page.entries
    ]
    return answer(AnnouncementsAnswer(announcements=views, **_extent(page)))


async def dismiss_announcement(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/announcements/{announcement}/dismiss`."""
    given = await read_json(request, DismissInput, optional=True)
    principal, site = request[PRINCIPAL], request.app[SITE]
    customer = await _customer(request)
    dismissal = dismiss(
        site.store,
        principal.tenant,
        customer,
        request.match_info["announcement"],
        principal.agent or principal.name,
        given.reason,
        time.time_ns() // 1000,
    )
    return answer(await asyncio.shield(dismissal))
