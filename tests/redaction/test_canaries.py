"""Card numbers sent through every way in and every error path: none stays in store, files, or log."""

from __future__ import annotations

import asyncio
import base64
import io
import smtplib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec
import pytest
import structlog
from aiohttp import web

from handoff.bootstrap.logs import configure_logging
from handoff.codec.compression import decompress
from handoff.domain.redaction.documents import masked_document
from handoff.services.sources import quarantine
from tests import serving
from tests.api.conftest import SECRET, WORK, Api, message
from tests.conftest import fresh_tenant
from tests.examples import examples
from tests.store.servers import Server, server, valkey_binary

from .numbers import card, disguised, readable

WAYS = 80  # more canaries than there are ways in


class Canaries:
    """A card number for each way in."""

    def __init__(self) -> None:
        random = Random(5)
        self.numbers: list[str] = []
        self._new = iter([card(random) for _ in range(WAYS)])

    def solid(self) -> str:
        self.numbers.append(next(self._new))
        return self.numbers[-1]

    def spaced(self) -> str:
        digits = self.solid()
        return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """The log. It stays open, since modules keep their loggers."""
    before, stream = structlog.get_config(), io.StringIO()
    configure_logging("debug", stream=stream)
    try:
        yield stream
    finally:
        structlog.configure(**before)


@pytest.fixture
def running_store() -> Iterator[Server]:
    with server(valkey_binary()) as running:
        yield running


