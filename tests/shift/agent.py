"""An agent at work: takes the next handoff from one of two tabs, reads, adds a note, and ends it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from .plan import Work
from .tabs import AgentBrowser, Tab

CHOICE = 5  # agents choose among the first handoffs of the queue
PARTNER_S = 6.0  # how long an agent waits for the other one in a race
IDLE_S = 0.1


class Races:
    """Two agents who press Accept at the same time."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Event] = {}
        self.run = 0

    def wanted(self, id_: str) -> bool:
        """Whether another agent waits for a rival."""
        return id_ in self._waiting

    async def meet(self, id_: str) -> None:
        if rival := self._waiting.pop(id_, None):
            self.run += 1
            rival.set()
            return
        self._waiting[id_] = mine = asyncio.Event()
        try:
            async with asyncio.timeout(PARTNER_S):
                await mine.wait()
        except TimeoutError:
            self._waiting.pop(id_, None)


class Agent:
    """Works until the shift is over."""

    def __init__(self, browser: AgentBrowser, races: Races, reading_s: float, seed: int) -> None:
        self.browser, self.races = browser, races
        self._reading_s = reading_s
        self._chance = random.Random(seed)
        self._declined: set[str] = set()
        self._noted: set[str] = set()
        self._handed_on: set[str] = set()
        self.errands: list[Callable[[AgentBrowser], Awaitable[None]]] = []
        """Incidents in the agent's browser, before the next action."""

    async def work(self, over: Callable[[], bool]) -> None:
        while not over():
            while self.errands:
                await self.errands.pop()(self.browser)
            await self.browser.renew()
            tab = self._chance.choice(self.browser.tabs)
            listed = await tab.listed()
            for unknown in [it for it in listed if it not in self.browser.floor.works]:
                await self.browser.floor.adopt(unknown)
            known = [it for it in listed if it in self.browser.floor.works]
            mine = [it for it in known if listed[it] and it not in self._handed_on]
            if mine:
                await self._finish(tab, mine[0])
            elif chosen := self._choose([it for it in known if not listed[it]]):
                await self.take(tab, chosen)
            else:
                await asyncio.sleep(IDLE_S)

    def _choose(self, waiting: list[str]) -> str | None:
        waiting = [it for it in waiting if it not in self._declined]
        rivals = [it for it in waiting if self.races.wanted(it)]
        return rivals[0] if rivals else self._chance.choice(waiting[:CHOICE]) if waiting else None

    def _work(self, id_: str) -> Work:
        return self.browser.floor.works[id_]

    async def take(self, tab: Tab, id_: str) -> None:
        """Accept or decline."""
        work = self._work(id_)
        if work.fate == "decline" and await self._queue_of(id_) == work.queue:
            self._declined.add(id_)
            await tab.give_back("decline", id_, work)
            return
        if work.from_story and (await tab.open_story(id_, work)).outcome != "done":
            return
        if work.fate == "race":
            await self.races.meet(id_)
        await tab.accept(id_, work)

    async def _queue_of(self, id_: str) -> str:
        return str((await self.browser.floor.handoff(id_))["to"].get("queue"))

    async def _finish(self, tab: Tab, id_: str) -> None:
        """Read, note, and end a handoff of the agent's own."""
        work = self._work(id_)
        if (await tab.open_story(id_, work)).outcome != "done":
            return
        await self._read()
        if work.note and id_ not in self._noted:
            if (await tab.note(id_, work)).outcome != "done":
                return
            self._noted.add(id_)
        if work.fate == "transfer":
            if (await tab.transfer(id_, work)).outcome == "done":
                self._handed_on.add(id_)
        elif work.fate == "release":
            await tab.give_back("release", id_, work)
        else:
            await tab.complete(id_, work)

    async def _read(self) -> None:
        await asyncio.sleep(self._chance.random() * self._reading_s)
