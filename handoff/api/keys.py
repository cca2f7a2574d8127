"""What handlers find in the application, by typed key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from msgspec import Struct

from handoff.services.announcing import Announce
from handoff.services.completeness import Monitor
from handoff.services.inbound import Inbound, Source
from handoff.services.measures import Measures
from handoff.services.native import Caller
from handoff.store.store import Store

from .access import Access, Principal


class Site(Struct, frozen=True, kw_only=True):
    """Everything the handlers work with; made once, by the composition root."""

    store: Store
    monitor: Monitor
    measures: Measures
    inbound: Inbound
    access: Access
    sources: Mapping[str, Source]
    channels: frozenset[str]
    public_url: str
    identity_spaces: Mapping[str, Sequence[tuple[str, str]]]
    """By tenant: the (type, space) pairs of its sources, tried by look-ups that name no space."""
    ready: Callable[[], str | None]
    """Why the server is not ready, or None."""
    announce: Announce

    def caller(self, principal: Principal) -> Caller:
        return Caller(name=principal.name, channels=self.channels)


SITE = web.AppKey("site", Site)
PRINCIPAL = web.RequestKey("principal", Principal)
REQUEST_ID = web.RequestKey("request_id", str)


def authorized(request: web.Request, scope: str) -> Principal:
    """The caller, who must have the scope."""
    principal = request.app[SITE].access.authenticate(request)
    principal.require(scope)
    return principal
