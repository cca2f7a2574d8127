"""One tenant's part of the store: everything that services read and write for it, made once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.sealing import Seal

from .connection import Connection
from .functions.library import Functions
from .keys import Keys
from .repositories.components import People
from .repositories.control import Change, Control
from .repositories.deliveries import Deliveries
from .repositories.expiring import IdempotencyRecords, SessionRecords
from .repositories.outbox import ControlOutbox
from .repositories.tenant.callback_records import CallbackRecords
from .repositories.tenant.continuity_records import ContinuityRecords
from .repositories.tenant.control_sweep import ControlSweep
from .repositories.tenant.erasure_records import ErasureRecords
from .repositories.tenant.handoff_records import HandoffRecords
from .repositories.tenant.ledger_records import LedgerRecords
from .repositories.tenant.poll_records import PollRecords
from .repositories.tenant.quarantine_records import QuarantineRecords
from .repositories.tenant.source_records import SourceRecords
from .repositories.tenant.subscription_records import SubscriptionRecords
from .sealing.sealing import Sealing


class TenantStore:
    """The repositories of one tenant. Get it with `Store.of`.

    `hashes` makes the tenant's keyed hashes and public ids. `seal` encrypts its secrets: with the tenant's
    key if the store is sealed, else with the first secret, opening with any of them.
    """

    def __init__(
        self,
        tenant: str,
        connection: Connection,
        functions: Functions,
        keys: Keys,
        *,
        pepper: bytes,
        secrets: Sequence[bytes],
        sealing: Sealing | None = None,
    ) -> None:
        self.tenant = tenant
        self.hashes = KeyedHash(pepper, tenant)
        self.control = Control(connection, functions, tenant, sealing)
        self._connection = connection
        self._functions = functions
        self._keys = keys
        self._secrets = secrets
        self._sealing = sealing

    async def commit(self, change: Change) -> None:
        """Apply what repositories added to a change. Changed when another writer was first; then nothing
        happened."""
        await self.control.commit(change)

    async def clock(self) -> int:
        """The store's clock in µs; one round trip."""
        return await self.control.clock()

    @cached_property
    def seal(self) -> Seal:
        """StoreUnavailable (`keys_unavailable`) if the tenant's key was not read."""
        if self._sealing is None:
            return Seal(self._secrets, self.tenant)
        return Seal([self._sealing.tenant_key(self.tenant).secret, *self._secrets], self.tenant)

    @cached_property
    def deliveries(self) -> Deliveries:
        """The queues of the tenant's webhook subscriptions."""
        return Deliveries(self._connection, self._functions, self.tenant, seal=self.control.seal)

    @cached_property
    def handoffs(self) -> HandoffRecords:
        """Handoffs with their chains, lists, timers, and snapshots."""
        return HandoffRecords(self.control)

    @cached_property
    def callbacks(self) -> CallbackRecords:
        return CallbackRecords(self.control)

    @cached_property
    def continuity(self) -> ContinuityRecords:
        """Continuity codes."""
        return ContinuityRecords(self.control, self._connection)

    @cached_property
    def ledger(self) -> LedgerRecords:
        """Promises and complaints."""
        return LedgerRecords(self.control)

    @cached_property
    def subscriptions(self) -> SubscriptionRecords:
        """Webhook subscriptions; `deliveries` has their queues."""
        return SubscriptionRecords(self.control)

    @cached_property
    def sessions(self) -> SessionRecords:
        return SessionRecords(self._connection, self.control.keys)

    @cached_property
    def idempotency(self) -> IdempotencyRecords:
        return IdempotencyRecords(self._connection, self.control.keys)

    @cached_property
    def quarantine(self) -> QuarantineRecords:
        return QuarantineRecords(self._functions, self.control)

    @cached_property
    def erasures(self) -> ErasureRecords:
        return ErasureRecords(self.control)

    @cached_property
    def sweeping(self) -> ControlSweep:
        """Everything in the control partition, for jobs that must look at all of it."""
        return ControlSweep(self._connection, self.control.keys, self.control.seal)

    @cached_property
    def sources(self) -> SourceRecords:
        return SourceRecords(self._connection, self.control.keys)

    @cached_property
    def polls(self) -> PollRecords:
        """The cursors, leases, and access tokens of fetched sources."""
        return PollRecords(self._connection, self._functions, self.control)

    @cached_property
    def outbox(self) -> ControlOutbox:
        """The outbox of the tenant's control partition."""
        return ControlOutbox(self._connection, self.control.keys, self.control.seal)

    @cached_property
    def people(self) -> People:
        """The records of the tenant's identities."""
        return People(self._connection, self._functions, self._keys, self.tenant)
