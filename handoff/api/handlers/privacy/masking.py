"""Bank account and national numbers in answers: masked for everybody, and shown only by an audited reveal.

The routes mask every answer that shows personal data, so that a new operation cannot forget it. Contexts are
masked before they are cached, and streams and exports as they are written.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from handoff.api.http.app_keys import PRINCIPAL, SITE
from handoff.api.http.auditing import ACCESS, REASON_HEADER
from handoff.api.http.exchange import JSON
from handoff.domain.errors import Conflict, Forbidden, Unprocessable
from handoff.services.access.principal import Audience

PROBLEM = "application/problem+json"
ON_THE_LOOP = 64 * 1024  # bytes: a thread masks longer answers, if they may have a number
SHOWN = web.RequestKey("shown", bool)
"""Set where the answer's body is masked already."""
REVEALED = web.RequestKey("revealed", bool)
"""Set where the caller gets the numbers of this answer."""
AUDIT_OFF = "Numbers are revealed only where an audit trail is kept"


def require_reveal(request: web.Request) -> None:
    """Show the numbers in this answer. The audit entry must have a reason: see `auditing`."""
    principal = request[PRINCIPAL]
    principal.require("privacy:reveal")
    if principal.audience is Audience.CUSTOMER:
        raise Forbidden("Customer-facing tokens reveal nothing", code="limited_token")
    if not request.app[SITE].audit.on:
        raise Conflict(AUDIT_OFF, code="audit_off")
    access = request.get(ACCESS)
    if access is None or not access.reason:
        detail = f"To reveal numbers, state the reason in {REASON_HEADER}"
        raise Unprocessable(detail, code="invalid_parameter", parameter=REASON_HEADER)
    request[REVEALED] = True


async def mask_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Mask the numbers in an answer, or in a problem that has the current state."""
    if PRINCIPAL not in request or not request.app[SITE].store.masking.kinds(request[PRINCIPAL].tenant):
        return
    body = response.body if isinstance(response, web.Response) else None
    media = response.content_type
    if not isinstance(body, bytes) or media not in (JSON, PROBLEM) or (media == JSON and SHOWN in request):
        return
    shown = await masked_json(request, body)
    if shown is not body:
        assert isinstance(response, web.Response)
        response.body = shown


async def masked_json(request: web.Request, raw: bytes) -> bytes:
    """A JSON document for the caller; the same object if it has no number."""
    masking, tenant = request.app[SITE].store.masking, request[PRINCIPAL].tenant
    if REVEALED in request or not masking.suspects(tenant, raw):
        return raw
    if len(raw) <= ON_THE_LOOP:
        return masking.json(tenant, raw)
    return await asyncio.to_thread(masking.json, tenant, raw)
