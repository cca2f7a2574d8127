"""SIGKILL and SIGTERM of the server, its workers and the embedded store."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tests.faults.load import TOKEN, kill_process
from tests.faults.scenarios.scenario import EVERYTHING, Scenario
from tests.faults.scenarios.stage import Stage
from tests.faults.scenarios.stores import embedded

START_S = 5.0  # a new process, which loads the store's log
CRASH_LOOP_S = 3.0
KILLS = 6
STOP_S = 10.0


async def kill_the_server(stage: Stage) -> None:
    stage.server.kill()
    await stage.start()


async def kill_a_worker(stage: Stage) -> None:
    kill_process(stage.dice.choice(sorted(stage.server.workers)))


async def kill_the_store(stage: Stage) -> None:
    kill_process(stage.server.valkey_pid)


async def kill_the_store_again_and_again(stage: Stage) -> None:
    for _ in range(KILLS):
        kill_process(stage.server.valkey_pid)
        await stage.recovered()
        await stage.pause(0.05, 0.3)


async def kill_both(stage: Stage) -> None:
    kill_process(stage.server.valkey_pid)
    stage.server.kill()
    await stage.start()


async def stop_in_order(stage: Stage) -> None:
    """SIGTERM while connections of every kind are open and idle."""
    assert stage.mails is not None
    port = stage.server.port
    head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
    reply = [
        (port, ""),
        (port, f"GET /healthz HTTP/1.1\r\n{head}\r\n"),
        (port, f"POST /v1/touchpoints HTTP/1.1\r\n{head}Content-Length: 500\r\n\r\n"),
        (port, f"GET /v1/queues/support/events HTTP/1.1\r\n{head}\r\n"),
        (stage.mails.port, ""),
        (stage.mails.port, "EHLO idle.example\r\n"),
    ]
    idle = [await asyncio.open_connection("127.0.0.1", where) for where, _ in reply]
    for (_, writer), (_, text) in zip(idle, reply, strict=True):
        writer.write(text.encode())
        await writer.drain()
    await stage.pause(0.2, 0.4)
    stage.figures.measure("stop", await stage.stop(), STOP_S)
    for _, writer in idle:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    await stage.start()


SCENARIOS = (
    Scenario(
        key="kill-server",
        title="server killed and started again",
        store=embedded,
        disturb=kill_the_server,
        rounds=4,
        outage_s=START_S,
        delivery_s=START_S + 6,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="kill-worker",
        title="one of three workers killed",
        store=embedded,
        disturb=kill_a_worker,
        rounds=4,
        outage_s=CRASH_LOOP_S,
        delivery_s=6.0,
        traffic=EVERYTHING,
        arguments=("--workers", "3"),
    ),
    Scenario(
        key="kill-store",
        title="embedded store killed",
        store=embedded,
        disturb=kill_the_store,
        runs=3,
        outage_s=1.0,
        delivery_s=6.0,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="crash-loop",
        title=f"embedded store killed {KILLS} times in a row",
        store=embedded,
        disturb=kill_the_store_again_and_again,
        outage_s=CRASH_LOOP_S,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="kill-both",
        title="server and embedded store killed together",
        store=embedded,
        disturb=kill_both,
        rounds=3,
        outage_s=START_S,
        delivery_s=START_S + 6,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="stop",
        title="SIGTERM under load with idle connections, then started again",
        store=embedded,
        disturb=stop_in_order,
        rounds=2,
        outage_s=STOP_S + START_S,
        delivery_s=STOP_S + START_S + 6,
        traffic=EVERYTHING,
    ),
)
