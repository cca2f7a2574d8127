"""Rotation by a schedule: it may stop at every step, and all workers learn an epoch before it is used."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from handoff.store.sealing.key_file import KeySet, read_key_file
from handoff.store.sealing.rotation import RETIRED_S
from handoff.store.sealing.schedule import PATIENCE_S, SHARE_S, ScheduledRotation
from handoff.store.store import Store
from tests.samples import record_all, touchpoint

from .conftest import opened_sealed, sealing
from .test_rotation import PEOPLE, check, fill, rotation

DAY_S = 86_400
MOMENTS = (
    "before prepare",
    "after prepare",
    "before begin",
    "after begin",
    "within scan",
    "before emptied",
    "after emptied",
)


class Died(BaseException):
    """The worker's end: nothing after it runs."""


def dying(moment: str) -> Callable[[str], Any]:
    async def at(where: str) -> None:
        if where == moment:
            raise Died

    return at


async def never(_where: str) -> None:
    pass


def scheduled(
    store: Store,
    owner: str = "one",
    at: Callable[[str], Any] = never,
    clock: Callable[[], float] = time.time,
) -> ScheduledRotation:
    return ScheduledRotation(
        rotation(store), store.workers, store.rotations, owner, 30 * DAY_S, at=at, clock=clock
    )


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change every epoch in the key file, as time does."""
    content = json.loads(path.read_text())
    for epoch in content["epochs"]:
        change(epoch)
    new = path.with_suffix(".changed")
    new.touch(0o600)
    new.write_text(json.dumps(content))
    new.replace(path)


def older(days: int) -> Callable[[dict[str, Any]], None]:
    def change(epoch: dict[str, Any]) -> None:
        epoch["created_at"] -= days * DAY_S

    return change


def left(epoch: dict[str, Any]) -> None:
    """No worker uses a retired epoch any more."""
    if "retired_at" in epoch:
        epoch["retired_at"] -= RETIRED_S + 1


def keys(path: Path) -> KeySet:
    found = read_key_file(path)
    assert found is not None
    return found


async def completed(schedule: ScheduledRotation, path: Path) -> KeySet:
    for _ in range(50):
        await schedule.turn()
        changed(path, left)
        content = keys(path)
        if len(content.epochs) > 1 and all(it.current or it.settled for it in content.epochs):
            return content
    raise AssertionError(content)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_that_dies_at_any_step_leaves_it_to_another(
    fresh_valkey: str, tmp_path: Path, tenant: str, moment: str
) -> None:
    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as serving:
        await fill(serving, tenant)
        (old,) = keys(path).epochs
        changed(path, older(31))
        async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
            with pytest.raises(Died):
                await completed(scheduled(store, "one", dying(moment)), path)
        changed(path, left)
        await check(serving, tenant)
        async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
            await store.rotations.release("one")
            content = await completed(scheduled(store, "other"), path)
            assert (await rotation(store).count())[old.id] == 0
        assert [it.id for it in content.epochs if not it.current] == [old.id]
        assert [it.tenant for it in content.epochs if it.current] == [tenant]
        assert all(it.wrapped for it in content.epochs)  # nothing is destroyed
        await check(serving, tenant)
        await record_all(serving, tenant, [touchpoint("later", "user:later")])
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await check(store, tenant)


async def test_nothing_happens_before_its_time(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        changed(path, older(29))
        before = keys(path)
        schedule = scheduled(store)
        for _ in range(3):
            await schedule.turn()
        assert keys(path) == before
        changed(path, older(2))
        done = [await schedule.turn() for _ in range(3)]
        assert [it.begun for it in done] == [[], [tenant], []]
        assert done[2].rewrapped == 1
        assert not keys(path).epochs[0].settled  # a server may use it for two minutes
        before = keys(path)
        assert (await schedule.turn()).rewrapped == 0
        assert keys(path) == before


async def test_a_new_epoch_waits_for_workers_that_do_not_know_it(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """The other machine has a copy of the key file, which an operator brings up to date later."""
    path, copy = tmp_path / "keys.json", tmp_path / "copy" / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as one:
        await fill(one, tenant)
        changed(path, older(31))
        copy.parent.mkdir()
        shutil.copy2(path, copy)
        async with opened_sealed(fresh_valkey, sealing(copy.parent), tenant) as other:
            later = 0.0
            schedule = scheduled(one, clock=lambda: time.time() + later)

            async def turns() -> list[str]:
                begun = []
                for store in (one, other):
                    assert store.sealing is not None
                    store.sealing.epochs.refresh()
                    await store.workers.beat()
                for _ in range(3):
                    begun += (await schedule.turn()).begun
                return begun

            with structlog.testing.capture_logs() as logs:
                begun = await turns()
                later = PATIENCE_S
                assert [begun, await turns()] == [[], []]
            assert [it["workers"] for it in logs if it["event"] == "sealing_rotation_waiting"] == [1]
            await record_all(one, tenant, [touchpoint("new", "user:new")])
            await check(other, tenant)
            shutil.copy2(path, copy)
            assert await turns() == [tenant]
            shutil.copy2(path, copy)
            await turns()
            assert (await rotation(one).count())[keys(path).epochs[0].id] == 0
            await check(other, tenant)


async def test_only_the_worker_with_the_lease_rotates(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    path = tmp_path / "keys.json"
    keyed = sealing(tmp_path)
    async with (
        opened_sealed(fresh_valkey, keyed, tenant) as one,
        opened_sealed(fresh_valkey, keyed, tenant) as other,
    ):
        changed(path, older(31))
        first, second = scheduled(one), scheduled(other, "two")
        await first.turn()
        prepared = keys(path)
        assert (await second.turn()).begun == []
        assert keys(path) == prepared
        assert (await first.turn()).begun == [tenant]


async def test_a_key_that_does_not_open_is_reported_and_keeps_its_epoch(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        await fill(store, tenant)
        (home,) = [store.hashes(tenant).identity(it.identity) for it in touchpoint("x", "user:p1").identities]
        record = store.keys.record(home)
        key = await store.connection.call("HGET", record, "k")
        await store.connection.call("HSET", record, "k", key[:-1] + bytes((key[-1] ^ 1,)))
        changed(path, older(31))
        schedule = scheduled(store)
        with structlog.testing.capture_logs() as logs:
            for _ in range(8):
                await schedule.turn()
                changed(path, left)
        (logged,) = [it for it in logs if it["event"] == "sealing_keys_rewrapped"]  # hourly
        assert (logged["unreadable"], logged["rewrapped"], logged["emptied"]) == (1, 2 * PEOPLE, [])
        assert not keys(path).epochs[0].settled


async def test_a_rotation_by_hand_uses_a_prepared_epoch(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as store:
        changed(path, older(31))
        await scheduled(store).turn()
        (prepared,) = [it.id for it in keys(path).epochs if it.prepared]
        assert store.sealing is not None
        store.sealing.epochs.begin(tenant)
        assert [it.id for it in keys(path).epochs if it.current] == [prepared]
        assert len(keys(path).epochs) == 2


async def test_a_scan_goes_on_where_the_last_turn_left_it(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async def slow(where: str) -> None:
        if where == "within scan":
            time.sleep(SHARE_S)  # noqa: ASYNC251 - the share of a turn is used up

    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as serving:
        await fill(serving, tenant)
        changed(path, older(31))
        content = await completed(scheduled(serving, at=slow), path)
        assert sum(it.current for it in content.epochs) == 1


async def test_nothing_is_prepared_or_begun_twice(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    path = tmp_path / "keys.json"
    async with opened_sealed(fresh_valkey, sealing(tmp_path), tenant) as serving:
        await fill(serving, tenant)
        before = path.read_bytes()
        assert serving.sealing is not None
        epochs = serving.sealing.epochs
        epochs.prepare({tenant: "00" * 8})  # another one is current by now
        assert epochs.begin_prepared() == []
        assert path.read_bytes() == before
