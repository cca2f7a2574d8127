"""A month of promises in simulated time: every alarm before the break, and none twice.

Several workers share a real store. They are stopped in the middle of their work and start again, the relay is
late, and the store's clock jumps. `HANDOFF_PROMISES` sets the number of promises.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.clock import DAY, HOUR, MINUTE, Micros, format_time
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.ledger.entry import PROMISE
from handoff.domain.touchpoint import Touchpoint
from handoff.services.events.publishing import Event, decode_entry
from handoff.services.ledger.alarms import PromiseAlarms
from handoff.services.ledger.settling import LedgerRules, settle
from handoff.store.store import Store
from tests.samples import NOON, record_all, touchpoint

PROMISES = int(os.environ.get("HANDOFF_PROMISES", "120"))
WORKERS = 3
STEP = 6 * HOUR
MONTH = 33 * DAY  # until the last proof
RULES = LedgerRules()


class SimulatedClocks:
    """The store's clock and a process's, moved by the test. A jump moves only the store's."""

    def __init__(self, at: Micros) -> None:
        self.at = at
        self.process: Micros = DAY

    async def now(self, store: Store, tenant: str) -> Micros:
        return self.at

    def monotonic(self) -> Micros:
        return self.process

    def pass_time(self, span: Micros) -> None:
        self.at += span
        self.process += span


class Plan(Struct):
    """One promise of the simulation. `proved_at` is None if nothing proves it."""

    number: int
    made_at: Micros
    due: Micros
    proved_at: Micros | None

    def made(self) -> Touchpoint:
        data = {"act": "call", "due": format_time(self.due)}
        fields = {"thread": f"t{self.number}", "data": data, "text": "I will call you"}
        who = f"user:c{self.number}"
        return touchpoint(f"m{self.number}", who, at=self.made_at, type="promise.made", **fields)

    def proof(self) -> Touchpoint:
        fields = {"channel": "phone", "thread": f"p{self.number}", "data": {"duration_s": 90}}
        at, who = self.proved_at or 0, f"user:c{self.number}"
        return touchpoint(f"p{self.number}", who, at=at, type="call.ended", text=None, **fields)


def plans(chance: random.Random) -> list[Plan]:
    """Promises over a month. Half of them are due at the end of a business day."""
    found = []
    for number in range(PROMISES):
        made_at = NOON + chance.randrange(20 * DAY)
        due = made_at + chance.randrange(HOUR, 8 * DAY)
        if chance.random() < 0.5:
            due += DAY + 17 * HOUR - due % DAY
        share = chance.choice([chance.uniform(0.1, 1.4), chance.uniform(0.97, 1.0)])
        proved = made_at + round((due - made_at) * share)
        found.append(Plan(number, made_at, due, proved if chance.random() < 0.6 else None))
    return found


class Month:
    """The simulation: touchpoints as they happen, and workers that send alarms."""

    def __init__(self, store: Store, tenant: str, chance: random.Random) -> None:
        self.store, self.tenant, self.chance = store, tenant, chance
        self.clocks = SimulatedClocks(NOON)
        self.plans = plans(chance)
        self.happening = sorted(
            [(it.made_at, it.number, it.made()) for it in self.plans]
            + [(it.proved_at, it.number, it.proof()) for it in self.plans if it.proved_at is not None],
            key=lambda it: it[:2],
        )
        self.late: set[int] = set()
        self.known_at: dict[int, Micros] = {}
        """When the relay passed a promise on. One that was overdue then gets its second alarm only."""
        self.workers = [self.started() for _ in range(WORKERS)]

    def started(self) -> tuple[ClockGuard, PromiseAlarms]:
        guard = ClockGuard()
        guard.look(self.clocks.at, self.clocks.process)
        return guard, PromiseAlarms(self.store, [self.tenant], guard, RULES, self.clocks)

    async def happen(self) -> None:
        """Record what has happened by now. The relay passes some of it on in the next step only."""
        recorded: list[Touchpoint] = []
        settled, self.late = self.late, set()
        while self.happening and self.happening[0][0] <= self.clocks.at:
            _at, number, one = self.happening.pop(0)
            recorded.append(one)
            (self.late if self.chance.random() < 0.4 else settled).add(number)
        if recorded:
            await record_all(self.store, self.tenant, recorded)
        await self.relay(settled)

    async def relay(self, numbers: set[int]) -> None:
        hashes = self.store.hashes(self.tenant)
        for number in numbers:
            self.known_at.setdefault(number, self.clocks.at)
        homes = [hashes.identity(touchpoint("x", f"user:c{it}").home.identity) for it in sorted(numbers)]
        for at in range(0, len(homes), 10):
            part = homes[at : at + 10]
            await asyncio.gather(
                *(settle(self.store, self.tenant, it, RULES, now=self.clocks.at) for it in part)
            )

    async def alarm(self) -> None:
        """All workers look at once. Sometimes one is killed in the middle, and another starts."""
        tasks = []
        for guard, alarms in self.workers:
            guard.look(self.clocks.at, self.clocks.process)
            tasks.append(asyncio.create_task(alarms.send_due()))
        if self.chance.random() < 0.2:
            at = self.chance.randrange(WORKERS)
            for _ in range(self.chance.randrange(30)):
                await asyncio.sleep(0)
            tasks[at].cancel()
            self.workers[at] = self.started()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(result, Exception), result

    async def run(self) -> None:
        while self.clocks.at < NOON + MONTH:
            self.clocks.pass_time(STEP)
            await self.happen()
            jump = self.chance.choice([0] * 30 + [3 * HOUR, -3 * HOUR, 2 * DAY])
            if jump:  # the operator corrects it, or it stays
                self.clocks.at += jump
                await self.alarm()
                if self.chance.random() < 0.8:
                    self.clocks.at -= jump
                else:
                    await self.happen()
                await self.alarm()
            await self.alarm()
        for _ in range(4):
            self.clocks.pass_time(10 * MINUTE)
            await self.happen()
            await self.alarm()


