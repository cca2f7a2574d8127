"""The fast path responds exactly as aiohttp would, and hands everything unusual to aiohttp."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from handoff.adapter.admission import ByteBudget
from handoff.api.app import make_app, make_fast_path
from handoff.api.http.connections import Connections, Deadlines
from handoff.api.http.fast_path import MAX_BUFFERED, FastPath
from handoff.api.http.plain_requests import (
    MAX_BODY,
    MAX_HEAD,
    Answer,
    BodyHandler,
    FastRoute,
    Headers,
    PlainAnswer,
)
from handoff.bootstrap.accepting import accepting
from handoff.domain.errors import StoreUnavailable
from tests.api.conftest import SECRET, Api, message, secret, served
from tests.samples import WEEK_AGO
from tests.store.servers import valkey_server

PATIENCE_S = 10
REQUEST_ID = "handoff-request-id"


class Got(msgspec.Struct, frozen=True):
    """A response from the wire. `headers` are by lower-case name, without those that vary."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawConnection:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            if len(pieces) > 1:
                await asyncio.sleep(0.01)

    async def receive(self) -> Got:
        async with asyncio.timeout(PATIENCE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (it.partition(": ") for it in lines)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        kept = {name: value for name, value in headers.items() if name not in ("date", REQUEST_ID)}
        return Got(int(first.split()[1]), kept, body)

    async def is_over(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            return await self.reader.read() == b""


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[RawConnection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.close()


class Both(msgspec.Struct, frozen=True):
    """A server on the fast path and on aiohttp alone. `left` grows with each connection handed over."""

    api: Api
    fast: int
    plain: int
    path: FastPath
    left: list[None]

    async def answers(self, *pieces: bytes, count: int = 1, port: int | None = None) -> list[Got]:
        async with connected(port or self.fast) as line:
            await line.send(*pieces)
            return [await line.receive() for _ in range(count)]


@asynccontextmanager
async def listening(protocol: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with accepting(listener, protocol):
        yield port


def unlimited(**deadlines: float) -> Connections:
    return Connections(1_000_000, ByteBudget(1 << 40), Deadlines(**deadlines))


@asynccontextmanager
async def both_ways(api: Api) -> AsyncIterator[Both]:
    runner = web.AppRunner(make_app(api.server.site), access_log=None, auto_decompress=False)
    await runner.setup()
    left: list[None] = []

    def otherwise() -> asyncio.Protocol:
        left.append(None)
        assert runner.server is not None
        return runner.server()

    fast = make_fast_path(api.server.site, otherwise, unlimited())
    assert runner.server is not None
    try:
        async with listening(fast.protocol) as port, listening(runner.server) as plain:
            yield Both(api, port, plain, fast, left)
            await fast.end(1.0)
    finally:
        await runner.cleanup()


@pytest.fixture
async def both(api: Api) -> AsyncIterator[Both]:
    async with both_ways(api) as running:
        yield running


def asking(body: bytes, *more: str, path: str = "/v1/touchpoints", token: str = "", line: str = "") -> bytes:
    """The bytes of a request."""
    head = [line or f"POST {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}", *more]
    if token:
        head.append(f"Authorization: Bearer {token}")
    return "\r\n".join((*head, "", "")).encode("utf-8", "surrogateescape") + body


def touchpoint_request(api: Api, event: str, *more: str, token: str = "desk", **changes: Any) -> bytes:
    """A plain request with one touchpoint."""
    body = msgspec.json.encode(message(event, **changes))
    return asking(body, "Content-Type: application/json", *more, token=secret(token, api.tenant))


async def test_plain_requests_are_answered_as_by_aiohttp_and_never_reach_it(both: Both) -> None:
    """Stored on one path, a duplicate on both. A second request stays on the fast path."""
    first, again = await both.answers(
        touchpoint_request(both.api, "e1"), touchpoint_request(both.api, "e1"), count=2
    )
    assert (first.status, msgspec.json.decode(first.body)["accepted"]) == (200, 1)
    assert msgspec.json.decode(again.body)["duplicates"] == 1
    assert both.left == []
    assert await both.answers(touchpoint_request(both.api, "e1"), port=both.plain) == [again]
    reused = touchpoint_request(both.api, "e1", text="other words")
    assert await both.answers(reused, port=both.plain) == await both.answers(reused)
    assert both.left == []
    assert (await both.api.context())["timeline"]["total"] == 1


WRONG_HOSTS = {
    "none": b"",
    "two": b"Host: here\r\nHost: here\r\n",
    "a space": b"Host: he re\r\n",
    "two in one": b"Host: here, there\r\n",
    "a path": b"Host: here/there\r\n",
    "a query": b"Host: here?there\r\n",
    "a user": b"Host: user@here\r\n",
    "a port of letters": b"Host: here:http\r\n",
    "half an address": b"Host: [::1\r\n",
    "an address without brackets": b"Host: ::1\r\n",
    "no address": b"Host: [1:2]\r\n",
    "half an escape": b"Host: here%4\r\n",
    "a backslash": b"Host: he\\re\r\n",
    "letters beyond ASCII": "Host: zürich\r\n".encode(),
    "bytes that are not text": b"Host: \xff\r\n",
}
HOSTS = {
    "nothing": b"Host:\r\n",
    "a name": b"host: shop.example\r\n",
    "a port": b"Host: shop.example:8080\r\n",
    "an empty port": b"Host: shop.example:\r\n",
    "an address": b"Host: 127.0.0.1:80\r\n",
    "an address of version 6": b"Host: [2001:db8::1]:80\r\n",
    "an escape": b"Host: shop%2dexample\r\n",
    "an underscore": b"Host:  shop_front \r\n",
}


@pytest.mark.parametrize("name", WRONG_HOSTS)
async def test_a_request_without_one_valid_host_is_refused_on_both_paths(both: Both, name: str) -> None:
    """RFC 9112 §3.2."""
    raw = touchpoint_request(both.api, "hosts").replace(b"Host: here\r\n", WRONG_HOSTS[name])
    other = raw.replace(b"POST /v1/touchpoints", b"GET /healthz")
    for asked in (raw, other):
        refused = []
        for port in (both.fast, both.plain):
            async with connected(port) as line:
                await line.send(asked)
                refused.append(await line.receive())
                assert await line.is_over(), "the next bytes may not be what the sender means"
        assert refused[0] == refused[1]
        assert refused[0].status == 400
    assert (await both.api.context())["customer"] is None


@pytest.mark.parametrize("name", HOSTS)
async def test_every_valid_host_stays_on_the_path(both: Both, name: str) -> None:
    raw = touchpoint_request(both.api, "hosts").replace(b"Host: here\r\n", HOSTS[name])
    (first,) = await both.answers(raw)
    assert first.status == 200
    assert await both.answers(raw, port=both.plain) == [again(first)]
    assert both.left == []


TOKENS = {
    "no token": "",
    "a wrong one": "nonsense",
    "a session's": "hs_tenant_nonsense",
    "bytes that are not text": "\udcff\udcfe",
    "a session's with such bytes": "hs_default_\udcff",
}
UNUSUAL: dict[str, Callable[[Api], bytes]] = {
    "get": lambda api: asking(b"", line="GET /healthz HTTP/1.1"),
    "not found": lambda api: asking(b"{}", path="/v1/nothing"),
    "a query": lambda api: asking(
        msgspec.json.encode(message("q")), path="/v1/touchpoints?a=b", token=secret("desk", api.tenant)
    ),
    "another method": lambda api: asking(b"{}", line="PUT /v1/touchpoints HTTP/1.1"),
    "a small letter": lambda api: asking(b"{}", line="post /v1/touchpoints HTTP/1.1"),
    "no http": lambda api: b"hello\r\n\r\n",
    "half a first line": lambda api: b"POST /v1/touchpoints\r\n\r\n",
    "http 1.0": lambda api: touchpoint_request(api, "old").replace(b"HTTP/1.1", b"HTTP/1.0"),
    "http 1.0 kept alive": lambda api: touchpoint_request(api, "older", "Connection: keep-alive").replace(
        b"HTTP/1.1", b"HTTP/1.0"
    ),
    "http 3": lambda api: touchpoint_request(api, "new").replace(b"HTTP/1.1", b"HTTP/3.0"),
    "connection close": lambda api: touchpoint_request(api, "close", "Connection: close"),
    "other connection words": lambda api: touchpoint_request(api, "words", "Connection: keep-alive, te"),
    "no length": lambda api: touchpoint_request(api, "bare").replace(b"Content-Length", b"X-Length"),
    "two hosts": lambda api: touchpoint_request(api, "hosts", "Host: there"),
    "two kinds of media": lambda api: touchpoint_request(api, "media", "Content-Type: text/html"),
    "two tokens": lambda api: touchpoint_request(api, "tokens", "Authorization: Bearer nonsense"),
    "two lengths": lambda api: touchpoint_request(api, "two", "Content-Length: 5"),
    "a length of words": lambda api: touchpoint_request(api, "words").replace(
        b"Content-Length: 1", b"Content-Length: x"
    ),
    "a signed length": lambda api: touchpoint_request(api, "plus").replace(
        b"Content-Length: 1", b"Content-Length: +1"
    ),
    "no body": lambda api: asking(b"", "Content-Type: application/json", token=secret("desk", api.tenant)),
    "chunked": lambda api: (
        asking(
            b"",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
            token=secret("desk", api.tenant),
        ).replace(b"Content-Length: 0\r\n", b"")
        + b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "length and chunked": lambda api: touchpoint_request(api, "smuggled", "Transfer-Encoding: chunked"),
    "gzip": lambda api: touchpoint_request(api, "gzip", "Content-Encoding: gzip"),
    "expect": lambda api: touchpoint_request(api, "expect", "Expect: 100-continue"),
    "upgrade": lambda api: touchpoint_request(api, "up", "Connection: upgrade", "Upgrade: websocket"),
    "folded": lambda api: touchpoint_request(api, "folded", "X-Long: a\r\n b"),
    "a line that ends in a line feed": lambda api: touchpoint_request(api, "feed", "X-A: a\nX-B: b"),
    "a space in a name": lambda api: touchpoint_request(api, "space", "X A: b"),
    "a zero in a value": lambda api: touchpoint_request(api, "zero", "X-A: a\0b"),
    "a long head": lambda api: touchpoint_request(api, "long", "X-A: " + "a" * MAX_HEAD),
    "many headers": lambda api: touchpoint_request(api, "many", *(f"X-{n}: a" for n in range(200))),
    "an origin": lambda api: touchpoint_request(api, "origin", "Origin: https://elsewhere.example"),
    "form": lambda api: asking(b"a=b", "Content-Type: application/x-www-form-urlencoded"),
    "ndjson": lambda api: asking(
        b"{}\n", "Content-Type: application/x-ndjson", token=secret("desk", api.tenant)
    ),
    "a list": lambda api: asking(
        b" [{}]", "Content-Type: application/json", token=secret("desk", api.tenant)
    ),
    "another's tenant": lambda api: touchpoint_request(api, "other", f"Handoff-Tenant: {api.other}"),
    "no scope": lambda api: touchpoint_request(api, "scope", token="nothing"),
    "an unknown source": lambda api: asking(b"{}", path="/in/nobody"),
    "a path that climbs": lambda api: asking(b"{}", path="/in/shop/v1/../batch"),
    "a path in code": lambda api: asking(b"{}", path="/in/shop/v1%2Fbatch"),
    "a path with a part of nothing": lambda api: asking(b"{}", path="/in/shop//v1/batch"),
    "a query below a source": lambda api: asking(b"{}", path="/in/shop/v1/batch?writeKey=a"),
    "a source of no name": lambda api: asking(b"{}", path="/in/"),
}
"""Requests that are not plain, none of which may become another by the way it is read."""


@pytest.mark.parametrize("name", UNUSUAL)
async def test_unusual_requests_go_to_aiohttp_unchanged(both: Both, name: str) -> None:
    raw = UNUSUAL[name](both.api)
    expected = await both.answers(raw, port=both.plain)
    assert await both.answers(raw) == [again(it) for it in expected]
    assert both.left == [None]


@pytest.mark.parametrize("name", TOKENS)
async def test_requests_without_a_valid_token_are_refused_by_aiohttp(both: Both, name: str) -> None:
    raw = asking(b"{}", "Content-Type: application/json", token=TOKENS[name])
    (refused,) = await both.answers(raw)
    assert refused.status == 401
    assert [refused] == await both.answers(raw, port=both.plain)
    assert both.left == [None]


def again(got: Got) -> Got:
    """The response to the second copy of a touchpoint."""
    body = got.body.replace(b'"accepted":1,"duplicates":0', b'"accepted":0,"duplicates":1')
    return Got(got.status, got.headers, body)


BAD = {
    "no json": b"{",
    "no object": b"17",
    "empty object": b"{}",
    "an unknown member": b'{"id":"a","colour":"red"}',
    "bytes": b"\xff\xfe\x00",
    "deep": b'{"data":' * 2000,
    "nobody": msgspec.json.encode(message("nobody", identities=["email:noreply@example.com"])),
    "no time": msgspec.json.encode(message("when", occurred_at="yesterday")),
    "no such channel": msgspec.json.encode(message("where", channel="smoke")),
    "a phone that is none": msgspec.json.encode(message("who", identities=["phone:12"])),
}


@pytest.mark.parametrize("name", BAD)
async def test_an_invalid_touchpoint_gets_the_same_problem_document(both: Both, name: str) -> None:
    raw = asking(BAD[name], "Content-Type: application/json", token=secret("desk", both.api.tenant))
    refused = await both.answers(raw)
    assert refused == await both.answers(raw, port=both.plain)
    assert refused[0].status in (400, 422)
    assert both.left == []


HEADS = {
    "media with a charset": "Content-Type: application/json; charset=utf-8",
    "media in capitals": "content-TYPE:APPLICATION/JSON",
    "keep-alive": "Content-Type: application/json\r\nConnection: Keep-Alive",
    "a header of no meaning": "Content-Type: application/json\r\ntraceparent: 00-ab-cd-01",
    "a header that is not ascii": "Content-Type: application/json\r\nX-Name: Jürgen",
    "an empty header": "Content-Type: application/json\r\nX-Name:",
}


@pytest.mark.parametrize("name", HEADS)
async def test_plain_requests_in_other_spellings_stay_on_the_path(both: Both, name: str) -> None:
    body = msgspec.json.encode(message(name))
    raw = asking(body, HEADS[name], token=secret("desk", both.api.tenant))
    (first,) = await both.answers(raw)
    assert first.status == 200
    assert await both.answers(raw, port=both.plain) == [again(first)]
    assert both.left == []


async def test_a_request_may_arrive_in_any_chunks(both: Both) -> None:
    """A split head goes to aiohttp, a split body stays on the fast path. All are stored."""
    raw = touchpoint_request(both.api, "pieces")
    head = raw.index(b"\r\n\r\n") + 4
    for at in (1, 20, head - 3, head - 1):
        (got,) = await both.answers(raw[:at], raw[at:])
        assert got.status == 200
    assert len(both.left) == 4
    for at in (head, head + 1, len(raw) - 1):
        (got,) = await both.answers(raw[:at], raw[at:])
        assert got.status == 200
    (got,) = await both.answers(raw[:head], *(raw[at : at + 40] for at in range(head, len(raw), 40)))
    assert got.status == 200
    assert len(both.left) == 4


async def test_bodies_up_to_the_limit_stay_and_larger_ones_leave(both: Both) -> None:
    room = MAX_BODY - len(msgspec.json.encode(message("large", text="")))
    for size, left in ((room, []), (room + 1, [None])):
        (got,) = await both.answers(touchpoint_request(both.api, "large", text="x" * size))
        assert got.status in (200, 422)  # the second has other content
        assert both.left == left


async def test_pipelined_requests_are_answered_in_order(both: Both) -> None:
    """Including those after one that goes to aiohttp."""
    many = [touchpoint_request(both.api, f"e{number}") for number in range(20)]
    listing = asking(b"", line="GET /v1/nothing HTTP/1.1", token=secret("desk", both.api.tenant))
    answers = await both.answers(b"".join([*many, listing, *many]), count=41)
    assert [it.status for it in answers] == [200] * 20 + [404] + [200] * 20
    firsts, repeats = [
        [msgspec.json.decode(it.body)["ids"] for it in part] for part in (answers[:20], answers[21:])
    ]
    assert firsts == repeats
    assert len({str(it) for it in firsts}) == 20
    assert both.left == [None]


async def test_reading_pauses_while_a_sender_is_too_fast(both: Both) -> None:
    """More than the buffer holds, from a sender that reads responses only at the end."""
    raw = touchpoint_request(both.api, "e1", text="x" * 2000)
    count = 3 * MAX_BUFFERED // len(raw) + 200
    async with connected(both.fast) as line:
        async with asyncio.timeout(PATIENCE_S):
            await line.send(raw * count)
        answers = [await line.receive() for _ in range(count)]
    assert {it.status for it in answers} == {200}
    assert both.left == []


async def test_a_disconnect_changes_nothing(both: Both) -> None:
    async with connected(both.fast) as line:
        await line.send(touchpoint_request(both.api, "left"))
        line.writer.transport.abort()
    async with asyncio.timeout(PATIENCE_S):
        while await stored(both.api) != 1:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.05)


async def stored(api: Api) -> int:
    timeline = (await api.context())["timeline"]
    return int(timeline["total"]) if timeline else 0


def delivery(api: Api, *events: str, key: str = SECRET, path: str = "/in/shop/v1/batch") -> bytes:
    """A batch of Segment's."""
    batch = [{"type": "track", "event": it, "messageId": it, "userId": "anna"} for it in events]
    body = msgspec.json.encode({"batch": batch, "sentAt": f"{WEEK_AGO}T10:00:00Z"})
    write_key = b64encode(f"{key}:".encode()).decode()
    return asking(body, "Content-Type: application/json", f"Authorization: Basic {write_key}", path=path)


async def test_deliveries_are_answered_as_by_aiohttp(both: Both) -> None:
    good, bad = delivery(both.api, "a", "b"), delivery(both.api, "c", key="another key")
    first = await both.answers(good)
    assert first == await both.answers(good, port=both.plain)
    assert first[0].status == 200
    refused = await both.answers(bad)
    assert refused == await both.answers(bad, port=both.plain)
    assert refused[0].status == 401
    assert both.left == []
    assert (await both.api.context())["timeline"]["total"] == 2
    assert 'handoff_touchpoints_total{result="accepted",source="shop"} 2' in await metrics(both.api)


async def metrics(api: Api) -> str:
    return (await api.get("/metrics", token="admin")).raw.decode()


async def test_requests_are_counted_and_have_ids(api: Api) -> None:
    """On the running server's port: route, status, and a unique id for each request."""
    answers = [await api.post("/v1/touchpoints", message(f"e{number}")) for number in range(3)]
    refused = await api.post("/v1/touchpoints", message("e0", text="other"))
    assert refused.code == "id_reused"
    ids = [it.headers["Handoff-Request-Id"] for it in (*answers, refused)]
    assert len(set(ids)) == 4
    counted = await metrics(api)
    assert 'handoff_request_seconds_count{route="/v1/touchpoints",status="2xx"} 3.0' in counted
    assert 'handoff_request_seconds_count{route="/v1/touchpoints",status="4xx"} 1.0' in counted


async def test_without_the_store_it_answers_503_and_the_connection_stays() -> None:
    with valkey_server() as url:
        async with served(url, timeout_s=1) as api, both_ways(api) as both:
            await api.server.store.connection.call("CLIENT", "PAUSE", "60000", "ALL")
            async with connected(both.fast) as line:
                await line.send(touchpoint_request(api, "lost"))
                refused = await line.receive()
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                assert msgspec.json.decode(refused.body)["code"] == StoreUnavailable.code
                await line.send(touchpoint_request(api, "lost"))
                assert (await line.receive()).status == 503
            assert both.left == []


async def test_a_shutdown_closes_idle_connections_and_answers_open_requests() -> None:
    with valkey_server() as url:
        async with (
            served(url) as api,
            both_ways(api) as both,
            connected(both.fast) as idle,
            connected(both.fast) as waiting,
        ):
            await idle.send(touchpoint_request(api, "before"))
            assert (await idle.receive()).status == 200
            await api.server.store.connection.call("CLIENT", "PAUSE", "300", "ALL")
            await waiting.send(touchpoint_request(api, "e1"))
            await until(lambda: any(it._busy for it in both.path.open))
            stopping = asyncio.create_task(both.path.end(PATIENCE_S))
            assert await idle.is_over()
            last = await waiting.receive()
            assert (last.status, last.headers["connection"]) == (200, "close")
            async with asyncio.timeout(PATIENCE_S / 2):  # not cut off
                assert await waiting.is_over()
                await stopping


class Waits:
    """A fast route whose responses the test provides."""

    def __init__(self) -> None:
        self.answers: list[Callable[[PlainAnswer | Exception], None]] = []
        self.bodies: list[bytes] = []
        self.heads = 0

    def open(self, _path: str, headers: Headers) -> BodyHandler:
        self.heads += 1
        return self.take

    def take(self, body: bytes, answer: Answer) -> bool:
        if body == b"crash":
            raise RuntimeError("a mistake of ours")
        self.bodies.append(body)
        self.answers.append(answer)
        return True


class Echo(asyncio.Protocol):
    """Replaces aiohttp and echoes what it receives."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def waiting(**deadlines: float) -> AsyncIterator[tuple[Waits, FastPath, int]]:
    way = Waits()
    routes = {b"/slow": FastRoute("/slow", way.open)}
    path = FastPath(routes, Echo, lambda *_noted: None, unlimited(**deadlines))
    async with listening(path.protocol) as port:
        yield way, path, port
        await path.end(0.1)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


async def test_a_shutdown_cuts_off_requests_that_take_too_long() -> None:
    async with waiting() as (way, path, port), connected(port) as line:
        await line.send(asking(b"a", path="/slow"))
        await until(lambda: way.answers)
        await path.end(0.05)
        assert await line.is_over()
        way.answers[0](PlainAnswer(200, b""))  # the response arrives after the disconnect


async def test_a_silent_connection_is_closed() -> None:
    """An incomplete request times out sooner than an idle connection; a busy one never does."""
    async with (
        waiting(sweep_s=0.05, body_s=0.1, new_s=1.5) as (way, path, port),
        connected(port) as stalled,
        connected(port) as idle,
        connected(port) as asked,
    ):
        await stalled.send(asking(b"half", path="/slow")[:-2])
        await asked.send(asking(b"a", path="/slow"))
        assert await stalled.is_over()
        await until(lambda: len(path.open) == 2)
        assert await idle.is_over()
        way.answers[0](PlainAnswer(200, b"late"))
        assert (await asked.receive()).body == b"late"


async def test_a_request_that_fails_to_start_goes_to_aiohttp_whole(caplog: pytest.LogCaptureFixture) -> None:
    async with waiting() as (_way, path, port), connected(port) as line:
        raw = asking(b"crash", path="/slow")
        await line.send(raw + b"and more")
        assert await line.reader.readexactly(len(raw) + 8) == raw + b"and more"
        assert not path.open


async def test_unread_responses_do_not_pile_up() -> None:
    """Requests wait while their sender does not read, also after reading was paused."""
    async with waiting() as (way, path, port), connected(port) as line:
        large = PlainAnswer(200, bytes(128 * 1024))

        def take(body: bytes, answer: Answer) -> bool:
            way.bodies.append(body)
            asyncio.get_running_loop().call_soon(answer, large)
            return True

        way.take = take  # type: ignore[method-assign]
        sending = asyncio.create_task(line.send(asking(b"a" * 20_000, path="/slow") * 600))
        await until(lambda: any(it._full for it in path.open))
        assert len(way.bodies) < 200
        assert not sending.done()
        for _ in range(600):
            assert len((await line.receive()).body) == len(large.body)
        await sending
        assert len(way.bodies) == 600
        assert len(path.open) == 1


async def test_a_large_buffer_moves_to_aiohttp_with_the_connection() -> None:
    """Bytes buffered while reading was paused go to aiohttp, and so do later ones."""
    async with waiting() as (way, path, port), connected(port) as line:
        rest = bytes(range(256)) * (4 * MAX_BUFFERED // 256)
        sending = asyncio.create_task(line.send(asking(b"a", path="/slow") + rest))
        await until(lambda: any(it._paused for it in path.open))
        way.answers.pop()(PlainAnswer(200, b"done"))
        assert (await line.receive()).body == b"done"
        async with asyncio.timeout(PATIENCE_S):
            assert await line.reader.readexactly(len(rest)) == rest
        await sending


async def test_an_error_becomes_a_problem_and_a_crash_reveals_nothing() -> None:
    async with waiting() as (way, _path, port), connected(port) as line:
        for error, status in ((StoreUnavailable("gone"), 503), (RuntimeError("secret words"), 500)):
            await line.send(asking(b"a", path="/slow"))
            await until(lambda: way.answers)
            way.answers.pop()(error)
            got = await line.receive()
            assert (got.status, b"secret words" in got.body) == (status, False)
            assert got.headers["content-type"] == "application/problem+json"


async def test_an_error_is_logged_with_the_request_id_of_its_response() -> None:
    """One task reports the results of several requests."""
    async with waiting() as (way, _path, port), connected(port) as one, connected(port) as other:
        for line in (one, other):
            await line.send(asking(b"a", path="/slow"))
        await until(lambda: len(way.answers) == 2)
        with capture_logs(processors=[merge_contextvars]) as logged:
            for answer in way.answers:
                answer(StoreUnavailable("gone"))
        numbers = set()
        for line in (one, other):
            head = (await line.reader.readuntil(b"\r\n\r\n")).decode().lower()
            numbers.add(head.partition(f"{REQUEST_ID}: ")[2].partition("\r\n")[0])
        assert len(numbers) == 2
        assert {it["request_id"] for it in logged} == numbers


async def test_heads_are_cached_and_headers_are_one_line() -> None:
    async with waiting() as (way, _path, port), connected(port) as line:
        for body in (b"a", b"b"):
            await line.send(asking(body, path="/slow"))
            await until(lambda: way.answers)
            way.answers.pop()(PlainAnswer(200, body, (("X-A", "1"),)))
            assert (await line.receive()).body == body
        assert (way.heads, way.bodies) == (1, [b"a", b"b"])


async def test_a_response_that_cannot_be_sent_is_a_500() -> None:
    async with waiting() as (way, _path, port), connected(port) as line:
        await line.send(asking(b"a", path="/slow"))
        await until(lambda: way.answers)
        way.answers.pop()(PlainAnswer(200, b"", (("X-A", "1\r\nX-B: 2"),)))
        got = await line.receive()
        assert (got.status, msgspec.json.decode(got.body)["code"]) == (500, "internal")
        assert "x-b" not in got.headers


@pytest.mark.parametrize(("status", "phrase"), [(204, "No Content"), (499, "")])
async def test_a_response_without_content_has_no_length(status: int, phrase: str) -> None:
    """RFC 9110 §8.6. A status without a standard phrase works too."""
    async with waiting() as (way, _path, port), connected(port) as line:
        await line.send(asking(b"a", path="/slow"))
        await until(lambda: way.answers)
        way.answers.pop()(PlainAnswer(status, b""))
        head = (await line.reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith(f"HTTP/1.1 {status} {phrase}\r\n")
        assert ("Content-Length" in head) == (status != 204)


@pytest.mark.both_loops
async def test_bytes_after_a_request_go_to_aiohttp() -> None:
    async with waiting() as (way, path, port), connected(port) as line:
        await line.send(asking(b"a", path="/slow"), b"x")
        await until(lambda: way.answers)
        way.answers.pop()(PlainAnswer(200, b"done"))
        assert (await line.receive()).body == b"done"
        assert await line.reader.readexactly(1) == b"x"
        await line.send(b"y")
        assert await line.reader.readexactly(1) == b"y"
        assert not path.open
