"""Names, numbers and texts sent through every way in: none is in what a sealed store keeps."""

from __future__ import annotations

import asyncio
import base64
import hmac
import itertools
import re
import smtplib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

import handoff
from handoff.bootstrap.settings import Settings
from handoff.codec.compression import SEALED
from handoff.services.context.remembered.keeping import MIN_KEPT
from handoff.store.connection import Connection
from handoff.store.keys import META
from handoff.store.repositories.identities import as_mapping
from handoff.store.sealing.sealing import SEALED_VALUE
from handoff.store.server.sizes import kind_of
from tests import serving
from tests.api.conftest import SECRET as KEY
from tests.api.conftest import WORK, Api, message
from tests.conftest import fresh_tenant
from tests.delivery.subscribers import SECRET, Received, Subscriber, subscriber
from tests.privacy.test_inventory import inventory
from tests.privacy.test_inventory import kind_of as inventory_kind
from tests.store.servers import Server, free_port, server, valkey_binary

from .conftest import MASTER


class Canaries:
    """A new word for each place, so that a finding names its way in."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def word(self, way: str) -> str:
        number = next(self._numbers)
        self.sent[f"canary{number:03}qxzv"] = way
        return f"canary{number:03}qxzv"

    def phone(self, way: str) -> str:
        number = f"+35840{7_310_000 + next(self._numbers)}"
        self.sent[number[1:]] = way
        return number

    def found_in(self, content: bytes) -> dict[str, str]:
        return {word: way for word, way in self.sent.items() if word.encode() in content}


@pytest.fixture
def running_store() -> Iterator[Server]:
    with server(valkey_binary(), rdbcompression="no") as running:
        yield running


def configuration(url: str, tenant: str, mail: int, hook: str, sealing: dict[str, Any]) -> Settings:
    tokens = [serving.token("desk", tenant, *WORK, "links:write")]
    tokens += [serving.token("officer", tenant, "privacy:write", "context:read")]
    tenants = {"tenant": tenant}
    sources = [
        {"name": "shop", "adapter": "web.segment", "secrets": [KEY], "trust": "server", **tenants},
        {"name": "chat", "adapter": "chat.chatwoot", "allow_unsigned": True, **tenants},
        {"name": "phone", "adapter": "phone.twilio", "allow_unsigned": True, **tenants},
        {"name": "mail", "adapter": "email.smtp", "listen": f"127.0.0.1:{mail}", **tenants},
    ]
    sources[-1]["recipients"] = ["support@shop.example"]
    webhooks = [
        {
            **tenants,
            "url": hook,
            "types": ["handoff.*", "message.*"],
            "include": "context",
            "secret": SECRET,
            "allow_insecure": True,
            "allow_networks": ["127.0.0.0/8"],
        }
    ]
    privacy = {"sealing": sealing} if sealing else {}
    return serving.settings_for(url, tokens, sources=sources, webhooks=webhooks, privacy=privacy)


async def native_ways(api: Api, canary: Canaries) -> None:
    await api.record("text", text=canary.word("text"), subject=canary.word("subject"))
    await api.record("data", data={canary.word("data key"): [{"deep": canary.word("data")}]})
    await api.record("thread", thread=canary.word("thread"), actor={"name": canary.word("actor")})
    await api.record("file", attachments=[{"name": f"{canary.word('file name')}.pdf"}])
    people = [
        "user:anna",
        f"email:{canary.word('email')}@x.example",
        f"phone:{canary.phone('phone')}",
        f"reference:{canary.word('reference')}",
    ]
    await api.record("identities", identities=people)
    others = [{"type": "email", "value": f"{canary.word('participant')}@x.example", "role": "cc"}]
    await api.record("participants", participants=others)
    await api.record("edited", text=canary.word("before the edit"))
    edit = {"type": "message.edited", "amends": "edited", "text": canary.word("edit")}
    await api.record("edit", **edit, occurred_at="2026-11-21T10:00:05Z")
    event = {"specversion": "1.0", "id": "ce", "source": "/x", "type": "t", "subject": "user:anna"}
    content = msgspec.json.encode({**event, "data": {"text": canary.word("CloudEvent")}})
    headers = {"Content-Type": "application/cloudevents+json"}
    assert (await api.post("/v1/touchpoints", data=content, headers=headers)).status == 200
    wrong = message("wrong", type=canary.word("refused"))
    answer = await api.post("/v1/touchpoints", wrong, headers={"Idempotency-Key": canary.word("key")})
    assert answer.status == 422


async def working_ways(api: Api, canary: Canaries) -> None:
    once = {"Idempotency-Key": canary.word("key of a handoff")}
    wanted = {
        "identity": "user:anna",
        "to": {"queue": "billing"},
        "reason": canary.word("reason"),
        "context": {"note": canary.word("handoff context")},
    }
    handoff = await api.ok("POST", "/v1/handoffs", wanted, headers=once)
    assert (await api.post("/v1/handoffs", wanted, headers=once)).json == handoff
    move = {"version": 1, "agent": "mia", "reason": canary.word("accepted")}
    await api.ok("POST", f"/v1/handoffs/{handoff['id']}/accept", move)
    again = {**wanted, "to": {"queue": "sales"}, "reason": canary.word("hop")}
    await api.ok("POST", "/v1/handoffs", again)
    callback = {"phone": canary.phone("callback"), "reason": canary.word("callback's reason")}
    await api.ok("POST", "/v1/callbacks", {**callback, "identity": "user:anna"})
    customer = f"/v1/customers/{(await api.context())['customer']['id']}"
    joined = {"identity": f"email:{canary.word('linked')}@y.example", "reason": canary.word("link's reason")}
    await api.ok("POST", f"{customer}/links", joined)
    parted = {"identities": [joined["identity"]], "reason": canary.word("split's reason")}
    split = await api.ok("POST", f"{customer}/split", parted)
    undone = {"reason": canary.word("withdrawal")}
    await api.ok("POST", f"{customer}/links/{split['id']}/withdraw", undone)
    shared = {"identity": "email:desk@shop.example", "reason": canary.word("mark's reason")}
    await api.ok("POST", "/v1/identities/shared", shared)
    recorded = await api.record("shared", identities=["email:desk@shop.example"])
    assigned = {"identity": "user:anna", "reason": canary.word("assignment's reason")}
    await api.ok("POST", f"/v1/touchpoints/{recorded['ids'][0]}/assign", assigned)


async def officers_ways(api: Api, canary: Canaries) -> None:
    """Holds, restrictions, an erasure that cannot begin, and one that is done, of customers of their own."""
    for kind in ("hold", "restriction"):
        who = f"user:{canary.word(kind)}"
        await api.record(kind, identities=[who])
        customer = (await api.context(who))["customer"]["id"]
        wanted = {"reason": canary.word(f"reason of a {kind}")}
        await api.ok("PUT", f"/v1/customers/{customer}/{kind}", wanted, token="officer")
    who = f"user:{canary.word('erased')}"
    await api.record("to be erased", identities=[who], text=canary.word("erased text"))
    customer = (await api.context(who))["customer"]["id"]
    path = f"/v1/customers/{customer}?reason={canary.word('reason of an erasure')}"
    await api.ok("DELETE", path, token="officer")
    consent = {"type": "consent.given", "data": {"purpose": "service", "source": canary.word("consent")}}
    await api.record("consent", **consent)


async def long_history(api: Api, canary: Canaries) -> None:
    """A customer of whom a checkpoint is written."""
    who = ["user:long"]
    for start in range(0, MIN_KEPT + 10, 55):
        batch = [
            message(f"long {number}", identities=who, text=canary.word("long history"))
            for number in range(start, start + 55)
        ]
        await api.ok("POST", "/v1/touchpoints", batch)
    await api.context(*who)
    await api.server.store.behind.done()


async def vendors_ways(api: Api, canary: Canaries) -> None:
    async def send(path: str, body: bytes, media: str = "application/json", **headers: str) -> None:
        given = {"Content-Type": media, **headers}
        await api.post(path, data=body, token=None, headers=given)

    key = {"Authorization": f"Basic {base64.b64encode(f'{KEY}:'.encode()).decode()}"}
    track = {"type": "track", "messageId": "1", "userId": "anna", "timestamp": "2026-11-21T10:00:00Z"}
    batch = {
        "batch": [
            {**track, "event": canary.word("tracked"), "properties": {"x": canary.word("property")}},
            {"type": "track", "properties": {"broken": canary.word("quarantined")}},
        ]
    }
    await send("/in/shop/v1/batch", msgspec.json.encode(batch), **key)
    await send(
        f"/in/shop/v1/batch?q={canary.word('query')}", b'{"batch": [' + canary.word("bytes").encode(), **key
    )
    await send("/in/chat", b'{"event": "message_created", "content": "' + canary.word("chat").encode())
    form = f"MessageSid=SM1&AccountSid=AC1&From=%2B{canary.phone('SMS')[1:]}&To=%2B358401112222"
    form += f"&Body={canary.word('SMS text')}"
    await send("/in/phone", form.encode(), "application/x-www-form-urlencoded")


def mail_way(port: int, canary: Canaries) -> None:
    sender = f"{canary.word('sender')}@mail.example"
    head = f"From: {canary.word('display name')} <{sender}>\r\nTo: support@shop.example\r\n"
    head += (
        f"Subject: {canary.word('mail subject')}\r\nMessage-ID: <{canary.word('mail id')}@mail.example>\r\n"
    )
    head += "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n\r\n"
    with smtplib.SMTP("127.0.0.1", port, local_hostname="sender.example", timeout=15) as session:
        content = (head + canary.word("mail text")).encode()
        session.sendmail(sender, ["support@shop.example"], content)


async def contents(connection: Connection) -> dict[bytes, bytes]:
    """The content of every key. Also what its names are: a name is content, too."""
    commands: dict[bytes, tuple[str, ...]] = {
        b"string": ("GET",),
        b"hash": ("HGETALL",),
        b"list": ("LRANGE", "0", "-1"),
        b"zset": ("ZRANGE", "0", "-1"),
        b"set": ("SMEMBERS",),
        b"stream": ("XRANGE", "-", "+"),
    }
    found: dict[bytes, bytes] = {}
    for key in await connection.call("KEYS", "*"):
        kind = await connection.call("TYPE", key)
        if kind == b"none":  # expired meanwhile
            continue
        name, *rest = commands[kind]
        found[key] = flat(await connection.call(name, key, *rest))
    return found


def flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        return flat(list(value.items()))
    return b"\n".join(map(flat, value)) if isinstance(value, list | tuple | set) else str(value).encode()


def in_clear(store: dict[bytes, bytes]) -> list[bytes]:
    """Keys of compressed values that are not sealed: a search would not find a word in them."""
    snapshots = [key for key in store if kind_of(key) == "snapshots" and store[key][0] < SEALED]
    events = [key for key in store if key.partition(b"}")[2][:2] == b"de" and store[key][0] < SEALED]
    return snapshots + events


RECORDS = frozenset(f"{{c.TENANT}}{it}" for it in "hrmbwqj")
"""Kinds of control records, whose versions are all that is in clear of them."""
SEALED_KINDS = RECORDS | {"{c.TENANT}s", "{c.TENANT}o"}
PAGE = Path(handoff.__file__).parent.parent / "docs" / "sealing.md"


def listed_in_clear() -> set[str]:
    """The kinds of keys of which something stays in clear, as the documentation has them."""
    section = PAGE.read_text().partition("### What stays in clear")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {kind for row in rows for kind in re.findall("`([^`]+)`", row)}


def unlisted(store: dict[bytes, bytes]) -> set[str]:
    """The kinds of keys that are neither sealed nor listed as being in clear."""
    return {inventory_kind(key) for key in store} - SEALED_KINDS - listed_in_clear()


def records_in_clear(store: dict[bytes, bytes]) -> list[bytes]:
    """Without the list of what is in quarantine, `q` alone."""
    records = {key for key in store if inventory_kind(key) in RECORDS and not key.endswith(b"}q")}
    return [key for key in records if store[key][8:9] != SEALED_VALUE]


async def entries_in_clear(connection: Connection, store: dict[bytes, bytes]) -> list[bytes]:
    """Values in lists and streams of control partitions: receivers' answers, and the outbox."""
    found: list[bytes] = []
    for key in store:
        if inventory_kind(key) == "{c.TENANT}o":
            entries = await connection.call("XRANGE", key, "-", "+")
            found += [payload for _id, fields in entries for payload in as_mapping(fields).values()]
        elif key.partition(b"}")[2][:2] == b"da":
            found += await connection.call("LRANGE", key, 0, -1)
    assert len(found) > 5
    return [it for it in found if it[:1] != SEALED_VALUE]