async def events_of(store: Store, tenant: str) -> list[Event]:
    after = await store.of(tenant).outbox.after("0-0", 10 * PROMISES + 1000)
    found = [decode_entry(it.payload) for it in after.entries] if after is not None else []
    return [it for it in found if isinstance(it, Event)]


def sent_in_order(events: Sequence[Event]) -> dict[str, list[str]]:
    """The alarms of each promise, in the order in which they were sent."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        found[event.subject].append(event.type)
    return found


async def test_every_alarm_comes_before_the_break_and_none_twice(own_store: Store, tenant: str) -> None:
    month = Month(own_store, tenant, random.Random(51))
    await month.run()
    hashes = own_store.hashes(tenant)
    sent = sent_in_order(await events_of(own_store, tenant))
    seen: Counter[str] = Counter()
    for plan in month.plans:
        one = plan.made()
        id_ = hashes.public(
            TOUCHPOINT, hashes.identity(one.home.identity), hashes.event("native", one.event_id)
        )
        alarms = sent.pop(id_, [])
        if month.known_at[plan.number] >= plan.due and alarms:
            alarms.insert(0, "promise.due_soon")
        assert alarms in ([], ["promise.due_soon"], ["promise.due_soon", "promise.broken"]), (plan, alarms)
        if plan.proved_at is None or plan.proved_at > plan.due + 3 * DAY:
            assert alarms[1:] == ["promise.broken"], plan
        if plan.proved_at is not None and plan.proved_at <= plan.due:
            assert alarms[1:] == [], plan
        seen["/".join(alarms)] += 1
    assert sent == {}
    assert min(seen.values()) >= PROMISES // 20, seen
    ledger = own_store.of(tenant).ledger
    assert await ledger.timers.count() == 0
    kept = sum(it.proved_at is not None for it in month.plans)
    assert await ledger.listed(PROMISE, "kept").count() == kept
    assert await ledger.listed(PROMISE, "broken").count() == PROMISES - kept


async def test_a_proof_that_arrives_while_the_promise_is_opened_counts(own_store: Store, tenant: str) -> None:
    """The relay of another partition passes the proof on before the entry is written, and finds none.

    A long history makes the work between reading and writing long.
    """
    part, hashes = own_store.of(tenant), own_store.hashes(tenant)

    async def proved(plan: Plan, home: bytes, *, trips: int) -> None:
        for _ in range(trips):
            await part.clock()
        await record_all(own_store, tenant, [plan.proof()])
        await settle(own_store, tenant, home, RULES, known_only=True)

    for trips in range(8):
        plan = Plan(trips, NOON, NOON + 90 * DAY, NOON + HOUR)
        who = plan.made().home
        before = [touchpoint(f"{trips}/{at}", who, at=NOON - DAY + at, text=f"No {at}?") for at in range(300)]
        await record_all(own_store, tenant, [*before, plan.made()])
        home = hashes.identity(who.identity)
        await asyncio.gather(settle(own_store, tenant, home, RULES), proved(plan, home, trips=trips))
    assert await part.ledger.listed(PROMISE, "kept").count() == 8
