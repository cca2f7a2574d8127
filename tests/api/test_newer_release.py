"""A store with data of a newer release: every reader continues, and shows or counts unknown values.

The tests change stored bytes, one place after the other, to values that a newer release may write there.
Then all readers run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import msgspec
import pytest
from aiohttp import ClientSession, ClientTimeout
from prometheus_client import CollectorRegistry

from handoff.bootstrap.server import Server, running
from handoff.bootstrap.settings import Settings
from handoff.store.connection import Connection
from handoff.store.keys import META, WORKERS
from handoff.store.repositories.deliveries import QueueEntry
from handoff.store.server.sizes import sizes
from handoff.store.settings import StoreSettings
from tests.compat.release_client import DUE, ReleaseClient, everything
from tests.compat.releases import TOKEN
from tests.delivery.subscribers import SECRET, Subscriber, subscriber, until
from tests.serving import options_of
from tests.store.servers import valkey_server

ANNA, BEN = "user:anna", "email:ben@example.org"
CONTROL = b"{c.default}"
PLACE = 32  # bytes of a member before its header


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@dataclass
class Process:
    """This process's server, in the form that `ReleaseClient` needs."""

    name: str
    url: str
    output: str = ""


class Shop:
    """A server on a store with data of every kind, and methods that change the stored data."""

    def __init__(self, server: Server, client: ReleaseClient, hooks: Subscriber) -> None:
        self.server = server
        self.client = client
        self.hooks = hooks
        self.store = server.store
        self.control = server.store.control("default").keys

    async def raw(self, *command: Any) -> Any:
        return await self.store.connection.call(*command)

    async def keys(self, what: Callable[[bytes], bool]) -> list[bytes]:
        return sorted(it for it in await self.raw(b"KEYS", b"*") if what(it))

    async def partition(self, kind: bytes) -> list[bytes]:
        """The keys of a kind in all partitions."""
        return await self.keys(lambda it: it[1:2].isdigit() and it.partition(b"}")[2][:1] == kind)

    async def records(self, kind: bytes) -> list[bytes]:
        """The control records of a kind."""
        start = CONTROL + kind
        return await self.keys(
            lambda it: it.startswith(start) and len(it) in (len(start) + 16, len(start) + 32)
        )

    async def change_record(self, key: bytes, change: Callable[[dict[str, Any]], object]) -> None:
        raw = await self.raw(b"GET", key)
        value = msgspec.msgpack.decode(raw[8:])
        change(value)
        await self.raw(b"SET", key, raw[:8] + msgspec.msgpack.encode(value))

    async def change_members(self, change: Callable[[int, bytearray], object]) -> int:
        """Change the members of every timeline, by number. Returns their count."""
        number = 0
        for key in await self.partition(b"t"):
            for raw in await self.raw(b"ZRANGE", key, 0, -1):
                changed = bytearray(raw)
                change(number, changed)
                number += 1
                await self.raw(b"ZREM", key, raw)
                await self.raw(b"ZADD", key, 0, bytes(changed))
        return number

    async def timeline(self, who: str = ANNA) -> list[dict[str, Any]]:
        id_ = await self.client.customer(who)
        return list((await self.client.ok("GET", f"/v1/customers/{id_}/timeline"))["touchpoints"])

    async def read_everything(self) -> dict[str, Any]:
        """Every reader: views, exports, filters, live streams, tools of the command line, metrics."""
        found = await everything(self.client, [ANNA, BEN])
        id_ = await self.client.customer(ANNA)
        for query in ("types=event.tracked", "channels=chat", "min_assurance=verified"):
            await self.client.ok("GET", f"/v1/customers/{id_}/timeline?{query}")
        async with (
            self.client.watching(f"/v1/customers/{id_}/events") as person,
            self.client.watching("/v1/queues/support/events") as queue,
        ):
            await until(lambda: queue.events)
            mark = f"again-{len(found)}-{len(found['handoffs']['handoffs'])}"
            await self.client.record(mark, ANNA)
            asked = await self.client.ask(f"user:{mark}", to={"channel": "chat", "queue": "support"})
            await until(lambda: f"text of {mark}" in person.texts())
            await until(lambda: ("handoff.requested", asked["id"]) in queue.handoffs())
            await self.client.move(asked, "withdraw")
        await until(lambda: "handoff.withdrawn" in self.hooks.types())
        settings = StoreSettings(url=self.store.settings.url)
        async with Connection(settings) as connection:
            assert (await sizes(connection, settings.url or "", 0)).touchpoints
        return found

    def counted(self, what: str) -> float:
        registry: CollectorRegistry = self.server.site.measures.registry
        return registry.get_sample_value("handoff_unknown_values_total", {"what": what}) or 0.0


