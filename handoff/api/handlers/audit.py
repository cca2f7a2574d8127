"""`/v1/audit`: who read and changed what."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about
from handoff.api.http.exchange import InvalidCursor, answer, bad_parameter, query_limit
from handoff.codec.keyed_hash import CUSTOMER
from handoff.domain.clock import Micros, parse_time
from handoff.domain.errors import Conflict, NotFound
from handoff.services.audit.search import (
    AuditPage,
    AuditQuery,
    FoundEntry,
    decode_place,
    encode_place,
    search,
)
from handoff.services.customers.customer import by_id
from handoff.store.errors import StoreError

from .contexts import queried_identities

_SEARCHING = asyncio.Semaphore(1)
"""Searches read many files: one at a time leaves the rest of the machine to other requests."""


class AuditIdentityView(Struct, frozen=True):
    """An identity of a look-up, masked, and the id of the customer that it is by itself."""

    id: str
    masked: str


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """One access. `n` and `hash` are its place in the chain of `writer`."""

    at: str
    action: str
    outcome: str
    token: str
    via: str
    agent: str | None
    resource: str
    customers: list[str]
    identities: list[AuditIdentityView]
    request_id: str
    reason: str | None
    writer: str
    n: int
    hash: str


class AuditWriterView(Struct, frozen=True, kw_only=True):
    """A process whose entries were searched, and the times of its first and last line."""

    writer: str
    first: str | None
    last: str | None


class AuditAnswer(Struct, frozen=True, kw_only=True):
    """A page of accesses, newest first.

    The server searches the files that its own machine can read. `not_searched` are other machines with living
    workers whose files are not among them. `scanned_to` is set if the search stopped before it had a page.
    """

    entries: list[AuditEntryView]
    returned: int
    next: str | None
    scanned_to: str | None
    writers: list[AuditWriterView]
    not_searched: list[str] = field(default_factory=list)


async def find(request: web.Request) -> web.Response:
    """`GET /v1/audit?customer=&identity=&agent=&token=&action=&from=&to=`."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    trail = site.audit
    if trail.root is None:
        raise Conflict("The server keeps no audit trail: set audit.dir or audit.enabled", code="audit_off")
    query = AuditQuery(
        tenant=principal.tenant,
        customers=await _customers(request, site),
        agent=request.query.get("agent"),
        token=request.query.get("token"),
        action=request.query.get("action"),
        since=_time(request, "from"),
        until=_time(request, "to"),
        limit=query_limit(request),
        before=_cursor(request),
    )
    about(request, *query.customers)
    roots = [trail.root, *map(Path, trail.settings.also_read)]
    if trail.settings.journal_dir is not None:
        roots.append(Path(trail.settings.journal_dir))
    async with _SEARCHING:
        page = await asyncio.to_thread(search, roots, query)
    return answer(
        AuditAnswer(
            entries=[_view(it) for it in page.entries],
            returned=len(page.entries),
            next=encode_place(page.next),
            scanned_to=page.scanned_to,
            writers=[AuditWriterView(writer=it.writer, first=it.first, last=it.last) for it in page.writers],
            not_searched=await _not_searched(site, page),
        )
    )


async def _customers(request: web.Request, site: AppContext) -> frozenset[str]:
    """All ids of the customer that the request names: one for each of their identities.

    A customer who no longer exists has the id that was asked for.
    """
    tenant, given = request[PRINCIPAL].tenant, request.query.get("customer")
    hashes = site.store.hashes(tenant)
    named = [given] if given else []
    if text := request.query.get("identity"):
        identities = queried_identities(site, tenant, text)
        named += [hashes.public(CUSTOMER, hashes.identity(it)) for it in identities]
    found = set(named)
    for id_ in named:
        try:
            customer = await by_id(site.store, tenant, id_, restricted=True)
        except NotFound as error:
            if id_ == given and not id_.startswith(CUSTOMER):
                raise bad_parameter("customer", "customer must be a customer id") from error
            continue
        found |= {customer.id, *(hashes.public(CUSTOMER, key) for key in customer.group.members)}
    return frozenset(found)


def _time(request: web.Request, name: str) -> Micros | None:
    text = request.query.get(name)
    if not text:
        return None
    try:
        return parse_time(text.replace(" ", "+"))
    except ValueError as error:
        raise bad_parameter(name, f"{name} must be an RFC 3339 time with a zone") from error


def _cursor(request: web.Request) -> tuple[str, str, int] | None:
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        return decode_place(text)
    except (ValueError, OverflowError) as error:
        raise InvalidCursor from error


async def _not_searched(site: AppContext, page: AuditPage) -> list[str]:
    """Machines with living workers of this store whose files were not searched."""
    searched = {it.writer.partition("/")[0] for it in page.writers} | {socket.gethostname()}
    try:
        return sorted(await site.store.workers.hosts() - searched)
    except StoreError:
        return []


def _view(found: FoundEntry) -> AuditEntryView:
    line = found.line
    members = line.members
    return AuditEntryView(
        at=line.at,
        action=members.get("action", ""),
        outcome=members.get("outcome", ""),
        token=members.get("token", ""),
        via=members.get("via", ""),
        agent=members.get("agent"),
        resource=members.get("resource", ""),
        customers=list(members.get("customers", ())),
        identities=[AuditIdentityView(it["id"], it["masked"]) for it in members.get("identities", ())],
        request_id=members.get("request_id", ""),
        reason=members.get("reason"),
        writer=found.writer,
        n=line.n,
        hash=line.stated,
    )
