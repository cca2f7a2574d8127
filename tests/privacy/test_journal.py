"""The journal of erasures survives a cut line, and nothing is erased that it does not have."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from handoff.bootstrap.background.erasure_jobs import Erasures
from handoff.domain.errors import ConfigurationError, JournalUnavailable, StoreUnavailable
from handoff.services.customers.customer import by_key
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import Erasure, ErasureOrder, request_erasure
from handoff.services.privacy.journal import NAME, Journal, JournalEntry
from handoff.services.privacy.repeating import repeat_all
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.samples import NOON, record_all, touchpoint

from .conftest import Api
from .test_interrupted import handoffs_of


def entry(number: int) -> JournalEntry:
    return JournalEntry(
        store=b"s",
        tenant="shop",
        job=bytes([number]) * 16,
        homes=(bytes(16),),
        erased_at=NOON,
        customer_id="cu_1",
        requested_by="officer",
    )


async def request(store: Store, tenant: str, who: str, journal: Journal) -> Erasure:
    key = store.hashes(tenant).identity(touchpoint("x", who).home.identity)
    customer = await by_key(store, tenant, key)
    return await request_erasure(
        store, tenant, ErasureOrder(customer_id=customer.id, by="officer", reason=""), journal
    )


@pytest.mark.parametrize("left", [1, 20, -1])
def test_a_line_that_was_cut_short_does_not_spoil_the_next(tmp_path: Path, left: int) -> None:
    journal = Journal(tmp_path)
    journal.append(entry(1))
    journal.append(entry(2))
    first, second, _ = (tmp_path / NAME).read_bytes().split(b"\n")
    (tmp_path / NAME).write_bytes(first + b"\n" + second[:left])
    journal.append(entry(3))
    assert [it.job[0] for it in journal.entries()] == [1, 3]


def test_a_journal_that_cannot_be_written_or_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(JournalUnavailable):
        Journal(tmp_path).append(entry(1))
    with pytest.raises(ConfigurationError):
        list(Journal(tmp_path).entries())


async def test_nothing_is_erased_without_the_journal(api: Api, tmp_path: Path) -> None:
    await api.record("m1")
    customer = (await api.context())["customer"]["id"]
    (tmp_path / NAME).unlink(missing_ok=True)
    (tmp_path / NAME).mkdir()
    answer = await api.call("DELETE", f"/v1/customers/{customer}", token="officer")
    assert (answer.status, answer.code) == (503, "journal_unavailable")
    assert (await api.context())["match"] == "one"
    (tmp_path / NAME).rmdir()
    answer = await api.call("DELETE", f"/v1/customers/{customer}", token="officer")
    assert answer.status == 202


async def test_a_request_that_the_store_cut_short_is_repeated(own_store: Store, tmp_path: Path) -> None:
    tenant, journal = fresh_tenant(), Journal(tmp_path)
    await record_all(own_store, tenant, [touchpoint("m1")])
    await repeat_all(own_store, journal)
    assert not journal.unsettled
    own_store.functions.gate.refuses = "disk"
    with pytest.raises(StoreUnavailable):
        await request(own_store, tenant, "user:anna", journal)
    assert journal.unsettled
    with pytest.raises(StoreUnavailable):
        await repeat_all(own_store, journal)
    own_store.functions.gate.refuses = None
    assert journal.unsettled
    assert await repeat_all(own_store, journal) == 1
    assert not journal.unsettled
    assert await Eraser(own_store, handoffs_of(own_store), [tenant]).run_open() == 1
    assert await repeat_all(own_store, journal) == 0


async def test_workers_that_start_together_repeat_an_erasure(own_store: Store, tmp_path: Path) -> None:
    tenant, journal = fresh_tenant(), Journal(tmp_path)
    await record_all(own_store, tenant, [touchpoint("m1")])
    home = own_store.hashes(tenant).identity(touchpoint("m1").home.identity)
    journal.append(
        JournalEntry(
            store=own_store.hashes(tenant).store(),
            tenant=tenant,
            job=b"j" * 16,
            homes=(home,),
            erased_at=await own_store.of(tenant).clock(),
            customer_id="cu_1",
            requested_by="officer",
        )
    )
    await asyncio.gather(*(repeat_all(own_store, Journal(tmp_path)) for _ in range(3)))
    assert await own_store.of(tenant).people.records([home]) == {}
    assert await Eraser(own_store, handoffs_of(own_store), [tenant]).run_open() == 1


async def test_a_server_is_not_ready_before_it_has_repeated_the_journal(api: Api) -> None:
    """On a store that takes no writes it serves, and reports it."""
    await api.record("m1")
    site = api.server.site
    hashes, erasures = site.store.hashes(api.tenant), Erasures(site, [api.tenant])
    site.journal.append(
        msgspec.structs.replace(
            entry(1),
            store=hashes.store(),
            tenant=api.tenant,
            homes=(hashes.identity(touchpoint("m1").home.identity),),
            erased_at=await site.store.of(api.tenant).clock(),
        )
    )
    site.store.functions.gate.refuses = "disk"
    await erasures.repeat()
    assert erasures.ready() == "erasures"
    site.store.functions.gate.refuses = None
    await erasures.repeat()
    assert erasures.ready() is None
    assert (await api.context())["match"] == "none"
