"""Turns between tenants: the requests of one do not delay those of another."""

from __future__ import annotations

import asyncio

import pytest

from handoff.services.admission.turns import READS, SEVERAL_S, Neighbours, Turns
from handoff.services.timeline.batching import MAX_REQUESTS, SHARED_REQUESTS, FairQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Request:
    """A request as the queue needs it."""

    def __init__(self, tenant: str, number: int = 0, size: int = 100) -> None:
        self.tenant = tenant
        self.number = number
        self.size = size


@pytest.fixture
def clock() -> Clock:
    return Clock()


def queue_of(clock: Clock, *requests: Request) -> FairQueue[Request]:
    queue = FairQueue[Request](Neighbours(clock))
    for request in requests:
        queue.put(request)
    return queue


def taken(queue: FairQueue[Request]) -> list[tuple[str, int]]:
    return [(it.tenant, it.number) for it in queue.take()]


def test_a_tenant_alone_fills_whole_turns_in_order(clock: Clock) -> None:
    queue = queue_of(clock, *(Request("a", number) for number in range(MAX_REQUESTS + 3)))
    assert taken(queue) == [("a", number) for number in range(MAX_REQUESTS)]
    assert taken(queue) == [("a", number) for number in range(MAX_REQUESTS, MAX_REQUESTS + 3)]
    assert not queue


def test_a_late_request_of_another_tenant_is_in_the_next_turn(clock: Clock) -> None:
    queue = queue_of(clock, *(Request("flood", number) for number in range(1_000)), Request("shop"))
    assert taken(queue)[:2] == [("flood", 0), ("shop", 0)]


def test_tenants_alternate(clock: Clock) -> None:
    flood = [Request("flood", number) for number in range(50)]
    queue = queue_of(clock, *flood, *(Request(name, n) for name in ("b", "c") for n in range(2)))
    assert [tenant for tenant, _ in taken(queue)][:6] == ["flood", "b", "c", "flood", "b", "c"]


def test_a_tenant_beside_others_has_few_requests_in_progress(clock: Clock) -> None:
    queue = queue_of(clock, Request("shop"), *(Request("flood", number) for number in range(50)))
    assert len(taken(queue)) == 1 + SHARED_REQUESTS
    assert taken(queue) == []
    assert queue
    queue.settle("flood")
    assert taken(queue) == [("flood", SHARED_REQUESTS)]


def test_the_limit_ends_with_the_other_tenants_requests(clock: Clock) -> None:
    queue = queue_of(clock, Request("shop"), *(Request("flood", number) for number in range(50)))
    taken(queue)
    clock.now += SEVERAL_S
    assert len(taken(queue)) == MAX_REQUESTS


def test_every_tenant_gets_a_turn_where_there_are_many(clock: Clock) -> None:
    names = [f"t{number:02}" for number in range(MAX_REQUESTS * 2)]
    queue = queue_of(clock, *(Request(name, n) for name in names for n in range(2)))
    turns = [tenant for _ in range(4) for tenant, _ in taken(queue)]
    assert sorted(turns[: len(names)]) == names
    assert not queue


def test_a_turn_has_a_size(clock: Clock) -> None:
    queue = queue_of(clock, *(Request("a", number, size=30_000) for number in range(5)))
    assert [len(taken(queue)) for _ in range(3)] == [2, 2, 1]


async def begin(turns: Turns, tenant: str, count: int, begun: list[str]) -> list[asyncio.Task[None]]:
    """Requests that hold their turn until they are cancelled."""

    async def one() -> None:
        async with turns.turn(tenant):
            begun.append(tenant)
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_tenant_alone_reads_as_it_likes(clock: Clock) -> None:
    begun: list[str] = []
    tasks = await begin(Turns(Neighbours(clock)), "a", 20, begun)
    assert len(begun) == 20
    await end(*tasks)


async def test_reads_beside_another_tenant_wait_and_follow(clock: Clock) -> None:
    begun: list[str] = []
    turns = Turns(Neighbours(clock))
    tasks = await begin(turns, "shop", 1, begun) + await begin(turns, "flood", READS + 3, begun)
    assert begun == ["shop"] + ["flood"] * READS
    await end(tasks[1])
    assert begun.count("flood") == READS + 1
    await end(*tasks)


async def test_waiting_reads_follow_at_once_when_the_others_left(clock: Clock) -> None:
    begun: list[str] = []
    turns = Turns(Neighbours(clock))
    tasks = await begin(turns, "shop", 1, begun) + await begin(turns, "flood", READS + 5, begun)
    clock.now += SEVERAL_S
    await end(tasks[1])
    assert begun.count("flood") == READS + 5
    await end(*tasks)


async def test_a_read_that_leaves_while_it_waits_takes_no_turn(clock: Clock) -> None:
    begun: list[str] = []
    turns = Turns(Neighbours(clock))
    tasks = await begin(turns, "shop", 1, begun) + await begin(turns, "flood", READS + 2, begun)
    await end(tasks[READS + 1])  # waits
    await end(tasks[1])
    assert begun.count("flood") == READS + 1
    await end(*tasks)
    again: list[str] = []
    await end(*await begin(turns, "flood", READS, again))
    assert len(again) == READS


async def test_a_turn_passed_on_to_a_read_that_leaves_is_passed_on_again(clock: Clock) -> None:
    begun: list[str] = []
    turns = Turns(Neighbours(clock))
    tasks = await begin(turns, "shop", 1, begun) + await begin(turns, "flood", READS + 2, begun)
    tasks[1].cancel()
    await asyncio.sleep(0)  # its turn is on its way to the first that waits
    tasks[READS + 1].cancel()
    await asyncio.gather(tasks[1], tasks[READS + 1], return_exceptions=True)
    await asyncio.sleep(0)
    assert begun.count("flood") >= READS + 1
    await end(*tasks)
