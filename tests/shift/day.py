"""The whole shift: customers arrive, agents work, things go wrong, and the API is asked what came of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientTimeout
from playwright.async_api import Browser

from tests.e2e.agents import browser

from .agent import Agent, Races
from .floor import PENDING, Floor
from .ledger import Ledger
from .plan import Pace, Work, plan
from .tabs import AgentBrowser, Tab

POLL_S = 0.25
ENDS = {"release": "released", "transfer": "transferred"}
END, RELOAD, CLOSE, RESTART = 0.2, 0.3, 0.4, 0.55  # after this share of the handoffs
LASTING_S = 3600  # of sessions that outlive the shift


async def shift(pace: Pace, seed: int = 1) -> Ledger:
    """Play a shift in a browser of its own."""
    async with browser() as chromium:
        return await shift_in(chromium, pace, seed)


async def shift_in(chromium: Browser, pace: Pace, seed: int = 1) -> Ledger:
    """Play a shift against a server of its own. A shift that does not end in time is reported."""
    ledger = Ledger()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="handoff-shift-") as folder:
        async with ClientSession(timeout=ClientTimeout(total=15)) as http:
            floor = Floor(Path(folder), http)
            await floor.start()
            day = Day(floor, chromium, pace, ledger, seed)
            try:
                async with asyncio.timeout(pace.limit_s):
                    await day.play()
            except TimeoutError:
                ledger.wrong.append(f"the shift was not over after {pace.limit_s:g} s")
            finally:
                await day.judge()
                ledger.seconds = time.monotonic() - begun
                await day.close()
                await floor.stop()
    return ledger


class Day:
    def __init__(self, floor: Floor, chromium: Browser, pace: Pace, ledger: Ledger, seed: int) -> None:
        self.floor, self.chromium, self.pace, self.ledger = floor, chromium, pace, ledger
        self._works = plan(pace, seed)
        self._seed = seed
        self._races = Races()
        self._agents: list[Agent] = []
        self._arrived = False

    async def close(self) -> None:
        for agent in self._agents:
            await agent.browser.profile.close()

    async def play(self) -> None:
        for number in range(self.pace.agents):
            self._agents.append(await self._agent(number))
        rest = len(self._works) - self.pace.left_open
        await self._until_ended(self._arrive(self._works[:rest], incidents=True))
        await self._arrive(self._works[rest:])
        await self._each(self._accept_one)
        await self._compare()
        await self._until_ended()
        await self._compare()

    async def _agent(self, number: int) -> Agent:
        context = await self.chromium.new_context(
            viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="Europe/Helsinki"
        )
        await context.add_init_script(path=Path(__file__).with_name("watch.js"))
        ttl_s = self.pace.session_s if number == 0 else LASTING_S
        browser = AgentBrowser(f"agent-{number}", self.floor, context, self.ledger, ttl_s)
        await browser.open(self.pace.tabs)
        return Agent(browser, self._races, self.pace.reading_s, self._seed * 1000 + number)

    # --- arrivals and incidents -----------------------------------------------------------------------

    async def _arrive(self, works: Sequence[Work], incidents: bool = False) -> None:
        pause = self.pace.arriving_s / len(self._works)
        planned = self._incidents(len(works)) if incidents else {}
        restarting: list[asyncio.Task[None]] = []
        next_at = time.monotonic()
        for number, work in enumerate(works):
            if incident := planned.get(number):
                restarting.append(asyncio.create_task(incident()))
            while await self._count(*PENDING) >= self.pace.waiting * self.pace.agents:  # noqa: ASYNC110 - the API
                await asyncio.sleep(POLL_S)
            await self.floor.arrive(work)
            next_at += pause
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))
        await asyncio.gather(*restarting)

    def _incidents(self, count: int) -> dict[int, Callable[[], Coroutine[Any, Any, None]]]:
        return {
            int(count * END): lambda: self._errand(1, _end),
            int(count * RELOAD): lambda: self._errand(0, _reload),
            int(count * CLOSE): lambda: self._errand(-1, _close),
            int(count * RESTART): self._restart,
        }

    async def _errand(self, agent: int, errand: Callable[[AgentBrowser], Awaitable[None]]) -> None:
        self._agents[agent].errands.append(errand)

    async def _restart(self) -> None:
        await self.floor.restart()
        self.ledger.incidents["server restarts"] += 1

    # --- working --------------------------------------------------------------------------------------

    async def _until_ended(self, arriving: Awaitable[None] | None = None) -> None:
        """Agents work until every handoff has ended."""
        ended = False

        async def watch() -> None:
            nonlocal ended
            if arriving:
                await arriving
            while await self._open() or any(it.errands for it in self._agents):  # noqa: ASYNC110 - the API
                await asyncio.sleep(POLL_S)
            ended = True

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch())
            for agent in self._agents:
                tasks.create_task(agent.work(lambda: ended))

    async def _open(self) -> int:
        return await self._count(*PENDING, "accepted")

    async def _count(self, *states: str) -> int:
        pages = [await self.floor.call("GET", f"/v1/handoffs?state={it}&limit=1") for it in states]
        return sum(it["total"] for it in pages)

    async def _each(self, act: Callable[[Agent, int], Awaitable[None]]) -> None:
        await asyncio.gather(*(act(agent, number) for number, agent in enumerate(self._agents)))

    async def _accept_one(self, agent: Agent, number: int) -> None:
        """Each agent one of the last handoffs: the other half stays in the queue."""
        last = [id_ for id_, work in self.floor.works.items() if work in self._works[-self.pace.left_open :]]
        tab = agent.browser.tabs[number % len(agent.browser.tabs)]
        await tab.card(last[number]).wait_for()
        await agent.take(tab, last[number])

    # --- judging --------------------------------------------------------------------------------------

    async def _compare(self) -> None:
        for agent in self._agents:
            self.ledger.compared += len(agent.browser.tabs)
            self.ledger.different += await agent.browser.differences()

    async def judge(self) -> None:
        """Every handoff ended, one agent accepted it, and every note is stored."""
        self.ledger.incidents["races for the same handoff"] = self._races.run
        accepted = Counter(it.handoff for it in self.ledger.of("done") if it.kind == "accept")
        self.ledger.handoffs = len(self.floor.works)
        for id_, work in self.floor.works.items():
            handoff = await self.floor.handoff(id_)
            owners = [it["by"] for it in handoff["history"] if it["state"] == "accepted"]
            if handoff["state"] != ENDS.get(work.fate, "completed"):
                self.ledger.wrong.append(f"{work.mark} has not ended: {handoff['state']}")
            elif len(owners) != 1 or accepted[id_] > 1:
                self.ledger.wrong.append(f"{work.mark} was owned by {owners}, accepted {accepted[id_]} times")
            else:
                self.ledger.ended += 1
        for note in (it for it in self.ledger.of("done") if it.kind == "note"):
            await self._stored(note.mark, f"{note.agent} promised")

    async def _stored(self, mark: str, text: str) -> None:
        path = f"/v1/context?identity=user:{mark.lower()}&limit=50"
        touchpoints = (await self.floor.call("GET", path))["timeline"]["touchpoints"]
        if sum(str(it["text"]).startswith(text) for it in touchpoints) != 1:
            self.ledger.wrong.append(f"the note of {mark} is not stored once")


async def _end(browser: AgentBrowser) -> None:
    """A lead ends the agent's session."""
    await browser.floor.call("DELETE", "/v1/sessions/current", token=await browser.token())
    browser.ledger.incidents["sessions ended by a lead"] += 1


async def _reload(browser: AgentBrowser) -> None:
    tab: Tab = browser.tabs[0]
    await tab.reload()
    browser.ledger.incidents["tabs reloaded"] += 1


async def _close(browser: AgentBrowser) -> None:
    await browser.replace_tab()
    browser.ledger.incidents["tabs closed"] += 1
