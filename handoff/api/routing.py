"""Routes made from the table of operations. Every route checks access before its handler runs."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext, authenticate
from handoff.api.http.exchange import IDEMPOTENCY_KEY
from handoff.api.http.idempotency import answer_once
from handoff.api.http.plain_requests import FastRoute
from handoff.api.operations.operation import Operation
from handoff.services.access.authorize import authorize


def routes(operations: Iterable[Operation]) -> list[web.RouteDef]:
    """One route for each operation, or for each pattern that several operations share.

    ValueError if operations that share a pattern differ in their handler or access.
    """
    found: dict[tuple[str, str], Operation] = {}
    for operation in operations:
        method, path = key = operation.method, operation.route
        first = found.setdefault(key, operation)
        if _behaviour(first) != _behaviour(operation):
            raise ValueError(f"{first.id} and {operation.id} share {method} {path} but behave differently")
    return [_route(it) for it in found.values()]


def _behaviour(operation: Operation) -> tuple[object, ...]:
    return (
        operation.handler,
        operation.public,
        operation.permission,
        operation.creating,
        operation.duplicates,
        operation.streamed,
    )


def _route(operation: Operation) -> web.RouteDef:
    if operation.method == "GET":
        # A stream has no HEAD: the server would have to produce it to know its headers.
        return web.get(operation.route, guarded(operation), allow_head=not operation.streamed)
    return web.route(operation.method, operation.route, guarded(operation))


def guarded(operation: Operation) -> Handler:
    """The operation's handler behind its access checks and its Idempotency-Key."""
    handler, permission = operation.handler, operation.permission
    creating, duplicates = operation.creating, operation.duplicates
    fair = operation.reads
    if operation.public:
        return handler

    async def handle(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        principal = request[PRINCIPAL] = await authenticate(request, site)
        authorize(principal, permission, principal.tenant)
        site.rates.admit_caller(principal.tenant, principal.credential)
        if creating and IDEMPOTENCY_KEY in request.headers:
            return await answer_once(request, handler, duplicates=duplicates)
        if fair:
            async with site.turns.turn(principal.tenant):
                return await handler(request)
        return await handler(request)

    return handle


def fast_routes(operations: Iterable[Operation], site: AppContext) -> dict[bytes, FastRoute]:
    """The fast path's routes, by path, with the scopes of their operations."""
    found: dict[bytes, FastRoute] = {}
    for operation in operations:
        if operation.fast_routes is not None:
            found |= operation.fast_routes(site, operation.scopes)
    return found
