"""Lookups, contexts, and timelines."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import nullcontext

import msgspec
from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL
from msgspec import UNSET, Struct, UnsetType

from handoff.api.handlers.privacy.masking import SHOWN, masked_json
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about, sought
from handoff.api.http.exchange import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    answer,
    bad_parameter,
    broken,
    encode,
    query_ascending,
    query_identities,
    query_limit,
    query_list,
    read_assurance,
    read_json,
    readings_of,
)
from handoff.codec.member import PLACE, pack_occurred
from handoff.domain.brief import Brief
from handoff.domain.clock import Micros, parse_time
from handoff.domain.errors import InvalidIdentity, NotFound
from handoff.domain.handoff import Handoff
from handoff.domain.identity import GLOBAL_TYPES, Assurance, Identity
from handoff.domain.phone_readings import sought_identities
from handoff.domain.text.memo import cached_if_short
from handoff.domain.touchpoint import TYPE_SET
from handoff.services.access.customer_access import check_customer, own_identities, readable
from handoff.services.access.principal import Principal
from handoff.services.context.assembly import assemble
from handoff.services.context.feedback import rules_of
from handoff.services.context.validation import ReadLog, is_still
from handoff.services.context.views import OPTIONAL_FIELDS, ContextSelection, ContextView
from handoff.services.conversations.detail import read_conversation
from handoff.services.customers.consents import ConsentView, consent_view, read_consents
from handoff.services.customers.customer import assurance_of, by_id
from handoff.services.customers.lookup import LookUp, Match, find
from handoff.services.customers.portions import read_portions
from handoff.services.timeline.encoding import with_encoded_touchpoints
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.views import TimelineView
from handoff.store.reads import Reads
from handoff.store.repositories.timelines import Window, decode_cursor

from .conditional import MASKED, answer_context, fingerprint
from .context_cache import CachedContext

MAX_IDENTITIES = 20
_FIELDS = frozenset(ContextView.__struct_fields__)


class SoughtIdentity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity to look up. With a `space`, even an empty one, only that space is searched; without one,
    the spaces of the tenant's sources are searched too. `assurance` is ignored in a lookup."""

    type: str
    value: str
    space: str | UnsetType = UNSET
    assurance: Assurance | None = None


class ContextInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/context`: identities of one person. Several narrow down an ambiguous one."""

    identities: list[str | SoughtIdentity]
    limit: int = DEFAULT_LIMIT
    fields: list[str] | None = None
    min_assurance: Assurance | None = None


async def look_up(request: web.Request) -> web.Response:
    """`POST /v1/context`."""
    principal = request[PRINCIPAL]
    given = await read_json(request, ContextInput, stored=False)
    if not 1 <= len(given.identities) <= MAX_IDENTITIES:
        raise bad_parameter("identities", f"identities must have 1 to {MAX_IDENTITIES} entries")
    if not 1 <= given.limit <= MAX_LIMIT:
        raise bad_parameter("limit", f"limit must be a number from 1 to {MAX_LIMIT}")
    wanted = _wanted(
        given.limit,
        frozenset(given.fields) if given.fields is not None else None,
        given.min_assurance or principal.min_assurance,
        principal,
    )
    site, tenant = request.app[SITE], principal.tenant
    identities = [other for at, it in enumerate(given.identities) for other in _sought(site, tenant, at, it)]
    return await _context(request, principal, identities, wanted)


async def look_up_by_query(request: web.Request) -> web.Response:
    """`GET /v1/context?identity=…`, with `identity` repeated for several."""
    principal = request[PRINCIPAL]
    texts = request.query.getall("identity", [])
    if not 1 <= len(texts) <= MAX_IDENTITIES:
        raise bad_parameter("identity", f"identity must be given 1 to {MAX_IDENTITIES} times")
    site, tenant = request.app[SITE], principal.tenant
    identities = [other for it in texts for other in queried_identities(site, tenant, it)]
    return await _context(request, principal, identities, query_wanted(request, principal))


def queried_identities(site: AppContext, tenant: str, text: str) -> tuple[Identity, ...]:
    """The identities that one in a query string may mean, likeliest first, in all spaces of the sources."""
    readings = query_identities(text, site.regions_of(tenant))
    return _in_spaces(readings, site.identity_spaces.get(tenant, ()))


def query_wanted(request: web.Request, principal: Principal) -> ContextSelection:
    return _wanted(
        query_limit(request),
        query_list(request, "fields") if "fields" in request.query else None,
        read_assurance(request.query.get("min_assurance"), principal.min_assurance),
        principal,
    )


def _wanted(
    limit: int, fields: frozenset[str] | None, min_assurance: Assurance, principal: Principal
) -> ContextSelection:
    if fields is not None and fields - _FIELDS:
        unknown = ", ".join(sorted(fields - _FIELDS))
        raise bad_parameter("fields", f"Unknown fields: {unknown}")
    chosen = fields & OPTIONAL_FIELDS if fields is not None else None
    return ContextSelection(limit=limit, fields=chosen, min_assurance=min_assurance, reader=principal.reader)


async def _context(
    request: web.Request, principal: Principal, identities: list[Identity], wanted: ContextSelection
) -> web.Response:
    async def look(reads: Reads) -> LookUp:
        """A GET by a caller limited to queues is 404 for strangers and for customers of others alike."""
        store = request.app[SITE].store
        own = await own_identities(store, principal, identities, wanted.min_assurance, reads)
        found = await find(store, principal.tenant, own, wanted.min_assurance, reads)
        shown = await readable(store, principal, found, reads)
        if request.method != "POST" and principal.queues is not None and shown.customer is None:
            raise NotFound("there is no such customer", match=Match.NONE, customer=None)
        return shown

    sought(request, identities)
    return await respond(request, principal, ("identities", *identities), look, wanted)


def _sought(site: AppContext, tenant: str, at: int, given: str | SoughtIdentity) -> Sequence[Identity]:
    regions, spaces = site.regions_of(tenant), site.identity_spaces.get(tenant, ())
    try:
        if isinstance(given, str):
            return _read(given, regions, spaces)
        if isinstance(given.space, UnsetType):
            return _in_spaces(sought_identities(given.type, given.value, "", regions), spaces)
        return sought_identities(given.type, given.value, given.space, regions)
    except InvalidIdentity as error:
        raise broken(f"/identities/{at}", error.detail, error.problem_code) from error


@cached_if_short  # several people look at one customer, and look again
def _read(text: str, regions: tuple[str, ...], spaces: tuple[tuple[str, str], ...]) -> tuple[Identity, ...]:
    return _in_spaces(readings_of(text, regions), spaces)


def _in_spaces(readings: Sequence[Identity], spaces: tuple[tuple[str, str], ...]) -> tuple[Identity, ...]:
    """The identities, and for vendors' identities without a space, their variants in the sources' spaces."""
    found: list[Identity] = []
    for reading in readings:
        found.append(reading)
        if not reading.space and reading.type not in GLOBAL_TYPES:
            own = dict.fromkeys(space for type_, space in spaces if type_ == reading.type and space)
            found += [msgspec.structs.replace(reading, space=space) for space in own]
    return tuple(found)


async def respond(
    request: web.Request,
    principal: Principal,
    whom: Hashable,
    look: Callable[[Reads], Awaitable[LookUp]],
    wanted: ContextSelection,
    handoff: Handoff | None = None,
) -> web.Response:
    """The context of a lookup or a handoff; 304 if the client has it.

    `whom` identifies what `look` finds and is part of the cache's key. `Cache-Control: no-store` in the
    request bypasses the cache for reading and writing.
    """
    site, tenant, now = request.app[SITE], principal.tenant, time.time_ns() // 1000
    key = (tenant, whom, wanted, site.store.masking.kinds(tenant))
    request[SHOWN] = True
    may_keep = site.summariser is None and "no-store" not in request.headers.get(CACHE_CONTROL, "")
    kept = await _cached(site, tenant, key, now) if may_keep else None
    if kept is None and may_keep and await site.recent.wait_for(key):
        kept = await _cached(site, tenant, key, now)
    if kept:
        about(request, *kept.customers)
        return answer_context(request, kept.body, kept.etag)
    reads, cleared = ReadLog(site.store.connection), site.recent.cleared
    with site.recent.building(key) if may_keep else nullcontext():
        made = await assemble(
            site.store,
            site.monitor,
            tenant,
            await look(reads),
            wanted=wanted,
            now=now,
            handoff=handoff,
            summariser=site.summariser,
            watch=reads,
        )
        shown = await _encoded(site, tenant, made.view)
        raw, etag, customers = encode(shown), fingerprint(shown), _shown(made.view)
        body = await masked_json(request, raw)
        if body is not raw:
            etag += MASKED
        about(request, *customers)
        if isinstance(made.view.brief, Brief):
            site.measures.lines(rules_of(made.view.brief))
        if made.basis and may_keep and site.recent.cleared == cleared:
            site.recent.put(key, body, etag, made.basis, customers)
    return answer_context(request, body, etag)


async def _encoded(site: AppContext, tenant: str, view: ContextView) -> ContextView:
    """The context for its encoder, with its touchpoints encoded already."""
    if not isinstance(view.timeline, TimelineView):
        return view
    timeline = await with_encoded_touchpoints(site.store, tenant, view.timeline, encode)
    return msgspec.structs.replace(view, timeline=timeline)


def _shown(view: ContextView) -> tuple[str, ...]:
    """The ids of the customers that a context shows: one, or the candidates."""
    if view.customer is not None:
        return (view.customer.id,)
    return () if isinstance(view.candidates, UnsetType) else tuple(it.customer_id for it in view.candidates)


async def _cached(site: AppContext, tenant: str, key: Hashable, now: Micros) -> CachedContext | None:
    """The cached context, if it is still valid."""
    kept = site.recent.get(key)
    if kept and await is_still(site.store, site.monitor, kept.basis, now):
        return kept
    return None


async def of_customer(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/context`."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    id_ = request.match_info["id"]

    async def look(reads: Reads) -> LookUp:
        customer = await by_id(site.store, principal.tenant, id_, reads)
        await check_customer(site.store, principal, customer.group.members, reads)
        best = max(
            (assurance_of(it, customer.evidence()) for it in customer.members),
            key=[Assurance.INFERRED, Assurance.CLAIMED, Assurance.VERIFIED].index,
        )
        return LookUp(match=Match.ONE, assurance=best, customer=customer, requested_id=id_)

    return await respond(request, principal, ("customer", id_), look, query_wanted(request, principal))