async def members_in_clear(connection: Connection, store: dict[bytes, bytes]) -> int:
    """Bodies that are not sealed. References and deleted touchpoints have none."""
    count = 0
    for key in store:
        if kind_of(key) == "timelines":
            for raw in await connection.call("ZRANGE", key, 0, -1):
                count += raw[35] < SEALED and not raw[32] & (4 | 8)
    return count


async def read_back(api: Api) -> bytes:
    """The answers that clients get."""
    context = await api.context()
    handoffs = (await api.ok("GET", "/v1/handoffs"))["handoffs"]
    customer = f"/v1/customers/{context['customer']['id']}"
    paths = [f"{customer}/{it}" for it in ("timeline?limit=500", "export", "links")]
    paths += ["/v1/handoffs", "/v1/callbacks", "/v1/quarantine"]
    paths += [f"/v1/handoffs/{it['id']}/snapshot" for it in handoffs]
    answers = [await api.get(path) for path in paths]
    assert [it.status for it in answers] == [200] * len(paths)
    return b"\n".join([msgspec.json.encode(context), *(it.raw for it in answers)])


async def kept_answers(api: Api, canary: Canaries) -> set[str]:
    """The canaries in what the store keeps of receivers' answers."""
    values = api.server.store.of(api.tenant).sweeping.values(100)
    return {way async for kind, _key, raw in values if kind == b"da" for way in canary.found_in(raw).values()}