class Subscriber:
    """Receives webhooks and keeps their bodies."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        return web.Response()


@pytest.fixture
async def subscriber() -> AsyncIterator[tuple[str, Subscriber]]:
    receiver, app = Subscriber(), web.Application()
    app.router.add_post("/hook", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    yield f"http://127.0.0.1:{port}/hook", receiver
    await runner.cleanup()


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port


def configuration(url: str, tenant: str, other: str, mail: int, hook: str | None = None) -> Any:
    tokens = [
        serving.token("desk", tenant, *WORK, "links:write"),
        {**serving.token("elsewhere", tenant, *WORK), "tenant": other},
    ]
    shared = {"tenant": tenant}
    sources = [
        {"name": "shop", "adapter": "web.segment", "secrets": [SECRET], "trust": "server", **shared},
        {"name": "chat", "adapter": "chat.chatwoot", "allow_unsigned": True, **shared},
        {"name": "phone", "adapter": "phone.twilio", "allow_unsigned": True, **shared},
        {"name": "mail", "adapter": "email.smtp", "listen": f"127.0.0.1:{mail}", **shared},
    ]
    sources[-1]["recipients"] = ["support@shop.example"]
    webhooks = [
        {
            "url": hook,
            "tenant": tenant,
            "types": ["handoff.*", "message.*"],
            "include": "context",
            "allow_insecure": True,
            "allow_networks": ["127.0.0.0/8"],
        }
    ]
    return serving.settings_for(url, tokens, sources=sources, webhooks=webhooks if hook else [])


async def native_ways(api: Api, canary: Canaries) -> None:
    await api.record("text", text=f"pay with {canary.spaced()}")
    await api.record("data", data={"n": int(canary.solid()), "deep": [{canary.solid(): canary.spaced()}]})
    await api.record(
        "file", attachments=[{"name": f"{canary.solid()}.pdf", "url": f"https://x/{canary.solid()}"}]
    )
    await api.record(
        "subject", subject=canary.spaced(), actor={"name": canary.solid()}, thread=canary.solid()
    )
    await api.record("identity", identities=[f"user:{canary.solid()}", f"email:{canary.solid()}@x.example"])
    await api.record("medium", medium=canary.solid(), language=canary.solid())
    whole = canary.solid()
    await api.record("half", text=whole[:8])
    await api.record("rest", text=whole[8:], occurred_at="2026-11-21T10:00:09Z")
    await api.record("split", data={"a": (split := canary.solid())[:9], "b": split[9:]})
    lines = (
        msgspec.json.encode(message("line", text=canary.spaced())) + b'\n{"id": ' + canary.solid().encode()
    )
    await api.post("/v1/touchpoints", data=lines, headers={"Content-Type": "application/x-ndjson"})
    event = {"specversion": "1.0", "id": "ce", "source": "/x", "type": "t", "subject": "user:anna"}
    for at, content in enumerate(({"data": {"text": canary.spaced()}}, base64_of(canary.spaced()))):
        sent = {**event, "id": f"ce{at}", **content}
        headers = {"Content-Type": "application/cloudevents+json"}
        await api.post("/v1/touchpoints", data=msgspec.json.encode(sent), headers=headers)
    binary = {"ce-specversion": "1.0", "ce-source": "/x", "ce-type": "t", "ce-subject": "user:anna"}
    for media, text in (("application/json", '{"text": "%s"}'), ("text/plain", "card %s")):
        more = {"ce-id": media, "ce-note": canary.spaced(), "Content-Type": media}
        answer = await api.post(
            "/v1/touchpoints", data=b"\xef\xbb\xbf" + (text % canary.spaced()).encode(), headers=binary | more
        )
        assert answer.status in (200, 400), answer.raw
    wrong = message("wrong", type=canary.solid(), channel=canary.solid())
    answer = await api.post("/v1/touchpoints", wrong, headers={"Idempotency-Key": canary.solid()})
    assert answer.status == 422
    assert not any(number in readable(answer.raw.decode()) for number in canary.numbers)


def base64_of(text: str) -> dict[str, str]:
    return {
        "datacontenttype": "text/plain",
        "data_base64": base64.b64encode(f"card {text}".encode()).decode(),
    }


async def working_ways(api: Api, canary: Canaries) -> None:
    handoff = await api.ok(
        "POST",
        "/v1/handoffs",
        {
            "identity": "user:anna",
            "to": {"queue": canary.solid()},
            "reason": canary.spaced(),
            "context": {"note": canary.solid(), "n": int(canary.solid())},
        },
    )
    move = {"version": 1, "agent": "mia", "reason": canary.spaced()}
    await api.ok("POST", f"/v1/handoffs/{handoff['id']}/accept", move)
    callback = {"phone": "+358401234567", "reason": canary.spaced(), "data": {"x": canary.solid()}}
    await api.ok("POST", "/v1/callbacks", {**callback, "identity": "user:anna"})
    customer = (await api.context())["customer"]["id"]
    link = {"identity": f"email:{canary.solid()}@y.example", "reason": canary.spaced()}
    await api.ok("POST", f"/v1/customers/{customer}/links", link)
    shared = {"identity": "email:desk@shop.example", "reason": canary.spaced()}
    await api.ok("POST", "/v1/identities/shared", shared)
    answer = await api.post("/v1/touchpoints", message("shared", identities=["email:desk@shop.example"]))
    (place,) = msgspec.json.decode(answer.raw)["ids"]
    assigned = {"identity": "user:anna", "reason": canary.spaced()}
    await api.ok("POST", f"/v1/touchpoints/{place}/assign", assigned)


async def vendors_ways(api: Api, canary: Canaries) -> None:
    async def send(path: str, body: bytes, media: str = "application/json", **headers: str) -> None:
        given = {"Content-Type": media, **headers}
        await api.post(path, data=io.BytesIO(body), token=None, headers=given)

    key = {"Authorization": f"Basic {base64.b64encode(f'{SECRET}:'.encode()).decode()}"}
    track = {"type": "track", "messageId": "1", "userId": "anna", "timestamp": "2026-11-21T10:00:00Z"}
    broken = {"type": "track", "properties": {"pan": canary.solid()}}
    batch = {"batch": [{**track, "event": canary.spaced(), "properties": {"x": canary.solid()}}, broken]}
    await send("/in/shop/v1/batch", msgspec.json.encode(batch), **key)
    await send(f"/in/shop/v1/batch?q={canary.solid()}", b'{"batch": [' + canary.spaced().encode(), **key)
    await send("/in/chat", b'{"event": "message_created", "content": "' + canary.spaced().encode() + b'"')
    await send("/in/chat", msgspec.json.encode({"event": "message_created", "content": canary.spaced()}))
    form = b"MessageSid=SM1&Body=" + canary.spaced().replace(" ", "+").encode()
    await send("/in/phone", form, "application/x-www-form-urlencoded")
    await send(f"/in/phone/{canary.solid()}", b"\xff" + canary.spaced().encode(), "text/plain")


def mail_ways(port: int, canary: Canaries) -> None:
    for at, encoded in enumerate((f"card {canary.spaced()}\r\n".encode(), None)):
        content, more = encoded, b""
        if content is None:
            content = base64.encodebytes(f"Meine Karte ist {canary.spaced()}, danke".encode())
            more = b"Content-Transfer-Encoding: base64\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head = f"From: anna@mail.example\r\nTo: support@shop.example\r\nSubject: {canary.spaced()}\r\n"
        head += f"Message-ID: <{at}@mail.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n"
        with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.example", timeout=15) as sender:
            sender.sendmail(
                "anna@mail.example", ["support@shop.example"], head.encode() + more + b"\r\n" + content
            )


async def everything_in(store: Server, api: Api) -> dict[str, bytes]:
    """The contents of every key, decompressed, and the store's files."""
    found: dict[str, bytes] = {"files": b"".join(it.read_bytes() for it in store.directory.rglob("*.aof"))}
    connection = api.server.store.connection
    for (keys,) in [await connection.on_primaries("KEYS", "*")]:
        for key in keys:
            found[repr(key)] = flat(await dumped(connection, key))
    return found


