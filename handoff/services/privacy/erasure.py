"""Erasures: requests to erase a customer, as jobs with a state, progress, and a receipt.

The request takes the customer out of sight before it is answered. Any worker then does the steps of the job,
each of which may be repeated: a crash at any moment ends in the same receipt.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct, field

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.records import encode_record
from handoff.domain.clock import DAY, Micros, format_time
from handoff.domain.errors import Conflict, NotFound
from handoff.domain.identity import Identity
from handoff.domain.open_record import OpenRecord
from handoff.services.customers.customer import by_id, require_current
from handoff.store.repositories.control import Change, Changed, decode_record, mark, read_versioned
from handoff.store.store import Store

from .journal import Journal, JournalEntry

ERASURE = "er_"
STEPS = ("bury", "handoffs", "callbacks", "others", "keys", "clear", "sweep", "verify", "done")
"""The steps of a job, in order. Nothing is deleted before the step that needs it is over."""
REWRITTEN = DAY
"""By then the append-only file is rewritten; backups of before may still have what was erased."""
FORMAT = 2  # older releases would record again what was erased


class Erasure(OpenRecord, frozen=True, kw_only=True):
    """One job. `plan` are the erased identities, sealed, until the job is done. `others` are the customer's
    other identities, at which checkpoints may be kept."""

    id: str
    tenant: str
    version: int
    customer_id: str
    homes: tuple[bytes, ...]
    others: tuple[bytes, ...] = ()
    erased_at: Micros
    requested_by: str
    reason: str = ""
    step: str = STEPS[0]
    cursor: int = 0
    plan: bytes = b""
    counts: dict[str, int] = field(default_factory=dict)
    backup_days: int = 0
    at_once: bool = False
    completed_at: Micros | None = None

    @property
    def done(self) -> bool:
        return self.step == STEPS[-1]


class Receipt(Struct, frozen=True, kw_only=True):
    """The proof of an erasure: what was erased, and when the last backup forgets it.

    `sha256` covers the erasure's id, the customer's former id, the times, and the counts.
    """

    counts: dict[str, int]
    completed_at: str
    backups_forget_at: str | None
    sha256: str


class ErasureView(Struct, frozen=True, kw_only=True):
    """An erasure as clients see it. The data cannot be read from `erased_at` on."""

    id: str
    state: str
    step: str
    progress: float
    customer_id: str
    identities: int
    erased_at: str
    requested_by: str
    reason: str
    receipt: Receipt | None


class ErasurePage(Struct, frozen=True, kw_only=True):
    """A page of erasures, newest first. `bound` is where the next page begins."""

    erasures: list[Erasure]
    total: int
    bound: int | None


class ErasureOrder(Struct, frozen=True, kw_only=True):
    """A request to erase a customer, or only one of the customer's identities."""

    customer_id: str
    by: str
    reason: str
    identity: Identity | None = None
    backup_days: int = 0
    at_once: bool = False
    """Compact the embedded store's log at the end, even if that was done less than an hour ago."""


def job_of(hashes: KeyedHash, public_id: str) -> bytes:
    """The 16 bytes behind an erasure's id. Raises NotFound for an id that is not this tenant's."""
    return hashes.private(ERASURE, public_id)[0]


def require_format(store: Store) -> None:
    """Raise Conflict (`store_format`) while older releases may use the store: they do not know erasures."""
    if not store.workers.writes(FORMAT):
        raise Conflict(
            "The store has the format of an older release: end its workers, then run `handoff store upgrade`",
            code="store_format",
            current=store.workers.current,
        )


async def request_erasure(store: Store, tenant: str, order: ErasureOrder, journal: Journal) -> Erasure:
    """Take a customer out of sight for good, and leave the rest to a job.

    Raises NotFound for an unknown customer, Gone for an erased one, and Conflict for a former id
    (`customer_merged`), under a legal hold, or while older releases may use the store (`store_format`).
    JournalUnavailable if the journal cannot be written: nothing happened then. After StoreUnavailable the
    erasure may have started; if not, it is repeated from the journal.
    """
    require_format(store)
    customer = await by_id(store, tenant, order.customer_id, restricted=True)
    require_current(customer, order.customer_id)
    hashes = store.hashes(tenant)
    homes = tuple(customer.group.members)
    if order.identity is not None:
        homes = (hashes.identity(order.identity),)
        if homes[0] not in customer.group.members:
            raise NotFound("the customer has no such identity")
    # A hold is on the customer: also on an identity that was linked later.
    held = [str(it.identity) for it in customer.members if it.held]
    if held:
        raise Conflict("A legal hold forbids the erasure", code="legal_hold", identities=held)
    people = [it.identity for it in customer.members if it.key in homes]
    job = secrets.token_bytes(16)
    erasure = Erasure(
        id=hashes.public(ERASURE, job),
        tenant=tenant,
        version=1,
        customer_id=customer.id,
        homes=homes,
        others=tuple(it for it in customer.group.members if it not in homes),
        erased_at=await store.of(tenant).clock(),
        requested_by=order.by,
        reason=order.reason,
        plan=store.seal(tenant).seal(msgspec.msgpack.encode(people), job),
        backup_days=order.backup_days,
        at_once=order.at_once,
    )
    return await _begin(store, erasure, job, journal)


