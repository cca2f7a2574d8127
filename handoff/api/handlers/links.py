"""`/v1/customers/{id}/links` and `/split`: evidence about customers, and agents' corrections."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import about, about_homes
from handoff.api.http.exchange import answer, bad_parameter, check_reason, read_identity, read_json
from handoff.domain.identity import Assurance
from handoff.services.access.principal import Principal
from handoff.services.continuity.undoing import after_withdrawal
from handoff.services.customers import assignments, separations
from handoff.services.customers import links as service
from handoff.services.customers.customer import by_id
from handoff.services.customers.explanations import ExplainedCandidate, explain_candidates
from handoff.services.customers.link_views import ForecastView, LinkView, read_links
from handoff.services.sources.native import IdentityInput


class LinkInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST …/links`: the agent states that `identity` belongs to this customer."""

    identity: str | IdentityInput
    reason: str
    assurance: Assurance = Assurance.VERIFIED

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class WithdrawInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST …/links/{link}/withdraw`."""

    reason: str

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class SplitInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST …/split`: these identities belong to another customer."""

    identities: list[str | IdentityInput]
    reason: str

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class SharedInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/identities/shared`."""

    identity: str | IdentityInput
    reason: str
    shared: bool = True

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class AssignInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/touchpoints/{id}/assign`: the touchpoint is from the person with `identity`."""

    identity: str | IdentityInput
    reason: str
    conversation: bool = False

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class SeparateInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/touchpoints/{id}/separate`: the touchpoint is an act of its own."""

    reason: str

    def __post_init__(self) -> None:
        check_reason(self.reason.strip(), least=1)


class LinksAnswer(Struct, frozen=True, kw_only=True):
    """All evidence about a customer, oldest first."""

    customer_id: str
    links: list[LinkView]


class CandidatesAnswer(Struct, frozen=True, kw_only=True):
    """The customers who may be the same person, each with the reasons. `left_out` counts claims not read."""

    customer_id: str
    candidates: list[ExplainedCandidate]
    left_out: int


def _by(principal: Principal, reason: str) -> service.Attribution:
    return service.Attribution(who=f"agent:{principal.agent or principal.name}", reason=reason)


def _dry_run(request: web.Request) -> bool:
    raw = request.query.get("dry_run", "false")
    if raw not in ("true", "false", "1", "0"):
        raise bad_parameter("dry_run", "dry_run must be true or false")
    return raw in ("true", "1")


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/links`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    customer = await by_id(store, principal.tenant, request.match_info["id"])
    about(request, customer.id)
    views = await read_links(store, principal.tenant, customer)
    return answer(LinksAnswer(customer_id=customer.id, links=views))


async def candidates(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/candidates`."""
    principal = request[PRINCIPAL]
    store = request.app[SITE].store
    customer = await by_id(store, principal.tenant, request.match_info["id"])
    explained, left_out = await explain_candidates(store, principal.tenant, customer)
    about(request, customer.id, *(it.customer_id for it in explained))
    return answer(CandidatesAnswer(customer_id=customer.id, candidates=explained, left_out=left_out))


async def create(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/links`: 201, or 200 for a dry run or an existing link."""
    principal = request[PRINCIPAL]
    given = await read_json(request, LinkInput)
    dry_run = _dry_run(request)
    forecast = await asyncio.shield(
        service.link(
            request.app[SITE].store,
            principal.tenant,
            request.match_info["id"],
            read_identity(given.identity, regions=request.app[SITE].regions_of(principal.tenant)),
            _by(principal, given.reason),
            assurance=given.assurance,
            dry_run=dry_run,
            now=time.time_ns() // 1000,
        )
    )
    _about_parts(request, forecast)
    return answer(forecast, status=201 if forecast.id else 200)


async def withdraw(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/links/{link}/withdraw`."""
    principal, store = request[PRINCIPAL], request.app[SITE].store
    given = await read_json(request, WithdrawInput)
    link, dry_run = request.match_info["link"], _dry_run(request)
    forecast = await asyncio.shield(
        service.withdraw(
            store,
            principal.tenant,
            request.match_info["id"],
            link,
            _by(principal, given.reason),
            dry_run=dry_run,
            now=time.time_ns() // 1000,
        )
    )
    if not dry_run:
        await asyncio.shield(after_withdrawal(store, principal.tenant, link))
    _about_parts(request, forecast)
    return answer(forecast)


async def split(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/split`."""
    principal = request[PRINCIPAL]
    given = await read_json(request, SplitInput)
    regions = request.app[SITE].regions_of(principal.tenant)
    forecast = await asyncio.shield(
        service.split(
            request.app[SITE].store,
            principal.tenant,
            request.match_info["id"],
            [
                read_identity(it, f"/identities/{at}", regions=regions)
                for at, it in enumerate(given.identities)
            ],
            _by(principal, given.reason),
            dry_run=_dry_run(request),
            now=time.time_ns() // 1000,
        )
    )
    _about_parts(request, forecast)
    return answer(forecast)


def _about_parts(request: web.Request, forecast: ForecastView) -> None:
    about(request, *(it.customer_id for it in (*forecast.before, *forecast.after)))


async def mark_shared(request: web.Request) -> web.Response:
    """`POST /v1/identities/shared`: mark an identity as shared by several people, or remove the mark."""
    principal = request[PRINCIPAL]
    given = await read_json(request, SharedInput)
    identity = read_identity(given.identity, regions=request.app[SITE].regions_of(principal.tenant))
    await service.mark_shared(
        request.app[SITE].store,
        principal.tenant,
        identity,
        _by(principal, given.reason),
        shared=given.shared,
        now=time.time_ns() // 1000,
    )
    about_homes(request, [request.app[SITE].store.hashes(principal.tenant).identity(identity)])
    return answer({"identity": str(identity), "shared": given.shared})


async def assign(request: web.Request) -> web.Response:
    """`POST /v1/touchpoints/{id}/assign`: 201, or 200 for the assignment that already counts."""
    principal = request[PRINCIPAL]
    given = await read_json(request, AssignInput)
    view = await asyncio.shield(
        assignments.assign(
            request.app[SITE].store,
            principal.tenant,
            request.match_info["id"],
            read_identity(given.identity),
            _by(principal, given.reason),
            whole=given.conversation,
            now=time.time_ns() // 1000,
        )
    )
    about(request, view.customer_id)
    return answer(view, status=201 if view.created else 200)


async def separate(request: web.Request) -> web.Response:
    """`POST /v1/touchpoints/{id}/separate`: 201, or 200 for a touchpoint that is separate already."""
    principal = request[PRINCIPAL]
    given = await read_json(request, SeparateInput)
    view = await asyncio.shield(
        separations.separate(
            request.app[SITE].store,
            principal.tenant,
            request.match_info["id"],
            _by(principal, given.reason),
            now=time.time_ns() // 1000,
        )
    )
    about(request, view.customer_id)
    return answer(view, status=201 if view.created else 200)