async def dumped(connection: Any, key: bytes) -> Any:
    kind = (await connection.on_primaries("TYPE", key))[0]
    commands = {
        b"string": ("GET", key),
        b"hash": ("HGETALL", key),
        b"list": ("LRANGE", key, "0", "-1"),
        b"zset": ("ZRANGE", key, "0", "-1"),
        b"stream": ("XRANGE", key, "-", "+"),
        b"set": ("SMEMBERS", key),
    }
    return (
        await connection.on_primaries(*commands[bytes(kind) if not isinstance(kind, str) else kind.encode()])
    )[0]


def flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple):
        return b"\n".join(map(flat, value))
    return str(value).encode()


async def read_back(api: Api) -> list[bytes]:
    """The answers that clients get, which also reads every compressed body."""
    context = await api.context()
    handoffs = (await api.ok("GET", "/v1/handoffs"))["handoffs"]
    customer = f"/v1/customers/{context['customer']['id']}"
    paths = [f"{customer}/{it}" for it in ("timeline?limit=500", "export", "links")]
    paths += ["/v1/handoffs", "/v1/callbacks", "/v1/quarantine", "/metrics"]
    paths += [f"/v1/handoffs/{it['id']}/snapshot" for it in handoffs]
    return [msgspec.json.encode(context), *[(await api.get(path)).raw for path in paths]]


async def quarantined_contents(api: Api) -> list[bytes]:
    records = api.server.store.of(api.tenant).quarantine
    items = (await api.ok("GET", "/v1/quarantine?limit=100"))["items"]
    found = [await quarantine.read(records, it["id"]) for it in items]
    return [decompress(it.codec, it.item) + repr((it.path, it.query, it.detail)).encode() for it in found]


async def test_no_way_in_stores_logs_or_sends_a_card_number(
    running_store: Server, subscriber: tuple[str, Subscriber]
) -> None:
    canary, mail = Canaries(), free_port()
    hook, receiver = subscriber
    tenant, other = fresh_tenant(), fresh_tenant()
    chosen = configuration(running_store.url, tenant, other, mail, hook)
    with logged() as log:
        async with serving.in_process(chosen) as (running, session):
            api = Api(running, session, tenant, other)
            await native_ways(api, canary)
            await working_ways(api, canary)
            await vendors_ways(api, canary)
            await asyncio.to_thread(mail_ways, mail, canary)
            async with asyncio.timeout(20):
                while len(receiver.bodies) < 4:  # noqa: ASYNC110 - the server sends on its own schedule
                    await asyncio.sleep(0.05)
            seen = {"store": b"\n".join((await everything_in(running_store, api)).values())}
            kept = await quarantined_contents(api)
            assert len(kept) >= 4
            seen |= {"quarantine": b"\n".join(kept), "webhooks": b"\n".join(receiver.bodies)}
            seen |= {"answers": b"\n".join(await read_back(api))}
            metrics = (await api.get("/metrics")).raw.decode()
    seen["log"] = log.getvalue().encode()
    assert len(canary.numbers) >= 30
    for place, content in seen.items():
        text = content.decode("latin-1")
        plain = readable(text)
        found = [it for it in canary.numbers if it in text or it in plain]
        assert found == [], (place, found, [canary.numbers.index(it) for it in found])
    assert 'handoff_redacted_total{kind="card_number",way="chat"}' in metrics
    assert 'handoff_redacted_total{kind="card_number",way="quarantine"}' in metrics


@pytest.mark.no_cover
@pytest.mark.timeout(400)
async def test_disguised_card_numbers_leave_none_in_the_store(running_store: Server) -> None:
    random, tenant = Random(9), fresh_tenant()
    sent = [disguised(random) for _ in range(examples(10_000))]
    lines = [
        msgspec.json.encode(
            message(
                str(at), text=text, identities=[f"user:u{at % 100}"], type="email.received", channel="email"
            )
        )
        for at, (_digits, text) in enumerate(sent)
    ]
    chosen = configuration(running_store.url, tenant, fresh_tenant(), free_port())
    async with serving.in_process(chosen) as (running, session):
        api = Api(running, session, tenant, tenant)
        body, headers = io.BytesIO(b"\n".join(lines)), {"Content-Type": "application/x-ndjson"}
        answer = await api.post("/v1/touchpoints", data=body, headers=headers)
        accepted = sum(msgspec.json.decode(line)["accepted"] for line in answer.raw.splitlines())
        assert accepted == len(sent)
        texts = []
        for at in range(100):
            context = await api.context(f"user:u{at}", limit=500)
            texts += [it["text"] for it in context["timeline"]["touchpoints"]]
    assert len(texts) == len(sent)
    shown = {readable(it) for it in texts}
    assert not [digits for digits, _ in sent if any(digits in it for it in shown if len(it) >= len(digits))]


def test_lines_that_an_import_rejects_are_masked() -> None:
    masked, _counts = masked_document(b'{"id": "1", "text": "4111 1111 1111 1111"}')
    assert b"4111 1111" not in masked
