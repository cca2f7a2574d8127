"""The audit trail of requests: one entry for each, written before its data leaves.

The routes call `audited` for every operation that shows or changes personal data. Handlers add whom the
data is about with `about`. A handler that streams calls `write_entry` before its first byte.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from handoff.domain.errors import AuditUnavailable, HandoffError, RateLimited, Unprocessable
from handoff.domain.identity import Identity
from handoff.services.audit.entry import (
    MAX_REASON,
    AuditEntry,
    AuditIdentity,
    audit_identities,
    credential_of,
    customer_ids,
)

from .app_keys import PRINCIPAL, SITE
from .request_ids import REQUEST_ID

REASON_HEADER = "Handoff-Reason"
FAULT = "internal"  # the problem's code
MADE = (
    "The audit trail cannot be written, so the answer is withheld. The requested changes were made: "
    "repeat the request with its Idempotency-Key, or look it up"
)
_READING = frozenset({"GET", "HEAD"})
_OUTCOMES = {304: "not_modified"}
_ID = re.compile(r"[a-z]{2}_[A-Za-z0-9_-]{1,100}|current")
_NAMED = frozenset({"agent", "queue", "quarantine", "key"})
"""Kinds of resources with names that others choose. Other ids are the server's own."""
MAX_NAMED = 200


class AuditedAccess(Struct, eq=False):
    """The access of one request, until its entry is written."""

    action: str
    resource: str
    reason: str | None
    customers: dict[str, None]
    identities: tuple[AuditIdentity, ...] = ()
    written: bool = False


ACCESS = web.RequestKey("audit", AuditedAccess)


def about(request: web.Request, *customers: str | None) -> None:
    """Add the ids of customers whose data the request shows or changes."""
    access = request.get(ACCESS)
    if access is not None:
        access.customers.update((it, None) for it in customers if it)


def about_homes(request: web.Request, homes: Iterable[bytes]) -> None:
    """The same by the hashes of identities."""
    if ACCESS in request:
        about(request, *customer_ids(request.app[SITE].store.hashes(request[PRINCIPAL].tenant), homes))


def concerns(request: web.Request, ids: Sequence[str]) -> None:
    """Name the resources that the body selects, by the server's own ids."""
    access = request.get(ACCESS)
    if access is not None and ids:
        access.resource = f"{access.resource}:{','.join(ids)}"


def state_reason(request: web.Request, reason: str) -> None:
    """Set the purpose of the access, where the body states it."""
    access = request.get(ACCESS)
    if access is not None:
        access.reason = reason


def sought(request: web.Request, identities: Iterable[Identity]) -> None:
    """Add the identities that the request looks up, in their masked form."""
    access = request.get(ACCESS)
    if access is not None:
        hashes = request.app[SITE].store.hashes(request[PRINCIPAL].tenant)
        access.identities = audit_identities(hashes, identities)


async def audited(
    request: web.Request,
    action: str,
    resource: str,
    run: Handler,
) -> web.StreamResponse:
    """Run a handler, and write the entry of the request before the response leaves.

    AuditUnavailable if the entry cannot be written, before the handler runs where that is known already.
    If it only turns out afterwards, the answer is withheld, and the problem states that changes were made.
    """
    trail = request.app[SITE].audit
    if not trail.on:
        return await run(request)
    trail.require_writable()
    access = request[ACCESS] = AuditedAccess(action, _resource(request, resource), _reason(request), {})
    try:
        response = await run(request)
    except (RateLimited, AuditUnavailable):
        raise
    except HandoffError as error:
        if not access.written:
            await write_entry(request, error.problem_code)
        raise
    except Exception:  # a fault of ours, perhaps after the change
        if not access.written:
            with contextlib.suppress(AuditUnavailable):
                await write_entry(request, FAULT)
        raise
    if not access.written:
        try:
            await write_entry(request, _OUTCOMES.get(response.status, "ok"))
        except AuditUnavailable as error:
            if request.method in _READING:
                raise
            raise AuditUnavailable(MADE) from error
    return response


async def write_entry(request: web.Request, outcome: str = "ok", access: AuditedAccess | None = None) -> None:
    """Write the request's entry now. AuditUnavailable if that fails. A second call writes a second entry.

    `access` is a part of the request with an entry of its own.
    """
    access = access or request.get(ACCESS)
    if access is None:
        return
    principal, site = request[PRINCIPAL], request.app[SITE]
    entry = AuditEntry(
        tenant=principal.tenant,
        action=access.action,
        outcome=outcome,
        token=principal.name,
        via=credential_of(principal, site.store.hashes(principal.tenant)),
        agent=principal.agent,
        resource=access.resource,
        customers=tuple(access.customers),
        identities=access.identities,
        request_id=REQUEST_ID.get(),
        reason=access.reason,
    )
    await site.audit.record(entry)
    access.written = True


async def write_about(
    request: web.Request,
    customers: Iterable[str],
    outcome: str = "ok",
    access: AuditedAccess | None = None,
) -> None:
    """Write an entry that is about these customers too."""
    access = access or request.get(ACCESS)
    if access is not None:
        access.customers.update(dict.fromkeys(customers))
        await write_entry(request, outcome, access)


def part(request: web.Request, kind: str, named: str) -> AuditedAccess | None:
    """A part of a request that shows several resources: each gets an entry of its own. None without audit."""
    whole = request.get(ACCESS)
    if whole is None:
        return None
    return AuditedAccess(whole.action, _named(kind, named) if named else kind, whole.reason, {})


def parts_done(request: web.Request, refused: AuditedAccess | None = None) -> None:
    """Every part has its entry, so the request needs none. If a part was `refused`, the entry is about it."""
    whole = request.get(ACCESS)
    if whole is not None and refused is not None:
        whole.resource = refused.resource
    elif whole is not None:
        whole.written = True


def _resource(request: web.Request, kind: str) -> str:
    """The resource that the path names. An id that is not one of ours may be anything, so it is left out."""
    named = request.match_info.get("id") or request.match_info.get("name")
    return _named(kind, named) if named else kind


def _named(kind: str, named: str) -> str:
    known = named[:MAX_NAMED].isprintable() if kind in _NAMED else _ID.fullmatch(named)
    return f"{kind}:{named[:MAX_NAMED]}" if known else f"{kind}:?"


def _reason(request: web.Request) -> str | None:
    """The purpose that the caller states. It stays when the customer is erased: a ticket, not a story."""
    reason = request.headers.get(REASON_HEADER)
    if reason is not None and (len(reason) > MAX_REASON or not reason.isprintable()):
        raise Unprocessable(
            f"{REASON_HEADER} has at most {MAX_REASON} printable characters", code="invalid_parameter"
        )
    if not reason:
        return None
    return request.app[SITE].store.redaction.text(reason, "request", request[PRINCIPAL].tenant)
