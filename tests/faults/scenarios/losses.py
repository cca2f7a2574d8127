"""Data that was destroyed under the server: it must stop acknowledging."""

from __future__ import annotations

import asyncio
import shutil
import time

from tests.faults.scenarios.scenario import Scenario
from tests.faults.scenarios.sentinel import no_further_loopback, primary_of, sentinel
from tests.faults.scenarios.stage import Stage
from tests.faults.scenarios.stores import single, start_again
from tests.store.servers import ask

NOTICED_S = 5.0


async def empty_the_store(stage: Stage) -> None:
    assert ask(("127.0.0.1", stage.backing.servers[0].port), "FLUSHALL") == "+OK"
    await _stops(stage, time.monotonic())


async def restart_the_primary_without_its_log(stage: Stage) -> None:
    """The primary alone starts again with nothing, before the sentinels notice; replicas copy that."""
    primary = stage.backing.servers[primary_of(stage.backing)]
    conf = primary.directory / "server.conf"
    conf.write_text(conf.read_text().replace("appendonly yes", "appendonly no"))
    primary.kill()
    gone = time.monotonic()
    shutil.rmtree(primary.directory / "appendonlydir")
    await start_again(primary)
    await _stops(stage, gone)


async def _stops(stage: Stage, gone: float) -> None:
    stage.gone_before = gone
    await asyncio.sleep(NOTICED_S + 2)
    lasted_s = max(stage.ledger.latest - gone, 0.0)
    stage.figures.measure("acknowledging", lasted_s, NOTICED_S)
    stage.figures.expect(not await stage.ready(), "/readyz is 200 although acknowledged data is gone")


SCENARIOS = (
    Scenario(
        key="emptied",
        title="the store emptied (FLUSHALL): it must stop acknowledging",
        store=single,
        disturb=empty_the_store,
    ),
    Scenario(
        key="log-gone",
        title="Sentinel: primary restarted without its log: it must stop acknowledging",
        store=sentinel,
        disturb=restart_the_primary_without_its_log,
        needs=(no_further_loopback,),
    ),
)
