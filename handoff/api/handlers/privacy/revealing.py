"""Showing the numbers of a touchpoint that readers get masked."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from handoff.api.handlers.privacy.masking import AUDIT_OFF
from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import about_homes, state_reason
from handoff.api.http.exchange import answer, broken, read_json
from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.errors import Conflict
from handoff.services.access.customer_access import check_home
from handoff.services.audit.entry import MAX_REASON
from handoff.services.timeline.pages import read_touchpoint


class RevealInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/touchpoints/{id}/reveal`: the purpose, such as a ticket. It is audited."""

    reason: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.reason.strip()) <= MAX_REASON or not self.reason.isprintable():
            raise broken("/reason", f"A reason has 1 to {MAX_REASON} printable characters")


async def reveal(request: web.Request) -> web.Response:
    """`POST /v1/touchpoints/{id}/reveal`."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    if not site.audit.on:
        raise Conflict(AUDIT_OFF, code="audit_off")
    given = await read_json(request, RevealInput)
    state_reason(request, given.reason)
    store, id_ = site.store, request.match_info["id"]
    home, _id = store.hashes(principal.tenant).private(TOUCHPOINT, id_, 2)
    about_homes(request, [home])
    await check_home(store, principal, home)
    return answer(await read_touchpoint(store, principal.tenant, id_, principal.reader))
