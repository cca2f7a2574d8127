"""A week of announcements in simulated time: each that is not followed is reported once, no other is.

Several workers share a real store. They are stopped in the middle of their work and start again, the relay is
late and repeats itself, and the store's clock jumps. `HANDOFF_ANNOUNCEMENTS` sets their number.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from typing import Any

from msgspec import Struct

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.domain.brief import BriefRules
from handoff.domain.brief.rules import FOLLOW_RULES
from handoff.domain.clock import DAY, HOUR, MINUTE, SECOND, Micros
from handoff.domain.clock_guard import ClockGuard
from handoff.domain.said.announcing import KINDS, AnnouncedKind
from handoff.domain.touchpoint import Touchpoint
from handoff.services.announcements.looking import AnnouncementLooks
from handoff.services.announcements.noticing import AnnouncementFollower
from handoff.services.announcements.settings import AnnouncementPolicies
from handoff.services.context.completeness import Monitor
from handoff.services.handoffs.lifecycle import Handoffs
from handoff.services.metrics import Measures
from handoff.store.store import Store
from tests.packs import packs
from tests.samples import record_all, touchpoint

from .test_month import SimulatedClocks, events_of

COUNT = int(os.environ.get("HANDOFF_ANNOUNCEMENTS", "27"))
WORKERS = 3
WORDS: dict[AnnouncedKind, tuple[str, ...]] = {
    "transfer": ("I'll transfer you to a colleague now.", "Ich verbinde Sie jetzt mit einer Kollegin."),
    "callback": ("You will be called back shortly.", "Sinulle soitetaan hetken kuluttua takaisin."),
    "mail": ("I have sent you an e-mail with the form.", "Jag har precis mejlat dig formuläret."),
}
PROOF: dict[AnnouncedKind, tuple[dict[str, Any], ...]] = {
    "transfer": (
        {"type": "handoff.requested", "data": {"handoff": "h"}, "actor": {"name": "desk"}},
        {"type": "message.sent", "text": "Hello, this is billing", "actor": {"type": "agent", "name": "Ida"}},
        {"type": "event.tracked", "data": {"name": "conversation.assigned", "assignee": {"name": "Ida"}}},
    ),
    "callback": (
        {"type": "callback.scheduled", "channel": "phone"},
        {"type": "call.ended", "channel": "phone", "direction": "outbound", "data": {"duration_s": 0}},
    ),
    "mail": ({"type": "email.sent", "channel": "email", "text": "The form"},),
}
NO_PROOF: dict[str, Any] = {
    "type": "message.sent",
    "text": "Your number is 4711",
    "actor": {"type": "agent", "name": "Max"},
}


class PlannedAnnouncement(Struct):
    """One announcement of the simulation. `proved_at` is None if nothing follows."""

    number: int
    kind: AnnouncedKind
    spoken_at: Micros
    proved_at: Micros | None
    chance: random.Random

    @property
    def due(self) -> Micros:
        return self.spoken_at + FOLLOW_RULES[self.kind].within

    @property
    def expected(self) -> list[str]:
        if self.proved_at is not None and self.proved_at <= self.due:
            return []
        if self.proved_at is not None and self.proved_at <= self.due + FOLLOW_RULES[self.kind].late:
            return ["announcement.unfulfilled", "announcement.fulfilled"]
        return ["announcement.unfulfilled"]

    def touchpoints(self) -> list[tuple[Micros, Touchpoint]]:
        words = {"text": self.chance.choice(WORDS[self.kind]), "actor": {"type": "agent", "name": "Max"}}
        found = [self._one("said", self.spoken_at, {"type": "message.sent", **words})]
        found.append(self._one("more", self.spoken_at + 20 * SECOND, NO_PROOF))
        if self.proved_at is not None:
            found.append(self._one("proof", self.proved_at, self.chance.choice(PROOF[self.kind])))
        return found

    def _one(self, name: str, at: Micros, fields: dict[str, Any]) -> tuple[Micros, Touchpoint]:
        given = {"text": None, "thread": f"{name}{self.number}", **fields}
        if name != "proof":
            given["thread"] = f"t{self.number}"
        return at, touchpoint(f"{name}{self.number}", f"user:c{self.number}", at=at, **given)


def planned(chance: random.Random, start: Micros) -> list[PlannedAnnouncement]:
    found = []
    for number in range(COUNT):
        kind = KINDS[number % len(KINDS)]
        rule, spoken_at = FOLLOW_RULES[kind], start + chance.randrange(6 * DAY)
        after = chance.choice(
            [
                chance.randrange(30 * SECOND, rule.within),
                rule.within + chance.choice([0, 1, SECOND]),
                rule.within + chance.randrange(MINUTE, rule.late),
                rule.within + rule.late + MINUTE,
                None,
                None,
            ]
        )
        proved_at = spoken_at + after if after is not None else None
        found.append(PlannedAnnouncement(number, kind, spoken_at, proved_at, chance))
    return found


class Week:
    """The simulation: touchpoints as they happen, a relay, and workers that look at announcements."""

    def __init__(self, store: Store, tenant: str, chance: random.Random, start: Micros) -> None:
        self.store, self.tenant, self.chance = store, tenant, chance
        self.clocks = SimulatedClocks(start)
        self.end = start + 8 * DAY
        self.plans = planned(chance, start)
        self.happening = sorted(
            [(at, it.number, one) for it in self.plans for at, one in it.touchpoints()],
            key=lambda it: it[:2],
        )
        self.policies = AnnouncementPolicies()
        self.handoffs = Handoffs(store, Monitor(store, []), Measures())
        self.follower = AnnouncementFollower(store, self.policies)
        self.late: list[tuple[bytes, bytes]] = []
        self.workers = [self.started() for _ in range(WORKERS)]

    def started(self) -> tuple[ClockGuard, AnnouncementLooks]:
        guard = ClockGuard()
        guard.look(self.clocks.at, self.clocks.process)
        looks = AnnouncementLooks(self.store, [self.tenant], guard, self.policies, self.handoffs, self.clocks)
        return guard, looks

    async def happen(self) -> None:
        """Record what has happened by now. The relay passes some of it on in the next step, some twice."""
        recorded: list[Touchpoint] = []
        passed, self.late = self.late, []
        while self.happening and self.happening[0][0] <= self.clocks.at:
            recorded.append(self.happening.pop(0)[2])
        for one, result in zip(
            recorded, await record_all(self.store, self.tenant, recorded) if recorded else [], strict=True
        ):
            home, id_ = self.store.hashes(self.tenant).private(TOUCHPOINT, result.id, 2)
            if one.type == "message.sent":
                (self.late if self.chance.random() < 0.3 else passed).append((home, id_))
        again = [it for it in passed if self.chance.random() < 0.3]
        for place in (*passed, *again):
            await self.follower.follow(self.tenant, place, "message.sent")

    async def look(self) -> None:
        """All workers look at once. Sometimes one is killed in the middle, and another starts."""
        tasks = []
        for guard, looks in self.workers:
            guard.look(self.clocks.at, self.clocks.process)
            tasks.append(asyncio.create_task(looks.send_due()))
        if self.chance.random() < 0.3:
            at = self.chance.randrange(WORKERS)
            for _ in range(self.chance.randrange(30)):
                await asyncio.sleep(0)
            tasks[at].cancel()
            self.workers[at] = self.started()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert not isinstance(result, Exception), result

    async def next_time(self) -> Micros:
        """When something happens next, or is looked at."""
        timers = (
            await self.store.of(self.tenant)
            .ledger.timers_of("announcement")
            .entries(limit=1, newest_first=False)
        )
        times = [it[0] for it in self.happening[:1]] + [score for _id, score in timers]
        return max(min(times, default=self.end), self.clocks.at)

    async def run(self) -> None:
        while self.clocks.at < self.end:
            wait = await self.next_time() - self.clocks.at
            self.clocks.pass_time(wait + self.chance.choice([0, SECOND, 40 * SECOND, 4 * MINUTE]))
            await self.happen()
            jump = self.chance.choice([0] * 8 + [3 * HOUR, -3 * HOUR, 12 * HOUR])
            if jump:  # the operator corrects it, or it stays
                self.clocks.at += jump
                await self.look()
                if self.chance.random() < 0.8:
                    self.clocks.at -= jump
                else:
                    await self.happen()
                await self.look()
            await self.look()
        for _ in range(6):
            self.clocks.pass_time(10 * MINUTE)
            await self.happen()
            await self.look()


async def test_each_announcement_that_is_not_followed_is_reported_once(own_store: Store, tenant: str) -> None:
    own_store.use_rules(BriefRules(packs=packs()))
    start = await own_store.of(tenant).clock() + DAY
    week = Week(own_store, tenant, random.Random(57), start)
    await week.run()
    hashes = own_store.hashes(tenant)
    sent: dict[str, list[str]] = {}
    for event in await events_of(own_store, tenant):
        sent.setdefault(event.subject, []).append(event.type)
    seen: Counter[str] = Counter()
    for plan in week.plans:
        one = plan.touchpoints()[0][1]
        place = (hashes.identity(one.home.identity), hashes.event("native", one.event_id))
        found = sent.pop(f"{hashes.public(TOUCHPOINT, *place)}.{plan.kind}", [])
        assert found == plan.expected, (plan.kind, plan.spoken_at, plan.proved_at, found)
        seen[f"{plan.kind} {len(found)}"] += 1
    assert sent == {}
    assert len(seen) == 9, seen
    ledger = own_store.of(tenant).ledger
    assert await ledger.timers_of("announcement").count() == 0