async def played(api: Api, canary: Canaries, mail: int, hooks: Subscriber) -> None:
    async def answer(_received: Received) -> web.Response:
        return web.Response(status=500, text=canary.word("answer of a receiver"))

    await native_ways(api, canary)
    await working_ways(api, canary)
    await officers_ways(api, canary)
    await long_history(api, canary)
    await vendors_ways(api, canary)
    await asyncio.to_thread(mail_way, mail, canary)
    async with asyncio.timeout(20):
        while len(hooks.received) < 6:  # noqa: ASYNC110 - the server sends on its own schedule
            await asyncio.sleep(0.05)
    hooks.answer = answer
    await api.record("one more", text=canary.word("sent to a receiver that fails"))
    async with asyncio.timeout(20):
        while "answer of a receiver" not in await kept_answers(api, canary):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_nothing_that_came_in_is_in_the_store_in_clear(running_store: Server, tmp_path: Path) -> None:
    canary, mail, tenant = Canaries(), free_port(), fresh_tenant()
    sealing = {"keys": MASTER, "key_file": str(tmp_path / "keys.json")}
    async with subscriber() as hooks:
        chosen = configuration(running_store.url, tenant, mail, hooks.url, sealing)
        async with serving.in_process(chosen) as (running, session):
            api = Api(running, session, tenant, tenant)
            await played(api, canary, mail, hooks)
            connection = running.store.connection
            store = await contents(connection)
            await connection.call("SAVE")
            answers = await read_back(api)
            found = {key: canary.found_in(key + content) for key, content in store.items()}
            assert {key: it for key, it in found.items() if it} == {}
            assert in_clear(store) == []
            assert unlisted(store) == set()
            assert "{n}p" in {inventory_kind(key) for key in store}, "a checkpoint was written"
            assert records_in_clear(store) == []
            assert await entries_in_clear(connection, store) == []
            assert await members_in_clear(connection, store) == 0
            metrics = (await api.get("/metrics")).raw.decode()
            assert "handoff_sealed_unreadable_total{" not in metrics
    for kind in ("*.aof", "*.rdb"):
        files = [it.read_bytes() for it in running_store.directory.rglob(kind)]
        assert sum(map(len, files)) > 10_000
        assert canary.found_in(b"".join(files)) == {}
    shown = set(canary.found_in(answers).values())
    assert {"text", "subject", "email", "phone", "reason", "callback", "hop", "edit"} <= shown
    assert len(canary.sent) > 40


