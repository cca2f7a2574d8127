"""`POST /v1/touchpoints` on the fast path: one touchpoint in JSON, from a configured token."""

from __future__ import annotations

from functools import cache, partial

from handoff.adapter.cloudevents import is_binary
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
from handoff.domain.touchpoint import Touchpoint
from handoff.services.access.access import TENANT_HEADER
from handoff.services.access.principal import Principal
from handoff.services.context.feedback import LINE_WRONG, wrong_rule
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.recording import Result
from handoff.services.timeline.single import SingleRequest

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
    if body[:1] != b"{":
        body = body.removeprefix(BOM)
        if body.lstrip()[:1] == b"[":
            return False
    try:
        site.rates.admit_caller(principal.tenant, principal.credential)
    except RateLimited as error:
        refuse_later(error, answer)
        return True
    site.intake.submit_one(_Request(site, principal, caller, body, answer))
    return True


class _Request(SingleRequest):
    """One request until its response. Slots and methods cost less than closures, and each request has one."""

    __slots__ = ("_answer", "_body", "_caller", "_rule", "_site")

    def __init__(
        self, site: AppContext, principal: Principal, caller: Caller, body: bytes, answer: Answer
    ) -> None:
        super().__init__(site.store, principal.tenant, len(body))
        self._site = site
        self._caller = caller
        self._body = body
        self._answer = answer
        self._rule: str | None = None
        """The rule whose line the touchpoint reports as wrong."""

    def touchpoint(self) -> Touchpoint:
        touchpoint = read_native(self._body, self._caller)
        if touchpoint.type == LINE_WRONG:
            self._rule = wrong_rule(touchpoint)
        return touchpoint

    def respond(self, outcome: Result | Exception) -> None:
        if isinstance(outcome, Exception):
            self._answer(outcome)
            return
        measures = self._site.measures
        measures.count_one(self._caller.name, outcome)
        if self._rule is not None:
            measures.line_wrong(self._rule, outcome)
        if outcome.ok:
            self._answer(PlainAnswer(200, _recorded(outcome), HEADERS))
        else:
            self._answer(plain_of(rejection(outcome)))


_ID = "tp_id"  # replaced by public ids, which need no escapes in JSON


def _recorded(result: Result) -> bytes:
    """`recorded` in JSON."""
    return _templates(result.status) % result.id.encode()


@cache  # of a few statuses
def _templates(status: str) -> bytes:
    return encode(recorded(Result(status=status, id=_ID))).replace(_ID.encode(), b"%s")
