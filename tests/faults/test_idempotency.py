"""A killed worker leaves its idempotency keys behind: retries against another worker are served soon."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession

from tests.conftest import opened
from tests.faults.load import Process, client, serving
from tests.faults.proxy import cutting_proxy
from tests.stopwatch import Stopwatch
from tests.store.servers import valkey_server

CALLBACK = {"identity": "user:anna", "phone": "+358401234567", "reason": "refund"}
KEY = {"Idempotency-Key": "k"}
SOON_S = 8.0  # the lease lasts 6 s
ANSWER_S = 0.3  # of the store: a callback takes many of its answers


async def ask(session: ClientSession, url: str) -> tuple[int, dict[str, Any]]:
    async with session.post(f"{url}/v1/callbacks", json=CALLBACK, headers=KEY) as response:
        return response.status, await response.json()


async def test_a_key_of_a_killed_worker_is_free_within_its_lease(tmp_path: Path) -> None:
    for name in ("killed", "other"):
        (tmp_path / name).mkdir()
    with valkey_server() as store_url, ExitStack() as stack:
        async with cutting_proxy(store_url) as proxy, opened(store_url) as store, client() as session:

            async def started(name: str, url: str) -> Process:
                server = serving(tmp_path / name / "data", HANDOFF_STORE_URL=url)
                return await asyncio.to_thread(stack.enter_context, server)

            other, killed = await started("other", store_url), await started("killed", proxy.url)
            proxy.delay(ANSWER_S, ANSWER_S, seed=1)
            lost = asyncio.create_task(ask(session, killed.url))
            while not await store.connection.call(b"KEYS", b"{c.default}y*"):
                pass
            killed.kill()
            watch = Stopwatch(other.popen.pid)
            with pytest.raises(ClientError):
                await lost
            status, answer = await ask(session, other.url)
            assert (status, answer["code"]) == (409, "idempotency_key_running")
            while status == 409:
                await asyncio.sleep(0.1)
                status, answer = await ask(session, other.url)
            assert status == 201
            assert watch.seconds < SOON_S
            assert await ask(session, other.url) == (201, answer)
