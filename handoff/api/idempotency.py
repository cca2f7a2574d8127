"""`Idempotency-Key` on creating requests: the first answer is given again, whatever happens between."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from hashlib import sha256

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from handoff.codec.records import decode_as
from handoff.domain.errors import Conflict, HandoffError, StoreUnavailable, Unprocessable
from handoff.store.connection import Connection

from .access import Principal
from .exchange import BODY, IDEMPOTENCY_KEY, read_body
from .keys import SITE, authorized

KEEP_S = 7 * 24 * 3600  # longer than any sensible client retries; hand-offs and touchpoints are safe anyway
RUNNING_S = 60  # a request that died in between blocks its key this long
FREE_S = 0.25  # an answer waits this long for its key to be free again, which takes a sound store no time
MAX_KEY = 255
_CREATING = frozenset({"/v1/touchpoints", "/v1/handoffs", "/v1/callbacks", "/v1/webhooks", "/v1/sessions"})


class Kept(Struct, frozen=True):
    """The answer to a key's first request, its body sealed: it may show a secret or a session's token.

    Status 0 while the request is still running, by whom says `run`.
    """

    request: bytes
    status: int = 0
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None
    run: bytes = b""


def _creates(request: web.Request) -> bool:
    path = request.path
    return request.method == "POST" and (path in _CREATING or path.endswith("/links"))


async def answer_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Keep and repeat the answer of a creating request; it carries a key."""
    key = request.headers[IDEMPOTENCY_KEY]
    if not _creates(request) or "ndjson" in request.content_type:
        return await handler(request)
    if not 0 < len(key) <= MAX_KEY:
        raise Unprocessable(
            f"an Idempotency-Key has 1 to {MAX_KEY} characters", code="invalid_idempotency_key"
        )
    site = request.app[SITE]
    principal = authorized(request)
    body = request[BODY] = await read_body(request)
    digest = sha256(request.path_qs.encode() + b"\0" + body).digest()
    control = site.store.control(principal.tenant)
    place = control.keys.idempotency(site.store.hashes(principal.tenant).request(*_caller(principal), key))
    connection = control.connection
    seal = site.store.seal(principal.tenant)
    running = msgspec.msgpack.encode(Kept(digest, run=secrets.token_bytes(8)))
    try:
        first = await _claim(connection, place, running)
        response = await handler(request) if first is None else None
    except (HandoffError, asyncio.CancelledError):
        freeing = asyncio.create_task(_free(connection, place, running))
        await asyncio.wait((freeing,), timeout=FREE_S)
        raise
    if first is not None:
        return _repeat(first, digest, lambda: seal.open(first.body, place))
    assert response is not None
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        sealed = seal.seal(response.body, place)
        kept = Kept(digest, response.status, sealed, response.content_type, response.headers.get("Location"))
        # What was asked is done: an answer that cannot be kept is still the answer.
        with contextlib.suppress(StoreUnavailable):
            await connection.call(b"SET", place, msgspec.msgpack.encode(kept), b"EX", KEEP_S, key=place)
    return response


def _caller(principal: Principal) -> tuple[str, ...]:
    """Whose keys are one another's: a token's, or an agent's sessions that allow the same."""
    if principal.agent is None:
        return (principal.name,)
    return (principal.name, principal.agent, *sorted(principal.scopes))


async def _claim(connection: Connection, place: bytes, running: bytes) -> Kept | None:
    """None when the key is ours to use from now on, otherwise what its first request left."""
    while await connection.call(b"SET", place, running, b"NX", b"EX", RUNNING_S, key=place) is None:
        raw = await connection.call(b"GET", place, key=place)
        if raw == running:  # the answer to our own SET was lost, and the connection sent it again
            return None
        if raw is not None:
            return decode_as(raw, Kept)
    return None


async def _free(connection: Connection, place: bytes, running: bytes) -> None:
    """Give the key of a request back that came to nothing, so that the same may be sent again.

    A store that hangs does what it was asked when it goes on: it is waited for as long as a claim lasts.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RUNNING_S):
            while True:
                try:
                    if await connection.call(b"GET", place, key=place) == running:
                        await connection.call(b"DEL", place, key=place)
                    return
                except StoreUnavailable as error:
                    if error.fields.get("reason") == "closed":
                        return
                    await asyncio.sleep(FREE_S)


def _repeat(kept: Kept, digest: bytes, body: Callable[[], bytes]) -> web.Response:
    if kept.request != digest:
        raise Unprocessable(
            "this Idempotency-Key was used for another request", code="idempotency_key_reused"
        )
    if kept.status == 0:
        raise Conflict("the first request with this key is still running", code="idempotency_key_running")
    headers = {"Idempotent-Replayed": "true", "Cache-Control": "no-store"}
    if kept.location:
        headers["Location"] = kept.location
    return web.Response(status=kept.status, body=body(), content_type=kept.content_type, headers=headers)
