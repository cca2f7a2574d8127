"""`POST /v1/touchpoints` on the fast path: one touchpoint in JSON, from a configured token."""

from __future__ import annotations

from functools import partial

from handoff.api.http.app_keys import AppContext, principal_of
from handoff.api.http.exchange import BOM, HEADERS, encode
from handoff.api.http.plain_requests import (
    Answer,
    BodyHandler,
    FastRoute,
    Headers,
    PlainAnswer,
    plain_of,
    refuse_later,
)
from handoff.domain.errors import RateLimited
from handoff.services.access.access import TENANT_HEADER
from handoff.services.access.principal import Principal
from handoff.services.context.feedback import Noted
from handoff.services.sources.cloudevents import is_binary
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.recording import Result

from .answers import recorded, rejection

PATH = "/v1/touchpoints"
_TENANT = TENANT_HEADER.lower()


def fast_routes(site: AppContext, scopes: tuple[str, ...]) -> dict[bytes, FastRoute]:
    """`create` on the fast path: one touchpoint in JSON, from a configured token."""

    def open_(_path: str, headers: Headers) -> BodyHandler | None:
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        principal = principal_of(site, headers.get("authorization", ""), headers.get(_TENANT))
        if media != "application/json" or principal is None or is_binary(headers):
            return None
        if principal.queues is not None:  # needs the store before it is recorded
            return None
        for scope in scopes:
            principal.require(scope)
        return partial(_take, site, principal, site.caller(principal))

    vary = (("Vary", "Origin"),) if site.allowed_origins else ()
    return {PATH.encode(): FastRoute(PATH, open_, vary)}


def _take(site: AppContext, principal: Principal, caller: Caller, body: bytes, answer: Answer) -> bool:
    body = body.removeprefix(BOM)
    if body.lstrip()[:1] == b"[":
        return False
    try:
        site.rates.admit_caller(principal.tenant, principal.credential)
    except RateLimited as error:
        refuse_later(error, answer)
        return True

    noted = Noted(partial(read_native, body, caller))

    def respond(outcome: list[Result] | Exception) -> None:
        if isinstance(outcome, Exception):
            answer(outcome)
            return
        site.measures.count(principal.name, outcome)
        (result,) = outcome
        if noted.rule is not None:
            site.measures.line_wrong(noted.rule, result)
        if result.ok:
            answer(PlainAnswer(200, encode(recorded(result)), HEADERS))
        else:
            answer(plain_of(rejection(result)))

    site.intake.submit(principal.tenant, noted, len(body), respond)
    return True
