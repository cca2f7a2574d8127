"""The steps of an erasure. Each may be repeated, by any worker; the job's record has the next one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import msgspec
import structlog

from handoff.codec.keyed_hash import CUSTOMER, HANDOFF, KeyedHash
from handoff.domain.clock import Micros, format_time
from handoff.domain.errors import Conflict, HandoffError, NotFound, StoreUnavailable
from handoff.domain.handoff import Action, Handoff
from handoff.services.audit.entry import AuditEntry, customer_ids
from handoff.services.audit.settings import AuditSettings
from handoff.services.audit.trail import AuditTrail
from handoff.services.callbacks.callback import OPEN, Callback, read_callback, writing
from handoff.services.continuity.undoing import forget_codes
from handoff.services.events.payloads import CustomerErased
from handoff.services.events.publishing import Event, encode_event
from handoff.services.handoffs.chains import read_chain
from handoff.services.handoffs.lifecycle import HandoffMove, Handoffs
from handoff.services.handoffs.records import read_handoff, read_of_homes
from handoff.services.ledger.entries import entries_of, forget_entry, without_touchpoint
from handoff.store.repositories.claim_lease import LeaseTimes, renewed
from handoff.store.repositories.control import Change, Changed, decode_record
from handoff.store.repositories.tenant.listed import read_each
from handoff.store.store import Store

from .elsewhere import Elsewhere
from .erasure import STEPS, Erasure, bury, drop_checkpoints, people_of
from .sweeping import ERASED, Sweep
from .traces import Traces

BY = "erasure"
PAGE = 500  # callbacks that are looked through at once
SWEEPS = 20  # until one finds nothing; messages that were on their way may follow the first

LEASE = LeaseTimes()

log = structlog.get_logger(__name__)


class Eraser:
    """Does the open jobs of some tenants, one step after the other."""

    def __init__(
        self,
        store: Store,
        handoffs: Handoffs,
        tenants: Iterable[str],
        checkpoint: Callable[[str], Awaitable[None]] | None = None,
        trail: AuditTrail | None = None,
    ) -> None:
        """`checkpoint` is called between writes of a job; what it raises ends the job's run, as a crash does.
        `trail` gets an entry of each job that is completed."""
        self._store = store
        self._checkpoint = checkpoint or _go_on
        self._handoffs = handoffs
        self._elsewhere = Elsewhere(store, self._checkpoint)
        self._trail = trail or AuditTrail(AuditSettings(), None)
        self._tenants = tenants
        self._steps: dict[str, Callable[[Erasure, bytes], Awaitable[Erasure]]] = {
            "bury": self._bury,
            "handoffs": self._end_handoffs,
            "callbacks": self._end_callbacks,
            "others": self._forget_elsewhere,
            "keys": self._destroy_keys,
            "clear": self._clear,
            "sweep": self._sweep,
            "verify": self._verify,
        }

    async def run_open(self) -> int:
        """Do the open jobs of all tenants to their end; the number of those that were completed.

        A job that fails is tried again the next time, and the others do not wait for it.
        """
        completed, tenants = 0, list(self._tenants)
        unfinished = [self._store.of(it).erasures.unfinished for it in tenants]
        for tenant, jobs in zip(tenants, await read_each(self._store.connection, unfinished), strict=True):
            for job in jobs:
                try:
                    completed += await self.run(tenant, job)
                except HandoffError as error:
                    log.warning("background_failed", work="erasure", code=error.problem_code)
                except Exception:  # whatever it is must not stop other erasures
                    log.exception("erasing_failed")
        return completed

    async def run(self, tenant: str, job: bytes) -> bool:
        """Do the rest of a job, under its lease. False if another worker has it, or it is done."""
        of_tenant = self._store.of(tenant)
        leases, place, claim = of_tenant.idempotency, of_tenant.erasures.lease(job), secrets.token_bytes(16)
        claimed_at = asyncio.get_running_loop().time()
        if await leases.claim(place, claim, seconds=LEASE.lease_s) is not None:
            return False
        try:
            async with renewed(leases, place, claim, claimed_at, LEASE):
                return await self._run(tenant, job)
        finally:
            with suppress(StoreUnavailable):
                await leases.release(place, claim)

    async def _run(self, tenant: str, job: bytes) -> bool:
        while True:
            (raw,) = await self._store.of(tenant).erasures.read([job])
            erasure = decode_record(raw, Erasure) if raw is not None else None
            if erasure is None or erasure.done or erasure.step not in self._steps:
                return False
            await self._checkpoint(f"before {erasure.step}")
            after = await self._steps[erasure.step](erasure, job)
            await self._checkpoint(f"after {erasure.step}")
            if after.done:  # first: an erasure without an entry is not over
                await self._trail.record(_audit_entry(after, self._store.hashes(tenant)))
            try:
                await self._write(after, job)
            except Changed:
                return False
            if after.done:
                log.info("customer_erased", erasure=after.id, **after.counts)
                return True

    async def _write(self, erasure: Erasure, job: bytes) -> None:
        of_tenant, change = self._store.of(erasure.tenant), Change()
        after = msgspec.structs.replace(erasure, version=erasure.version + 1)
        of_tenant.erasures.put(change, job, erasure.version, after.version, after)
        if erasure.done:
            of_tenant.erasures.finish(change, job)
            of_tenant.outbox.post(change, encode_event(_event(erasure, of_tenant.hashes)))
        await of_tenant.commit(change)

    async def _bury(self, erasure: Erasure, job: bytes) -> Erasure:
        counts = {"touchpoints": await bury(self._store, erasure, job)}
        if self._store.sealing is not None:
            counts["keys"] = await self._store.graves.count_keys(erasure.homes, job)
        return _next(erasure, identities=len(erasure.homes), **counts)

    async def _end_handoffs(self, erasure: Erasure, _job: bytes) -> Erasure:
        """Redact the customer's handoffs, then withdraw those that are not over: their events say nothing."""
        tenant = erasure.tenant
        of_tenant = self._store.of(tenant)
        found = await self._handoffs_of(erasure)
        snapshots = {ref.sha256 for it in found for ref in it.snapshots}
        for handoff in found:
            await self._redact(tenant, handoff)
            await self._checkpoint("within handoffs")
            if handoff.pending or handoff.owning:
                await self._withdraw(tenant, handoff.id)
        for sha256 in snapshots:
            change = Change()
            of_tenant.handoffs.drop_snapshot(change, bytes.fromhex(sha256))
            await of_tenant.commit(change)
        return _next(erasure, handoffs=len(found), snapshots=len(snapshots))

    async def _handoffs_of(self, erasure: Erasure) -> list[Handoff]:
        """The handoffs from before the erasure: a later one belongs to a new history."""
        records = self._store.of(erasure.tenant).handoffs
        found = await read_of_homes(records, erasure.homes, None)
        return [it for it in found if it.requested_at <= erasure.erased_at]

    async def _redact(self, tenant: str, handoff: Handoff) -> None:
        of_tenant = self._store.of(tenant)
        while handoff != (bare := redacted(handoff)):
            change, version = Change(), handoff.version + 1
            (id_,) = of_tenant.hashes.private(HANDOFF, handoff.id)
            bare = msgspec.structs.replace(bare, version=version)
            of_tenant.handoffs.put(change, id_, handoff.version, version, bare)
            try:
                await of_tenant.commit(change)
            except Changed:
                handoff = await read_handoff(of_tenant, handoff.id)
                continue
            return

    async def _unlist(self, erasure: Erasure, handoff: Handoff) -> None:
        """Take a handoff from what a new history of the same person would show, with its chain."""
        of_tenant = self._store.of(erasure.tenant)
        records = of_tenant.handoffs
        (id_,) = of_tenant.hashes.private(HANDOFF, handoff.id)
        found = await read_chain(records, handoff.conversation, handoff.home)
        change = Change()
        if found.version and found.chain.home in erasure.homes:
            members = [it for it, _previous in found.chain.members]
            records.drop_chain(change, found.root, found.version, members)
        records.unlist(change, id_, handoff.home)
        await of_tenant.commit(change)

    async def _withdraw(self, tenant: str, id_: str) -> None:
        move = HandoffMove(action=Action.WITHDRAW, by=BY, reason=ERASED)
        try:
            await self._handoffs.move(tenant, id_, move)
        except (Conflict, NotFound) as error:  # it ended meanwhile
            log.info("handoff_not_withdrawn", handoff=id_, code=error.problem_code)

    async def _end_callbacks(self, erasure: Erasure, _job: bytes) -> Erasure:
        """Cancel and redact the customer's callbacks: the number to call is the customer's."""
        callbacks = self._store.of(erasure.tenant).callbacks
        ids, count = await callbacks.listed().oldest_first(), 0
        for at in range(0, len(ids), PAGE):
            raws = await callbacks.read(ids[at : at + PAGE])
            for raw in filter(None, raws):
                await self._store.pace.breathe(erasure.tenant)
                callback = decode_record(raw, Callback)
                if callback.home in erasure.homes and callback.requested_at <= erasure.erased_at:
                    count += 1
                    await self._end_callback(erasure.tenant, callback)
        await self._forget_ledger(erasure)
        await forget_codes(self._store, erasure.tenant, erasure.homes)
        return _next(erasure, callbacks=count)

    async def _forget_ledger(self, erasure: Erasure) -> None:
        """Delete the customer's promises and complaints from the ledger, with their alarms.

        An entry whose touchpoint is stored belongs to a new history.
        """
        of_tenant = self._store.of(erasure.tenant)
        while True:
            entries = await entries_of(of_tenant, erasure.homes)
            found = await without_touchpoint(self._store, entries.values())
            if not found:
                return
            for entry in found:
                change = Change()
                forget_entry(of_tenant, change, entry)
                with suppress(Changed):  # the next round reads it again
                    await of_tenant.commit(change)

    async def _end_callback(self, tenant: str, callback: Callback) -> None:
        of_tenant = self._store.of(tenant)
        while callback.phone != ERASED:
            state = "cancelled" if callback.state in OPEN else callback.state
            after = msgspec.structs.replace(
                callback, state=state, version=callback.version + 1, phone=ERASED, reason=ERASED
            )
            try:
                await of_tenant.commit(writing(of_tenant, callback, after))
            except Changed:
                callback = await read_callback(self._store, tenant, callback.id)
                continue
            return

    async def _forget_elsewhere(self, erasure: Erasure, job: bytes) -> Erasure:
        await self._elsewhere.forget(erasure, job)
        return _next(erasure)

    async def _destroy_keys(self, erasure: Erasure, job: bytes) -> Erasure:
        """Make noise of what is sealed, also where it is deleted later: in the store's files and replicas."""
        if self._store.sealing is not None:
            await self._store.graves.destroy_keys(erasure.homes, job)
        return _next(erasure)

    async def _clear(self, erasure: Erasure, job: bytes) -> Erasure:
        for home in erasure.homes:
            while await self._store.graves.clear(home, job):
                await self._checkpoint("within clear")
        return _next(erasure)

    async def _sweep(self, erasure: Erasure, job: bytes) -> Erasure:
        """Look through everything else that is kept for the tenant, again until nothing is found."""
        people = people_of(self._store, erasure, job)
        hashes = self._store.hashes(erasure.tenant)
        traces = Traces(hashes, erasure.homes, people)
        handoffs = [it.id for it in await self._handoffs_of(erasure)]
        sweep = Sweep(self._store, erasure.tenant, traces, erasure.homes, handoffs)
        for _ in range(SWEEPS):
            if not await sweep.run():
                return _next(erasure)
        raise Conflict("copies of the erased data keep coming", code="erasure_unfinished")

    async def _verify(self, erasure: Erasure, job: bytes) -> Erasure:
        """The last look: nothing of a grave is left. Without that, the job begins again."""
        if await self._store.graves.left_of(erasure.homes, job):
            return msgspec.structs.replace(erasure, step=STEPS[0])
        await drop_checkpoints(self._store, erasure)  # a look from before may have kept one since
        await self._forget_ledger(erasure)  # and a worker that was settling may have written an entry
        await forget_codes(self._store, erasure.tenant, erasure.homes)
        for handoff in await self._handoffs_of(erasure):
            await self._unlist(erasure, handoff)
        await self._store.compaction.ask(at_once=erasure.at_once)
        now = await self._store.of(erasure.tenant).clock()
        return _completed(erasure, now)


