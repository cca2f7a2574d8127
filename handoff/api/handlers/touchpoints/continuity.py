"""`/v1/customers/{id}/continuity`: codes that tie the next touchpoint on any channel to a conversation."""

from __future__ import annotations

import asyncio
import time

from aiohttp import web
from msgspec import Struct

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext
from handoff.api.http.auditing import about
from handoff.api.http.exchange import answer, broken, query_flag, read_json
from handoff.domain.clock import SECOND
from handoff.domain.continuity.forms import (
    LINK_PARAMETER,
    grouped,
    plus_address,
    spoken,
    subject_tag,
)
from handoff.domain.identity import Assurance
from handoff.services.access.customer_access import check_customer
from handoff.services.access.principal import Principal
from handoff.services.continuity.code_views import CodeView, code_view, codes_of
from handoff.services.continuity.issuing import (
    DEFAULT_S,
    DIGITS_DEFAULT_S,
    DIGITS_MAX_S,
    LEAST_S,
    MAX_S,
    MAX_USES,
    CodeWish,
    issue,
)
from handoff.services.continuity.undoing import revoke as revoke_code
from handoff.services.customers.customer import Customer, by_id, require_current
from handoff.services.customers.links import Attribution

MAX_MAILBOXES = 20


class ContinuityInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST …/continuity`.

    `conversation` defaults to the one that a handoff would take. `channel` is where the customer is
    expected. `assurance` `verified` makes the sender's handle the customer's, if it is verified itself: it
    needs the scope `links:write`, and a single use.
    """

    conversation: str | None = None
    channel: str | None = None
    expires_in_s: int = DEFAULT_S
    digits_expire_in_s: int = DIGITS_DEFAULT_S
    uses: int = 1
    assurance: Assurance = Assurance.CLAIMED

    def __post_init__(self) -> None:
        for name, least, most in (
            ("expires_in_s", LEAST_S, MAX_S),
            ("digits_expire_in_s", LEAST_S, DIGITS_MAX_S),
            ("uses", 1, MAX_USES),
        ):
            if not least <= getattr(self, name) <= most:
                raise broken(f"/{name}", f"{name} must be {least} to {most}")
        if self.assurance is Assurance.INFERRED:
            raise broken("/assurance", "assurance must be claimed or verified")
        if self.assurance is Assurance.VERIFIED and self.uses != 1:
            raise broken("/uses", "A code that verifies a handle has a single use")


class CodeForms(Struct, frozen=True, kw_only=True):
    """The code ready to use. `plus_addresses` has one address for each mailbox of the tenant's email
    sources."""

    link_parameter: str
    subject_tag: str
    plus_addresses: list[str]
    text: str
    whatsapp_text: str
    spoken: str


class ContinuityAnswer(CodeView, frozen=True, kw_only=True):
    """A new code. `digits` and `token` are shown only once."""

    digits: str
    digits_grouped: str
    token: str
    forms: CodeForms


class CodesAnswer(Struct, frozen=True, kw_only=True):
    """The continuity codes of a customer, the newest first, without digits and tokens."""

    customer_id: str
    codes: list[CodeView]


async def create(request: web.Request) -> web.Response:
    """`POST /v1/customers/{id}/continuity`: 201 with the code."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    given = await read_json(request, ContinuityInput, optional=True)
    if given.assurance is Assurance.VERIFIED:
        principal.require("links:write")
    if given.channel is not None and given.channel not in site.channels:
        raise broken("/channel", f"There is no channel {given.channel[:40]!r}", "unknown_channel")
    customer = await _customer(request, site, principal)
    require_current(customer, request.match_info["id"])
    wish = CodeWish(
        by=_who(principal),
        conversation_id=given.conversation,
        intended=given.channel,
        valid_for=given.expires_in_s * SECOND,
        digits_valid_for=given.digits_expire_in_s * SECOND,
        max_uses=given.uses,
        assurance=given.assurance,
    )
    issued = await asyncio.shield(issue(site.store, principal.tenant, customer, wish))
    view = code_view(site.store.hashes(principal.tenant), issued.code, issued.code.issued_at)
    token = issued.token
    forms = CodeForms(
        link_parameter=f"{LINK_PARAMETER}={token}",
        subject_tag=subject_tag(token),
        plus_addresses=[plus_address(it, token) for it in _mailboxes(site, principal.tenant)],
        text=f"#H-{token}",
        whatsapp_text=f"I would like to continue our conversation. #H-{token}",
        spoken=spoken(issued.digits),
    )
    shown = {name: getattr(view, name) for name in CodeView.__struct_fields__}
    made = ContinuityAnswer(
        **shown,
        digits=issued.digits,
        digits_grouped=grouped(issued.digits),
        token=token,
        forms=forms,
    )
    return answer(made, status=201)


async def list_(request: web.Request) -> web.Response:
    """`GET /v1/customers/{id}/continuity`."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    customer = await _customer(request, site, principal)
    now, hashes = time.time_ns() // 1000, site.store.hashes(principal.tenant)
    codes = await codes_of(site.store, principal.tenant, customer)
    return answer(CodesAnswer(customer_id=customer.id, codes=[code_view(hashes, it, now) for it in codes]))


async def revoke(request: web.Request) -> web.Response:
    """`DELETE /v1/customers/{id}/continuity/{code}`: no further use; with `undo=true` no earlier one
    either."""
    principal, site = request[PRINCIPAL], request.app[SITE]
    undo = query_flag(request, "undo", default=False)
    if undo:
        principal.require("links:write")
    customer = await _customer(request, site, principal)
    now, store = time.time_ns() // 1000, site.store
    by = Attribution(who=_who(principal), reason="continuity code revoked")
    code_id = request.match_info["code"]
    code = await asyncio.shield(
        revoke_code(store, principal.tenant, customer, code_id, by, undo=undo, now=now)
    )
    return answer(code_view(store.hashes(principal.tenant), code, now))


async def _customer(request: web.Request, site: AppContext, principal: Principal) -> Customer:
    customer = await by_id(site.store, principal.tenant, request.match_info["id"])
    about(request, customer.id)
    await check_customer(site.store, principal, customer.group.members)
    return customer


def _who(principal: Principal) -> str:
    return f"agent:{principal.agent or principal.name}"


def _mailboxes(site: AppContext, tenant: str) -> list[str]:
    """The addresses for which the tenant's email sources take mail."""
    found: dict[str, None] = {}
    for source in site.sources.values():
        if source.tenant == tenant and source.adapter.channel == "email":
            stated = getattr(source.options, "recipients", ())
            found |= dict.fromkeys(it for it in stated if not it.startswith("@"))
    return list(found)[:MAX_MAILBOXES]
