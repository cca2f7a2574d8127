"""Long work in slices: what else is due on the event loop is done between two of them."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from handoff.store.pacing.pace import AT_ONCE, SLICE_S, Pace

STEP_S = SLICE_S * 1.01  # two halves are more than a slice, however they are rounded


class Clock:
    """Moves when work is done."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Done:
    """The steps that were done, in order, and what else the loop did."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.clock = Clock()
        self.pace = Pace(self.clock)

    def work(self, name: str, count: int, share: float = 0.5) -> Generator[None, None, str]:
        """Work in steps that take a share of a slice each."""
        for number in range(count):
            if number:
                yield
            self.steps.append(name)
            self.clock.now += STEP_S * share
        return name

    async def loop(self, rounds: int) -> None:
        """Notes each round of the event loop."""
        for _ in range(rounds):
            await asyncio.sleep(0)
            self.steps.append("|")

    def slices(self) -> list[str]:
        """The steps of each round that had any."""
        return [it for it in "".join(self.steps).split("|") if it]


async def test_the_loop_goes_on_between_two_slices() -> None:
    done = Done()
    result, _ = await asyncio.gather(done.pace.run("shop", done.work("a", 9)), done.loop(40))
    assert result == "a"
    assert len(done.slices()) >= 4
    assert max(map(len, done.slices())) <= 3, done.slices()


async def test_of_several_works_each_round_has_one_slice() -> None:
    done = Done()
    works = [done.pace.run(f"t{n}", done.work(str(n), 8)) for n in range(6)]
    await asyncio.gather(*works, done.loop(100))
    assert sorted(done.slices()[0]) == [*"000", *"12345"]  # the first step of each needs no turn
    assert {len(it) for it in done.slices()[1:]} <= {1, 2}, done.slices()


async def test_tenants_take_turns_and_each_does_one_work_after_the_other() -> None:
    done = Done()
    flood = [done.pace.run("flood", done.work(name, 9)) for name in "abc"]
    await asyncio.gather(*flood, done.pace.run("shop", done.work("S", 5)), done.loop(100))
    later = "".join(done.slices()[1:])
    assert later.rindex("S") < later.index("b")  # the shop was served beside the first of the flood
    assert later.replace("S", "") == "a" * later.count("a") + "b" * 8 + "c" * 8


async def test_short_work_never_waits() -> None:
    done = Done()
    long = asyncio.create_task(done.pace.run("shop", done.work("a", 50)))
    await asyncio.sleep(0)
    running = done.pace.run("shop", done.work("s", 1))
    with pytest.raises(StopIteration) as ended:  # it returns without giving way
        running.send(None)
    assert ended.value.value == "s"
    assert await done.pace.each("shop", str, range(AT_ONCE)) == [str(n) for n in range(AT_ONCE)]
    assert not long.done()
    await long


async def test_work_within_one_slice_never_waits() -> None:
    done = Done()
    running = done.pace.run("shop", done.work("s", 9, share=0.1))
    with pytest.raises(StopIteration):
        running.send(None)
    assert done.steps == ["s"] * 9


async def test_each_makes_all_values_in_their_order() -> None:
    done = Done()

    def double(number: int) -> int:
        done.clock.now += STEP_S / AT_ONCE
        return 2 * number

    made, _ = await asyncio.gather(done.pace.each("shop", double, range(100)), done.loop(30))
    assert made == [2 * n for n in range(100)]
    assert done.steps.count("|") == 30


async def test_a_loop_breathes() -> None:
    done = Done()

    async def loop() -> None:
        for _ in range(8):
            await done.pace.breathe("shop")
            done.steps.append("a")
            done.clock.now += STEP_S

    await asyncio.gather(loop(), done.loop(40))
    assert set(done.slices()) == {"a"}


async def test_a_cancelled_work_leaves_its_place_to_the_next() -> None:
    done = Done()
    tasks = [asyncio.create_task(done.pace.run("shop", done.work(name, 6, share=1))) for name in "abc"]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    async with asyncio.timeout(5):
        assert await tasks[2] == "c"
    again = asyncio.create_task(done.pace.run("shop", done.work("d", 6, share=1)))
    for _ in range(4):
        await asyncio.sleep(0)
    again.cancel()  # it may just have been granted its slice
    async with asyncio.timeout(5):
        assert await done.pace.run("other", done.work("e", 6, share=1)) == "e"


async def test_a_work_that_fails_fails_alone() -> None:
    done = Done()

    def failing() -> Generator[None, None, None]:
        yield from done.work("f", 3, share=1)
        raise ValueError("broken")

    one, other = await asyncio.gather(
        done.pace.run("shop", failing()), done.pace.run("shop", done.work("a", 6)), return_exceptions=True
    )
    assert isinstance(one, ValueError)
    assert other == "a"
