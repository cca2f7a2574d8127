"""After an error of the store: outcomes that could not be stored, and claims that nobody works on.

The worker lives, so nobody else releases its claims, and their leases are long. As soon as the store
answers again, the worker stores the outcomes that it knows and returns the other claims to their queues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog

from handoff.store.repositories.deliveries import Claimed, Settlement
from handoff.store.store import Store

ROUNDS = 2  # a claim that the store executes late, after the call failed, is found by the second one

log = structlog.get_logger(__name__)


class Recovery:
    """`in_flight` gives the claims that the worker works on; `settled` gets each outcome that is stored."""

    def __init__(
        self,
        store: Store,
        worker: str,
        in_flight: Callable[[str], Iterable[Claimed]],
        settled: Callable[[str, Claimed, Settlement], None],
    ) -> None:
        self._store = store
        self._worker = worker
        self._in_flight = in_flight
        self._settled = settled
        self._rounds: dict[str, int] = {}
        self._outcomes: dict[str, list[tuple[Claimed, Settlement]]] = {}

    def interrupted(self, tenant: str) -> None:
        """The store failed while the tenant's deliveries were claimed, sent or settled."""
        self._rounds[tenant] = ROUNDS

    def keep(self, tenant: str, claimed: Claimed, outcome: Settlement) -> None:
        """Store this outcome when the store answers again."""
        self._outcomes.setdefault(tenant, []).append((claimed, outcome))
        self.interrupted(tenant)

    async def recover(self, tenant: str) -> None:
        """Store what was kept and return what was cut short. StoreUnavailable if it is too early."""
        if not self._rounds.get(tenant):
            return
        queue, outcomes = self._store.deliveries(tenant), self._outcomes.get(tenant, [])
        while outcomes:
            claimed, outcome = outcomes[0]
            await queue.settle(claimed, outcome)
            outcomes.pop(0)
            self._settled(tenant, claimed, outcome)
        held = [(it.subscription, it.event) for it in self._in_flight(tenant)]
        returned = await queue.give_back(self._worker, held)
        self._rounds[tenant] -= 1
        if returned:
            log.info("webhook_claims_returned", tenant=tenant, messages=returned)
