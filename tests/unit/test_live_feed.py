"""A subscriber's feed: in order, bounded, and never in silence."""

from __future__ import annotations

import asyncio

from handoff.services.live import MAX_BEHIND, Feed, TouchpointFrame


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
