"""A headless Chromium of the machine, driven over its DevTools protocol: what a page loads and shows.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
START_S = 30.0
PATIENCE_S = 20.0
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--remote-debugging-port=0",
)


def binary() -> str:
    """The browser; the test is skipped where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine ({', '.join(NAMES)})")
    return found


@dataclass
class Page:
    """One tab. `requested` are the URLs it asked for, `complaints` its console errors, crashes of
    scripts and refusals by the page's policy."""

    socket: ClientWebSocketResponse
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        id_ = next(self._ids)
        answered = self._waiting[id_] = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": id_, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE_S):
            return await answered

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        reply = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        result = reply["result"]
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until a JavaScript expression is true; fails after PATIENCE_S."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await self.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"never true: {expression}; {self.complaints}") from None

    async def open(self, url: str) -> None:
        for domain in ("Network", "Log", "Runtime", "Page"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)

    async def listen(self) -> None:
        async for message in self.socket:
            if message.type is not WSMsgType.TEXT:
                break
            self._take(message.json())

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            future = self._waiting.pop(message["id"], None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        method, params = message["method"], message["params"]
        if method == "Network.requestWillBeSent":
            self.requested.append(params["request"]["url"])
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{params['entry']['source']}: {params['entry']['text']}")
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.complaints.append(str(params["args"]))


@asynccontextmanager
async def page(directory: Path) -> AsyncIterator[Page]:
    """A tab of a browser of its own, with its profile in `directory`."""
    command = (binary(), *FLAGS, f"--user-data-dir={directory}", "about:blank")
    process = await asyncio.create_subprocess_exec(
        *command, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
    )
    try:
        port = await _port(process, directory / "DevToolsActivePort")
        async with ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as response:
                targets = await response.json(content_type=None)
            url = next(it["webSocketDebuggerUrl"] for it in targets if it["type"] == "page")
            async with http.ws_connect(url, max_msg_size=0) as socket:
                tab = Page(socket)
                listening = asyncio.create_task(tab.listen())
                yield tab
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening
    finally:
        await _end(process)


async def _port(process: Process, file: Path) -> int:
    async with asyncio.timeout(START_S):
        while process.returncode is None:
            if lines := _lines(file):
                return int(lines[0])
            await asyncio.sleep(0.05)
    raise AssertionError(f"the browser ended with {process.returncode}")


def _lines(file: Path) -> list[str]:
    """Both lines that the browser writes, or none yet."""
    lines = file.read_text().splitlines() if file.exists() else []
    return lines if len(lines) > 1 else []


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