async def timeline(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/timeline`: one page."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    customer = await by_id(site.store, principal.tenant, request.match_info["id"])
    await check_customer(site.store, principal, customer.group.members)
    records = {it.key: it for it in customer.members}
    about(request, customer.id)
    portions = await read_portions(site.store, principal.tenant, customer)
    page = await read_timeline(
        site.store,
        site.store.hashes(principal.tenant),
        records,
        _window(request),
        _filter(request, principal),
        principal.reader,
        portions.given,
    )
    return answer(await with_encoded_touchpoints(site.store, principal.tenant, page, encode))


class ConsentsAnswer(Struct, frozen=True, kw_only=True):
    """The customer's current consents, one for each purpose that they ever stated something about."""

    customer_id: str
    consents: list[ConsentView]


async def consents(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/consents`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    customer = await by_id(store, principal.tenant, request.match_info["id"])
    await check_customer(store, principal, customer.group.members)
    about(request, customer.id)
    found = await read_consents(store, principal.tenant, customer, principal.reader)
    return answer(ConsentsAnswer(customer_id=customer.id, consents=[consent_view(it) for it in found]))


def _filter(request: web.Request, principal: Principal) -> Filter:
    types = query_list(request, "type")
    if types - TYPE_SET:
        raise bad_parameter("type", f"Unknown types: {', '.join(sorted(types - TYPE_SET))}")
    return Filter(
        channels=query_list(request, "channel"),
        types=types,
        min_assurance=read_assurance(request.query.get("min_assurance"), principal.min_assurance),
    )


def _window(request: web.Request) -> Window:
    """`cursor` continues in the requested order; `before` and `after` are cursors or times."""
    ascending = query_ascending(request)
    after, before = _place(request, "after"), _place(request, "before")
    cursor = request.query.get("cursor")
    if cursor is not None:
        place = decode_cursor(cursor)
        after, before = (place, before) if ascending else (after, place)
    return Window(limit=query_limit(request), after=after, before=before, ascending=ascending)


def _place(request: web.Request, name: str) -> bytes:
    text = request.query.get(name)
    if not text:
        return b""
    try:
        at = parse_time(text.replace(" ", "+"))
    except ValueError:
        return decode_cursor(text)
    return pack_occurred(at).ljust(PLACE, b"\xff" if name == "after" else b"\x00")


async def conversation(request: web.Request) -> web.Response:
    """`GET /v1/conversations/{id}`: its threads, state, owner, and handoffs."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    found = await read_conversation(site.store, principal, request.match_info["id"])
    about(request, found.customer_id)
    return answer(found)
