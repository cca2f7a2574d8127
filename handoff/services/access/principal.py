"""The caller of a request, whatever credential it used."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.errors import Forbidden
from handoff.domain.identity import Assurance

from .reader import ACCESS_AFTER_S, EVERYTHING, Reader

SCOPES = frozenset(
    {
        "touchpoints:write",
        "context:read",
        "handoffs:read",
        "handoffs:write",
        "links:write",
        "callbacks:write",
        "webhooks:write",
        "privacy:write",
        "privacy:reveal",
        "audit:read",
        "operate",
        "admin",
    }
)
IMPLIED = {"handoffs:write": "handoffs:read"}
"""Scopes that include another scope: callers who may change handoffs may read them."""


def unknown_scopes(names: Iterable[str]) -> str:
    """The message for scopes that do not exist."""
    return f"Unknown scopes: {', '.join(sorted(names))}; allowed: {', '.join(sorted(SCOPES))}"


class Audience(StrEnum):
    """The readers of what a caller gets: our own people, or customers."""

    AGENT = "agent"
    CUSTOMER = "customer"


Role = Literal["agent", "lead"]
"""A lead may end other agents' handoffs."""


class Principal(Struct, frozen=True, kw_only=True):
    """The caller and its tenant.

    `credential` identifies the token itself; `name` is for humans and may be reused. `queues` is None for a
    caller that is not limited to queues. Streams end at `expires_at`.
    """

    name: str
    credential: bytes
    tenant: str
    scopes: frozenset[str]
    min_assurance: Assurance
    agent: str | None = None
    audience: Audience = Audience.AGENT
    queues: frozenset[str] | None = None
    role: Role = "agent"
    access_after_s: int = ACCESS_AFTER_S
    expires_at: Micros | None = None

    @property
    def admin(self) -> bool:
        return "admin" in self.scopes

    @property
    def reader(self) -> Reader:
        """The limits of what this caller may see."""
        internal = self.audience is not Audience.CUSTOMER
        if internal and self.queues is None:
            return EVERYTHING
        return Reader(
            internal=internal,
            queues=self.queues,
            access_after_s=self.access_after_s,
            agent=self.agent if self.queues is not None else None,
            name=None if internal else self.agent or self.name,
        )

    def has(self, scope: str) -> bool:
        return scope in self.scopes or self.admin or any(IMPLIED.get(it) == scope for it in self.scopes)

    def require(self, scope: str) -> None:
        """Forbidden unless the token has the scope, or `admin`. The error names the scope."""
        if not self.has(scope):
            raise Forbidden(f"Needs the scope {scope}", code="missing_scope", scope=scope)