async def _go_on(_where: str) -> None:
    return


def _next(erasure: Erasure, **counts: int) -> Erasure:
    step = STEPS[STEPS.index(erasure.step) + 1]
    known = counts | erasure.counts  # the first count is final
    return msgspec.structs.replace(erasure, step=step, counts=known)


def _completed(erasure: Erasure, now: Micros) -> Erasure:
    return msgspec.structs.replace(erasure, step=STEPS[-1], plan=b"", completed_at=now)


def _event(erasure: Erasure, hashes: KeyedHash) -> Event:
    return Event(
        key=f"erasure/{erasure.id}",
        type="customer.erased",
        subject=erasure.customer_id,
        at=erasure.erased_at,
        data=CustomerErased(
            customer_id=erasure.customer_id,
            customer_ids=[hashes.public(CUSTOMER, home) for home in erasure.homes],
            erasure=erasure.id,
            erased_at=format_time(erasure.erased_at),
        ),
    )


def _audit_entry(erasure: Erasure, hashes: KeyedHash) -> AuditEntry:
    return AuditEntry(
        tenant=erasure.tenant,
        action="completeErasure",
        outcome="ok",
        token=erasure.requested_by,
        resource=f"erasure:{erasure.id}",
        customers=customer_ids(hashes, erasure.homes),
    )


def redacted(handoff: Handoff) -> Handoff:
    """The handoff without anything that someone wrote about the customer. Its bytes of snapshots go too."""
    replace = msgspec.structs.replace
    return replace(
        handoff,
        reason=ERASED,
        context=None,
        hops=tuple(replace(it, reason=ERASED) for it in handoff.hops),
        history=tuple(replace(it, reason=ERASED if it.reason else None) for it in handoff.history),
    )
