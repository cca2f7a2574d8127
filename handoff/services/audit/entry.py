"""One entry of the audit trail: who did what to whose data, and with which result.

An entry has no words of customers or about them. It names customers by their ids, which are keyed hashes, and
the identities of look-ups by the same ids and in a masked form.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from msgspec import Struct

from handoff.codec.keyed_hash import CUSTOMER, KeyedHash
from handoff.domain.identity import Identity
from handoff.services.access import api_keys, sessions
from handoff.services.access.principal import Principal

MAX_REASON = 200  # characters of `Handoff-Reason`: a ticket, not a story


class AuditIdentity(Struct, frozen=True):
    """An identity of a look-up: the id of its customer by itself, and its masked form."""

    id: str
    masked: str


class AuditEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One access.

    `action` is the operation's id; `resource` what the request names, as `kind:id`. `customers` are the
    customers whose data was shown or changed. `outcome` is `ok`, `not_modified`, or a problem code. `via` is
    the credential: `token`, `key:ID`, `session:ID`, or `issuer`; `token` is its name.
    """

    tenant: str
    action: str
    outcome: str
    token: str = ""
    via: str = ""
    agent: str | None = None
    resource: str = ""
    customers: tuple[str, ...] = ()
    identities: tuple[AuditIdentity, ...] = ()
    request_id: str = ""
    reason: str | None = None


def masked(identity: Identity) -> str:
    """Enough to recognise an identity, and too little to use it: `email:a…@example.com`, `phone:…567`."""
    value = identity.value
    if identity.type == "phone":
        shown = f"…{value[-3:]}" if len(value) > 6 else "…"
    elif identity.type == "email" and "@" in value:
        local, _, domain = value.rpartition("@")
        shown = f"{local[:1]}…@{domain}"
    else:
        shown = f"{value[:1]}…"
    space = f"@{identity.space}" if identity.space else ""
    return f"{identity.type}{space}:{shown}"


def customer_ids(hashes: KeyedHash, homes: Iterable[bytes]) -> tuple[str, ...]:
    """The ids of the customers with these homes, each once."""
    return tuple(dict.fromkeys(hashes.public(CUSTOMER, home) for home in homes))


def audit_identities(hashes: KeyedHash, identities: Iterable[Identity]) -> tuple[AuditIdentity, ...]:
    return tuple(AuditIdentity(hashes.public(CUSTOMER, hashes.identity(it)), masked(it)) for it in identities)


def credential_of(principal: Principal, hashes: KeyedHash) -> str:
    """The kind of a caller's credential and, where it has one, its public id."""
    credential = principal.credential
    if credential.startswith(sessions.CREDENTIAL):
        id_ = credential.removeprefix(sessions.CREDENTIAL)
        return f"session:{sessions.public_session(hashes, id_)}"
    if credential.startswith(b"token"):
        return "token"
    if credential.startswith(api_keys.CREDENTIAL):
        return f"key:{credential.removeprefix(api_keys.CREDENTIAL).decode()}"
    return "issuer"


def micros_now() -> int:
    return time.time_ns() // 1000
