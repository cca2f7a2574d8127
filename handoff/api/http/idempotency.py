"""`Idempotency-Key` on creating requests: a retry gets the first response.

A kept response belongs to one credential (docs/adr/0025). Every request, retries included, passes the checks
of token, tenant, and scope before the server looks at the key.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from handoff.codec.records import decode_as
from handoff.domain.errors import Conflict, HandoffError, StoreUnavailable, Unprocessable
from handoff.services.access.authorize import Permission, authorize
from handoff.services.access.customer_access import check_resource
from handoff.services.access.principal import Principal
from handoff.store.repositories.claim_lease import LeaseTimes, renewed
from handoff.store.repositories.expiring import IdempotencyRecords
from handoff.store.store import Store

from .app_keys import PRINCIPAL, SITE, AppContext
from .auditing import about
from .exchange import BODY, IDEMPOTENCY_KEY, read_body

KEEP_S = 7 * 24 * 3600  # longer than clients retry
RELEASING_S = 60  # a store that hangs may run the claim of a failed request this much later
RELEASE_WAIT_S = 0.25  # a failed request waits this long for its key to be released
KEYED_FORMAT = 2  # of the store: older releases compare digests without a secret
MAX_KEY = 255
LEASE = LeaseTimes()


class KeptAnswer(Struct, frozen=True):
    """The response to a key's first request. Its body is sealed, since it may show a secret or a token.

    Status 0 means that the request is still running; `run` identifies it. `scopes` are the caller's.
    """

    request: bytes
    status: int = 0
    body: bytes = b""
    content_type: str = "application/json"
    location: str | None = None
    run: bytes = b""
    scopes: tuple[str, ...] = ()
    limits: bytes = b""
    """The digest of the caller's limits, empty without limits."""


async def answer_once(request: web.Request, handler: Handler, *, duplicates: bool) -> web.StreamResponse:
    """Run a creating request that carries a key and keep its response, or repeat the kept one.

    `duplicates`: running the handler twice would create two resources. NDJSON ignores the key.
    """
    if "ndjson" in request.content_type:
        return await handler(request)
    key, principal = request.headers[IDEMPOTENCY_KEY], request[PRINCIPAL]
    if not 0 < len(key) <= MAX_KEY:
        raise Unprocessable(
            f"An Idempotency-Key has 1 to {MAX_KEY} characters", code="invalid_idempotency_key"
        )
    site = request.app[SITE]
    body = request[BODY] = await read_body(request)
    digests = _digests(site.store, request, principal.tenant, body)
    records = site.store.of(principal.tenant).idempotency
    hashes = site.store.hashes(principal.tenant)
    place = records.place_of(hashes.request("credential", principal.credential.hex(), key))
    seal = site.store.seal(principal.tenant)
    scopes = tuple(sorted(principal.scopes))
    limits = principal.reader.digest
    claim = KeptAnswer(digests[0], run=secrets.token_bytes(8), scopes=scopes, limits=limits)
    running = msgspec.msgpack.encode(claim)
    claimed_at = asyncio.get_running_loop().time()
    try:
        raw = await records.claim(place, running, seconds=LEASE.lease_s)
        first = decode_as(raw, KeptAnswer) if raw is not None else None
        response = None
        if first is None:
            async with renewed(records, place, running, claimed_at, LEASE):
                if duplicates:
                    former = records.place_of(hashes.request(*_older_key_parts(principal), key))
                    await _check_older_release(records, former)
                response = await handler(request)
    except (HandoffError, asyncio.CancelledError):
        releasing = asyncio.create_task(_release(records, place, running))
        await asyncio.wait((releasing,), timeout=RELEASE_WAIT_S)
        raise
    if first is not None:
        await _check_repetition(site, principal, first)
        return _noted(request, _repeat(first, digests, lambda: seal.open(first.body, place)))
    assert response is not None
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        sealed = seal.seal(response.body, place)
        location = response.headers.get("Location")
        status, type_ = response.status, response.content_type
        kept = KeptAnswer(digests[0], status, sealed, type_, location, scopes=scopes, limits=limits)
        with contextlib.suppress(StoreUnavailable):  # the request succeeded all the same
            await records.keep(place, msgspec.msgpack.encode(kept), seconds=KEEP_S)
    return response


def _digests(store: Store, request: web.Request, tenant: str, body: bytes) -> list[bytes]:
    """The digest to keep for a request, then those that its first answer may have been kept with."""
    plain = sha256(request.path_qs.encode(errors="surrogatepass") + b"\0" + body).digest()
    keyed = store.request_digests(tenant, plain)
    return [*keyed, plain] if store.workers.writes(KEYED_FORMAT) else [plain, *keyed]


async def _check_repetition(site: AppContext, principal: Principal, first: KeptAnswer) -> None:
    """Whether the caller may see the kept answer now: its scopes and limits may have changed since."""
    authorize(principal, Permission(scopes=first.scopes, queues=True, customers=True), principal.tenant)
    if principal.reader.limited and first.limits != principal.reader.digest:
        raise Conflict(
            "The token's limits have changed since the first request: look up what it created",
            code="idempotency_key_outdated",
        )
    if first.status and principal.queues is not None:
        await check_resource(site.store, principal, first.location)


class _ShownCustomer(Struct, frozen=True):
    customer_id: str | None = None


def _noted(request: web.Request, repeated: web.Response) -> web.Response:
    """The repeated response, with the customer that it shows in the audit entry: no handler adds it."""
    if isinstance(repeated.body, bytes):
        with contextlib.suppress(msgspec.MsgspecError):
            about(request, msgspec.json.decode(repeated.body, type=_ShownCustomer).customer_id)
    return repeated


def _older_key_parts(principal: Principal) -> tuple[str, ...]:
    """The parts of an earlier release's key: the token's name, which another token may have had."""
    if principal.agent is None:
        return (principal.name,)
    return (principal.name, principal.agent, *sorted(principal.scopes))


async def _check_older_release(records: IdempotencyRecords, place: bytes) -> None:
    """Conflict if an earlier release handled this key: its response may belong to another token."""
    if await records.exists(place):
        raise Conflict(
            "An earlier release handled this Idempotency-Key: look up what the request created, "
            "or send it with a new key",
            code="idempotency_key_outdated",
        )


async def _release(records: IdempotencyRecords, place: bytes, running: bytes) -> None:
    """Release the key of a failed request, so that the client can retry.

    A store that hangs may still run the claim later, so this retries for a while.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RELEASING_S):
            while True:
                try:
                    await records.release(place, running)
                    return
                except StoreUnavailable as error:
                    if error.fields.get("reason") == "closed":
                        return
                    await asyncio.sleep(RELEASE_WAIT_S)


def _repeat(kept: KeptAnswer, digests: Sequence[bytes], body: Callable[[], bytes]) -> web.Response:
    if kept.request not in digests:
        raise Unprocessable(
            "This Idempotency-Key was already used for a different request", code="idempotency_key_reused"
        )
    if kept.status == 0:
        raise Conflict(
            "The first request with this Idempotency-Key is still running", code="idempotency_key_running"
        )
    headers = {"Idempotent-Replayed": "true", "Cache-Control": "no-store"}
    if kept.location:
        headers["Location"] = kept.location
    return web.Response(status=kept.status, body=body(), content_type=kept.content_type, headers=headers)
