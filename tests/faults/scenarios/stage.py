"""A running scenario: the server under load, what a disturbance may do to it, and the verdict."""

from __future__ import annotations

import asyncio
import random
import signal
import time
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from tests.faults.load import Ledger, Process, client, load, serving
from tests.faults.scenarios import verdict
from tests.faults.scenarios.handoffs import Handoffs
from tests.faults.scenarios.machine import slowness
from tests.faults.scenarios.mail import Mails
from tests.faults.scenarios.scenario import Figures, Scenario
from tests.faults.scenarios.stores import Backing, quiet_port

PATIENCE_S = 40.0  # for an acknowledgement after a disturbance; bounds are checked from the ledger


class Stage:
    """The running server and its load, for disturbances. Times go into `figures`."""

    def __init__(self, scenario: Scenario, seed: int, directory: Path, backing: Backing) -> None:
        self.scenario = scenario
        self.dice = random.Random(f"{scenario.key} {seed}")
        self.directory = directory
        self.backing = backing
        self.figures = Figures(seeds=[seed])
        traffic = scenario.traffic
        self.ledger = Ledger(homes=traffic.homes, padding=traffic.padding)
        self.mails = Mails(port=quiet_port()) if traffic.mail else None
        self.handoffs = Handoffs() if traffic.handoffs else None
        self.held: list[tuple[float, float]] = []
        self.gone_before: float | None = None
        """Acknowledgements before this time are gone because somebody destroyed the store's data."""
        self.hurt_homes: frozenset[int] | None = None
        """On a Cluster: customers of the shard that was hurt. `outage_s` is for them."""
        self.others_outage_s: float | None = None
        self.via: str | None = None
        self._port = quiet_port()
        self._server: Process | None = None
        self._stack = ExitStack()

    @property
    def server(self) -> Process:
        assert self._server is not None
        return self._server

    @property
    def url(self) -> str:
        """Where senders send to."""
        return self.via or f"http://127.0.0.1:{self._port}"

    # --- The server --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the server; a stopped or killed one again, on the same port and data."""
        await self._leave()
        config = self.directory / "handoff.toml"
        config.write_text(self._configuration())
        arguments = ("--config", str(config), *self.scenario.arguments)
        data = self.backing.data or self.directory / "data"
        starting = serving(data, self._port, *arguments, **self.backing.environment)
        self._server = await asyncio.to_thread(self._stack.enter_context, starting)

    async def stop(self) -> float:
        """SIGTERM; how long the server takes to end."""
        began = time.monotonic()
        self.server.popen.send_signal(signal.SIGTERM)
        await asyncio.to_thread(self.server.popen.wait, PATIENCE_S)
        return time.monotonic() - began

    async def _leave(self) -> None:
        await asyncio.to_thread(self._stack.close)
        self._stack = ExitStack()

    def _configuration(self) -> str:
        parts = [it.configuration() for it in (self.mails, self.handoffs) if it is not None]
        return "\n".join(parts)

    # --- The load ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def traffic(self) -> AsyncIterator[None]:
        """All senders of the scenario, until this is left."""
        traffic = self.scenario.traffic
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            pacing = {"senders": traffic.senders, "pace_s": traffic.pace_s, "copies": traffic.copies}
            await enter(load(self.url, self.ledger, **pacing))
            if self.mails is not None:
                await enter(self.mails.load())
            if self.handoffs is not None:
                await enter(self.handoffs.load(self.url))
            yield

    async def pause(self, shortest_s: float = 0.3, longest_s: float = 1.0) -> None:
        await asyncio.sleep(self.dice.uniform(shortest_s, longest_s))

    async def recovered(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until something is acknowledged for every customer that was sent from now on.

        An earlier request may be past the disturbed part already.
        """
        since = time.monotonic()
        homes = range(min(self.ledger.homes, self.scenario.traffic.senders))
        while not all(self.ledger.newest.get(home, 0) > since for home in homes):
            if time.monotonic() - since > patience_s:
                raise AssertionError(f"no acknowledgement for every customer within {patience_s:g} s")
            await asyncio.sleep(0.02)

    async def until_refused(self, patience_s: float = PATIENCE_S) -> None:
        """Wait until nothing is acknowledged for half a second, as under a lasting fault."""
        since = time.monotonic()
        while time.monotonic() - max(since, self.ledger.latest) < 0.5:
            if time.monotonic() - since > patience_s:
                raise AssertionError(f"still acknowledging after {patience_s:g} s")
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """A fault that makes acknowledgements impossible; this time does not count as outage."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.held.append((began, time.monotonic()))

    async def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        async with client() as session, session.get(f"{self.server.url}/readyz") as response:
            return response.status == 200


async def play(scenario: Scenario, seed: int, directory: Path) -> Figures:
    """One run: its figures. Errors are among their failures, with the end of the server's log."""
    figures = Figures(seeds=[seed])
    try:
        async with scenario.store(directory) as backing:
            stage = Stage(scenario, seed, directory, backing)
            figures = stage.figures
            await _run(stage)
    except Exception as error:
        figures.failures += [_described(it) for it in _leaves(error)]
    if figures.failures and (log := directory / "serve.log").exists():
        figures.failures.append(f"end of the server's log:\n{log.read_text(errors='replace')[-1500:]}")
    return figures


def _leaves(error: Exception) -> list[Exception]:
    if not isinstance(error, ExceptionGroup):
        return [error]
    return [leaf for it in error.exceptions for leaf in _leaves(it)]


def _described(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"[:2000]


async def _run(stage: Stage) -> None:
    stage.figures.slowness = await asyncio.to_thread(slowness)
    async with AsyncExitStack() as stack:
        if stage.handoffs is not None:
            await stack.enter_async_context(stage.handoffs.subscribed())
        stage.via = await stack.enter_async_context(stage.backing.front(f"http://127.0.0.1:{stage._port}"))
        stack.push_async_callback(stage._leave)
        await stage.start()
        try:
            await _disturbed(stage)
        except Exception as error:  # what was acknowledged so far is compared all the same
            stage.figures.failures += [_described(it) for it in _leaves(error)]
        stage.via = None
        stage.figures.slowness = max(stage.figures.slowness, await asyncio.to_thread(slowness))
        await verdict.compare(stage)


async def _disturbed(stage: Stage) -> None:
    async with stage.traffic():
        await stage.recovered()
        for _ in range(stage.scenario.rounds):
            await stage.pause()
            await stage.scenario.disturb(stage)
            stage.figures.runs += 1
            if stage.gone_before is None:
                await stage.recovered()
        await asyncio.sleep(0.3)