async def history(client: ReleaseClient) -> None:
    for number in range(4):
        await client.record(f"m{number}", ANNA, data={"order": number}, thread="t")
    await client.record("handles", ANNA, identities=[ANNA, "email:anna@example.org"])
    await client.record("edit", ANNA, type="message.edited", amends="m0", text="edited")
    who = {"type": "user", "value": "anna", "role": "cc"}
    await client.record("ben", BEN, channel="email", type="email.received", participants=[who])
    id_ = await client.customer(ANNA)
    link = {"identity": "phone:+358401234567", "reason": "confirmed by phone"}
    await client.ok("POST", f"/v1/customers/{id_}/links", link)
    links = (await client.ok("GET", f"/v1/customers/{id_}/links"))["links"]
    path = f"/v1/customers/{id_}/links/{links[0]['id']}/withdraw"
    await client.ok("POST", path, {"reason": "a mistake"})
    handoff = await client.ask(ANNA, fallback=[{"queue": "night"}])
    await client.move(handoff, "accept", agent="erik")
    await client.ok("POST", "/v1/callbacks", {"identity": ANNA, "phone": "+358401234567", "due": DUE})


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    settings = StoreSettings(url=url, partitions=2)
    async with Connection(settings) as connection:
        await connection.on_primaries("FLUSHALL")
    async with subscriber() as hooks, served(settings, hooks) as (server, client):
        await history(client)
        yield Shop(server, client, hooks)


@asynccontextmanager
async def served(settings: StoreSettings, hooks: Subscriber) -> AsyncIterator[tuple[Server, ReleaseClient]]:
    webhook = {
        "url": hooks.url,
        "types": ["*"],
        "secret": SECRET,
        "allow_insecure": True,
        "allow_networks": ["127.0.0.0/8"],
    }
    table = {"server": {"port": 0}, "webhooks": [webhook]}
    built = msgspec.structs.replace(msgspec.convert(table, Settings), store=settings)
    async with (
        running(built, options_of(admin_token=TOKEN)) as server,
        ClientSession(timeout=ClientTimeout(total=30)) as session,
    ):
        yield server, ReleaseClient(Process("this", server.url), session)


MEMBERS: dict[str, tuple[int, int, str]] = {
    "type": (PLACE + 1, 200, "type"),
    "channel": (PLACE + 2, 77, "channel"),
    "codec": (PLACE + 3, 9, "codec"),
    "body": (-1, 0xFF, "body"),
}


@pytest.mark.parametrize("what", MEMBERS)
async def test_members(shop: Shop, what: str) -> None:
    before = await shop.timeline()
    at, code, counted = MEMBERS[what]

    def change(number: int, raw: bytearray) -> None:
        if raw[PLACE] & 8 or number % 2:  # a participant's entry has no body
            return
        if at < 0:
            del raw[-3:]
        else:
            raw[at] = code

    await shop.change_members(change)
    after = await shop.timeline()
    assert [it["id"] for it in after] == [it["id"] for it in before], "nothing disappears"
    if what in ("type", "codec"):
        shown = [it for it in after if it["type"] == "event.tracked"]
        assert {it["data"]["name"] for it in shown} == {f"unknown_{what}:{code}"}
    if what == "channel":
        assert {it["channel"] for it in after} >= {"unknown_77", "chat"}
    if what in ("codec", "body"):
        # A readable original keeps its text where only its edit cannot be read.
        unread = [shown for shown in after if shown["data"].get("name") and not shown["text"]]
        assert {shown["visibility"] for shown in unread} == {"internal"}
    assert shop.counted(counted) > 0
    await shop.read_everything()


async def test_flags(shop: Shop) -> None:
    def change(_number: int, raw: bytearray) -> None:
        raw[PLACE] |= 64 | 128

    before = await shop.timeline()
    await shop.change_members(change)
    assert await shop.timeline() == before
    assert shop.counted("flag") > 0
    await shop.read_everything()


