"""The ledger follows stored touchpoints, driven by the relay: none is lost, and any may be repeated."""

from __future__ import annotations

import time
from collections.abc import Iterable

from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.brief.signals import SENT
from handoff.domain.errors import NotFound, Restricted
from handoff.domain.ledger.proof import CHANGING
from handoff.store.repositories.tenant.ledger_records import count_watched
from handoff.store.store import Store

from .deciding import confirm_typed
from .settling import LedgerRules, settle


class LedgerFollower:
    """Settles the customers of touchpoints that may change the ledger."""

    def __init__(self, store: Store, rules: LedgerRules) -> None:
        self._store = store
        self._rules = rules
        self._watching: dict[str, bool] = {}
        self._settled: set[tuple[str, bytes]] = set()

    async def look(self, tenants: Iterable[str]) -> None:
        """Find out in which tenants touchpoints of any customer may change an entry; one round trip.

        Called after entries of the outbox are read: a customer who is settled after that needs it once for
        all touchpoints among them.
        """
        self._settled.clear()
        names, now = list(tenants), time.time_ns() // 1000
        lists = [self._store.of(it).ledger.watched for it in names]
        counts = await count_watched(self._store.connection, lists, now)
        self._watching |= {it: count != 0 for it, count in zip(names, counts, strict=True)}

    def watches(self, tenant: str) -> bool:
        """Whether more than promises and complaints themselves matters, as of the last `look`."""
        return self._watching.get(tenant, True) or tenant in self._rules.agents_confirm

    def concerns(self, tenant: str, type_: str, *, quiet: bool) -> bool:
        """Whether a touchpoint may change the ledger. Imported history opens entries, and proves none alone:
        a promise is looked at again before it counts as broken."""
        return type_ in DECIDING or (not quiet and type_ in CHANGING and self.watches(tenant))

    async def follow(self, tenant: str, place: tuple[bytes, bytes], type_: str, *, quiet: bool) -> None:
        """Settle the customer of a touchpoint that concerns the ledger, at its home and with its id."""
        if not self.concerns(tenant, type_, quiet=quiet):
            return
        deciding, home = type_ in DECIDING, place[0]
        by_policy = type_ in SENT and tenant in self._rules.agents_confirm
        if not deciding and not by_policy and (tenant, home) in self._settled:
            return
        try:
            if by_policy:
                await confirm_typed(self._store, tenant, place, self._rules)
            await settle(
                self._store, tenant, home, self._rules, quiet=quiet and deciding, known_only=not deciding
            )
        except (NotFound, Restricted):  # erased in the meantime, or not to be worked with
            return
        self._settled.add((tenant, home))
