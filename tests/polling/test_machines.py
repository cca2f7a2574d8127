"""Two server processes on one store, as on two machines: one polls, and the other takes over."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from handoff.store.store import Store
from tests import serving
from tests.conftest import opened
from tests.delivery.subscribers import until, until_async
from tests.samples import timeline
from tests.store.servers import free_port, valkey_server

from .installing import install
from .vendor import AT, CUSTOMER, FolioVendor, folio

ROOT = Path(__file__).parents[2]
TAKEOVER_S = 10.0  # 3 s of the lease, and what a busy machine adds
_CONFIG = """
[store]
url = "{store}"
[[sources]]
name = "folio"
adapter = "chat.folio"
base_url = "{vendor}"
every_s = 1.0
timeout_s = 20.0
allow_insecure = true
allow_networks = ["127.0.0.0/8"]
"""


class Machines:
    """Server processes, the vendor that they poll, and their store."""

    def __init__(self, where: Path, stack: ExitStack, vendor: FolioVendor, url: str, store: Store) -> None:
        self.vendor = vendor
        self.store = store
        self._where = where
        self._stack = stack
        self._config = where / "handoff.toml"
        self._config.write_text(_CONFIG.format(store=url, vendor=vendor.url))
        install(where)

    async def start(self, name: str) -> subprocess.Popen[bytes]:
        data = self._where / name
        arguments = ("--config", str(self._config), "--data", str(data), "--port", str(free_port()))
        path = f"{self._where}:{ROOT}"
        server = serving.process(self._where / f"{name}.log", *arguments, PYTHONPATH=path)
        return await asyncio.to_thread(self._stack.enter_context, server)

    async def recorded(self) -> list[str | None]:
        try:
            return [it.text for it in await timeline(self.store, "default", f"email:{CUSTOMER}")]
        except AssertionError:  # nobody is known yet
            return []

    async def each_once(self) -> None:
        """Wait until everything is recorded; each item once."""

        async def done() -> bool:
            return set(await self.recorded()) >= set(self.vendor.messages)

        await until_async(done)
        assert sorted(map(str, await self.recorded())) == sorted(self.vendor.messages)


@asynccontextmanager
async def machines(where: Path) -> AsyncIterator[Machines]:
    with ExitStack() as stack:
        url = stack.enter_context(valkey_server())
        async with folio() as vendor, opened(url) as store:
            vendor.messages = [f"m{number}" for number in range(5)]
            yield Machines(where, stack, vendor, url, store)
            await asyncio.to_thread(stack.close)


async def test_another_machine_takes_over_from_a_killed_one(tmp_path: Path) -> None:
    async with machines(tmp_path) as the:
        first = await the.start("one")
        await the.each_once()
        await the.start("two")
        served, hanging = asyncio.Event(), asyncio.Event()

        async def hang_once(_number: int) -> dict[str, Any] | None:
            if not served.is_set():
                served.set()
                await hanging.wait()
            return None

        the.vendor.answering = hang_once
        the.vendor.messages += ["m5", "m6", "m7"]
        await asyncio.wait_for(served.wait(), serving.PATIENCE_S)
        asked, killed_at = len(the.vendor.asked), time.monotonic()
        first.kill()
        await until(lambda: len(the.vendor.asked) > asked)
        assert time.monotonic() - killed_at < TAKEOVER_S
        hanging.set()
        await the.each_once()


async def test_a_machine_that_was_paused_records_nothing_of_its_page(tmp_path: Path) -> None:
    """Either of two guards discards the page: the limit of the lease by the clock, or the confirmation in the
    store. This fails without both. `test_a_page_of_a_lost_lease_is_not_recorded` shows the second alone."""
    async with machines(tmp_path) as the:
        first = await the.start("one")
        await the.each_once()
        await the.start("two")
        served, resumed = asyncio.Event(), asyncio.Event()

        async def stale_once(_number: int) -> dict[str, Any] | None:
            if served.is_set():
                return None
            served.set()
            await resumed.wait()
            stale = {"id": "stale", "at": AT, "from": CUSTOMER, "text": "stale"}
            return {"messages": [stale], "next": "1.0", "more": False}

        the.vendor.answering = stale_once
        await asyncio.wait_for(served.wait(), serving.PATIENCE_S)
        asked = len(the.vendor.asked)
        first.send_signal(signal.SIGSTOP)
        try:
            await until(lambda: len(the.vendor.asked) > asked)
            resumed.set()  # the page is in the socket of the paused process
            the.vendor.messages += ["m5", "m6"]
            await the.each_once()
        finally:
            first.send_signal(signal.SIGCONT)
        log = tmp_path / "one.log"
        await until(lambda: "poll_lease_lost" in log.read_text(errors="replace"))
        the.vendor.messages.append("m7")
        await the.each_once()
        (state,) = await the.store.of("default").polls.states(["folio"])
        assert state.cursor == "1.8"