async def test_identity_records(shop: Shop) -> None:
    for key in await shop.partition(b"n"):
        fields = await shop.raw(b"HGETALL", key)
        for name, raw in zip(fields[::2], fields[1::2], strict=True):
            if name[:1] == b"e":
                row = msgpack.unpackb(raw[8:])
                for at, value in ((1, 7), (3, 5)):  # a statement, a class
                    newer = [*row[:at], value, *row[at + 1 :]]
                    await shop.raw(
                        b"HSET", key, b"e" + bytes([at]) * 16, raw[:8] + msgspec.msgpack.encode(newer)
                    )
                newer = [*row[:2], 9, *row[3:7], 200, *(row[8:] or ([], [], [], False)), {"more": 1}]
                await shop.raw(b"HSET", key, b"e" + b"z" * 16, raw[:8] + msgspec.msgpack.encode(newer))
            if name[:1] == b"p":
                await shop.raw(b"HSET", key, b"p" + b"z" * 16, raw[:16] + b"?more")
            if name[:1] == b"w":
                newer = [*msgpack.unpackb(raw), "more"]
                await shop.raw(b"HSET", key, name, msgspec.msgpack.encode(newer))
            if name == b"v":
                await shop.raw(b"HSET", key, name, msgspec.msgpack.encode([*msgpack.unpackb(raw), "more"]))
            if name == b"h":
                await shop.raw(b"HSET", key, name, raw + bytes((200, 77, 0, 0, 0, 1)) + b"odd")
        await shop.raw(b"HSET", key, b"?newer", b"x")
    await shop.read_everything()


@pytest.mark.parametrize("kind", [b"t", b"z"])
async def test_outboxes_of_partitions(shop: Shop, kind: bytes) -> None:
    for key in await shop.partition(b"o"):
        for _id, fields in await shop.raw(b"XRANGE", key, b"-", b"+"):
            payload = bytearray(fields[1])
            payload[49], payload[48] = 200, payload[48] | 192
            await shop.raw(b"XADD", key, b"*", kind, bytes(payload), b"more", b"fields")
        await shop.raw(b"XADD", key, b"*", b"z", b"short")
    await shop.read_everything()
    assert shop.counted("outbox_kind") > 0


async def test_outbox_of_the_control_partition(shop: Shop) -> None:
    stream = shop.control.outbox()
    handoff: Any = None
    for _id, fields in await shop.raw(b"XRANGE", stream, b"-", b"+"):
        family, *rest = msgspec.msgpack.decode(fields[1])
        if family == "handoff":
            handoff = rest[1] | {
                "state": "parked",
                "newer": 1,
                "id": handoff["id"] if handoff else rest[1]["id"],
            }
    event = {"key": "k", "type": "newer.thing", "subject": "s", "at": 1, "data": {}, "newer": 1}
    for kind, payload in (
        (b"z", b"whatever"),
        (b"c", msgspec.msgpack.encode(("wrap_up", {"code": 7}))),
        (b"c", msgspec.msgpack.encode(("handoff", "handoff.parked", handoff, "more"))),
        (b"c", msgspec.msgpack.encode(("event", event, "more"))),
    ):
        await shop.raw(b"XADD", stream, b"*", kind, payload)
    await until(lambda: {"newer.thing", "handoff.parked"} <= set(shop.hooks.types()))
    await shop.read_everything()
    assert (shop.counted("outbox_kind"), shop.counted("outbox_family")) == (1, 1)


async def test_a_resumed_stream_skips_unknown_entries(shop: Shop) -> None:
    stream = shop.control.outbox()
    (first, _fields), *_ = await shop.raw(b"XRANGE", stream, b"-", b"+")
    for kind, payload in ((b"z", b"whatever"), (b"c", b"\xc1"), (b"c", msgspec.msgpack.encode(("x",)))):
        await shop.raw(b"XADD", stream, b"*", kind, payload)
    missed = await shop.server.site.hub.missed("default", first.decode())
    assert missed


async def test_control_records_keep_unknown_fields(shop: Shop) -> None:
    newer = {"newer": {"deep": [1, b"2", None]}}
    kept = {b"h": "handoff", b"r": "chain", b"b": "callback"}
    for kind in kept:
        for key in await shop.records(kind):
            await shop.change_record(key, lambda it: it.update(newer))
    found = await shop.read_everything()
    (handoff,) = [it for it in found["handoffs"]["handoffs"] if it["owner"] == "erik"]
    await shop.client.move(handoff, "complete", agent="erik")
    (callback,) = found["callbacks"]["callbacks"]
    await shop.client.ok("POST", f"/v1/callbacks/{callback['id']}/cancel", {})
    for kind, name in kept.items():
        raws = [await shop.raw(b"GET", key) for key in await shop.records(kind)]
        held = [raw for raw in raws if msgspec.msgpack.decode(raw[8:]).get("newer") == newer["newer"]]
        assert held, f"the newer field of a {name} is gone"
        assert any(int.from_bytes(raw[:8], "big") > 1 for raw in held)


