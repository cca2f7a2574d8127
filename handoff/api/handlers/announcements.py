"""`/v1/announcements`, and dismissing them."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from msgspec import Struct

from handoff.api.handlers.promises import DismissInput
from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import about, about_homes
from handoff.api.http.exchange import (
    answer,
    bad_parameter,
    encode_number,
    number_cursor,
    query_ascending,
    query_limit,
    read_json,
)
from handoff.domain.ledger.entry import ANNOUNCEMENT, LedgerEntry
from handoff.services.access.customer_access import check_customer, reads_home
from handoff.services.announcements.dismissing import dismiss
from handoff.services.announcements.shown import STORED_STATES, AnnouncementView, announcement_view
from handoff.services.customers.customer import by_id, require_current
from handoff.services.ledger.listing import LedgerQuery, list_entries, words_of


class AnnouncementsAnswer(Struct, frozen=True, kw_only=True):
    """A page of announcements, newest first unless `order` is `asc`.

    `total` is null for filtered lists; `scanned_to` is then how far they were searched.
    """

    announcements: list[AnnouncementView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None


async def list_announcements(request: web.Request) -> web.Response:
    """`GET /v1/announcements?state=&owner=`."""
    principal, store = request[PRINCIPAL], request.app[SITE].store
    state = request.query.get("state")
    if state is not None and state not in STORED_STATES:
        raise bad_parameter("state", f"state must be one of {', '.join(STORED_STATES)}")
    wanted = LedgerQuery(
        kind=ANNOUNCEMENT,
        state=STORED_STATES[state] if state is not None else None,
        owner=request.query.get("owner"),
        limit=query_limit(request),
        newest_first=not query_ascending(request),
        bound=number_cursor(request),
    )

    async def readable(entry: LedgerEntry) -> bool:
        return await reads_home(store, principal, entry.home)

    limited, now = principal.queues is not None, time.time_ns() // 1000
    page = await list_entries(store, principal.tenant, wanted, now, readable if limited else None)
    about_homes(request, (it.home for it in page.entries))
    words, hashes = await words_of(store, principal.tenant, page.entries), store.hashes(principal.tenant)
    views = [
        announcement_view(hashes, it, page.owners[it.id], words.get(it.touchpoint)) for it in page.entries
    ]
    return answer(
        AnnouncementsAnswer(
            announcements=views,
            total=page.total,
            returned=len(views),
            next=encode_number(page.bound),
            scanned_to=encode_number(page.scanned_to),
        )
    )


async def dismiss_announcement(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/announcements/{announcement}/dismiss`."""
    given = await read_json(request, DismissInput, optional=True)
    principal, site = request[PRINCIPAL], request.app[SITE]
    requested = request.match_info["id"]
    customer = await by_id(site.store, principal.tenant, requested)
    about(request, customer.id)
    await check_customer(site.store, principal, customer.group.members)
    require_current(customer, requested)
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
