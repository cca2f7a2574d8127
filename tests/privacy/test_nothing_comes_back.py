"""Whatever happens after an erasure, what was erased is never seen again, and what came later always is."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec import Struct

from handoff.domain.errors import HandoffError
from handoff.domain.identity import Assurance
from handoff.services.customers.customer import by_key
from handoff.services.customers.links import Attribution, link
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import STEPS, ErasureOrder, request_erasure
from handoff.services.privacy.journal import Journal
from handoff.services.privacy.repeating import repeat_all
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import record
from handoff.store.repositories.timelines import Window
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.examples import examples
from tests.privacy.test_interrupted import Crash, Died, handoffs_of
from tests.samples import NOON, handle, touchpoint
from tests.store.servers import valkey_server

POOL = ("user:anna", "email:anna@example.com", "phone:+358401234567", "user:bert")
BY = Attribution(who="agent:lisa", reason="confirmed by phone")
names = st.sampled_from(POOL)
moments = st.sampled_from(["", *(f"before {it}" for it in STEPS[1:-1])])
Result = TypeVar("Result")


class Sent(Struct, frozen=True):
    """One event, as its sender knows it."""

    id: str
    identities: tuple[str, ...]
    at: int

    @property
    def text(self) -> str:
        return f"text of {self.id}"


class Backup(Struct, frozen=True):
    """All keys of the store at one moment, and the events that were visible then."""

    keys: dict[bytes, bytes]
    visible: frozenset[str]


class Erasing(RuleBasedStateMachine):
    """One tenant on a store of its own."""

    store: ClassVar[Store]
    runner: ClassVar[asyncio.Runner]
    folder: ClassVar[Path]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = fresh_tenant()
        self.journal = Journal(self.folder / self.tenant)
        self.sent: dict[str, Sent] = {}
        self.visible: set[str] = set()
        self.erased: set[str] = set()
        self.refused_ids: set[str] = set()
        self.backup: Backup | None = None

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    async def send(self, event: Sent) -> str:
        first, *others = event.identities
        handles = [handle(first, Assurance.VERIFIED), *(handle(it, Assurance.VERIFIED) for it in others)]
        (result,) = await record(self.store, self.tenant, [touchpoint(event.id, *handles, at=event.at)])
        return result.status

    @rule(first=names, others=st.lists(names, max_size=2, unique=True), now=st.booleans())
    def happen(self, first: str, others: list[str], now: bool) -> None:
        """Something new, now or long ago: a customer who was erased is refused what was long ago."""
        named = (first, *(it for it in others if it != first))

        async def work() -> None:
            at = await self.store.of(self.tenant).clock() if now else NOON + len(self.sent)
            event = Sent(f"{self.tenant}-{len(self.sent)}", named, at)
            self.sent[event.id] = event
            (tombstone,) = await self.store.graves.tombstones([self.key(first)])
            late = tombstone is not None and at <= tombstone.erased_at
            assert await self.send(event) == ("erased" if late else "accepted")
            if late:
                self.erased.add(event.id)
            else:
                self.visible.add(event.id)

        self.run(work())

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A sender repeats an event: what was erased stays so."""
        event = self.sent[data.draw(st.sampled_from(sorted(self.sent)))]
        status = self.run(self.send(event))
        if event.id in self.erased:
            assert status == "erased"
        elif event.id in self.visible:
            assert status == "duplicate"
        else:  # lost with a restored backup
            assert status == "accepted"
            self.visible.add(event.id)

    @precondition(lambda self: self.refused_ids)
    @rule(data=st.data())
    def repeat_with_another_time(self, data: st.DataObject) -> None:
        """Some senders give the time of sending: then the id is among the erased ones."""
        event = self.sent[data.draw(st.sampled_from(sorted(self.refused_ids)))]

        async def work() -> str:
            now = await self.store.of(self.tenant).clock()
            return await self.send(Sent(event.id, event.identities, now))

        assert self.run(work()) == "erased"

    @rule(one=names, other=names)
    def join(self, one: str, other: str) -> None:
        """An agent links two identities, if both are known."""

        async def work() -> None:
            try:
                customer = await by_key(self.store, self.tenant, self.key(one))
                await link(
                    self.store, self.tenant, customer.id, handle(other).identity, BY,
                    assurance=Assurance.VERIFIED, dry_run=False, now=NOON,
                )  # fmt: skip
            except HandoffError:
                return

        self.run(work())

    @rule(
        name=names,
        back_up=st.booleans(),
        moment=moments,
    )
    def erase(self, name: str, back_up: bool, moment: str) -> None:
        """A customer is erased, after a backup perhaps; the first worker may die."""

        async def work() -> None:
            try:
                customer = await by_key(self.store, self.tenant, self.key(name))
            except HandoffError:
                return
            if back_up:
                await self.back_up()
            order = ErasureOrder(customer_id=customer.id, by="officer", reason="")
            erasure = await request_erasure(self.store, self.tenant, order, self.journal)
            await self.finish(moment)
            gone = {it for it in self.visible if self.key(self.sent[it].identities[0]) in erasure.homes}
            self.visible -= gone
            self.erased |= gone
            self.refused_ids |= gone

        self.run(work())

    async def finish(self, moment: str = "") -> None:
        try:
            await Eraser(self.store, handoffs_of(self.store), [self.tenant], Crash(moment)).run_open()
        except Died:
            await Eraser(self.store, handoffs_of(self.store), [self.tenant]).run_open()

    async def back_up(self) -> None:
        connection = self.store.connection
        keys = await connection.call(b"KEYS", b"*")
        dumps = {key: await connection.call(b"DUMP", key, key=key) for key in keys}
        kept = {key: raw for key, raw in dumps.items() if raw is not None}
        self.backup = Backup(kept, frozenset(self.visible))

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restore(self) -> None:
        """The store gets an older state; the server starts on it with its journal."""
        backup = self.backup
        assert backup is not None

        async def work() -> None:
            connection = self.store.connection
            await connection.on_primaries(b"FLUSHALL")
            for key, raw in backup.keys.items():
                await connection.call(b"RESTORE", key, 0, raw, key=key)
            self.store.forget_reads()
            await repeat_all(self.store, self.journal)
            self.visible = set(backup.visible) - self.erased
            await self.check()
            await self.finish()
            self.refused_ids &= backup.visible
            # An event that came after the backup is lost like any other; its sender may repeat it.

        self.run(work())

    def key(self, name: str) -> bytes:
        return self.store.hashes(self.tenant).identity(handle(name).identity)

    async def check(self) -> None:
        seen: set[str] = set()
        for name in POOL:
            try:
                customer = await by_key(self.store, self.tenant, self.key(name))
            except HandoffError:
                continue
            records = {it.key: it for it in customer.members}
            hashes = self.store.hashes(self.tenant)
            page = await read_timeline(self.store, hashes, records, Window(limit=1000), Filter())
            seen |= {view.text or "" for view in page.touchpoints if view.type == "message.received"}
        assert seen == {self.sent[it].text for it in self.visible}

    @invariant()
    def only_what_was_not_erased_is_seen(self) -> None:
        self.run(self.check())


