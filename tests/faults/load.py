"""A server process, senders that note every acknowledgement, and the comparison with the stored timelines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientConnectionError, ClientError, ClientSession, ClientTimeout, TCPConnector

from tests import serving as servers
from tests.samples import WEEK_AGO
from tests.store.servers import free_port

TOKEN = servers.ADMIN
SENDERS = 16
HOMES = 5
PATIENCE_S = 60.0
HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


@dataclass
class Process:
    """`handoff serve` on a data directory; `port` stays the same across starts."""

    data: Path
    port: int
    popen: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.data.parent / "serve.log").read_text(errors="replace")

    @property
    def valkey_pid(self) -> int:
        return int((self.data / "valkey" / "valkey.pid").read_text())

    @property
    def workers(self) -> set[int]:
        """The processes of `--workers`."""
        listing = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, check=True).stdout
        pairs = [line.split() for line in listing.decode().splitlines()]
        children = {int(pid) for parent, pid in pairs if int(parent) == self.popen.pid}
        return children - {self.valkey_pid}

    def kill(self) -> None:
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait(10)


@contextmanager
def serving(data: Path, port: int | None = None, *arguments: str, **environment: str) -> Iterator[Process]:
    """Start a server process and wait until it listens. It is stopped cleanly at the end."""
    chosen = port or free_port()
    command = ("--data", str(data), "--port", str(chosen), *arguments)
    with servers.process(data.parent / "serve.log", *command, **environment) as popen:
        yield Process(data, chosen, popen)


@dataclass
class Ledger:
    """Sent touchpoints, acknowledgements with their times, and every status that came back.

    `newest` is when the newest acknowledged touchpoint of each customer was sent, `latest` when the last
    acknowledgement came. `padding` characters follow the id in each text, for stores that must fill up.
    """

    homes: int = HOMES
    padding: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: dict[str, float] = field(default_factory=dict)
    newest: dict[int, float] = field(default_factory=dict)
    latest: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _sent_at: dict[str, float] = field(default_factory=dict)

    def touchpoint(self, sender: int) -> dict[str, Any]:
        """The next touchpoint of a sender; its text begins with its id. A sender writes to one customer."""
        id_ = f"{sender}-{len(self.sent)}"
        touchpoint = {
            "id": id_,
            "channel": "chat",
            "type": "message.received",
            "occurred_at": f"{WEEK_AGO}T10:00:00Z",
            "identities": [f"user:u{sender % self.homes}"],
            "text": id_ + (" " + secrets.token_hex(self.padding // 2) if self.padding else ""),
        }
        self.sent.append(touchpoint)
        self._sent_at[id_] = time.monotonic()
        return touchpoint

    def acknowledge(self, id_: str) -> None:
        self.latest = time.monotonic()
        self.acknowledged.setdefault(id_, self.latest)
        home, sent_at = self.home_of(id_), self._sent_at.get(id_, 0.0)
        self.newest[home] = max(sent_at, self.newest.get(home, 0.0))

    def moments(self, home: int | None = None) -> list[float]:
        """When acknowledgements came (`time.monotonic`), for one customer or for all, ascending."""
        return sorted(at for id_, at in self.acknowledged.items() if home in (None, self.home_of(id_)))

    def home_of(self, id_: str) -> int:
        return int(id_.partition("-")[0]) % self.homes


@asynccontextmanager
async def client() -> AsyncIterator[ClientSession]:
    timeout = ClientTimeout(total=15)
    async with ClientSession(headers=HEADERS, timeout=timeout, connector=TCPConnector(limit=0)) as session:
        yield session


async def send(session: ClientSession, url: str, touchpoint: dict[str, Any], ledger: Ledger) -> bool:
    """Send one touchpoint once. True if the server acknowledged it; a lost connection counts as status 0."""
    try:
        async with session.post(f"{url}/v1/touchpoints", data=msgspec.json.encode(touchpoint)) as response:
            body = await response.read()
    except (ClientError, ClientConnectionError, TimeoutError, OSError):
        ledger.statuses[0] += 1
        return False
    ledger.statuses[response.status] += 1
    if response.status == 200:
        ledger.acknowledge(touchpoint["id"])
        return True
    retry_after = response.headers.get("Retry-After", "")
    if response.status != 503 or not retry_after.isdigit():
        ledger.wrong.append(f"{response.status} Retry-After={retry_after!r} {body[:200]!r}")
    return False


@asynccontextmanager
async def load(
    url: str, ledger: Ledger, *, senders: int = SENDERS, pace_s: float = 0.0, copies: int = 1
) -> AsyncIterator[None]:
    """Senders, each with one touchpoint at a time, for as long as this is entered.

    Each sends its touchpoint `copies` times at once and pauses for `pace_s` before the next one.
    """
    stopping = asyncio.Event()

    async def sender(number: int, session: ClientSession) -> None:
        while not stopping.is_set():
            touchpoint = ledger.touchpoint(number)
            answers = await asyncio.gather(*(send(session, url, touchpoint, ledger) for _ in range(copies)))
            pause_s = pace_s if any(answers) else max(pace_s, 0.02)
            if pause_s:
                await asyncio.sleep(pause_s)

    async with client() as session, asyncio.TaskGroup() as group:
        for number in range(senders):
            group.create_task(sender(number, session))
        try:
            yield
        finally:
            stopping.set()


async def send_all_again(url: str, ledger: Ledger) -> None:
    """Send everything again, acknowledged or not. The server must acknowledge all of it."""
    group = 500 if not ledger.padding else max(1, 500_000 // ledger.padding)
    async with client() as session:
        for start in range(0, len(ledger.sent), group):
            body = msgspec.json.encode(ledger.sent[start : start + group])
            async with session.post(f"{url}/v1/touchpoints", data=body) as response:
                assert response.status == 200, await response.text()
                answer = await response.json()
            assert answer["rejected"] == []


async def timeline(session: ClientSession, url: str, identity: str) -> list[str]:
    """The first words of a customer's touchpoints, in the order of the timeline."""
    body = msgspec.json.encode({"identities": [identity], "limit": 1})
    async with session.post(f"{url}/v1/context", data=body) as response:
        assert response.status == 200, await response.text()
        context = await response.json()
    if context["customer"] is None:
        return []
    found: list[str] = []
    path = f"{url}/v1/customers/{context['customer']['id']}/timeline?limit=500&order=asc"
    cursor: str | None = ""
    while cursor is not None:
        async with session.get(path + (f"&cursor={cursor}" if cursor else "")) as response:
            assert response.status == 200, await response.text()
            page = await response.json()
        found += [(it.get("text") or "?").split()[0] for it in page["touchpoints"]]
        cursor = page["next"]
    return found


async def timelines(url: str, homes: int = HOMES) -> list[list[str]]:
    """The ids of every customer's touchpoints, in the order of the timelines."""
    async with client() as session:
        return [await timeline(session, url, f"user:u{home}") for home in range(homes)]


async def stored(url: str, homes: int = HOMES) -> Counter[str]:
    """Every touchpoint of every customer, by its id, as the timelines show it."""
    return Counter(id_ for found in await timelines(url, homes) for id_ in found)


async def check(url: str, ledger: Ledger) -> None:
    """No acknowledged touchpoint is missing, none is stored twice, and none appears that was never sent."""
    found = await stored(url, ledger.homes)
    missing = ledger.acknowledged.keys() - found.keys()
    assert not missing, f"{len(missing)} of {len(ledger.acknowledged)} acknowledged touchpoints are lost"
    twice = [id_ for id_, count in found.items() if count > 1]
    assert not twice, f"stored more than once: {twice[:5]}"
    assert found.keys() <= {it["id"] for it in ledger.sent}


def kill_process(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
