"""`Idempotency-Key` on creating requests: a retry gets the first answer, whatever happens in between.

A kept answer belongs to one credential (docs/adr/0025). Each request, the retry too, passes the checks of
authentication, tenant and scope before the key is looked at.
"""

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
from handoff.store.resp.connection import Connection

from .access import Principal
from .app_keys import PRINCIPAL, SITE
from .exchange import BODY, IDEMPOTENCY_KEY, read_body

KEEP_S = 7 * 24 * 3600  # longer than any sensible client retries; hand-offs and touchpoints are safe anyway
RUNNING_S = 60  # a request that died in between blocks its key this long
FREE_S = 0.25  # an answer waits this long for its key to be free again, which takes a sound store no time
MAX_KEY = 255


class KeptAnswer(Struct, frozen=True):
    """The answer to a key's first request, its body sealed: it may show a secret or a session's token.

    Status 0 while the request is still running, by whom says `run`. `scopes` are those that the caller had.
    """

    request: bytes
    status: int = 0
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None
    run: bytes = b""
    scopes: tuple[str, ...] = ()


async def answer_once(request: web.Request, handler: Handler, *, duplicates: bool) -> web.StreamResponse:
    """Keep the answer of a creating request that carries a key, or repeat the kept one.

    `duplicates`: running the handler twice would create two resources. NDJSON ignores the key.
    """
    if "ndjson" in request.content_type:
        return await handler(request)
    key, principal = request.headers[IDEMPOTENCY_KEY], request[PRINCIPAL]
    if not 0 < len(key) <= MAX_KEY:
        raise Unprocessable(
            f"an Idempotency-Key has 1 to {MAX_KEY} characters", code="invalid_idempotency_key"
        )
    site = request.app[SITE]
    body = request[BODY] = await read_body(request)
    digest = sha256(request.path_qs.encode(errors="surrogatepass") + b"\0" + body).digest()
    control = site.store.control(principal.tenant)
    hashes = site.store.hashes(principal.tenant)
    place = control.keys.idempotency(hashes.request("credential", principal.credential.hex(), key))
    connection = control.connection
    seal = site.store.seal(principal.tenant)
    scopes = tuple(sorted(principal.scopes))
    running = msgspec.msgpack.encode(KeptAnswer(digest, run=secrets.token_bytes(8), scopes=scopes))
    try:
        first = await _claim(connection, place, running)
        if first is None and duplicates:
            await _refuse_older(connection, control.keys.idempotency(hashes.request(*_older(principal), key)))
        response = await handler(request) if first is None else None
    except (HandoffError, asyncio.CancelledError):
        freeing = asyncio.create_task(_free(connection, place, running))
        await asyncio.wait((freeing,), timeout=FREE_S)
        raise
    if first is not None:
        for scope in first.scopes:
            principal.require(scope)
        return _repeat(first, digest, lambda: seal.open(first.body, place))
    assert response is not None
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        sealed = seal.seal(response.body, place)
        location = response.headers.get("Location")
        kept = KeptAnswer(digest, response.status, sealed, response.content_type, location, scopes=scopes)
        # What was asked is done: an answer that cannot be kept is still the answer.
        with contextlib.suppress(StoreUnavailable):
            await connection.call(b"SET", place, msgspec.msgpack.encode(kept), b"EX", KEEP_S, key=place)
    return response


def _older(principal: Principal) -> tuple[str, ...]:
    """What earlier releases kept answers by: the token's name, which others may have had as well."""
    if principal.agent is None:
        return (principal.name,)
    return (principal.name, principal.agent, *sorted(principal.scopes))


async def _refuse_older(connection: Connection, place: bytes) -> None:
    """Conflict where an earlier release answered this key: whose answer that is cannot be told any more."""
    if await connection.call(b"EXISTS", place, key=place):
        raise Conflict(
            "an earlier release answered this Idempotency-Key: look up what the request made, "
            "or send it with a new key",
            code="idempotency_key_outdated",
        )


async def _claim(connection: Connection, place: bytes, running: bytes) -> KeptAnswer | None:
    """None when the key is ours to use from now on, otherwise what its first request left."""
    while await connection.call(b"SET", place, running, b"NX", b"EX", RUNNING_S, key=place) is None:
        raw = await connection.call(b"GET", place, key=place)
        if raw == running:  # the answer to our own SET was lost, and the connection sent it again
            return None
        if raw is not None:
            return decode_as(raw, KeptAnswer)
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


def _repeat(kept: KeptAnswer, digest: bytes, body: Callable[[], bytes]) -> web.Response:
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
