"""A full disk, a full memory, and clocks that jump."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from tests.faults.scenarios.scenario import EVERYTHING, Scenario, Traffic
from tests.faults.scenarios.stage import Stage
from tests.faults.scenarios.stores import Backing, embedded_on_small_disk, no_mounts, single
from tests.store.servers import ask

AFTER_SPACE_S = 6.0  # the supervisor's longest pause is 5 s
AFTER_MEMORY_S = 2.0
READY_S = 5.0  # for `/readyz` to notice
DAY_S = 86_400
JUMPS_S = (-3600, 3600, DAY_S, -DAY_S, 90, -90)
CLOCK = "clock"  # a file in the run's directory: how far the clock is off
LIBRARIES = ("/usr/lib", "/usr/local/lib", "/lib")


async def fill_the_disk(stage: Stage) -> None:
    assert stage.backing.data is not None
    ballast = stage.backing.data / "ballast"
    async with stage.holding():
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        await stage.until_refused()
        await _not_ready(stage, "the disk is full")
        ballast.unlink()


async def fill_the_memory(stage: Stage) -> None:
    target = ("127.0.0.1", stage.backing.servers[0].port)
    async with stage.holding():
        ask(target, "CONFIG", "SET", "maxmemory", "1mb")
        await stage.until_refused()
        await _not_ready(stage, "the memory is full")
        ask(target, "CONFIG", "SET", "maxmemory", "0")


async def _not_ready(stage: Stage, why: str) -> None:
    """`/readyz` must say so, once it had the time to notice."""
    deadline = asyncio.get_running_loop().time() + READY_S
    while await stage.ready():
        if asyncio.get_running_loop().time() > deadline:
            stage.figures.expect(False, f"/readyz is 200 although {why} and nothing is acknowledged")
            return
        await asyncio.sleep(0.1)


async def jump(stage: Stage) -> None:
    await _jump(stage, stage.dice.choice(JUMPS_S))


async def jump_across_deadlines(stage: Stage) -> None:
    """By as long as a deadline is by default, so that deadlines of both sides of each jump would pass."""
    for seconds in (DAY_S, -DAY_S):
        await _jump(stage, seconds)


async def _jump(stage: Stage, by: int) -> None:
    """Set the clock ahead or back, and right again after a while."""
    clock = stage.directory / CLOCK
    for seconds in (by, 0):
        _set(clock, seconds)
        await stage.recovered()
        await stage.pause(0.5, 1.0)


def _set(clock: Path, seconds: int) -> None:
    """Replaced in one step, since it is read at every look at the clock."""
    new = clock.with_suffix(".new")
    new.write_text(f"{seconds:+d}")
    os.replace(new, clock)


def _faketime() -> Path | None:
    found = (it for place in LIBRARIES for it in Path(place).glob("**/libfaketimeMT.so.1"))
    return next(found, None)


def no_faketime() -> str | None:
    return None if _faketime() else "libfaketime is not installed (Debian's package faketime)"


def _clock(directory: Path) -> dict[str, str]:
    """The environment of a process whose wall clock follows the file; its monotonic clock does not."""
    clock = directory / CLOCK
    _set(clock, 0)
    return {
        "LD_PRELOAD": str(_faketime()),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


@asynccontextmanager
async def server_with_a_clock(directory: Path) -> AsyncIterator[Backing]:
    async with single(directory) as backing:
        backing.environment |= _clock(directory)
        yield backing


@asynccontextmanager
async def store_with_a_clock(directory: Path) -> AsyncIterator[Backing]:
    async with single(directory, _clock(directory)) as backing:
        yield backing


SCENARIOS = (
    *(
        Scenario(
            key=f"disk-{durability}",
            title=f"disk full with `{durability}`, then space again",
            store=partial(embedded_on_small_disk, durability=durability),
            disturb=fill_the_disk,
            rounds=2,
            outage_s=AFTER_SPACE_S,
            traffic=EVERYTHING,
            needs=(no_mounts,),
        )
        for durability in ("always", "everysec")
    ),
    Scenario(
        key="memory",
        title="store out of memory, then memory again",
        store=single,
        disturb=fill_the_memory,
        rounds=2,
        outage_s=AFTER_MEMORY_S,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="clock-server",
        title="the server's clock jumps by 90 s to a day, and back",
        store=server_with_a_clock,
        disturb=jump,
        rounds=2,
        outage_s=1.0,
        traffic=Traffic(mail=True),
        needs=(no_faketime,),
    ),
    Scenario(
        key="clock-store",
        title="the store's clock jumps by 90 s to a day, and back",
        store=store_with_a_clock,
        disturb=jump,
        rounds=2,
        outage_s=1.0,
        traffic=Traffic(mail=True),
        needs=(no_faketime,),
    ),
    Scenario(
        key="clock-store-webhooks",
        title="the same with webhooks",
        store=store_with_a_clock,
        disturb=jump_across_deadlines,
        outage_s=1.0,
        traffic=EVERYTHING,
        needs=(no_faketime,),
    ),
)
