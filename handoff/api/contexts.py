"""Look-ups, contexts and timelines."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Hashable
from contextlib import nullcontext

import msgspec
from aiohttp import web
from aiohttp.hdrs import CACHE_CONTROL
from msgspec import UNSET, Struct, UnsetType

from handoff.codec.member import PLACE, pack_occurred
from handoff.domain.brief import Brief
from handoff.domain.clock import Micros, parse_time
from handoff.domain.handoff import Handoff
from handoff.domain.identity import GLOBAL_TYPES, Assurance, Identity, identity, parse_identity
from handoff.domain.touchpoint import TYPE_SET
from handoff.services.context_basis import Watch, is_still
from handoff.services.context_views import OPTIONAL_FIELDS, ContextView, Wanted
from handoff.services.contexts import assemble
from handoff.services.conversations import read_conversation
from handoff.services.customers import LookUp, Match, assurance_of, by_id, find
from handoff.services.feedback import rules_of
from handoff.services.timelines import Filter, read_timeline
from handoff.store.connection import Reads
from handoff.store.timelines import Window, decode_cursor

from .access import Principal
from .conditional import answer_context, fingerprint
from .exchange import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    answer,
    bad_parameter,
    encode,
    pointing_at,
    query_ascending,
    query_identity,
    query_limit,
    query_list,
    read_assurance,
    read_json,
)
from .keys import SITE, Site, authorized
from .recent import Kept

MAX_IDENTITIES = 20


class SoughtIdentity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An identity to look for. A `space`, also an empty one, means exactly the identity in it; without
    one, the spaces of the tenant's sources are looked in too. `assurance` says nothing in a look-up."""

    type: str
    value: str
    space: str | UnsetType = UNSET
    assurance: Assurance | None = None


class ContextInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/context`: handles of one person; several narrow an ambiguous one."""

    identities: list[str | SoughtIdentity]
    limit: int = DEFAULT_LIMIT
    fields: list[str] | None = None
    min_assurance: Assurance | None = None


async def look_up(request: web.Request) -> web.Response:
    """`POST /v1/context`."""
    principal = authorized(request, "context:read")
    given = await read_json(request, ContextInput)
    if not 1 <= len(given.identities) <= MAX_IDENTITIES:
        raise bad_parameter("identities", f"identities has 1 to {MAX_IDENTITIES} entries")
    if not 1 <= given.limit <= MAX_LIMIT:
        raise bad_parameter("limit", f"limit is a number from 1 to {MAX_LIMIT}")
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
    """`GET /v1/context?identity=…`, repeated for several handles."""
    principal = authorized(request, "context:read")
    texts = request.query.getall("identity", [])
    if not 1 <= len(texts) <= MAX_IDENTITIES:
        raise bad_parameter("identity", f"identity is given 1 to {MAX_IDENTITIES} times")
    site, tenant = request.app[SITE], principal.tenant
    identities = [other for it in texts for other in _spellings(site, tenant, query_identity(it))]
    return await _context(request, principal, identities, query_wanted(request, principal))


def query_wanted(request: web.Request, principal: Principal) -> Wanted:
    return _wanted(
        query_limit(request),
        query_list(request, "fields") if "fields" in request.query else None,
        read_assurance(request.query.get("min_assurance"), principal.min_assurance),
        principal,
    )


def _wanted(
    limit: int, fields: frozenset[str] | None, min_assurance: Assurance, principal: Principal
) -> Wanted:
    always = frozenset(ContextView.__struct_fields__)
    if fields is not None and fields - always:
        unknown = ", ".join(sorted(fields - always))
        raise bad_parameter("fields", f"unknown fields: {unknown}")
    chosen = fields & OPTIONAL_FIELDS if fields is not None else None
    internal = principal.min_assurance is not Assurance.VERIFIED  # a token whose audience is customers
    return Wanted(limit=limit, fields=chosen, min_assurance=min_assurance, internal=internal)


async def _context(
    request: web.Request, principal: Principal, identities: list[Identity], wanted: Wanted
) -> web.Response:
    async def look(reads: Reads) -> LookUp:
        store = request.app[SITE].store
        return await find(store, principal.tenant, identities, wanted.min_assurance, reads)

    return await tell(request, principal, ("identities", *identities), look, wanted)


def _sought(site: Site, tenant: str, at: int, it: str | SoughtIdentity) -> list[Identity]:
    with pointing_at(f"/identities/{at}"):
        if isinstance(it, str):
            return _spellings(site, tenant, parse_identity(it))
        if isinstance(it.space, UnsetType):
            return _spellings(site, tenant, identity(it.type, it.value))
        return [identity(it.type, it.value, space=it.space)]


def _spellings(site: Site, tenant: str, it: Identity) -> list[Identity]:
    """A vendor's handle without a space is looked for in the spaces of the tenant's sources too."""
    if it.space or it.type in GLOBAL_TYPES:
        return [it]
    spaces = [space for type_, space in site.identity_spaces.get(tenant, ()) if type_ == it.type and space]
    return [it, *(msgspec.structs.replace(it, space=space) for space in dict.fromkeys(spaces))]


async def tell(
    request: web.Request,
    principal: Principal,
    whom: Hashable,
    look: Callable[[Reads], Awaitable[LookUp]],
    wanted: Wanted,
    handoff: Handoff | None = None,
) -> web.Response:
    """The context of a look-up, or of a hand-off; 304 where the reader has it.

    `whom` stands for what `look` looks for: what was told of it lately is told again while it holds,
    unless the request says `Cache-Control: no-store`: then nothing is kept of it either.
    """
    site, tenant, now = request.app[SITE], principal.tenant, time.time_ns() // 1000
    asked = (tenant, whom, wanted)
    may_keep = site.summariser is None and "no-store" not in request.headers.get(CACHE_CONTROL, "")
    kept = await _holding(site, tenant, asked, now) if may_keep else None
    if kept is None and may_keep and await site.recent.made(asked):
        kept = await _holding(site, tenant, asked, now)
    if kept:
        return answer_context(request, kept.body, kept.etag)
    watch = Watch(site.store.connection)
    with site.recent.making(asked) if may_keep else nullcontext():
        made = await assemble(
            site.store,
            site.monitor,
            tenant,
            await look(watch),
            wanted=wanted,
            now=now,
            handoff=handoff,
            summariser=site.summariser,
            watch=watch,
        )
        body, etag = encode(made.view), fingerprint(made.view)
        if isinstance(made.view.brief, Brief):
            site.measures.lines(rules_of(made.view.brief))
        if made.basis and may_keep:
            site.recent.keep(asked, body, etag, made.basis)
    return answer_context(request, body, etag)


async def _holding(site: Site, tenant: str, asked: Hashable, now: Micros) -> Kept | None:
    """What was told lately, where it still holds."""
    kept = site.recent.of(asked)
    if kept and await is_still(site.store, site.monitor, tenant, kept.basis, now):
        return kept
    return None


async def of_customer(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/context`."""
    principal = authorized(request, "context:read")
    site = request.app[SITE]
    id_ = request.match_info["id"]

    async def look(reads: Reads) -> LookUp:
        customer = await by_id(site.store, principal.tenant, id_, reads)
        best = max(
            (assurance_of(it, customer.evidence()) for it in customer.members),
            key=[Assurance.INFERRED, Assurance.CLAIMED, Assurance.VERIFIED].index,
        )
        return LookUp(match=Match.ONE, assurance=best, customer=customer, requested_id=id_)

    return await tell(request, principal, ("customer", id_), look, query_wanted(request, principal))


async def timeline(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/timeline`: the context's timeline, page by page."""
    principal = authorized(request, "context:read")
    site = request.app[SITE]
    customer = await by_id(site.store, principal.tenant, request.match_info["id"])
    records = {it.key: it for it in customer.members}
    page = await read_timeline(
        site.store,
        site.store.hashes(principal.tenant),
        records,
        _window(request),
        _filter(request, principal),
    )
    return answer(page)


def _filter(request: web.Request, principal: Principal) -> Filter:
    types = query_list(request, "type")
    if types - TYPE_SET:
        raise bad_parameter("type", f"unknown types: {', '.join(sorted(types - TYPE_SET))}")
    return Filter(
        channels=query_list(request, "channel"),
        types=types,
        min_assurance=read_assurance(request.query.get("min_assurance"), principal.min_assurance),
    )


def _window(request: web.Request) -> Window:
    """`cursor` goes on in the order asked for; `before` and `after` are cursors or times."""
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
    """`GET /v1/conversations/{id}`: its threads, state, owner and hand-offs."""
    principal = authorized(request, "context:read")
    site = request.app[SITE]
    return answer(await read_conversation(site.store, principal.tenant, request.match_info["id"]))
