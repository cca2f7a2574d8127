"""Live streams on the wire: slow clients are cut off without delaying others, and heartbeats are sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession

from handoff.bootstrap.server import running
from handoff.domain.identity import parse_identity
from handoff.services.customers.customer import by_id
from handoff.services.events.feed import Feed, StreamLimits, TouchpointFrame
from tests.api.conftest import Api, secret, served, settings_for
from tests.serving import options_of
from tests.store.servers import cluster_of_three, valkey_server

LONG = "x" * 50_000
SMALL = 4096  # bytes that the kernel buffers for a slow client
PATIENCE_S = 10.0


Seen = tuple[str, str, Any]
"""An event's name, id and data."""


class Reader:
    """A connection to a stream that reads only on request."""

    def __init__(self, connection: socket.socket, version: str) -> None:
        self._connection = connection
        self._framed = version == "1.1"
        self._raw = b""
        self._body = b""
        self._begun = False
        self.ended = False
        self.beats = 0
        self.events: list[Seen] = []

    async def more(self) -> None:
        """Read the available bytes; wait if there are none."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            came = await loop.sock_recv(self._connection, 1 << 20)
        assert came, "the server closed the connection"
        self._raw += came
        if not self._begun:
            head, self._begun, rest = self._raw.partition(b"\r\n\r\n")
            self._raw = rest if self._begun else head
        if self._begun:
            self._unframe()
            *blocks, self._body = self._body.split(b"\n\n")
            for block in blocks:
                self._take(dict(line.split(": ", 1) for line in block.decode().split("\n")))

    def _unframe(self) -> None:
        if not self._framed:
            self._body, self._raw = self._body + self._raw, b""
        while b"\r\n" in self._raw:
            size, _, rest = self._raw.partition(b"\r\n")
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            assert rest[length : length + 2] == b"\r\n"
            self._body, self._raw = self._body + rest[:length], rest[length + 2 :]
            self.ended = length == 0

    def _take(self, fields: dict[str, str]) -> None:
        if "" in fields:
            self.beats += 1
        elif "event" in fields:
            self.events.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))

    async def until(self, count: int) -> list[Seen]:
        """The events, once there are this many."""
        while len(self.events) < count:
            await self.more()
        return self.events

    def gone(self) -> None:
        self._connection.close()


@contextlib.asynccontextmanager
async def reading(
    api: Api, path: str, *, version: str = "1.1", last_id: str = "", buffer: int | None = None
) -> AsyncIterator[Reader]:
    """A stream that has started."""
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        host, port = api.url.removeprefix("http://").split(":")
        await loop.sock_connect(connection, (host, int(port)))
        lines = [
            f"GET {path} HTTP/{version}",
            f"Host: {host}",
            f"Authorization: Bearer {secret('desk', api.tenant)}",
            *([f"Last-Event-ID: {last_id}"] if last_id else []),
        ]
        await loop.sock_sendall(connection, "\r\n".join([*lines, "", ""]).encode())
        reader = Reader(connection, version)
        await reader.until(1)
        yield reader


async def watched(api: Api) -> str:
    """The path of the stream of a customer with one touchpoint."""
    await api.record("first")
    return f"/v1/customers/{(await api.context())['customer']['id']}/events"


def open_feeds(api: Api) -> set[Feed]:
    return {feed for known in api.server.site.hub._homes.values() for feed in known}


def texts(events: list[Seen]) -> list[str]:
    return [data["text"].partition(" ")[0] for event, _id, data in events if event == "touchpoint"]


async def test_a_slow_client_is_cut_off_and_delays_no_other(api: Api) -> None:
    api.server.site.hub.limits = StreamLimits(behind=10)
    path = await watched(api)
    async with (
        reading(api, path, buffer=SMALL) as slow,
        reading(api, path) as one,
        reading(api, path) as other,
    ):
        received: list[str] = []
        while not any(feed.cut for feed in open_feeds(api)):
            assert len(received) < 500, "the slow client is never cut off"
            received.append(f"m{len(received)}")
            await api.record(received[-1], text=f"{received[-1]} {LONG}")
            for reader in (one, other):
                assert texts(await reader.until(len(received) + 1))[-1] == received[-1]
            # The other client has no unsent bytes.
            assert sorted(len(feed._frames) for feed in open_feeds(api))[:2] == [0, 0]
        assert texts(one.events) == texts(other.events) == received
        assert [feed.cut for feed in open_feeds(api)].count(True) == 1
        while not slow.ended:
            await slow.more()
        assert slow.events[-1][0] == "resume"
        before = texts(slow.events)
        assert before == received[: len(before)]
        async with reading(api, path, last_id=slow.events[-2][1]) as again:
            missed = received[len(before) :]
            assert texts(await again.until(len(missed))) == missed


async def test_a_failed_stream_contains_no_second_response() -> None:
    """The status was sent already: after a store error the client reconnects, a crash cuts it off."""
    with valkey_server() as url:
        async with served(url) as api:
            api.server.site.hub.limits = StreamLimits(check_identities_s=0.1, heartbeat_s=0.1)
            path, store = await watched(api), api.server.store
            async with reading(api, path) as reader:
                await store.connection.call("ACL", "SETUSER", "default", "-hgetall")
                while not reader.ended:
                    await reader.more()
            assert reader.events[-1] == ("resume", "", {"reason": "store_unavailable"})
            await store.connection.call("ACL", "SETUSER", "default", "+hgetall")
            async with reading(api, path) as reader:
                home = store.hashes(api.tenant).identity(parse_identity("user:anna"))
                await store.connection.call("SET", store.keys.record(home), "no record")
                with pytest.raises((AssertionError, ConnectionResetError), match=r"closed|reset"):
                    await reader.until(100)
            assert [event for event, _id, _data in reader.events] == ["ready"]


async def test_a_client_that_pauses_gets_everything_in_order(api: Api) -> None:
    path = await watched(api)
    async with reading(api, path, buffer=SMALL) as reader:
        received: list[str] = []
        for _ in range(2):
            # Frames beyond the connection's buffer wait in the feed until the client reads.
            while not any(feed._frames for feed in open_feeds(api)):
                assert len(received) < 500, "the connection buffers everything"
                received.append(f"m{len(received)}")
                await api.record(received[-1], text=f"{received[-1]} {LONG}")
            assert texts(await reader.until(len(received) + 1)) == received
            assert not any(feed._frames or feed.cut for feed in open_feeds(api))


async def test_an_id_covers_everything_sent_before_it(api: Api) -> None:
    both = ["user:anna", {"type": "email", "value": "a@x.fi", "assurance": "verified"}]
    await api.record("first", identities=both)
    path = f"/v1/customers/{(await api.context())['customer']['id']}/events"
    homes = ["user:anna", "email:a@x.fi"] * 3
    async with reading(api, path) as one, reading(api, path) as other:
        for number, home in enumerate(homes):
            await api.record(f"m{number}", text=f"m{number}", identities=[home])
            assert (await one.until(number + 2))[-1] == (await other.until(number + 2))[-1]
    seen = one.events
    assert texts(seen) == [f"m{number}" for number in range(len(homes))]
    assert (await api.context())["as_of"] == seen[-1][1]
    for number in range(len(homes) - 1):
        async with reading(api, path, last_id=seen[number + 1][1]) as again:
            left = len(homes) - 1 - number
            assert await again.until(left) == seen[-left:]


async def test_clients_at_different_positions_get_their_own_ids(api: Api) -> None:
    path = await watched(api)
    async with reading(api, path) as before:
        link = {"type": "email", "value": "a@x.fi", "assurance": "verified"}
        await api.record("linked", text="linked", identities=["user:anna", link])
        await before.until(2)
        async with reading(api, path) as after:
            await api.record("m1", text="m1")
            old, new = (await before.until(3))[-1], (await after.until(2))[-1]
            assert texts(before.events) == ["linked", "m1"]
            assert old[2] == new[2]
            assert (await api.context())["as_of"] == new[1] != old[1]


async def test_frames_sent_while_catching_up_are_not_repeated(api: Api) -> None:
    path = await watched(api)
    async with reading(api, path) as reader:
        homes = api.server.site.hub._homes
        for home, watching in homes.items():
            for feed in watching:
                feed.put(TouchpointFrame(home=home, arrival=1, type="message.received", json=b"{}"))
        await api.record("m1", text="m1")
        assert texts(await reader.until(2)) == ["m1"]


async def test_concurrent_touchpoints_arrive_in_the_order_of_recording(api: Api) -> None:
    api.server.site.hub.limits = StreamLimits(read=7)
    path = await watched(api)
    await api.record("second", identities=["user:otto"])
    theirs = f"/v1/customers/{(await api.context('user:otto'))['customer']['id']}/events"
    async with reading(api, path) as one, reading(api, theirs) as other:
        who = ["user:anna", "user:otto"] * 30
        await asyncio.gather(*(api.record(f"m{at}", identities=[it]) for at, it in enumerate(who)))
        for reader, identity in ((one, "user:anna"), (other, "user:otto")):
            found = [data for _event, _id, data in (await reader.until(31))[1:]]
            assert {it["identity"] for it in found} == {identity}
            arrivals = [it["recorded_at"] for it in found]
            assert arrivals == sorted(arrivals)
            assert len({it["id"] for it in found}) == 30


async def test_a_flood_of_frames_does_not_block_other_work(api: Api) -> None:
    await watched(api)
    customer = await by_id(api.server.store, api.tenant, (await api.context())["customer"]["id"])
    turns = 0
    seen: list[int] = []
    feed = Feed(lambda _frame: seen.append(turns) is None)
    await api.server.site.hub.watch_homes(feed, customer.group.members)
    waiting = asyncio.create_task(feed.next(PATIENCE_S))
    telling = asyncio.gather(*(api.record(f"m{number}") for number in range(60)))
    async with asyncio.timeout(PATIENCE_S):
        while len(seen) < 60:
            turns += 1
            await asyncio.sleep(0)
    await telling
    waiting.cancel()
    api.server.site.hub.leave(feed)
    assert len(set(seen)) == 60


async def test_an_unreadable_entry_does_not_affect_others(api: Api) -> None:
    path = await watched(api)
    store = api.server.store
    async with reading(api, path) as reader:
        (home,) = api.server.site.hub._homes
        outbox = store.keys.outbox(store.keys.partition(home))
        nowhere = home + bytes(32) + bytes(3) + api.tenant.encode()
        call = store.connection.call
        made = [
            await call(b"XADD", outbox, b"*", b"t", payload, key=outbox) for payload in (b"short", nowhere)
        ]
        await api.record("m1", text="m1")
        assert texts(await reader.until(2)) == ["m1"]
        await call(b"XDEL", outbox, *made, key=outbox)  # other tests use the store too


async def test_touchpoints_of_another_server_on_the_store_arrive_too(api: Api, valkey: str) -> None:
    path = await watched(api)
    settings = settings_for(valkey, api.tenant, api.other)
    async with (
        running(settings, options_of()) as server,
        ClientSession() as session,
        reading(api, path) as reader,
    ):
        second = Api(server, session, api.tenant, api.other)
        async with reading(second, path) as theirs:
            for number in range(6):
                taking = second if number % 2 else api
                await taking.record(f"m{number}", text=f"m{number}")
            expected = [f"m{number}" for number in range(6)]
            assert texts(await reader.until(7)) == texts(await theirs.until(7)) == expected
            assert reader.events[1:] == theirs.events[1:]


async def test_heartbeats_are_sent_between_events(api: Api) -> None:
    api.server.site.hub.limits = StreamLimits(heartbeat_s=0.05)
    path = await watched(api)
    async with reading(api, path) as reader:
        for number in range(3):
            beats = reader.beats
            while reader.beats < beats + 2:
                await reader.more()
            await api.record(f"m{number}", text=f"m{number}")
            assert texts(await reader.until(number + 2)) == [f"m{it}" for it in range(number + 1)]


async def test_a_queues_stream_has_only_its_own_handoffs(api: Api) -> None:
    await watched(api)
    async with reading(api, "/v1/queues/refunds/events") as reader:
        for number, queue in enumerate(("refunds", "others", "refunds")):
            to = {"channel": "chat", "queue": queue}
            await api.record(f"m{number}", identities=[f"user:u{number}"])
            asked = {"identity": f"user:u{number}", "to": to, "reason": f"reason {number}"}
            await api.ok("POST", "/v1/handoffs", asked)
        received = (await reader.until(3))[1:]
    assert [(event, data["reason"]) for event, _id, data in received] == [
        ("handoff.requested", "reason 0"),
        ("handoff.requested", "reason 2"),
    ]


async def test_an_unknown_id_gets_a_reset(api: Api) -> None:
    """As after a restore from a backup: frames that the client has seen are missing."""
    await watched(api)
    await api.ok("POST", "/v1/handoffs", {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "r"})
    for path in ("/v1/queues/refunds/events", "/v1/agents/maria/events"):
        async with reading(api, path, last_id="9999999999999-0") as reader:
            assert [event for event, _id, _data in reader.events] == ["reset"]


async def test_a_stream_has_a_request_id(api: Api) -> None:
    path = await watched(api)
    async with api._session.get(
        api.url + path, headers={"Authorization": f"Bearer {secret('desk', api.tenant)}"}
    ) as answer:
        assert len(answer.headers["Handoff-Request-Id"]) == 16
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_stream_has_no_head_method(api: Api) -> None:
    """HEAD has no content (RFC 9110 §9.3.2): its stream would never end."""
    for path in (await watched(api), "/v1/queues/refunds/events", "/v1/agents/maria/events"):
        answer = await api.call("HEAD", path)
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
        assert not open_feeds(api)


async def test_http_1_0_clients_get_events_without_chunks(api: Api) -> None:
    path = await watched(api)
    async with reading(api, path, version="1.0") as reader:
        await api.record("m1", text="m1")
        assert texts(await reader.until(2)) == ["m1"]


async def test_a_disconnected_client_is_dropped_at_the_next_event(api: Api) -> None:
    path = await watched(api)
    async with reading(api, path) as stays, reading(api, path) as goes:
        goes.gone()
        await api.record("m1", text="m1")
        assert texts(await stays.until(2)) == ["m1"]
        async with asyncio.timeout(PATIENCE_S):
            while len(open_feeds(api)) > 1:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)
        await api.record("m2", text="m2")
        assert texts(await stays.until(3)) == ["m1", "m2"]


async def test_on_a_cluster_streams_and_contexts_agree() -> None:
    with cluster_of_three() as url:
        async with served(url) as api:
            path = await watched(api)
            before = await api.context()
            async with reading(api, path) as reader:
                for number in range(20):
                    await api.record(f"m{number}", text=f"m{number}")
                expected = [f"m{number}" for number in range(20)]
                assert texts(await reader.until(21)) == expected
            after = await api.context()
            assert after == await api.context()
            assert (before["timeline"]["total"], after["timeline"]["total"]) == (1, 21)
            for shown in after["timeline"]["touchpoints"]:
                assert (await api.get(f"/v1/touchpoints/{shown['id']}")).json["text"] == shown["text"]
