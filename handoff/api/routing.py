"""Routes made from the table of operations. Every route checks access before its handler runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler

from handoff.api.handlers.privacy.masking import mask_answer
from handoff.api.http.app_keys import PRINCIPAL, SITE, AppContext, authenticate
from handoff.api.http.auditing import audited
from handoff.api.http.exchange import IDEMPOTENCY_KEY
from handoff.api.http.idempotency import answer_once
from handoff.api.http.plain_requests import FastRoute
from handoff.api.operations.operation import Audited, NotAudited, Operation
from handoff.services.access.authorize import authorize
from handoff.store.errors import unavailable


def routes(operations: Iterable[Operation]) -> list[web.RouteDef]:
    """One route for each operation, or for each pattern that several operations share.

    ValueError if operations that share a pattern differ in their handler or access.
    """
    found: dict[tuple[str, str], Operation] = {}
    ids: dict[tuple[str, str], dict[str, str]] = {}
    for operation in operations:
        method, path = key = operation.method, operation.route
        first = found.setdefault(key, operation)
        if _behaviour(first) != _behaviour(operation):
            raise ValueError(f"{first.id} and {operation.id} share {method} {path} but behave differently")
        ids.setdefault(key, {})[operation.path.rpartition("/")[2]] = operation.id
    return [_route(it, ids[key]) for key, it in found.items()]


def _behaviour(operation: Operation) -> tuple[object, ...]:
    return (
        operation.handler,
        operation.public,
        operation.permission,
        operation.creating,
        operation.duplicates,
        operation.streamed,
        operation.audit,
        operation.reveals,
    )


def _route(operation: Operation, ids: Mapping[str, str]) -> web.RouteDef:
    if operation.method == "GET":
        # A stream has no HEAD: the server would have to produce it to know its headers.
        return web.get(operation.route, guarded(operation, ids), allow_head=not operation.streamed)
    return web.route(operation.method, operation.route, guarded(operation, ids))


def guarded(operation: Operation, ids: Mapping[str, str]) -> Handler:
    """The operation's handler behind its access checks, its audit entry, and its Idempotency-Key.

    `ids` has the ids of the operations that share its pattern, by the last segment of their paths.
    """
    handler, permission = operation.handler, operation.permission
    creating, duplicates = operation.creating, operation.duplicates
    fair = operation.reads
    if operation.public:
        return handler

    async def permitted(request: web.Request) -> web.StreamResponse:
        site, principal = request.app[SITE], request[PRINCIPAL]
        authorize(principal, permission, principal.tenant)
        if site.store.unreadable is not None:
            raise unavailable(site.store.unreadable)
        site.rates.admit_caller(principal.tenant, principal.credential)
        if creating and IDEMPOTENCY_KEY in request.headers:
            return await answer_once(request, handler, duplicates=duplicates)
        if fair:
            async with site.turns.turn(principal.tenant):
                return await handler(request)
        return await handler(request)

    if isinstance(operation.audit, NotAudited):
        return _authenticated(permitted)
    resource = operation.audit.resource if isinstance(operation.audit, Audited) else "undeclared"

    async def shown(request: web.Request) -> web.StreamResponse:
        response = await permitted(request)
        await mask_answer(request, response)
        return response

    answering = permitted if operation.reveals else shown

    async def recorded(request: web.Request) -> web.StreamResponse:
        action = ids.get(request.path.rpartition("/")[2], operation.id)
        return await audited(request, action, resource, answering)

    return _authenticated(recorded)


def _authenticated(handler: Handler) -> Handler:
    """The handler for callers with a valid credential."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[PRINCIPAL] = await authenticate(request, request.app[SITE])
        return await handler(request)

    return handle


def fast_routes(operations: Iterable[Operation], site: AppContext) -> dict[bytes, FastRoute]:
    """The fast path's routes, by path, with the scopes of their operations."""
    found: dict[bytes, FastRoute] = {}
    for operation in operations:
        if operation.fast_routes is not None:
            found |= operation.fast_routes(site, operation.scopes)
    return found
