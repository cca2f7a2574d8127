"""A subscriber's feed: in order, bounded, and never in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from handoff.services.events.feed import MAX_BEHIND, Feed, Frame, TouchpointFrame


def frame(number: int) -> TouchpointFrame:
    return TouchpointFrame(home=b"h" * 16, arrival=number, type="message.received", json=b"{}")


async def test_frames_come_in_order_and_silence_is_told() -> None:
    feed = Feed()
    assert await feed.next(0.01) is None
    assert not feed.cut
    for number in range(3):
        feed.put(frame(number))
    assert [await feed.next(1) for _ in range(3)] == [frame(0), frame(1), frame(2)]


async def test_who_waits_gets_the_next_at_once() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    feed.put(frame(1))
    assert await asyncio.wait_for(waiting, 1) == frame(1)


async def test_who_reads_too_slowly_is_cut_off_and_holds_a_bounded_number() -> None:
    feed = Feed()
    for number in range(MAX_BEHIND + 100):
        feed.put(frame(number))
    assert feed.cut
    assert len(feed._frames) == MAX_BEHIND
    assert await feed.next(1) is None


async def test_an_interruption_wakes_who_waits() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    feed.break_off()
    assert await asyncio.wait_for(waiting, 1) is None
    assert feed.cut


async def test_a_reader_who_leaves_spoils_nothing() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    feed.put(frame(7))
    assert await feed.next(1) == frame(7)


class Telling:
    """A subscriber who takes at once what `takes` says, and the rest from its feed, slowly."""

    def __init__(self, takes: Callable[[int], bool]) -> None:
        self._takes = takes
        self.told: list[int] = []
        self.at_once: list[int] = []
        self.feed = Feed(self._at_once)

    def _at_once(self, it: Frame) -> bool:
        assert isinstance(it, TouchpointFrame)
        if not self._takes(it.arrival):
            return False
        self.told.append(it.arrival)
        self.at_once.append(it.arrival)
        return True

    async def read(self) -> None:
        while not self.feed.cut:
            it = await self.feed.next(10)
            if isinstance(it, TouchpointFrame):
                await asyncio.sleep(0)
                self.told.append(it.arrival)


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_the_order_is_the_same_whichever_way_a_frame_goes(steps: list[tuple[bool, bool]]) -> None:
    async def run() -> None:
        telling = Telling(lambda number: steps[number][0])
        reading = asyncio.create_task(telling.read())
        await asyncio.sleep(0)
        for number, (_taken, pause) in enumerate(steps):
            telling.feed.put(frame(number))
            if pause:
                await asyncio.sleep(0)
        while len(telling.told) < len(steps):  # noqa: ASYNC110 - the reader has its own pace
            await asyncio.sleep(0)
        assert telling.told == list(range(len(steps)))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))


async def test_who_takes_frames_at_once_is_not_woken() -> None:
    telling = Telling(lambda _number: True)
    reading = asyncio.create_task(telling.feed.next(0.2))
    await asyncio.sleep(0)
    telling.feed.put(frame(1))
    telling.feed.put(frame(2))
    assert telling.told == [1, 2]
    assert await asyncio.wait_for(reading, 1) is None
    telling.feed.put(frame(3))  # nobody waits: it may be in the middle of something
    assert telling.at_once == [1, 2]
    assert await telling.feed.next(1) == frame(3)


async def test_nothing_is_taken_at_once_after_an_interruption() -> None:
    telling = Telling(lambda _number: True)
    reading = asyncio.create_task(telling.feed.next(10))
    await asyncio.sleep(0)
    telling.feed.break_off()
    telling.feed.put(frame(1))
    assert telling.told == []
    assert await asyncio.wait_for(reading, 1) is None