@pytest.mark.hypothesis
def test_nothing_comes_back(tmp_path: Path) -> None:
    with valkey_server(appendonly="no") as url, asyncio.Runner() as runner:

        async def enter() -> Any:
            manager = opened(url)
            return manager, await manager.__aenter__()

        manager, store = runner.run(enter())
        Erasing.store, Erasing.runner, Erasing.folder = store, runner, tmp_path
        try:
            run_state_machine_as_test(  # type: ignore[no-untyped-call]
                Erasing,
                settings=settings(
                    max_examples=examples(15),
                    stateful_step_count=16,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(manager.__aexit__(None, None, None))


async def test_a_refused_event_leaves_no_pointer(store: Store, tenant: str, tmp_path: Path) -> None:
    """A late event of an erased customer names a number that nobody else named: it must not stay."""
    await record(store, tenant, [touchpoint("m1", handle("user:anna"), at=NOON)])
    key = store.hashes(tenant).identity(handle("user:anna").identity)
    customer = await by_key(store, tenant, key)
    order = ErasureOrder(customer_id=customer.id, by="officer", reason="")
    await request_erasure(store, tenant, order, Journal(tmp_path))
    await Eraser(store, handoffs_of(store), [tenant]).run_open()
    number = handle("phone:+358409998877", Assurance.CLAIMED)
    late = touchpoint("m2", handle("user:anna"), number, at=NOON, thread="t1")
    (result,) = await record(store, tenant, [late])
    assert result.status == "erased"
    other = store.hashes(tenant).identity(number.identity)
    assert await store.of(tenant).people.records([other, key]) == {}
    shelf = store.keys.conversations(store.hashes(tenant).thread("native", "t1"))
    assert key not in (await store.connection.call(b"HVALS", shelf, key=shelf))


@pytest.mark.parametrize("identity", ["user:anna", "email:anna@example.com"])
async def test_graves_on_every_kind_of_store(
    store: Store, tenant: str, tmp_path: Path, identity: str
) -> None:
    events = [
        touchpoint(f"m{at}", handle(identity, Assurance.VERIFIED), at=NOON + at, text="canary " * 40)
        for at in range(40)
    ]
    await record(store, tenant, events)
    key = store.hashes(tenant).identity(handle(identity).identity)
    customer = await by_key(store, tenant, key)
    order = ErasureOrder(customer_id=customer.id, by="officer", reason="")
    erasure = await request_erasure(store, tenant, order, Journal(tmp_path))
    assert await Eraser(store, handoffs_of(store), [tenant]).run_open() == 1
    results = await record(store, tenant, events)
    assert {it.status for it in results} == {"erased"}
    assert erasure.homes == (key,)
