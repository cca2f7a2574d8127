"""Bank account and national numbers in answers: masked for everybody, and shown only by an audited reveal.

The routes mask every answer that shows personal data, so that a new operation cannot forget it. Contexts are
masked before they are cached, and streams and exports as they are written.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from .app_keys import PRINCIPAL, SITE
from .exchange import JSON

ON_THE_LOOP = 64 * 1024  # bytes: a thread masks longer answers, if they may have a number
SHOWN = web.RequestKey("shown", bool)
"""Set where the answer's body is masked already."""


async def mask_answer(request: web.Request, response: web.StreamResponse) -> None:
    """Mask the numbers in an answer."""
    if not request.app[SITE].store.masking.kinds(request[PRINCIPAL].tenant) or SHOWN in request:
        return
    body = response.body if isinstance(response, web.Response) else None
    if not isinstance(body, bytes) or not body or response.content_type != JSON:
        return
    shown = await masked_json(request, body)
    if shown is not body:
        assert isinstance(response, web.Response)
        response.body = shown


async def masked_json(request: web.Request, raw: bytes) -> bytes:
    """A JSON document for the caller; the same object if it has no number."""
    masking, tenant = request.app[SITE].store.masking, request[PRINCIPAL].tenant
    if not masking.suspects(tenant, raw):
        return raw
    if len(raw) <= ON_THE_LOOP:
        return masking.json(tenant, raw)
    return await asyncio.to_thread(masking.json, tenant, raw)
