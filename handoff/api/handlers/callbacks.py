"""`/v1/callbacks`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about_homes
from handoff.api.http.exchange import (
    answer,
    bad_parameter,
    broken,
    check_reason,
    encode_number,
    number_cursor,
    pointing_at,
    query_ascending,
    query_limit,
    read_identity,
    read_json,
)
from handoff.domain.clock import Micros, parse_time
from handoff.domain.errors import Conflict, NotFound, Unprocessable
from handoff.domain.identity import Identity, identity, normal_phone
from handoff.domain.redaction.redaction import safe_detail
from handoff.domain.touchpoint import MAX_DEPTH, too_deep
from handoff.services.access.customer_access import check_customer, check_home, readable, reads_home
from handoff.services.access.principal import Principal
from handoff.services.callbacks import lifecycle as service
from handoff.services.callbacks.callback import (
    STATES,
    CallbackView,
    callback_view,
    list_callbacks,
    read_callback,
)
from handoff.services.customers.customer import by_id, require_current
from handoff.services.customers.lookup import Match, find
from handoff.services.sources.native import IdentityInput


class CallbackInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/callbacks`: the customer, the number to call, the reason, and the due time.

    `requested_at` is when the customer asked, for systems that report it later. The default is now.
    """

    phone: str
    reason: str = ""
    identity: str | IdentityInput | None = None
    customer_id: str | None = None
    due: str | None = None
    requested_at: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.identity is not None and self.customer_id is not None:
            raise ValueError("Name identity or customer_id, not both")
        check_reason(self.reason)
        if too_deep(self.data):
            raise broken("/data", f"Objects and lists may be nested at most {MAX_DEPTH} levels deep")


class RescheduleInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/callbacks/{id}/reschedule`."""

    due: str
    reason: str | None = None

    def __post_init__(self) -> None:
        check_reason(self.reason)


class CancelInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/callbacks/{id}/cancel`."""

    reason: str | None = None

    def __post_init__(self) -> None:
        check_reason(self.reason)


class CallbackAnswer(Struct, frozen=True, kw_only=True):
    """A page of callbacks, newest first unless `order` is `asc`.

    `total` is null for tokens that are limited to queues.
    """

    callbacks: list[CallbackView]
    total: int | None
    returned: int
    next: str | None


async def create(request: web.Request) -> web.Response:
    """`POST /v1/callbacks`: 201 with the callback."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    given = await read_json(request, CallbackInput)
    now = time.time_ns() // 1000
    requested_at = _time("requested_at", given.requested_at) if given.requested_at else now
    if requested_at > now:
        raise bad_parameter("requested_at", "requested_at must be in the past")
    with pointing_at("/phone"):
        phone = normal_phone(given.phone)
    if safe_detail(phone) != phone:
        raise broken("/phone", "This is a payment card number", "card_number")
    asked = service.CallbackRequest(
        identity=await _customer_identity(site, principal, given, phone),
        phone=phone,
        reason=given.reason,
        by=principal.agent or principal.name,
        due=_time("due", given.due) if given.due else None,
        data=given.data,
    )
    made = await asyncio.shield(service.request_callback(site.store, principal.tenant, asked, requested_at))
    about_homes(request, [made.home])
    view = callback_view(made, site.store.hashes(principal.tenant))
    return answer(view, status=201, headers={"Location": f"/v1/callbacks/{made.id}"})


def _time(name: str, text: str) -> Micros:
    try:
        return parse_time(text)
    except ValueError as error:
        raise bad_parameter(name, f"{name} must be an RFC 3339 time with a zone") from error


async def _customer_identity(
    site: AppContext, principal: Principal, given: CallbackInput, phone: str
) -> Identity:
    """An identity of the customer; the phone number if the request names none."""
    if given.customer_id is not None:
        customer = await by_id(site.store, principal.tenant, given.customer_id)
        await check_customer(site.store, principal, customer.group.members)
        require_current(customer, given.customer_id)
        return customer.members[0].identity
    asked = identity("phone", phone)
    if given.identity is not None:
        asked = read_identity(given.identity, regions=site.regions_of(principal.tenant))
    found = await find(site.store, principal.tenant, [asked])
    readable_match = (await readable(site.store, principal, found)).match
    if readable_match is Match.NONE and found.match is not Match.NONE:
        raise NotFound("there is no such customer")
    if found.match is Match.SEVERAL:
        raise Conflict("Several customers match this identity", code="ambiguous_identity")
    return asked


async def read(request: web.Request) -> web.Response:
    """`GET /v1/callbacks/{id}`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    found = await read_callback(store, principal.tenant, request.match_info["id"])
    about_homes(request, [found.home])
    await check_home(store, principal, found.home)
    return answer(callback_view(found, store.hashes(principal.tenant)))


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/callbacks?state=`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    state = request.query.get("state")
    if state is not None and state not in STATES:
        raise bad_parameter("state", f"state must be one of {', '.join(STATES)}")
    page = await list_callbacks(
        store,
        principal.tenant,
        state=state,
        limit=query_limit(request),
        newest_first=not query_ascending(request),
        below=number_cursor(request),
    )
    hashes = store.hashes(principal.tenant)
    shown = [it for it in page.callbacks if await reads_home(store, principal, it.home)]
    about_homes(request, (it.home for it in shown))
    views = await store.pace.each(principal.tenant, lambda it: callback_view(it, hashes), shown)
    return answer(
        CallbackAnswer(
            callbacks=views,
            total=page.total if principal.queues is None else None,
            returned=len(views),
            next=encode_number(page.bound),
        )
    )


async def reschedule(request: web.Request) -> web.Response:
    """`POST /v1/callbacks/{id}/reschedule`."""
    principal = request[PRINCIPAL]
    given = await read_json(request, RescheduleInput)
    due = _time("due", given.due)
    if due <= time.time_ns() // 1000:
        raise Unprocessable("A callback must be due in the future", code="due_in_the_past")
    return await _change(request, principal, "callback.rescheduled", given.reason, due)


async def cancel(request: web.Request) -> web.Response:
    """`POST /v1/callbacks/{id}/cancel`."""
    principal = request[PRINCIPAL]
    given = await read_json(request, CancelInput, optional=True)
    return await _change(request, principal, "callback.cancelled", given.reason, None)


async def _change(
    request: web.Request, principal: Principal, type_: str, reason: str | None, due: Micros | None
) -> web.Response:
    store = request.app[SITE].store
    if principal.queues is not None:
        found = await read_callback(store, principal.tenant, request.match_info["id"])
        await check_home(store, principal, found.home)
    changed = await asyncio.shield(
        service.change_callback(
            store,
            principal.tenant,
            request.match_info["id"],
            type_=type_,
            by=principal.agent or principal.name,
            now=time.time_ns() // 1000,
            reason=reason,
            due=due,
        )
    )
    about_homes(request, [changed.home])
    return answer(callback_view(changed, store.hashes(principal.tenant)))
