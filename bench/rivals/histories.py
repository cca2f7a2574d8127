"""Chat histories of libraries, and ours called in process: appends and whole reads, timed where they run.

`python -m bench.rivals.histories SOCKET ROUNDS` prints one line of JSON: `found` by name and size, and what
was `left_out` and why.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import warnings
from collections.abc import AsyncIterator
from random import Random
from typing import Any, Protocol

import msgspec
from redis.asyncio import Redis

from bench.lives import TEXT
from bench.rivals import afternoon
from handoff.domain.clock import MINUTE, parse_time
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.touchpoint import Touchpoint, default_direction, default_visibility
from handoff.services.customers.customer import by_key
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import record
from handoff.store.connection import Connection
from handoff.store.repositories.timelines import Window, decode_cursor
from handoff.store.settings import StoreSettings
from handoff.store.store import Store, open_store

SIZES = (10, 1_000, 10_000)
APPENDS = 10  # timed in a turn
BULK = 100  # touchpoints of a call while filling
PAGE = 500
START = parse_time("2025-01-01T00:00:00Z")
TENANT = "default"


class History(Protocol):
    """One library. Texts are appended in order; `read` is how many items came back as objects."""

    async def append(self, session: str, texts: list[str], first: int) -> None: ...

    async def read(self, session: str) -> int: ...


class Ours:
    """`record` and `read_timeline`, as the API calls them: duplicates found, evidence, outbox."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def append(self, session: str, texts: list[str], first: int) -> None:
        made = [_touchpoint(session, text, first + place) for place, text in enumerate(texts)]
        results = await record(self._store, TENANT, made)
        assert all(it.status == "accepted" for it in results), results

    async def read(self, session: str) -> int:
        key = self._store.hashes(TENANT).identity(identity("user", session))
        customer = await by_key(self._store, TENANT, key)
        records = {it.key: it for it in customer.members}
        window, count = Window(limit=PAGE), 0
        while True:
            page = await read_timeline(self._store, self._store.hashes(TENANT), records, window, Filter())
            count += len(page.touchpoints)
            if page.next is None:
                return count
            window = Window(limit=PAGE, before=decode_cursor(page.next))


class Stream:
    """redis-py alone: a stream of fields."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def append(self, session: str, texts: list[str], first: int) -> None:
        for place, text in enumerate(texts):
            touchpoint = {"id": f"{session}-{first + place}", "channel": "chat", "type": "message.received"}
            stated = {**touchpoint, "occurred_at": "2025-01-01T00:00:00Z", "text": text}
            await self._client.xadd(afternoon.key(session), afternoon.fields(stated))

    async def read(self, session: str) -> int:
        return len(await self._client.xrange(afternoon.key(session)))


class Community:
    """langchain-community's RedisChatMessageHistory, which is not asynchronous."""

    def __init__(self, socket: str) -> None:
        from langchain_community.chat_message_histories import RedisChatMessageHistory

        self._make = RedisChatMessageHistory
        self._url = f"unix://{socket}"
        self._sessions: dict[str, Any] = {}

    async def append(self, session: str, texts: list[str], first: int) -> None:
        history = self._session(session)
        for text in texts:
            history.add_user_message(text)

    async def read(self, session: str) -> int:
        return len(self._session(session).messages)

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            self._sessions[name] = self._make(name, url=self._url)
        return self._sessions[name]


class Agents:
    """openai-agents' RedisSession."""

    def __init__(self, client: Redis) -> None:
        from agents.extensions.memory import RedisSession

        self._make = RedisSession
        self._client = client
        self._sessions: dict[str, Any] = {}

    async def append(self, session: str, texts: list[str], first: int) -> None:
        await self._session(session).add_items([{"role": "user", "content": text} for text in texts])

    async def read(self, session: str) -> int:
        return len(await self._session(session).get_items())

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            self._sessions[name] = self._make(name, redis_client=self._client)
        return self._sessions[name]


def _touchpoint(session: str, text: str, number: int) -> Touchpoint:
    type_ = "message.received"
    return Touchpoint(
        id_space="bench",
        event_id=f"{session}-{number}",
        source="bench",
        channel="chat",
        type=type_,
        occurred_at=START + number * MINUTE,
        identities=(Handle(identity("user", session), Assurance.VERIFIED),),
        direction=default_direction(type_),
        visibility=default_visibility(type_),
        text=text,
    )


@contextlib.asynccontextmanager
async def _ours(socket: str) -> AsyncIterator[Ours]:
    settings = StoreSettings(url=f"unix://{socket}")
    async with Connection(settings) as connection, open_store(settings, connection) as store:
        yield Ours(store)


async def _measure(socket: str, rounds: int) -> dict[str, Any]:
    random = Random(rounds)
    found: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(Redis(unix_socket_path=socket, decode_responses=True))
        raw = await stack.enter_async_context(Redis(unix_socket_path=socket))
        histories: dict[str, History] = {
            "handoff": await stack.enter_async_context(_ours(socket)),
            "stream": Stream(client),
        }
        for name, make in (("community", lambda: Community(socket)), ("agents", lambda: Agents(raw))):
            try:
                histories[name] = make()
            except ImportError as error:
                left_out[name] = str(error)
        for size in SIZES:
            for turn in range(rounds):
                for name in random.sample(list(histories), len(histories)):
                    times = found.setdefault(name, {}).setdefault(str(size), {"append": [], "read": []})
                    await _turn(histories[name], name, size, turn, times)
    return {"found": found, "left_out": left_out}


async def _turn(history: History, name: str, size: int, turn: int, times: dict[str, Any]) -> None:
    """Timed appends to a session of `size`, and a whole read of it, in microseconds."""
    session = f"{name}-{size}-{turn if size < SIZES[1] else 0}"  # a short one would not stay short
    stored = times["stored"] = times.get("stored", 0) if size >= SIZES[1] else 0
    while stored < size:
        texts = [f"{TEXT}({number})" for number in range(stored, min(stored + BULK, size))]
        await history.append(session, texts, stored)
        stored += len(texts)
    for _ in range(APPENDS):
        begun = time.perf_counter()
        await history.append(session, [f"{TEXT}({stored})"], stored)
        times["append"].append((time.perf_counter() - begun) * 1e6)
        stored += 1
    begun = time.perf_counter()
    times["returned"] = await history.read(session)
    times["read"].append((time.perf_counter() - begun) * 1e6)
    times["stored"] = stored


def main() -> None:
    warnings.simplefilter("ignore")  # deprecations of the libraries
    result = asyncio.run(_measure(sys.argv[1], int(sys.argv[2])))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
