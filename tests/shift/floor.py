"""The server of a shift, which restarts once, and the customers whose handoffs arrive there."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession

from tests.faults.load import HEADERS, Process, serving
from tests.store.servers import free_port

from .plan import QUEUES, Work, now

SCOPES = ("context:read", "handoffs:write", "touchpoints:write", "links:write")
RETRY_S = 0.1
PENDING = ("requested", "offered")


class Floor:
    """A real server process that speaks HTTP/1.1, and its API as the back end of a desktop uses it."""

    def __init__(self, folder: Path, http: ClientSession) -> None:
        self.http = http
        self.url = ""
        self._data = folder / "data"
        self._port = free_port()
        self._restarting: asyncio.Task[None] | None = None
        self._running: AbstractContextManager[Process] | None = None
        self.works: dict[str, Work] = {}
        """By the handoff's id."""

    async def start(self) -> None:
        self._running = serving(self._data, self._port)
        self.url = (await asyncio.to_thread(self._running.__enter__)).url

    async def stop(self) -> None:
        if self._restarting:
            await self._restarting
        await self._end()

    async def _end(self) -> None:
        if self._running:
            await asyncio.to_thread(self._running.__exit__, None, None, None)
        self._running = None

    async def restart(self) -> None:
        async def again() -> None:
            await self._end()
            await self.start()

        self._restarting = asyncio.create_task(again())
        await asyncio.shield(self._restarting)  # a shift that fails meanwhile stops the server afterwards

    async def call(self, method: str, path: str, body: Any = None, key: str = "", token: str = "") -> Any:
        """Call the API until it answers: the server may be restarting."""
        headers = {**HEADERS, **({"Idempotency-Key": key} if key else {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = msgspec.json.encode(body) if body is not None else None
        while True:
            try:
                async with self.http.request(method, self.url + path, data=data, headers=headers) as response:
                    read = await response.read()
            except (ClientError, OSError):
                await asyncio.sleep(RETRY_S)
                continue
            if response.status == 503:
                await asyncio.sleep(RETRY_S)
                continue
            assert response.status < 300, (method, path, response.status, read)
            return msgspec.json.decode(read) if read else None

    async def session(self, agent: str, ttl_s: int) -> str:
        wish = {"agent": agent, "scopes": SCOPES, "ttl_s": ttl_s}
        return str((await self.call("POST", "/v1/sessions", wish))["token"])

    async def arrive(self, work: Work) -> str:
        """A customer is handed over. Returns the handoff's id."""
        await self.call("POST", "/v1/touchpoints", work.history(now()))
        handoff = await self.call("POST", "/v1/handoffs", work.handoff(), key=f"shift-{work.mark}")
        self.works[handoff["id"]] = work
        return str(handoff["id"])

    async def adopt(self, id_: str) -> None:
        """A handoff that an agent requested by a transfer: the next agent completes it."""
        handoff = await self.handoff(id_)
        mark = str(handoff["reason"]).partition(" ")[0]
        origin = next((it for it in self.works.values() if it.mark == mark), None)
        if origin and handoff["from"].get("agent"):
            plain = {"fate": "complete", "note": False, "from_story": False}
            self.works[id_] = msgspec.structs.replace(origin, queue=handoff["to"]["queue"], **plain)

    async def handoff(self, id_: str) -> dict[str, Any]:
        return dict(await self.call("GET", f"/v1/handoffs/{id_}"))

    async def lists_of(self, agent: str) -> dict[str, bool]:
        """The right list for the agent's queue: handoff -> whether it is the agent's own."""
        found: dict[str, bool] = {}
        for queue in QUEUES:
            for state in PENDING:
                page = await self.call("GET", f"/v1/handoffs?state={state}&queue={queue}&limit=200")
                found |= {it["id"]: False for it in page["handoffs"]}
        page = await self.call("GET", "/v1/handoffs?state=accepted&limit=200")
        return found | {it["id"]: True for it in page["handoffs"] if it["owner"] == agent}
