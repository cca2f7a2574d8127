"""The `[promises]` section of the configuration."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError
from handoff.domain.ledger.proof import with_events

from .settling import LedgerRules


class ProofSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Names of events (`event.tracked`) that prove promises of one kind, in addition to the built-in ones."""

    act: Literal["call", "write", "refund", "send", "visit", "other"]
    events: list[str]
    tenant: str = "default"

    def __post_init__(self) -> None:
        if not self.events:
            raise ValueError(f"promises.proofs: {self.act!r} has no events")


class PromiseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Promises and their proof.

    `agents_confirm` names the tenants where what an agent writes counts as promised without confirmation.
    That of a bot never does.
    """

    agents_confirm: list[str] = field(default_factory=list)
    proofs: list[ProofSettings] = field(default_factory=list)


def ledger_rules(settings: PromiseSettings) -> LedgerRules:
    """The rules of all tenants."""
    rules = LedgerRules(agents_confirm=frozenset(settings.agents_confirm))
    for tenant in {it.tenant for it in settings.proofs}:
        events: dict[str, frozenset[str]] = {}
        for proof in settings.proofs:
            if proof.tenant == tenant:
                names = frozenset(it.casefold() for it in proof.events)
                events[proof.act] = events.get(proof.act, frozenset()) | names
        rules.by_tenant[tenant] = with_events(events)
    return rules


def check_promises(settings: PromiseSettings, tenants: Collection[str]) -> None:
    """ConfigurationError for an unknown tenant: its name is misspelt, and its promises are not confirmed."""
    for tenant in [*settings.agents_confirm, *(it.tenant for it in settings.proofs)]:
        if tenant not in tenants:
            raise ConfigurationError(f"promises names an unknown tenant {tenant!r}")