def test_every_exception_is_a_kind_of_key() -> None:
    """The list of the documentation has kinds of the inventory of erasures only."""
    assert listed_in_clear() - inventory() == set()
    assert not listed_in_clear() & SEALED_KINDS
    assert unlisted({b"{c.shop}Z1": b"", b"{3}Y1": b"", b"{3}t1": b""}) == {"{c.TENANT}Z", "{n}Y"}


async def test_a_kept_answer_has_nothing_that_can_be_tried_out(running_store: Server, tmp_path: Path) -> None:
    """The secrets that other stores key the digests of requests with may be in the store."""
    tenant, wanted = fresh_tenant(), {"identity": "user:anna", "phone": "+358401234567", "reason": "x"}
    sealing = {"keys": MASTER, "key_file": str(tmp_path / "keys.json")}
    chosen = configuration(running_store.url, tenant, free_port(), "http://127.0.0.1:1029/hook", sealing)
    async with serving.in_process(chosen) as (running, session):
        api = Api(running, session, tenant, tenant)
        await api.record("a")
        once = {"Idempotency-Key": "k"}
        first = await api.post("/v1/callbacks", wanted, headers=once)
        assert first.status == 201
        assert (await api.post("/v1/callbacks", wanted, headers=once)).raw == first.raw
        other = await api.post("/v1/callbacks", {**wanted, "reason": "y"}, headers=once)
        assert (other.status, other.code) == (422, "idempotency_key_reused")
        store = running.store
        plain = sha256(b"/v1/callbacks\0" + msgspec.json.encode(wanted)).digest()
        pepper = await store.connection.call("HGET", META, "pepper")
        testable = hmac.digest(pepper, b"request\0" + plain, "sha256")
        ours, *others = store.request_digests(tenant, plain)
        assert others == [testable], "answers of before the store was sealed are found"
        everything = b"".join((await contents(store.connection)).values())
        assert ours in everything
        assert [it for it in (plain, testable) if it in everything] == []


async def test_a_clear_store_is_full_of_them(running_store: Server, tmp_path: Path) -> None:
    """The search finds what is there."""
    canary, mail, tenant = Canaries(), free_port(), fresh_tenant()
    async with subscriber() as hooks:
        chosen = configuration(running_store.url, tenant, mail, hooks.url, {})
        async with serving.in_process(chosen) as (running, session):
            await played(Api(running, session, tenant, tenant), canary, mail, hooks)
            store = await contents(running.store.connection)
    found = {way for key, content in store.items() for way in canary.found_in(key + content).values()}
    assert {"email", "reason", "callback", "link's reason", "answer of a receiver"} <= found
