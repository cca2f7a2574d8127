"""A subscriber's feed: in order, bounded, and never in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from handoff.services.events.feed import Feed, Frame, StreamLimits, TouchpointFrame


def frame(number: int) -> TouchpointFrame:
    return TouchpointFrame(home=b"h" * 16, arrival=number, type="message.received", json=b"{}")


async def test_frames_come_in_order_and_silence_times_out() -> None:
    feed = Feed()
    assert await feed.next(0.01) is None
    assert not feed.cut
    for number in range(3):
        feed.put(frame(number))
    assert [await feed.next(1) for _ in range(3)] == [frame(0), frame(1), frame(2)]


async def test_who_waits_gets_the_next_take() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    feed.put(frame(1))
    assert await asyncio.wait_for(waiting, 10) == frame(1)


async def test_a_slow_reader_is_cut_off_after_a_bounded_number_of_frames() -> None:
    feed = Feed()
    for number in range(StreamLimits().behind + 100):
        feed.put(frame(number))
    assert feed.cut
    assert len(feed._frames) == StreamLimits().behind
    assert await feed.next(1) is None


async def test_an_interruption_wakes_a_waiting_reader() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    feed.break_off()
    assert await asyncio.wait_for(waiting, 10) is None
    assert feed.cut


async def test_a_cancelled_reader_loses_no_frame() -> None:
    feed = Feed()
    waiting = asyncio.create_task(feed.next(10))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    feed.put(frame(7))
    assert await feed.next(1) == frame(7)


class DirectSubscriber:
    """A subscriber that takes the frames selected by `takes` directly, and the others from its feed."""

    def __init__(self, takes: Callable[[int], bool]) -> None:
        self._takes = takes
        self.received: list[int] = []
        self.direct: list[int] = []
        self.feed = Feed(self._take)

    def _take(self, item: Frame) -> bool:
        assert isinstance(item, TouchpointFrame)
        if not self._takes(item.arrival):
            return False
        self.received.append(item.arrival)
        self.direct.append(item.arrival)
        return True

    async def read(self) -> None:
        while not self.feed.cut:
            item = await self.feed.next(10)
            if isinstance(item, TouchpointFrame):
                await asyncio.sleep(0)
                self.received.append(item.arrival)


@given(steps=st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_the_order_is_the_same_whichever_way_a_frame_goes(steps: list[tuple[bool, bool]]) -> None:
    async def run() -> None:
        subscriber = DirectSubscriber(lambda number: steps[number][0])
        reading = asyncio.create_task(subscriber.read())
        await asyncio.sleep(0)
        for number, (_taken, pause) in enumerate(steps):
            subscriber.feed.put(frame(number))
            if pause:
                await asyncio.sleep(0)
        while len(subscriber.received) < len(steps):  # noqa: ASYNC110 - the reader has its own pace
            await asyncio.sleep(0)
        assert subscriber.received == list(range(len(steps)))
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    asyncio.run(asyncio.wait_for(run(), 10))


async def test_who_takes_frames_take_is_not_woken() -> None:
    subscriber = DirectSubscriber(lambda _number: True)
    reading = asyncio.create_task(subscriber.feed.next(0.2))
    await asyncio.sleep(0)
    subscriber.feed.put(frame(1))
    subscriber.feed.put(frame(2))
    assert subscriber.received == [1, 2]
    assert await asyncio.wait_for(reading, 10) is None
    subscriber.feed.put(frame(3))  # no reader is waiting: the subscriber may be busy
    assert subscriber.direct == [1, 2]
    assert await subscriber.feed.next(1) == frame(3)


async def test_nothing_is_taken_take_after_an_interruption() -> None:
    subscriber = DirectSubscriber(lambda _number: True)
    reading = asyncio.create_task(subscriber.feed.next(10))
    await asyncio.sleep(0)
    subscriber.feed.break_off()
    subscriber.feed.put(frame(1))
    assert subscriber.received == []
    assert await asyncio.wait_for(reading, 10) is None
