"""Server memory per touchpoint, everything included, against the JSON that was sent."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs
from redis import Redis

from bench.contenders import UNCACHED, Started, ours
from bench.processes import Failed, used_memory, valkey
from bench.rounds import call
from bench.table import Table
from bench.touchpoints import journeys, native
from handoff.store.keys import Keys
from handoff.store.repositories.outbox import RELAY
from handoff.store.settings import StoreSettings

TOUCHPOINTS = 30_000  # enough that what a store costs empty, 0.1 MB for outboxes, does not decide
EACH = 5
LOOKED_AT = 50
BATCH = 100  # touchpoints a request
SETTLE_S = 2.0  # for buffers to go back to what they are at rest
SEED = 23

Bodies = list[dict[str, Any]]


class Used(Struct, frozen=True, kw_only=True):
    """Bytes per touchpoint: of memory, and of the JSON that stated it."""

    name: str
    memory: float
    json: float

    def row(self) -> tuple[str, ...]:
        return (self.name, f"{self.memory:.0f}", f"{self.json:.0f}", f"{self.memory / self.json:.2f}")


def measure(directory: Path) -> Table:
    """Both layouts with five touchpoints per identity and with one."""
    found = []
    for each, what in ((EACH, f"{EACH} per identity"), (1, "a customer's first")):
        bodies = list(_bodies(each))
        found.extend(_ours(directory / f"ours-{each}", bodies, f"handoff, {what}"))
        found.append(_stream(directory / f"stream-{each}", bodies, f"one XADD per touchpoint, {what}"))
    found.extend(_looked_at(directory / "looked-at", list(_bodies(LOOKED_AT))))
    return Table(
        title="Memory: bytes of the store per touchpoint",
        columns=("layout", "memory", "JSON", "ratio"),
        rows=tuple(used.row() for used in found),
        notes=(
            f"difference of `used_memory` over {TOUCHPOINTS:,} mixed touchpoints: timeline, index, identity, "
            "evidence, conversations and counters; a touchpoint's outbox entry is kept two minutes after it "
            "was fanned out, for live readers that come back",
            "JSON as sent to `POST /v1/touchpoints`; Valkey with the embedded store's settings for both",
        ),
    )


def _bodies(each: int) -> Iterator[dict[str, Any]]:
    """Journeys with ids of their own."""
    for number, journey in enumerate(journeys(SEED, TOUCHPOINTS // each, each)):
        for step, touchpoint in enumerate(journey):
            stated = native(touchpoint, f"{touchpoint.event_id}.{number}.{step}")
            stated["identities"][0] = f"user:{number:08d}"
            if "thread" in stated:
                stated["thread"] = f"{stated['thread']}-{number}"
            yield stated


def _ours(directory: Path, bodies: Bodies, name: str) -> list[Used]:
    with ours(directory) as started:
        assert started.socket
        socket = started.socket
        young = _fill(lambda batch: _post(started, batch), socket, bodies, name)
        released = _trim_outboxes(socket) / len(bodies)
        rested = structs.replace(young, name=f"{name}, at rest", memory=young.memory - released)
        return [rested, structs.replace(young, name=f"{name}, in its first two minutes")]


def filled(directory: Path, name: str, more: str = "") -> Used:
    """A server at rest whose configuration has `more`, with five touchpoints per identity."""
    bodies = list(_bodies(EACH))
    with ours(directory, more) as started:
        assert started.socket
        socket = started.socket
        young = _fill(lambda batch: _post(started, batch), socket, bodies, name)
        return structs.replace(young, memory=young.memory - _trim_outboxes(socket) / len(bodies))


def _looked_at(directory: Path, bodies: Bodies) -> list[Used]:
    """Customers of whom each is looked at once, which leaves a checkpoint."""
    with ours(directory) as started:
        assert started.socket
        socket = started.socket
        name = f"handoff, {LOOKED_AT} per identity"
        young = _fill(lambda batch: _post(started, batch), socket, bodies, name)
        rested = young.memory - _trim_outboxes(socket) / len(bodies)
        before = used_memory(socket)
        for who in dict.fromkeys(str(it["identities"][0]) for it in bodies):
            call(started, "/v1/context", _json({"identities": [who], "limit": 1}), UNCACHED)
        time.sleep(SETTLE_S)
        looked = rested + (used_memory(socket) - before) / len(bodies)
        return [
            structs.replace(young, name=f"{name}, at rest", memory=rested),
            structs.replace(young, name=f"{name}, each looked at", memory=looked),
        ]


def _trim_outboxes(socket: Path) -> int:
    """Trim what was fanned out, as the relay does after two minutes; bytes released."""
    keys = Keys(StoreSettings().partitions)
    with Redis(unix_socket_path=str(socket)) as store:
        before = used_memory(socket)
        for number in range(keys.partitions):
            cursor = store.get(keys.cursor(number, RELAY))
            if isinstance(cursor, bytes):
                store.xtrim(keys.outbox(number), minid=cursor.decode(), approximate=False)
        return before - used_memory(socket)


def _stream(directory: Path, bodies: Bodies, name: str) -> Used:
    """The layout of bench.rivals.afternoon."""
    with valkey(directory / "store") as (_, socket), Redis(unix_socket_path=str(socket)) as store:

        def add(batch: Bodies) -> None:
            with store.pipeline(transaction=False) as pipeline:
                for touchpoint in batch:
                    key = f"timeline:{touchpoint['identities'][0]}"
                    fields = {
                        name: str(touchpoint.get(name, ""))
                        for name in ("id", "channel", "type", "occurred_at")
                    }
                    fields |= {
                        "text": str(touchpoint.get("text", "")),
                        "data": _json(touchpoint.get("data", {})).decode(),
                    }
                    pipeline.xadd(key, fields)
                pipeline.execute()

        return _fill(add, socket, bodies, name)


def _fill(send: Callable[[Bodies], None], socket: Path, bodies: Bodies, name: str) -> Used:
    before = used_memory(socket)
    for at in range(0, len(bodies), BATCH):
        send(bodies[at : at + BATCH])
    time.sleep(SETTLE_S)
    size = sum(len(_json(it)) for it in bodies)
    return Used(name=name, memory=(used_memory(socket) - before) / len(bodies), json=size / len(bodies))


def _post(started: Started, batch: Bodies) -> None:
    url = f"http://127.0.0.1:{started.target.port}{started.target.path}"
    headers = {"Content-Type": "application/json", **dict(started.target.headers)}
    request = urllib.request.Request(url, _json(batch), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            result = msgspec.json.decode(answer.read())
    except OSError as error:
        started.process.check()
        raise Failed(f"{url}: {error}") from error
    if result["accepted"] != len(batch):
        raise Failed(
            f"of {len(batch)} touchpoints {result['accepted']} were accepted: {result['rejected'][:3]}"
        )


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
