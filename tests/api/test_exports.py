"""Exports of customers: everything once, in order, at any length, and no partial success."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import ClientPayloadError
from jsonschema import Draft202012Validator

from handoff.codec.keyed_hash import TOUCHPOINT
from handoff.services.timeline.participation import refer
from tests.api.conftest import Api, message, secret
from tests.api.vcon_schema import VCON
from tests.reads import Wanted, WatchedReads, of_a_page, of_places
from tests.samples import WEEK_AGO

VALIDATOR = Draft202012Validator(VCON, format_checker=Draft202012Validator.FORMAT_CHECKER)


async def customer_id(api: Api, identity: str = "user:anna") -> str:
    return str((await api.context(identity))["customer"]["id"])


async def pages(api: Api, customer: str) -> list[Any]:
    """The timeline page by page, oldest first."""
    found: list[Any] = []
    query = ""
    while True:
        page = await api.ok("GET", f"/v1/customers/{customer}/timeline?order=asc&limit=500{query}")
        found += page["touchpoints"]
        if page["next"] is None:
            return found
        query = f"&cursor={page['next']}"


async def long_history(api: Api, length: int, text: str = "Where is it?") -> str:
    """A customer with two alternating identities, linked by the last touchpoint."""
    events = [
        message(
            f"e{number}",
            occurred_at=f"2026-10-{number % 28 + 1:02}T10:00:00.{number:06}Z",
            identities=["anonymous:b1" if number % 2 else "user:anna"],
            text=f"{text} {number}",
        )
        for number in range(length - 1)
    ]
    for at in range(0, len(events), 250):
        await api.ok("POST", "/v1/touchpoints", events[at : at + 250])
    await api.record("login", type="identified", identities=["user:anna", "anonymous:b1"])
    return await customer_id(api)


async def test_an_export_has_the_whole_timeline_once_with_evidence_and_handoffs(api: Api) -> None:
    customer = await long_history(api, 1_203)
    wanted = {"identity": "user:anna", "from": {"channel": "chat", "party": "bot"}, "to": {"channel": "chat"}}
    handoff = await api.ok("POST", "/v1/handoffs", {**wanted, "reason": "asked for a person"})
    exported = await api.ok("GET", f"/v1/customers/{customer}/export")
    assert exported["touchpoints"] == await pages(api, customer)
    assert exported["returned"] == len(exported["touchpoints"]) >= 1_203
    assert exported["below_min_assurance"] == 0
    assert exported["requested_id"] == exported["customer"]["id"] == customer
    assert exported["customer"] == (await api.context())["customer"]
    assert exported["links"] == (await api.ok("GET", f"/v1/customers/{customer}/links"))["links"]
    assert [it["id"] for it in exported["handoffs"]] == [handoff["id"]]


async def test_customers_with_one_touchpoint_and_with_none(api: Api) -> None:
    await api.record("m1")
    anna = await customer_id(api)
    assert (await api.ok("GET", f"/v1/customers/{anna}/export"))["returned"] == 1
    admin = {"token": "admin", "headers": {"Handoff-Tenant": api.tenant}}
    linked = {"identity": "email:otto@example.com", "reason": "confirmed by phone"}
    await api.ok("POST", f"/v1/customers/{anna}/links", linked, **admin)
    split = {"identities": ["email:otto@example.com"], "reason": "somebody else"}
    parted = await api.ok("POST", f"/v1/customers/{anna}/split", split, **admin)
    (otto,) = [it["customer_id"] for it in parted["after"] if it["identities"] == ["email:otto@example.com"]]
    other = await api.ok("GET", f"/v1/customers/{otto}/export")
    assert other["touchpoints"] == await pages(api, otto)
    assert len(other["links"]) == 2
    assert await api.ok("GET", f"/v1/customers/{otto}/export?format=vcon") == []


async def test_less_certain_touchpoints_are_counted_and_left_out(api: Api) -> None:
    await api.record("m1")
    await api.record("mail", channel="email", type="email.received", identities=["user:anna"], text="sure")
    claimed = [{"type": "user", "value": "anna", "assurance": "claimed"}]
    await api.record("guess", identities=claimed, text="a guess")
    customer = await customer_id(api)
    exported = await api.ok("GET", f"/v1/customers/{customer}/export", token="bot")
    assert [it["text"] for it in exported["touchpoints"]] == ["text of m1", "sure"]
    assert (exported["returned"], exported["below_min_assurance"]) == (2, 1)
    assert (await api.ok("GET", f"/v1/customers/{customer}/export"))["returned"] == 3
    vcons = await api.ok("GET", f"/v1/customers/{customer}/export?format=vcon&min_assurance=verified")
    assert "a guess" not in str(vcons)


async def test_vcons_in_an_export_equal_those_exported_one_by_one(api: Api) -> None:
    for number in range(3):
        await api.record(f"a{number}", thread="one", occurred_at=f"{WEEK_AGO}T10:0{2 * number}:00Z")
        await api.record(f"b{number}", thread="two", occurred_at=f"{WEEK_AGO}T10:0{2 * number + 1}:00Z")
    await api.record(
        "note", thread="one", type="note.added", text="nervous", occurred_at=f"{WEEK_AGO}T10:09:00Z"
    )
    await api.record("visit", channel="web", type="page.viewed", text=None)
    customer = await customer_id(api)
    conversations = list(dict.fromkeys(it["conversation_id"] for it in await pages(api, customer)))
    assert len(conversations) == 3
    for query in ("", "internal=true"):
        vcons = await api.ok("GET", f"/v1/customers/{customer}/export?format=vcon&{query}")
        alone = [await api.ok("GET", f"/v1/conversations/{it}/vcon?{query}") for it in conversations]
        assert vcons == [it for it in alone if it["dialog"]]
        assert [len(it["dialog"]) for it in vcons] == ([3, 3] if not query else [4, 3])
        assert not [it for vcon in vcons for it in VALIDATOR.iter_errors(vcon)]


async def test_a_conversation_longer_than_a_page_is_one_vcon(api: Api) -> None:
    await api.ok(
        "POST",
        "/v1/touchpoints",
        [message(f"m{number}", thread="long", text=f"line {number}") for number in range(501)],
    )
    (vcon,) = await api.ok("GET", f"/v1/customers/{await customer_id(api)}/export?format=vcon")
    assert [it["body"] for it in vcon["dialog"]] == [f"line {number}" for number in range(501)]


async def test_touchpoints_of_participants_are_exported_but_not_as_vcons(api: Api) -> None:
    copied = [{"type": "email", "value": "otto@example.com", "role": "cc"}]
    mail = {"channel": "email", "type": "email.received", "participants": copied, "thread": "mail"}
    await api.record("own", identities=["email:otto@example.com"], thread="own", text="Otto's words")
    recorded = await api.record("mail", **mail, identities=["email:anna@example.com"], text="Anna's words")
    store = api.server.store
    await refer(store, api.tenant, *store.hashes(api.tenant).private(TOUCHPOINT, recorded["ids"][0], 2))
    otto = await customer_id(api, "email:otto@example.com")
    found = (await api.ok("GET", f"/v1/customers/{otto}/export"))["touchpoints"]
    assert {it["text"]: bool(it["participant_of"]) for it in found} == {
        "Otto's words": False,
        "Anna's words": True,
    }
    vcons = await api.ok("GET", f"/v1/customers/{otto}/export?format=vcon")
    assert [it["body"] for vcon in vcons for it in vcon["dialog"]] == ["Otto's words"]


async def test_an_export_without_permission_is_refused(api: Api) -> None:
    await api.record("m1")
    path = f"/v1/customers/{await customer_id(api)}/export"
    refused = [
        (await api.get(path, token="only-touchpoints:write"), 403, "missing_scope"),
        (await api.get(path, token="elsewhere"), 404, "not_found"),
        (await api.get(f"{path}?format=pdf"), 422, "invalid_parameter"),
        (await api.get(f"{path}?internal=1"), 422, "invalid_parameter"),
        (await api.get(f"{path}?min_assurance=sure"), 422, "invalid_parameter"),
    ]
    assert [(it.status, it.code) for it, *_ in refused] == [(status, code) for _, status, code in refused]
    assert (await api.call("HEAD", path)).status == 405
    assert (await api.get(path)).headers["Handoff-Request-Id"]


def watched(api: Api, wanted: Wanted, *, allowed: int | None = None) -> WatchedReads:
    """The reads of the server from now on."""
    store = api.server.store
    reads = WatchedReads(store.connection, wanted, allowed=allowed)
    store.connection = reads  # type: ignore[assignment]
    return reads


async def test_an_export_that_fails_midway_is_cut_off(api: Api) -> None:
    path = f"/v1/customers/{await long_history(api, 1_203)}/export"
    working = api.server.store.connection
    watched(api, of_a_page, allowed=2)
    with pytest.raises(ClientPayloadError):
        await api.get(path)
    assert (await api.get(path)).code == "store_unavailable"  # nothing has been sent yet
    api.server.store.connection = working
    assert (await api.get(path)).status == 200


async def test_a_list_of_vcons_that_fails_midway_is_cut_off(api: Api) -> None:
    for number in range(3):  # unannounced: what announces new touchpoints reads them in the same way
        new = message(f"m{number}", thread=f"thread-{number}")
        await api.ok("POST", "/v1/touchpoints?announce=false", new)
    path = f"/v1/customers/{await customer_id(api)}/export?format=vcon"
    assert len((await api.get(path)).json) == 3
    working = api.server.store.connection
    for _ in range(20):  # where another read comes in between, nothing has been sent yet
        watched(api, of_places, allowed=2)
        try:
            answer = await api.get(path)
        except ClientPayloadError:
            return
        assert answer.code == "store_unavailable"
        api.server.store.connection = working
    pytest.fail("the list was never cut off")


@pytest.mark.no_cover
async def test_an_export_is_read_no_faster_than_the_client_reads(api: Api) -> None:
    """A client that stops reading costs the server only a few pages, however long the history is."""
    customer = await long_history(api, 6_000, "x" * 2_000)
    reads = watched(api, of_a_page)
    host = api.url.removeprefix("http://")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)  # otherwise the system buffers megabytes
    slow.connect(("127.0.0.1", int(host.rpartition(":")[2])))
    reader, writer = await asyncio.open_connection(sock=slow, limit=2**16)
    token = secret("desk", api.tenant)
    head = f"GET /v1/customers/{customer}/export HTTP/1.1\r\nHost: {host}\r\n"
    writer.write(f"{head}Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode())
    before = -1
    while reads.asked != before or not reads.asked:
        before = reads.asked
        await asyncio.sleep(0.3)
    assert reads.asked < 10  # of twelve pages of a megabyte
    whole = await reader.read()
    writer.close()
    await writer.wait_closed()
    _head, _, body = whole.partition(b"\r\n\r\n")
    assert reads.asked == 12
    assert body.endswith(b"0\r\n\r\n")
