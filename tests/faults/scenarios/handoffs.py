"""Handoffs as load: each change that was acknowledged must reach the subscriber, in order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import ClientError, ClientSession

from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber, until
from tests.faults.load import client
from tests.faults.scenarios.scenario import Figures

PACE_S = 0.02
QUEUE = "support"
REMINDER = "handoff.unviewed"
PATIENCE_S = 60.0  # for the last delivery: longer than any lease


@dataclass
class Handoffs:
    """One bot that requests handoffs and one agent who accepts them, until each is answered with 2xx."""

    platform: Subscriber = field(default_factory=Subscriber)
    acknowledged: dict[tuple[str, int], float] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    requested: int = 0

    def configuration(self) -> str:
        return (
            f'[[webhooks]]\nurl = "{self.platform.url}"\nsecret = "{SECRET}"\n'
            'types = ["handoff.*"]\nallow_insecure = true\nallow_networks = ["127.0.0.0/8"]\n'
            "retry_schedule_s = [0.2, 0.5, 1, 1, 2, 2, 5, 5]\n"
        )

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[None]:
        async with subscriber() as platform:
            self.platform = platform
            yield

    @asynccontextmanager
    async def load(self, url: str) -> AsyncIterator[None]:
        stopping = asyncio.Event()

        async def work(session: ClientSession) -> None:
            while not stopping.is_set():
                await self._handoff(session, url, stopping)
                await asyncio.sleep(PACE_S)

        async with client() as session, asyncio.TaskGroup() as group:
            group.create_task(work(session))
            try:
                yield
            finally:
                stopping.set()

    async def _handoff(self, session: ClientSession, url: str, stopping: asyncio.Event) -> None:
        number, self.requested = self.requested, self.requested + 1
        asked = {
            "identity": f"user:h{number}",
            "from": {"channel": "chat", "party": "bot"},
            "to": {"channel": "chat", "queue": QUEUE},
            "reason": f"h{number}",
        }
        requested = await self._until_taken(session, f"{url}/v1/handoffs", asked, stopping)
        if requested is not None:
            path = f"{url}/v1/handoffs/{requested['id']}/accept"
            accept = {"version": requested["version"], "agent": "mia"}
            await self._until_taken(session, path, accept, stopping)

    async def _until_taken(
        self, session: ClientSession, url: str, body: dict[str, Any], stopping: asyncio.Event
    ) -> dict[str, Any] | None:
        """Send the same request until it is acknowledged; None when the load ends before.

        A stale version means that an earlier attempt was carried out though its answer was lost. That is
        what the store holds now, and no acknowledgement: its replicas may not have it yet.
        """
        while not stopping.is_set():
            try:
                async with session.post(url, data=msgspec.json.encode(body)) as response:
                    answer = msgspec.json.decode(await response.read())
            except (ClientError, TimeoutError, OSError):
                self.statuses[0] += 1
            else:
                self.statuses[response.status] += 1
                if response.status in (200, 201):
                    change = answer["id"], answer["version"]
                    self.acknowledged.setdefault(change, time.monotonic())
                    return dict(answer)
                if answer.get("code") == "stale_version" and answer["current"]["state"] == "accepted":
                    return dict(answer["current"])
                if response.status != 503:
                    self.wrong.append(f"{response.status} {answer}")
            await asyncio.sleep(0.05)
        return None

    async def compare(self, url: str, figures: Figures, delivery_s: float | None) -> None:
        """Wait for the deliveries; what never came is lost."""
        with suppress(TimeoutError):
            await until(lambda: self.acknowledged.keys() <= self._arrivals().keys(), PATIENCE_S)
        arrivals = self._arrivals()
        figures.events += len(self.acknowledged)
        figures.count("other_statuses", self.wrong)
        missing = sorted(self.acknowledged.keys() - arrivals.keys())
        figures.count("lost", [await self._evidence(url, *it) for it in missing])
        figures.count("disordered", [*self._disordered(list(arrivals)), *self._early_reminders()])
        figures.count("twice", await self._repeated(url))
        waited = [arrivals[it] - at for it, at in self.acknowledged.items() if it in arrivals]
        figures.measure("delivery", max(waited, default=0.0), delivery_s)

    async def _evidence(self, url: str, id_: str, version: int) -> str:
        """Which webhook is missing, and what the server has of its handoff."""
        async with client() as session, session.get(f"{url}/v1/handoffs/{id_}") as response:
            found = (await response.json()).get("version", f"gone ({response.status})")
        return f"webhook of {id_} version {version} (the handoff: {found})"

    def _arrivals(self) -> dict[tuple[str, int], float]:
        """When each change of each handoff first arrived, in the order of arrival."""
        found: dict[tuple[str, int], float] = {}
        for event in self.platform.accepted:
            if event.event["type"] == REMINDER:  # it repeats a version and does not prove its event
                continue
            found.setdefault(_change(event), event.at)
        return found

    def _disordered(self, arrivals: list[tuple[str, int]]) -> list[str]:
        newest: dict[str, int] = {}
        wrong = []
        for id_, version in arrivals:
            if version < newest.get(id_, 0):
                wrong.append(f"webhook of {id_} version {version}")
            newest[id_] = max(version, newest.get(id_, 0))
        return wrong

    def _early_reminders(self) -> list[str]:
        """Reminders that arrived before the change that they are about."""
        seen: set[tuple[str, int]] = set()
        wrong = []
        for event in self.platform.accepted:
            if event.event["type"] != REMINDER:
                seen.add(_change(event))
            elif _change(event) not in seen:
                wrong.append("reminder of {} version {}".format(*_change(event)))
        return wrong

    async def _repeated(self, url: str) -> list[str]:
        """Requests that made more than one handoff."""
        reasons: Counter[str] = Counter()
        cursor: str | None = ""
        async with client() as session:
            while cursor is not None:
                query = f"queue={QUEUE}&limit=500" + (f"&cursor={cursor}" if cursor else "")
                async with session.get(f"{url}/v1/handoffs?{query}") as response:
                    assert response.status == 200, await response.text()
                    page = await response.json()
                reasons.update(it["reason"] for it in page["handoffs"])
                cursor = page.get("next")
        return [f"handoff {reason}" for reason, count in reasons.items() if count > 1]


def _change(received: Received) -> tuple[str, int]:
    event = received.event
    return event["subject"], event["data"]["version"]
