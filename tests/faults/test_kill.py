"""SIGKILL of any process under load loses no acknowledged touchpoint and stores none twice."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.load import (
    Ledger,
    check,
    client,
    kill_process,
    load,
    send,
    send_all_again,
    serving,
    stored,
)
from tests.stopwatch import Stopwatch
from tests.store.servers import alive, valkey_binary, wait_until

SERVER_ROUNDS = 2
VALKEY_ROUNDS = 5
AT_LEAST = 50  # acknowledgements before a kill, so that a slow machine kills under load too
LONGEST_S = 0.3  # after them, so that kills fall at any moment


@pytest.fixture(autouse=True)
def wheel() -> None:
    valkey_binary()


@pytest.mark.parametrize("seed", [1, 2])
async def test_killing_the_server_loses_nothing_and_stops_no_next_start(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    ledger = Ledger()
    port = None
    for _ in range(SERVER_ROUNDS):
        with serving(tmp_path / "data", port) as server:
            port = server.port
            await check(server.url, ledger)
            valkey = server.valkey_pid
            async with load(server.url, ledger):
                await some_acknowledged(ledger, dice)
                server.kill()
        assert alive(valkey), "the store was meant to be left behind"
    with serving(tmp_path / "data", port) as server:
        await check(server.url, ledger)
        await send_all_again(server.url, ledger)
        assert await stored(server.url) == {it["id"]: 1 for it in ledger.sent}
        valkey = server.valkey_pid
    assert not alive(valkey), "a clean stop leaves no store behind"
    assert len(ledger.acknowledged) >= 2 * AT_LEAST
    assert ledger.wrong == []


@pytest.mark.parametrize("seed", [3, 4])
async def test_killing_valkey_loses_nothing_and_answers_503_at_worst(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    ledger = Ledger()
    with serving(tmp_path / "data") as server:
        async with load(server.url, ledger):
            for _ in range(VALKEY_ROUNDS):
                await some_acknowledged(ledger, dice)
                kill_process(server.valkey_pid)
                await until_taken(server.url, ledger)
        await check(server.url, ledger)
        await send_all_again(server.url, ledger)
        assert await stored(server.url) == {it["id"]: 1 for it in ledger.sent}
        assert "store_lost_data" not in server.log
    assert ledger.wrong == []
    assert ledger.statuses[0] == 0, "the server itself never hung up"
    assert len(ledger.acknowledged) >= 2 * AT_LEAST


async def some_acknowledged(ledger: Ledger, dice: random.Random) -> None:
    """Wait until the load has arrived, then for a random moment longer."""
    enough = len(ledger.acknowledged) + AT_LEAST
    async with asyncio.timeout(60):
        while len(ledger.acknowledged) < enough:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(dice.uniform(0, LONGEST_S))


async def until_taken(url: str, ledger: Ledger) -> None:
    """Wait for the next acknowledgement: within the store's restart and the client's own pauses."""
    watch = Stopwatch()
    async with client() as session:
        while not await send(session, url, ledger.touchpoint(99), ledger):
            assert watch.seconds < 10, "the store does not come back"
            await asyncio.sleep(0.05)


async def test_killing_both_at_once_loses_nothing(tmp_path: Path) -> None:
    dice = random.Random(5)
    ledger = Ledger()
    port = None
    for _ in range(2):
        with serving(tmp_path / "data", port) as server:
            port = server.port
            await check(server.url, ledger)
            async with load(server.url, ledger):
                await some_acknowledged(ledger, dice)
                kill_process(server.valkey_pid)
                server.kill()
    with serving(tmp_path / "data", port) as server:
        await check(server.url, ledger)
        await send_all_again(server.url, ledger)
        assert await stored(server.url) == {it["id"]: 1 for it in ledger.sent}


async def test_killing_workers_and_their_parent_loses_nothing_and_leaves_none_behind(tmp_path: Path) -> None:
    ledger = Ledger()
    with serving(tmp_path / "data", None, "--workers", "2") as server:
        await asyncio.to_thread(wait_until, lambda: server.log.count("handoff listens") == 2)
        async with load(server.url, ledger):
            await some_acknowledged(ledger, random.Random(6))
            killed = min(server.workers)
            kill_process(killed)
            await asyncio.to_thread(wait_until, lambda: server.log.count("handoff listens") == 3)
            workers = server.workers
            assert len(workers - {killed}) == 2
            server.kill()
            await asyncio.to_thread(wait_until, lambda: not any(map(alive, workers)))
    assert "store_lost_data" not in server.log
    assert (server.data / "store.seen").exists(), "workers keep it too"
    assert ledger.wrong == []
    assert len(ledger.acknowledged) >= AT_LEAST
    with serving(tmp_path / "data", server.port) as again:
        await check(again.url, ledger)


async def test_a_clean_stop_under_load_loses_nothing_and_ends_in_time(tmp_path: Path) -> None:
    ledger = Ledger()
    with serving(tmp_path / "data") as server:
        async with load(server.url, ledger):
            await some_acknowledged(ledger, random.Random(7))
            watch = Stopwatch(server.popen.pid)
            server.popen.terminate()
            status = await asyncio.to_thread(server.popen.wait, 30)
            took_s = watch.seconds
        assert status == 0, server.log[-2000:]
        assert took_s < 10
    assert ledger.wrong == []
    with serving(tmp_path / "data", server.port) as again:
        await check(again.url, ledger)