async def test_unknown_states(shop: Shop) -> None:
    (key,) = await shop.records(b"h")
    await shop.change_record(key, lambda it: it.update(state="parked"))
    await shop.raw(b"ZADD", shop.control.timers(), 1, b"h" + key[-16:])
    await shop.raw(b"ZADD", shop.control.timers(), 1, b"?" + key[-16:])
    for callback in await shop.records(b"b"):
        await shop.change_record(callback, lambda it: it.update(state="dialling"))
    found = await shop.read_everything()
    assert "parked" in {it["state"] for it in found["handoffs"]["handoffs"]}
    assert [it["state"] for it in found["callbacks"]["callbacks"]] == ["dialling"]
    await until(lambda: shop.counted("timer") > 0 and shop.counted("handoff_state") > 0)
    assert await shop.raw(b"ZSCORE", shop.control.timers(), b"?" + key[-16:]), "left to the newer release"
    handoff = next(it for it in found["handoffs"]["handoffs"] if it["state"] == "parked")
    path = f"/v1/handoffs/{handoff['id']}/complete"
    status, problem, _headers = await shop.client.call("POST", path, {"version": handoff["version"]})
    assert (status, problem["code"], problem["current"]["state"]) == (409, "illegal_transition", "parked")


async def test_sessions_and_kept_answers(shop: Shop) -> None:
    made = await shop.client.ok("POST", "/v1/sessions", {"agent": "maria"}, Idempotency_Key="k")
    for key in await shop.keys(lambda it: it.startswith((CONTROL + b"e", CONTROL + b"y"))):
        value = msgspec.msgpack.decode(await shop.raw(b"GET", key))
        value["newer"] = 1
        if "min_assurance" in value:
            value["min_assurance"] = "biometric"
            value["scopes"] = [*value["scopes"], "newer:scope"]
        await shop.raw(b"SET", key, msgspec.msgpack.encode(value))
    bearer = {"Authorization": f"Bearer {made['token']}"}
    assert (await shop.client.ok("GET", "/v1/sessions/current", **bearer))["agent"] == "maria"
    again = await shop.client.ok("POST", "/v1/sessions", {"agent": "maria"}, Idempotency_Key="k")
    assert again["token"] == made["token"]


async def test_deliveries(shop: Shop) -> None:
    await until(lambda: len(shop.hooks.accepted) > 5)
    for key in await shop.keys(lambda it: it.startswith(CONTROL + b"dm")):
        await shop.raw(b"HSET", key, b"s", b"?", b"newer", b"1")
    for key in await shop.keys(lambda it: it.startswith(CONTROL + b"da")):
        attempt = msgspec.msgpack.decode((await shop.raw(b"LRANGE", key, 0, 0))[0])
        await shop.raw(b"RPUSH", key, msgspec.msgpack.encode(attempt | {"newer": 1, "verdict": "postponed"}))
    for key in await shop.keys(lambda it: it.startswith(CONTROL + b"de")):
        await shop.raw(b"SET", key, b"\x09" + (await shop.raw(b"GET", key))[1:])
    found = await shop.read_everything()
    (webhook,) = found["webhooks"]["webhooks"]
    states = {it["state"] for it in found[f"deliveries {webhook['id']}"]["deliveries"]}
    assert "unknown:?" in states
    body = {"since": "2020-01-01T00:00:00Z"}
    assert "queued" in await shop.client.ok("POST", f"/v1/webhooks/{webhook['id']}/replay", body)


async def test_a_message_of_a_newer_release_is_left_to_it(shop: Shop) -> None:
    queue = shop.store.deliveries("default")
    (id_,) = await shop.raw(b"ZRANGE", shop.control.set("webhooks"), 0, -1)

    assert await queue.put(QueueEntry(event=b"e" * 16, blob=b"\x09newer", type="newer.thing"), [id_]) == 1
    await until(lambda: shop.counted("message") > 0)
    ((message),) = await queue.messages(id_, [b"e" * 16])
    assert (message.state, message.attempts) == ("sending", 0)
    await shop.read_everything()


async def test_snapshots_and_quarantine_report_newer_formats(shop: Shop) -> None:
    (handoff,) = (await shop.client.ok("GET", "/v1/handoffs"))["handoffs"]
    for key in await shop.records(b"s"):
        await shop.raw(b"SET", key, b"\x09" + (await shop.raw(b"GET", key))[1:])
    status, problem, headers = await shop.client.call("GET", f"/v1/handoffs/{handoff['id']}/snapshot")
    assert (status, problem["code"], "Retry-After" in headers) == (503, "written_by_newer", True)


async def test_meta_and_workers(shop: Shop, tmp_path: Path) -> None:
    await shop.raw(b"HSET", META, b"newer", b"\xff\x00")
    await shop.raw(b"HSET", WORKERS, b"w" * 16, b"what no release of today writes")
    await shop.raw(b"SET", b"handoff:newer", b"x")
    await shop.raw(b"SET", CONTROL + b"?newer", b"x")
    await shop.raw(b"SET", b"{1}?newer", b"x")
    await shop.store.workers.beat()
    await shop.store.health.beat()
    await shop.read_everything()
