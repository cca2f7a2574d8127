"""The ledger follows stored touchpoints, driven by the relay: none is lost, and any may be repeated."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable

import structlog

from handoff.domain.brief.sections.decided import DECIDING
from handoff.domain.brief.signals import SENT
from handoff.domain.errors import HandoffError, NotFound, Restricted
from handoff.domain.ledger.proof import CHANGING
from handoff.store.errors import StoreError
from handoff.store.repositories.components import read_surroundings
from handoff.store.repositories.tenant.ledger_records import count_watched
from handoff.store.store import Store

from .deciding import confirm_typed
from .settling import LedgerRules, settle

log = structlog.get_logger(__name__)


class LedgerFollower:
    """Settles the customers of touchpoints that may change the ledger."""

    def __init__(self, store: Store, rules: LedgerRules) -> None:
        self._store = store
        self._rules = rules
        self._watching: dict[str, bool] = {}
        self._settled: set[tuple[str, bytes]] = set()
        self._unknown: set[bytes] = set()
        """Identities whose customers have no entries, as of the last `look`."""

    async def look(self, tenants: Iterable[str]) -> None:
        """Find out in which tenants touchpoints of any customer may change an entry; one round trip.

        Called after entries of the outbox are read: a customer who is settled after that needs it once for
        all touchpoints among them.
        """
        self._settled.clear()
        self._unknown.clear()
        names, now = list(tenants), time.time_ns() // 1000
        lists = [self._store.of(it).ledger.watched for it in names]
        counts = await count_watched(self._store.connection, lists, now)
        self._watching |= {it: count != 0 for it, count in zip(names, counts, strict=True)}

    async def look_ahead(self, tenant: str, homes: Collection[bytes]) -> None:
        """Find out which of these identities belong to customers without entries: their touchpoints change
        nothing. Called after `look`; a few round trips for all of them.

        An entry that is opened later needs nothing from here: its worker looks at the touchpoints once more.
        """
        try:
            near = await read_surroundings(self._store.connection, self._store.keys, homes)
            bounded = {home: around for home, around in near.items() if around is not None}
            found = await self._store.of(tenant).ledger.any_of_homes(list(bounded.values()))
        except (HandoffError, StoreError) as error:  # each touchpoint is followed by itself
            log.warning("ledger_look_ahead_failed", error=type(error).__name__)
            return
        self._unknown |= {home for home, known in zip(bounded, found, strict=True) if not known}

    def passes_over(self, home: bytes) -> bool:
        """Whether the customer with this identity has no entries, as of the last `look_ahead`."""
        return home in self._unknown

    def watches(self, tenant: str) -> bool:
        """Whether more than promises and complaints themselves matters, as of the last `look`."""
        return self._watching.get(tenant, True) or tenant in self._rules.agents_confirm

    def concerns(self, tenant: str, home: bytes, type_: str, *, quiet: bool) -> bool:
        """Whether a touchpoint may change the ledger. Imported history opens entries, and proves none alone:
        a promise is looked at again before it counts as broken."""
        if type_ in DECIDING:
            return True
        if quiet or type_ not in CHANGING or not self.watches(tenant):
            return False
        return home not in self._unknown or self._by_policy(tenant, type_)

    def _by_policy(self, tenant: str, type_: str) -> bool:
        return type_ in SENT and tenant in self._rules.agents_confirm

    async def follow(self, tenant: str, place: tuple[bytes, bytes], type_: str, *, quiet: bool) -> None:
        """Settle the customer of a touchpoint that concerns the ledger, at its home and with its id."""
        home = place[0]
        if not self.concerns(tenant, home, type_, quiet=quiet):
            return
        deciding, by_policy = type_ in DECIDING, self._by_policy(tenant, type_)
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
