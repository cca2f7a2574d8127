"""Conversations as vCons."""

from __future__ import annotations

from aiohttp import web

from handoff.services.vcon import export_conversation

from .exchange import answer, bad_parameter, read_assurance
from .keys import SITE, authorized


async def conversation(request: web.Request) -> web.Response:
    """`GET /v1/conversations/{id}/vcon`; `?internal=true` with the notes."""
    principal = authorized(request, "context:read")
    internal = request.query.get("internal", "false")
    if internal not in ("true", "false"):
        raise bad_parameter("internal", "internal is true or false")
    least = read_assurance(request.query.get("min_assurance"), principal.min_assurance)
    exported = await export_conversation(
        request.app[SITE].store,
        principal.tenant,
        request.match_info["id"],
        internal=internal == "true",
        min_assurance=least,
    )
    return answer(exported)