async def repeat_erasure(store: Store, entry: JournalEntry, backup_days: int = 0) -> bool:
    """Erase again what a restored backup brought back, or what an interrupted request left; whether there was
    anything."""
    if await is_erased(store, entry):
        return False
    await store.prepare_tenants([entry.tenant])  # the configuration may no longer have it
    of_tenant = store.of(entry.tenant)
    (known,) = await of_tenant.erasures.read([entry.job])
    if known is not None and not (started := decode_record(known, Erasure)).done:
        await bury(store, started, entry.job)
        return True
    records = await of_tenant.people.records(entry.homes, withheld=True)
    people = [it.identity for it in records.values()]
    erasure = Erasure(
        id=store.hashes(entry.tenant).public(ERASURE, entry.job),
        tenant=entry.tenant,
        version=read_versioned(known).version + 1,
        customer_id=entry.customer_id,
        homes=entry.homes,
        erased_at=entry.erased_at,
        requested_by=entry.requested_by,
        reason="repeated from the journal",
        plan=store.seal(entry.tenant).seal(msgspec.msgpack.encode(people), entry.job),
        backup_days=backup_days,
    )
    await _begin(store, erasure, entry.job, None)
    return True


async def is_erased(store: Store, entry: JournalEntry) -> bool:
    """Whether the store has the erasure. One round trip."""
    tombstones = await store.graves.tombstones(entry.homes)
    return all(it is not None and it.erased_at >= entry.erased_at for it in tombstones)


async def _begin(store: Store, erasure: Erasure, job: bytes, journal: Journal | None) -> Erasure:
    """Write the journal, then the job, then take everything out of sight."""
    if journal is not None:
        entry = JournalEntry(
            store=store.hashes(erasure.tenant).store(),
            tenant=erasure.tenant,
            job=job,
            homes=erasure.homes,
            erased_at=erasure.erased_at,
            customer_id=erasure.customer_id,
            requested_by=erasure.requested_by,
        )
        await asyncio.to_thread(journal.append, entry)
    try:
        await _take_out_of_sight(store, erasure, job)
    except BaseException:
        if journal is not None:
            journal.unsettled = True
        raise
    return erasure


async def _take_out_of_sight(store: Store, erasure: Erasure, job: bytes) -> None:
    of_tenant, change = store.of(erasure.tenant), Change()
    of_tenant.erasures.put(change, job, erasure.version - 1, erasure.version, erasure)
    of_tenant.erasures.enlist(change, job, erasure.erased_at)
    with suppress(Changed):  # another worker took it from the journal
        await of_tenant.commit(change)
    await bury(store, erasure, job)


async def bury(store: Store, erasure: Erasure, job: bytes) -> int:
    """Take the homes out of sight; the number of their touchpoints."""
    await drop_checkpoints(store, erasure)
    return sum([await store.graves.bury(home, job, erasure.erased_at) for home in erasure.homes])


async def drop_checkpoints(store: Store, erasure: Erasure) -> None:
    """Delete the customer's checkpoints, at whichever identity they are."""
    await store.checkpoints.drop((*erasure.homes, *erasure.others))


async def read_erasure(store: Store, tenant: str, public_id: str) -> Erasure:
    """One erasure. Raises NotFound."""
    job = job_of(store.hashes(tenant), public_id)
    (raw,) = await store.of(tenant).erasures.read([job])
    if raw is None:
        raise NotFound("there is no such erasure")
    return decode_record(raw, Erasure)


async def list_erasures(store: Store, tenant: str, *, limit: int, below: int | None) -> ErasurePage:
    """The tenant's erasures, newest first."""
    erasures = store.of(tenant).erasures
    found = await erasures.listed.entries(limit=limit + 1, below=below)
    raws = await erasures.read([job for job, _ in found[:limit]])
    return ErasurePage(
        erasures=[decode_record(raw, Erasure) for raw in raws if raw],
        total=await erasures.listed.count(),
        bound=mark(found[limit - 1]) if len(found) > limit else None,
    )


def erasure_view(erasure: Erasure) -> ErasureView:
    return ErasureView(
        id=erasure.id,
        state="completed" if erasure.done else "running",
        step=erasure.step,
        progress=round(STEPS.index(erasure.step) / (len(STEPS) - 1), 2) if erasure.step in STEPS else 0.0,
        customer_id=erasure.customer_id,
        identities=len(erasure.homes),
        erased_at=format_time(erasure.erased_at),
        requested_by=erasure.requested_by,
        reason=erasure.reason,
        receipt=_receipt(erasure) if erasure.done else None,
    )


def _receipt(erasure: Erasure) -> Receipt:
    assert erasure.completed_at is not None
    # Until the job is done, a backup has the graves and, in a sealed store, their keys.
    forget = erasure.completed_at + REWRITTEN + erasure.backup_days * DAY if erasure.backup_days else None
    proved = (erasure.id, erasure.customer_id, erasure.erased_at, sorted(erasure.counts.items()))
    return Receipt(
        counts=erasure.counts,
        completed_at=format_time(erasure.completed_at),
        backups_forget_at=format_time(forget) if forget else None,
        sha256=hashlib.sha256(encode_record(proved)).hexdigest(),
    )


def people_of(store: Store, erasure: Erasure, job: bytes) -> Sequence[Identity]:
    """The erased identities of a job that is not done."""
    raw = store.seal(erasure.tenant).open(erasure.plan, job)
    return msgspec.msgpack.decode(raw, type=list[Identity])
