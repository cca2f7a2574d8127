"""`/v1/handoffs`: requests, reads, lists, and state changes."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, field

from handoff.api.handlers.privacy.masking import SHOWN, masked_json
from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import about, about_homes
from handoff.api.http.exchange import (
    answer,
    answer_json,
    bad_parameter,
    broken,
    check_reason,
    encode,
    encode_number,
    number_cursor,
    query_ascending,
    query_limit,
    read_identity,
    read_json,
)
from handoff.domain.errors import Forbidden, NotFound
from handoff.domain.handoff import DEFAULT_DEADLINE_S, Action, Fallback, Handoff, Party, State
from handoff.domain.touchpoint import MAX_DEPTH, too_deep
from handoff.services.access.authorize import authorize, authorize_queue
from handoff.services.access.customer_access import check_customer, check_home
from handoff.services.access.principal import Principal
from handoff.services.access.shown_snapshot import shown_snapshot
from handoff.services.customers.lookup import LookUp, look_up_of
from handoff.services.handoffs import lifecycle as service
from handoff.services.handoffs import listing
from handoff.services.handoffs.records import (
    HandoffCandidate,
    HandoffView,
    SnapshotView,
    handoff_view,
    read_handoff,
    read_pinned,
)
from handoff.services.handoffs.targets import customer_of
from handoff.services.sources.native import IdentityInput
from handoff.store.reads import Reads

from .contexts import query_wanted, respond

MAX_DEADLINE_S = 400 * 24 * 3600
MAX_STEPS = 20
MAX_CONTEXT = 64 * 1024  # bytes of a request's `context`; the customer's history is not part of it
LISTED_CONTEXT = 4 * 1024  # bytes; a list leaves out a longer one
MAX_NAME = 200  # characters of a queue, an agent or a party


class PartyInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One side of a handoff."""

    channel: str | None = None
    party: str | None = None
    queue: str | None = None
    agent: str | None = None

    def __post_init__(self) -> None:
        for value in (self.channel, self.party, self.queue, self.agent):
            if value is not None and not 0 < len(value) <= MAX_NAME:
                raise ValueError(f"A name has 1 to {MAX_NAME} characters")

    def party_(self) -> Party:
        return Party(channel=self.channel, party=self.party, queue=self.queue, agent=self.agent)


