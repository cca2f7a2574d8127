"""Touchpoints that are read and prepared together share neither their faults nor their fate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from handoff.domain.errors import InvalidPayload, StoreUnavailable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.batching import MAX_BYTES, MAX_REQUESTS, SHARED_REQUESTS, Intake
from handoff.services.timeline.recording import Result
from handoff.store.store import Store
from tests.conftest import opened
from tests.samples import NOON, timeline, touchpoint


def stating(*touchpoints: Touchpoint) -> Callable[[], Sequence[Touchpoint]]:
    return lambda: touchpoints


async def record_one(intake: Intake, tenant: str, read: Callable[[], Sequence[Touchpoint]]) -> Result:
    (result,) = await intake.record(tenant, read)
    return result


def refusing(error: Exception) -> Callable[[], Sequence[Touchpoint]]:
    def read() -> Sequence[Touchpoint]:
        raise error

    return read


async def test_what_cannot_be_read_or_prepared_fails_alone(store: Store, tenant: str) -> None:
    intake = Intake(store)
    asked = [
        stating(touchpoint("first")),
        refusing(InvalidPayload("no JSON", code="invalid_json")),
        refusing(ZeroDivisionError("hostile")),
        stating(touchpoint("for a placeholder", "user:0")),
        stating(touchpoint("cannot be packed", data={"n": 2**70})),
        stating(touchpoint("last", at=NOON + 1)),
    ]
    became = await asyncio.gather(*(record_one(intake, tenant, it) for it in asked), return_exceptions=True)
    first, unread, crashed, placeholder, unpacked, last = became
    assert isinstance(first, Result)
    assert isinstance(last, Result)
    assert (first.status, last.status) == ("accepted", "accepted")
    assert isinstance(unread, InvalidPayload)
    assert isinstance(crashed, ZeroDivisionError)
    assert isinstance(placeholder, Result)
    assert (placeholder.status, placeholder.code) == ("rejected", "blocked_identity")
    assert isinstance(unpacked, Result)
    assert unpacked.status == "rejected"
    assert len(await timeline(store, tenant)) == 2


async def test_a_reader_that_stops_an_iteration_fails_alone(store: Store, tenant: str) -> None:
    """No future takes this error; callers beside and after it are answered all the same."""
    intake = Intake(store)

    def read_all() -> list[Touchpoint]:
        return [next(iter(()))]

    asked: list[Awaitable[object]] = [record_one(intake, tenant, read_all)]
    asked += [intake.record(tenant, read_all, 1)]
    asked += [record_one(intake, tenant, stating(touchpoint(f"e{n}"))) for n in range(MAX_REQUESTS * 2)]
    async with asyncio.timeout(10):
        one, many, *others = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(one, RuntimeError)
    assert isinstance(many, RuntimeError)
    assert {it.status for it in others if isinstance(it, Result)} == {"accepted"}
    assert len(await timeline(store, tenant)) == len(others)


async def test_a_caller_that_leaves_withdraws_nothing(store: Store, tenant: str) -> None:
    intake = Intake(store)
    leaving = asyncio.create_task(record_one(intake, tenant, stating(touchpoint("left alone"))))
    staying = asyncio.create_task(record_one(intake, tenant, stating(touchpoint("waited for", at=NOON + 1))))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).status == "accepted"
    assert len(await timeline(store, tenant)) == 2


def _raise_stop() -> Sequence[Touchpoint]:
    raise StopIteration


OUTCOMES: dict[str, Callable[[], Sequence[Touchpoint]]] = {
    "stored": stating(touchpoint("stored")),
    "nothing in it": stating(),
    "unreadable": refusing(InvalidPayload("no JSON", code="invalid_json")),
    "crashed": refusing(ZeroDivisionError("hostile")),
    "stopped": _raise_stop,
    "rejected": stating(touchpoint("for a placeholder", "user:0")),
    "partly rejected": stating(touchpoint("placeholder", "user:0"), touchpoint("beside it", at=NOON + 1)),
    "cannot be packed": stating(touchpoint("cannot be packed", data={"n": 2**70})),
}


async def repeat(intake: Intake, tenant: str, read: Callable[[], Sequence[Touchpoint]]) -> None:
    """One request more than a tenant may have in progress beside others."""
    asked = (intake.record(tenant, read) for _ in range(SHARED_REQUESTS + 1))
    await asyncio.gather(*asked, intake.record("neighbour", stating()), return_exceptions=True)


async def is_served(intake: Intake, tenant: str) -> bool:
    """Whether the tenant still gets its turn while another one sends."""
    async with asyncio.timeout(20):
        await intake.record("neighbour", stating())
        return (await record_one(intake, tenant, stating(touchpoint("next", at=NOON + 2)))).ok


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_no_outcome_keeps_a_place(own_store: Store, tenant: str, outcome: str) -> None:
    intake = Intake(own_store)
    async with asyncio.timeout(20):
        await repeat(intake, tenant, OUTCOMES[outcome])
    assert await is_served(intake, tenant)


async def test_a_store_that_refuses_keeps_no_place(own_store: Store, tenant: str) -> None:
    intake = Intake(own_store)
    own_store.recorder.refuses = "the disk is full"
    async with asyncio.timeout(20):
        await repeat(intake, tenant, stating(touchpoint("1"), touchpoint("2", at=NOON + 1)))
    own_store.recorder.refuses = None
    assert await is_served(intake, tenant)


class BrokenRecorder:
    """A recorder that fails in a way that nobody has thought of."""

    def submit(self, entries: Sequence[object], *, gathered: bool = False) -> None:
        raise AttributeError("writelines")


async def test_a_recorder_that_breaks_answers_everybody_and_keeps_no_place(
    own_store: Store, tenant: str
) -> None:
    intake, whole = Intake(own_store), own_store.recorder
    own_store.recorder = BrokenRecorder()  # type: ignore[assignment]
    async with asyncio.timeout(20):
        await repeat(intake, tenant, stating(touchpoint("1"), touchpoint("2", at=NOON + 1)))
        with pytest.raises(StoreUnavailable):
            await record_one(intake, tenant, stating(touchpoint("3")))
    own_store.recorder = whole
    assert await is_served(intake, tenant)


async def test_callers_that_leave_or_fail_keep_no_place(own_store: Store, tenant: str) -> None:
    intake = Intake(own_store)
    reported = asyncio.Event()

    def fail(_outcome: object) -> None:
        reported.set()
        raise ZeroDivisionError

    for number in range(SHARED_REQUESTS + 1):
        intake.submit(tenant, stating(touchpoint(f"failed {number}")), 1, fail)
        leaving = asyncio.create_task(record_one(intake, tenant, stating(touchpoint(f"left {number}"))))
        await asyncio.sleep(0)
        leaving.cancel()
    async with asyncio.timeout(20):
        await reported.wait()
    assert await is_served(intake, tenant)


async def test_more_than_a_turn_takes_are_all_stored_in_their_order(store: Store, tenant: str) -> None:
    intake = Intake(store)
    count = MAX_REQUESTS * 2 + 3
    asked = (record_one(intake, tenant, stating(touchpoint(f"e{n}", text=f"text {n}"))) for n in range(count))
    became = await asyncio.gather(*asked)
    assert {it.status for it in became} == {"accepted"}
    # All at one moment: what was asked first arrived first.
    texts = [it.text for it in await timeline(store, tenant)]
    assert texts == [f"text {n}" for n in range(count)]


async def test_every_caller_learns_that_the_store_takes_nothing(valkey: str, tenant: str) -> None:
    async with opened(valkey) as store:
        intake = Intake(store)
    asked = (record_one(intake, tenant, stating(touchpoint(f"e{n}"))) for n in range(3))
    became = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(it) for it in became] == [StoreUnavailable] * 3
    with pytest.raises(StoreUnavailable):
        await record_one(intake, tenant, stating(touchpoint("again")))


async def test_a_delivery_has_a_result_for_each_of_its_touchpoints(store: Store, tenant: str) -> None:
    intake = Intake(store)
    deliveries = (
        stating(touchpoint("1"), touchpoint("for nobody", "user:0"), touchpoint("2", at=NOON + 1)),
        stating(),
        stating(touchpoint("unassigned", "user:0")),
        stating(touchpoint("2", at=NOON + 1), touchpoint("3", at=NOON + 2)),
    )
    became = await asyncio.gather(*(intake.record(tenant, it, 100) for it in deliveries))
    assert [[it.status for it in results] for results in became] == [
        ["accepted", "rejected", "accepted"],
        [],
        ["rejected"],
        ["duplicate", "accepted"],
    ]
    assert [it.text for it in await timeline(store, tenant)] == ["text of 1", "text of 2", "text of 3"]


async def test_no_more_is_read_in_a_turn_than_one_large_delivery_may_have(store: Store, tenant: str) -> None:
    intake, turn = Intake(store), 0
    turns: list[int] = []

    def reading(number: int) -> Callable[[], Sequence[Touchpoint]]:
        def read() -> Sequence[Touchpoint]:
            turns.append(turn)
            return (touchpoint(f"e{number}"),)

        return read

    asked = [asyncio.ensure_future(intake.record(tenant, reading(n), MAX_BYTES // 2)) for n in range(5)]
    for turn in range(6):  # noqa: B007 - what reads looks at it
        await asyncio.sleep(0)
    assert {it.status for results in await asyncio.gather(*asked) for it in results} == {"accepted"}
    assert len(set(turns)) == 3
    assert max(turns.count(it) for it in turns) == 2


async def test_a_delivery_that_the_store_does_not_take_fails_whole(valkey: str, tenant: str) -> None:
    async with opened(valkey) as store:
        intake = Intake(store)
    with pytest.raises(StoreUnavailable):
        await intake.record(tenant, stating(touchpoint("1"), touchpoint("2")), 100)


async def test_a_failing_callback_does_not_stop_the_others(store: Store, tenant: str) -> None:
    intake, outcomes = Intake(store), list[Any]()

    def hostile(_outcome: list[Result] | Exception) -> None:
        raise ZeroDivisionError

    intake.submit(tenant, stating(touchpoint("unheard")), 0, hostile)
    intake.submit(tenant, refusing(InvalidPayload("no JSON")), 0, hostile)
    intake.submit(tenant, stating(touchpoint("heard", at=NOON + 1)), 0, outcomes.append)
    assert (await record_one(intake, tenant, stating(touchpoint("waited for", at=NOON + 2)))).ok
    assert [it.status for (it,) in outcomes] == ["accepted"]
    assert len(await timeline(store, tenant)) == 3


async def test_a_tenant_does_not_wait_for_the_flood_of_another(store: Store, tenant: str) -> None:
    intake, order = Intake(store), list[str]()

    async def one(of: str, event: str) -> None:
        await record_one(intake, of, stating(touchpoint(event)))
        order.append(of)

    flood = [asyncio.create_task(one("flood", f"e{number}")) for number in range(MAX_REQUESTS * 10)]
    await asyncio.sleep(0)
    await one(tenant, "waits for its own turn only")
    assert order.index(tenant) < MAX_REQUESTS * 3
    await asyncio.gather(*flood)