class FallbackInput(PartyInput, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next party to ask when the previous step is declined or expires, and its deadline."""

    deadline_s: float | None = None

    def step(self) -> Fallback:
        return Fallback(to=self.party_(), deadline_s=self.deadline_s)


class HandoffInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """The body of `POST /v1/handoffs`."""

    to: PartyInput
    reason: str
    sender: PartyInput = field(default_factory=PartyInput)
    identity: str | IdentityInput | None = None
    customer_id: str | None = None
    conversation_id: str | None = None
    context: Any = None
    deadline_s: float = DEFAULT_DEADLINE_S
    fallback: list[FallbackInput] = field(default_factory=list)

    def __post_init__(self) -> None:
        named = [it for it in (self.identity, self.customer_id, self.conversation_id) if it is not None]
        if len(named) != 1:
            raise ValueError("Name exactly one of identity, customer_id, and conversation_id")
        _check_deadline(self.deadline_s, "/deadline_s")
        for at, step in enumerate(self.fallback):
            _check_deadline(step.deadline_s, f"/fallback/{at}/deadline_s")
        check_reason(self.reason, least=1)
        if len(self.fallback) > MAX_STEPS:
            raise broken("/fallback", f"fallback may have at most {MAX_STEPS} steps")
        if too_deep(self.context):
            raise broken("/context", f"Objects and lists may be nested at most {MAX_DEPTH} levels deep")
        try:
            size = len(msgspec.msgpack.encode(self.context))
        except OverflowError as error:
            raise broken("/context", "Integers may have at most 64 bits") from error
        if size > MAX_CONTEXT:
            raise broken("/context", f"A context has at most {MAX_CONTEXT} bytes", "context_too_large")

    def check_channels(self, declared: frozenset[str]) -> None:
        """Unprocessable (`unknown_channel`) if a channel is neither built in nor declared."""
        steps = {f"/fallback/{at}": it for at, it in enumerate(self.fallback)}
        for pointer, party in ({"/from": self.sender, "/to": self.to} | steps).items():
            if party.channel is not None and party.channel not in declared:
                channels = ", ".join(sorted(declared))
                detail = f"The channel {party.channel[:40]!r} is not declared; allowed: {channels}"
                raise broken(f"{pointer}/channel", detail, "unknown_channel")


def _check_deadline(seconds: float | None, pointer: str) -> None:
    if seconds is not None and not 0 < seconds <= MAX_DEADLINE_S:
        raise broken(pointer, f"deadline_s must be above 0 and at most {MAX_DEADLINE_S}")


class MoveInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a state change. `version` is the version that the caller saw. `viewed` needs none, since it
    cannot conflict with another change."""

    version: int | None = None
    agent: str | None = None
    reason: str | None = None
    deadline_s: float | None = None
    """For an offer: seconds until the handoff returns to the queue."""

    def __post_init__(self) -> None:
        if self.agent is not None and not 0 < len(self.agent) <= MAX_NAME:
            raise broken("/agent", f"A name has 1 to {MAX_NAME} characters")
        check_reason(self.reason)
        _check_deadline(self.deadline_s, "/deadline_s")


class ListView(Struct, frozen=True, kw_only=True):
    """A page of handoffs, newest first unless `order` is `asc`. With combined filters, `total` is null and
    `scanned_to` is the last position read.

    `context_omitted` names the handoffs whose `context` is too long for a list and therefore null here."""

    handoffs: list[HandoffView]
    total: int | None
    returned: int
    next: str | None
    scanned_to: str | None = None
    context_omitted: list[str] = field(default_factory=list)


class SnapshotsView(Struct, frozen=True, kw_only=True):
    """The pinned contexts of a handoff, oldest first."""

    snapshots: list[SnapshotView]


async def create(request: web.Request) -> web.Response:
    """`POST /v1/handoffs`: 201, or 200 with the handoff if the same request is already pending."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    given = await read_json(request, HandoffInput)
    given.check_channels(site.channels)
    regions = site.regions_of(principal.tenant)
    asked = service.HandoffRequest(
        sender=given.sender.party_(),
        to=given.to.party_(),
        reason=given.reason,
        by=principal.agent or principal.name,
        identity=read_identity(given.identity, regions=regions) if given.identity is not None else None,
        customer_id=given.customer_id,
        conversation_id=given.conversation_id,
        context=given.context,
        deadline_s=given.deadline_s,
        fallback=tuple(it.step() for it in given.fallback),
        caller=principal,
        policies=[it for it in site.policies if it.tenant == principal.tenant],
    )
    moved = await asyncio.shield(site.handoffs.request(principal.tenant, asked))
    about_homes(request, [moved.handoff.home])
    about(request, moved.customer_id)
    shown = principal.reader.shown(moved.handoff)
    view = handoff_view(shown, site.store.hashes(principal.tenant), moved.customer_id)
    if moved.look_up is not None and not principal.reader.limited:
        view = msgspec.structs.replace(
            view, candidates=_candidates(moved.look_up), question=moved.look_up.question or UNSET
        )
    location = {"Location": f"/v1/handoffs/{moved.handoff.id}"}
    return answer(view, status=201 if moved.created else 200, headers=location)


def _candidates(look_up: LookUp) -> list[HandoffCandidate]:
    return [
        HandoffCandidate(
            customer_id=it.id,
            identity=str(it.identity),
            reason=it.reason,
            assurance=it.assurance,
            touchpoints=it.touchpoints,
        )
        for it in look_up.candidates
    ]


_ACTIONS = {
    "offer": Action.OFFER,
    "accept": Action.ACCEPT,
    "decline": Action.DECLINE,
    "release": Action.RELEASE,
    "complete": Action.COMPLETE,
    "withdraw": Action.WITHDRAW,
    "viewed": Action.VIEW,
}


async def move(request: web.Request) -> web.Response:
    """`POST /v1/handoffs/{id}/{action}`."""
    principal = request[PRINCIPAL]
    site = request.app[SITE]
    given = await read_json(request, MoveInput)
    if principal.agent and given.agent not in (None, principal.agent):
        raise Forbidden("The session belongs to another agent", code="other_agent")
    agent = principal.agent or given.agent
    action = _ACTIONS[request.match_info["action"]]
    if given.version is None and action is not Action.VIEW:
        raise broken("/version", "Name the version that you saw")
    asked = service.HandoffMove(
        action=action,
        by=agent or principal.name,
        version=given.version,
        agent=agent,
        reason=given.reason,
        offer_s=given.deadline_s,
        caller=principal,
    )
    moved = await asyncio.shield(site.handoffs.move(principal.tenant, request.match_info["id"], asked))
    about_homes(request, [moved.handoff.home])
    about(request, moved.customer_id)
    shown = principal.reader.shown(moved.handoff)
    return answer(handoff_view(shown, site.store.hashes(principal.tenant), moved.customer_id))


async def _read(request: web.Request) -> tuple[Principal, Handoff]:
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    tenant = principal.tenant
    handoff = await read_handoff(store.of(tenant), request.match_info["id"])
    about_homes(request, [handoff.home])
    authorize(principal, None, tenant, handoff)
    return principal, handoff


async def read(request: web.Request) -> web.Response:
    """`GET /v1/handoffs/{id}`."""
    principal, handoff = await _read(request)
    store = request.app[SITE].store
    customer_id = await listing.current_customer_id(store, principal.tenant, handoff)
    shown = principal.reader.shown(handoff)
    return answer(handoff_view(shown, store.hashes(principal.tenant), customer_id))


async def context(request: web.Request) -> web.Response:
    """`GET /v1/handoffs/{id}/context`: the current context. `/snapshot` has the pinned ones."""
    principal, handoff = await _read(request)

    async def look(reads: Reads) -> LookUp:
        store, tenant = request.app[SITE].store, principal.tenant
        customer = await customer_of(store, tenant, handoff.home, handoff.conversation, reads)
        await check_customer(store, principal, customer.group.members, reads)
        return await look_up_of(store, tenant, customer, reads)

    whom = ("handoff", handoff.id, handoff.version)
    return await respond(request, principal, whom, look, query_wanted(request, principal), handoff)


async def snapshots(request: web.Request) -> web.Response:
    """`GET /v1/handoffs/{id}/snapshots`, oldest first."""
    principal, handoff = await _read(request)
    view = handoff_view(handoff, request.app[SITE].store.hashes(principal.tenant))
    return answer(SnapshotsView(snapshots=view.snapshots))


async def snapshot(request: web.Request) -> web.Response:
    """`GET /v1/handoffs/{id}/snapshot?at=`: the pinned bytes; the newest without `at`."""
    principal, handoff = await _read(request)
    at = request.query.get("at")
    if at not in (None, "requested", "accepted"):
        raise bad_parameter("at", "at must be requested or accepted")
    refs = [ref for ref in handoff.snapshots if at in (None, ref.at)]
    if not refs:
        raise NotFound(f"No context was pinned at {at}")
    ref = refs[-1]
    store = request.app[SITE].store
    await check_home(store, principal, handoff.home)
    content = await read_pinned(store.of(principal.tenant).handoffs, ref.sha256)
    if principal.reader.limited and (shown := shown_snapshot(content, principal.reader)) is not None:
        return answer_json(shown)
    request[SHOWN] = True
    if (masked := await masked_json(request, content)) is not content:
        return answer_json(masked)
    headers = {"Cache-Control": "no-store", "Handoff-Sha256": ref.sha256, "ETag": f'"{ref.sha256}"'}
    return web.Response(body=content, content_type="application/json", headers=headers)


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/handoffs?state=&queue=&agent=`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    state = request.query.get("state")
    if state is not None and state not in State.__members__.values():
        raise bad_parameter("state", f"state must be one of {', '.join(State)}")
    queue, reader = request.query.get("queue"), principal.reader
    if queue:
        authorize_queue(principal, queue)
    page = await listing.list_handoffs(
        store.of(principal.tenant).handoffs,
        listing.Listing(
            state=State(state) if state else None,
            queue=queue,
            agent=request.query.get("agent"),
            limit=query_limit(request),
            newest_first=not query_ascending(request),
            bound=number_cursor(request),
            reader=reader,
        ),
        store.pace,
    )
    hashes = store.hashes(principal.tenant)
    ids = await listing.current_customer_ids(store, principal.tenant, page.handoffs)
    about(request, *ids.values())
    about_homes(request, (it.home for it in page.handoffs))
    permitted = [reader.shown(it) for it in page.handoffs]
    long = await store.pace.each(principal.tenant, _is_long, permitted)
    omitted = [it.id for it, left_out in zip(permitted, long, strict=True) if left_out]

    def encoded(handoff: Handoff) -> msgspec.Raw:
        context = None if handoff.id in omitted else handoff.context
        shown = msgspec.structs.replace(handoff, context=context)
        return msgspec.Raw(encode(handoff_view(shown, hashes, ids[handoff.id])))

    views: list[Any] = await store.pace.each(principal.tenant, encoded, permitted)
    return answer(
        ListView(
            handoffs=views,
            total=page.total,
            returned=len(views),
            next=encode_number(page.bound),
            scanned_to=encode_number(page.scanned_to),
            context_omitted=omitted,
        )
    )


def _is_long(handoff: Handoff) -> bool:
    context = handoff.context
    return context is not None and len(msgspec.msgpack.encode(context)) > LISTED_CONTEXT
