"""Completeness: which customers a quarantined delivery and a silent source concern."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import InboundRequest
from handoff.domain.clock import DAY, HOUR, MINUTE, Micros, format_time
from handoff.domain.identity import parse_identity
from handoff.services.admission.limits import LimitSettings
from handoff.services.sources.naming import UNNAMED, NamedPeople
from handoff.services.sources.native import ID_SPACE
from handoff.services.sources.quarantine import Quarantine, Rejected
from handoff.store.repositories.control import pack_record
from tests import serving
from tests.api.conftest import SECRET, WORK, Api, fresh_tenant
from tests.api.test_inbound import quarantined, send, track

T: Micros = 1_795_300_000_000_000
"""An arrival; contexts count everything that is in quarantine if no conversation is open."""


async def active(api: Api, user: str, at: Micros, source: str = "shop") -> None:
    """The user does something on a source that opens no conversation and closes none."""
    event = {
        "id": f"{user}-{at}",
        "channel": "web",
        "type": "page.viewed",
        "occurred_at": format_time(at),
        "identities": [f"user:{user}"],
        "source": source,
    }
    await api.ok("POST", "/v1/touchpoints", event)


async def keep(api: Api, *items: bytes, at: Micros = T, named: NamedPeople = UNNAMED) -> None:
    """Put items into quarantine that arrived at a time."""
    one = InboundRequest(
        method="POST", path="/v1/track", url="", query=(), headers={}, raw=b"", body=b"", received_at=at
    )
    rejected = [Rejected(code="old_bug", detail="", item=it, named=named) for it in items]
    await Quarantine(api.server.store, LimitSettings()).keep(api.tenant, "shop", one, rejected)


def naming(api: Api, *identities: str) -> NamedPeople:
    hashes = api.server.store.hashes(api.tenant)
    return NamedPeople(hashes=tuple(hashes.identity(parse_identity(it)) for it in identities), others=False)


async def shop(api: Api, identity: str = "user:anna") -> dict[str, Any]:
    """The state of the source `shop` in a customer's context, with the state of the whole."""
    completeness = (await api.context(identity))["completeness"]
    (found,) = [it for it in completeness["sources"] if it["name"] == "shop"]
    assert found["concerns"] == (completeness["state"] == "degraded")
    return {"state": completeness["state"], **found}


async def counts(api: Api, identity: str = "user:anna") -> tuple[int, int]:
    """How many items concern a customer, and how many of them only perhaps."""
    found = await shop(api, identity)
    assert found["concerns"] == (found["quarantined"] > 0)
    assert (found["newest_possible_at"] is None) == (found["possible"] == 0)
    return found["quarantined"], found["possible"]


async def test_a_delivery_that_names_a_customer_concerns_no_other(api: Api) -> None:
    await send(api, track("1"), track("2", userId="bert"))
    await send(api, {"type": "track", "userId": "anna"})  # without the name of its event
    assert await counts(api, "user:anna") == (1, 0)
    assert await counts(api, "user:bert") == (0, 0)


async def test_a_delivery_concerns_the_customer_of_its_session(api: Api) -> None:
    session = {"context": {"sessionId": 42}}
    await send(api, track("1", **session), track("2", userId="bert"))
    await send(api, {"type": "track", **session})
    assert await counts(api, "user:anna") == (1, 0)
    assert await counts(api, "user:bert") == (0, 0)


async def test_a_batch_that_is_cut_off_may_concern_others_too(api: Api) -> None:
    for name in ("anna", "bert"):
        await active(api, name, time.time_ns() // 1000)
    whole = msgspec.json.encode({"batch": [track("3", properties={"step": "x" * 50}), track("4")]})
    assert (await send(api, raw=whole[:150])).status == 400
    assert await counts(api, "user:anna") == (1, 0)
    assert await counts(api, "user:bert") == (1, 1)


async def test_an_unnamed_delivery_concerns_those_who_were_active_then(api: Api) -> None:
    await active(api, "before", T - 59 * MINUTE)
    await active(api, "since", T - HOUR)
    await active(api, "since", T + 9 * DAY)
    await active(api, "long-before", T - 61 * MINUTE)
    await active(api, "elsewhere", T, source="another")
    await keep(api, b"{")
    assert await counts(api, "user:before") == (1, 1)
    assert await counts(api, "user:since") == (1, 1)
    assert (await shop(api, "user:since"))["newest_possible_at"] == format_time(T)
    assert await counts(api, "user:long-before") == (0, 0)
    assert await counts(api, "user:elsewhere") == (0, 0)


async def test_deliveries_before_an_open_conversation_do_not_count(api: Api) -> None:
    await active(api, "anna", T)
    await api.record("open", occurred_at=format_time(T))
    await keep(api, b"{", at=T - 61 * MINUTE, named=naming(api, "user:anna"))
    assert await counts(api) == (0, 0)
    await keep(api, b"{", at=T - 59 * MINUTE, named=naming(api, "user:anna"))  # may have opened it
    assert await counts(api) == (1, 0)


async def test_an_item_counts_once_whatever_it_names(api: Api) -> None:
    await active(api, "anna", T)
    hashes = api.server.store.hashes(api.tenant)
    await api.record("open", thread="t1", identities=["user:anna"], occurred_at=format_time(T))
    both = NamedPeople(hashes=(*naming(api, "user:anna").hashes, hashes.thread(ID_SPACE, "t1")), others=True)
    await keep(api, b"{", named=both)
    await keep(api, b"[", b"(")
    assert await counts(api) == (3, 2)


async def test_an_item_that_names_too_many_may_concern_anyone(api: Api) -> None:
    await active(api, "anna", T)
    await active(api, "last", T)
    await keep(api, b"{", named=naming(api, "user:anna", *(f"user:u{n}" for n in range(16)), "user:last"))
    assert await counts(api, "user:anna") == (1, 0)
    assert await counts(api, "user:last") == (1, 1)


async def replay(api: Api) -> None:
    for item in await quarantined(api):
        await api.ok("POST", f"/v1/quarantine/{item['id']}/replay")


async def delete(api: Api) -> None:
    for item in await quarantined(api):
        assert (await api.call("DELETE", f"/v1/quarantine/{item['id']}")).status == 204


async def replay_all(api: Api) -> None:
    assert (await api.ok("POST", "/v1/quarantine/replay", {"source": "shop"}))["replayed"] == 2


async def delete_all(api: Api) -> None:
    assert (await api.ok("POST", "/v1/quarantine/dismiss", {"source": "shop"}))["dismissed"] == 2


async def expire(api: Api) -> None:
    kept = Quarantine(api.server.store, LimitSettings())
    await kept.trim([(api.tenant, "shop")], T + 31 * DAY)


@pytest.mark.parametrize(
    "clear", [replay, delete, replay_all, delete_all, expire], ids=lambda it: it.__name__
)
async def test_what_leaves_quarantine_counts_no_longer(
    api: Api, clear: Callable[[Api], Awaitable[None]]
) -> None:
    for name in ("anna", "bert"):
        await active(api, name, T)
    named = naming(api, "user:anna")
    await keep(api, msgspec.json.encode(track("9", userId="anna")), named=named)
    await keep(api, msgspec.json.encode(track("10", userId="carl")))
    assert await counts(api) == (2, 1)
    assert await counts(api, "user:bert") == (1, 1)
    await clear(api)
    assert await counts(api) == await counts(api, "user:bert") == (0, 0)
    index = f"{{c.{api.tenant}}}z:quarantine_index:shop"
    assert not await api.server.store.connection.call(b"EXISTS", index)


async def test_an_item_that_leaves_takes_only_its_own_names_along(api: Api) -> None:
    await active(api, "anna", T)
    await keep(api, b"[", b"(", named=naming(api, "user:anna"))
    first, second = await quarantined(api)
    for left, item in ((1, first), (0, second)):
        await keep(api, b"{", named=naming(api, "user:carl"))
        assert (await api.call("DELETE", f"/v1/quarantine/{item['id']}")).status == 204
        assert await counts(api) == (left, 0)


async def test_only_the_etags_of_those_concerned_change(api: Api) -> None:
    async def asked(user: str, etag: str = "") -> tuple[int, str]:
        answer = await api.get(f"/v1/context?identity=user:{user}", headers={"If-None-Match": etag})
        return answer.status, answer.headers["Etag"]

    for name in ("anna", "bert"):
        await active(api, name, T)
    await keep(api, b"{", named=naming(api, "user:carl"))  # so that the index is asked
    etags = {name: (await asked(name))[1] for name in ("anna", "bert")}
    assert [(await asked(name, etag))[0] for name, etag in etags.items()] == [304, 304]
    await keep(api, b"[", named=naming(api, "user:anna"))
    assert [(await asked(name, etag))[0] for name, etag in etags.items()] == [200, 304]
    await delete(api)
    assert [(await asked(name, etag))[0] for name, etag in etags.items()] == [304, 304]


async def test_a_look_up_without_a_customer_counts_what_names_the_requested(api: Api) -> None:
    await send(api, {"type": "track", "userId": "new"})
    context = await api.context("user:new")
    assert (context["match"], context["completeness"]["state"]) == ("none", "degraded")
    assert (await api.context("user:other"))["completeness"]["state"] == "complete"


async def test_operators_see_everything_that_is_in_quarantine(api: Api) -> None:
    await keep(api, b"{", b"[", named=naming(api, "user:anna"))
    assert (await api.ok("GET", "/v1/sources/shop"))["quarantined"] == 2


async def earlier_build_keeps(api: Api, *numbers: int) -> None:
    """Items as an earlier build stores them: without an index, and without its mark in the sizes."""
    connection, tag = api.server.store.connection, f"{{c.{api.tenant}}}"
    for number in numbers:
        id_ = bytes([number]) * 16
        item = {
            "id": id_.hex(), "source": "shop", "received_at": T, "code": "unreadable", "detail": "",
            "method": "POST", "path": "/v1/batch", "query": [], "content_type": "", "codec": 0, "item": b"{",
            "size": 1,
        }  # fmt: skip
        for listed in ("z:quarantine", "z:quarantine:shop"):
            await connection.call(b"ZADD", f"{tag}{listed}", T, id_)
        await connection.call(b"SET", f"{tag}q".encode() + id_, pack_record(1, item))
    count = await connection.call(b"ZCARD", f"{tag}z:quarantine:shop")
    await connection.call(b"HSET", f"{tag}q", "shop", f"500 {count}")


async def trim(api: Api) -> None:
    await Quarantine(api.server.store, LimitSettings()).trim([(api.tenant, "shop")], T)


async def test_items_of_earlier_builds_may_concern_anyone_active_then(api: Api) -> None:
    for name in ("anna", "bert"):
        await active(api, name, T)
    await active(api, "before", T - 2 * HOUR)
    await keep(api, b"[", named=naming(api, "user:bert"))
    await earlier_build_keeps(api, 1)
    # Until the index is complete, nothing is left out: both items may concern anyone.
    assert await counts(api, "user:anna") == await counts(api, "user:bert") == (2, 2)
    assert await counts(api, "user:before") == (0, 0)
    await trim(api)
    assert await counts(api, "user:anna") == (1, 1)
    assert await counts(api, "user:bert") == (2, 1)
    assert await counts(api, "user:before") == (0, 0)
    await api.ok("GET", f"/v1/quarantine/{'01' * 16}")
    await delete(api)
    assert await counts(api, "user:anna") == await counts(api, "user:bert") == (0, 0)


async def test_items_that_an_earlier_build_deletes_leave_the_index(api: Api) -> None:
    await active(api, "anna", T)
    await keep(api, b"[", named=naming(api, "user:anna"))
    (item,) = await quarantined(api)
    await earlier_build_keeps(api, 1)
    connection, tag = api.server.store.connection, f"{{c.{api.tenant}}}"
    for listed in ("z:quarantine", "z:quarantine:shop"):
        await connection.call(b"ZREM", f"{tag}{listed}", bytes.fromhex(item["id"]))
    await connection.call(b"DEL", f"{tag}q".encode() + bytes.fromhex(item["id"]))
    await connection.call(b"HSET", f"{tag}q", "shop", "500 1")
    await trim(api)
    assert await counts(api) == (1, 1)


async def test_a_silent_source_concerns_those_who_use_its_channel(valkey: str) -> None:
    tenant = fresh_tenant()
    source = {"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [SECRET]}
    settings = serving.settings_for(
        valkey, [serving.token("desk", tenant, *WORK)], sources=[{**source, "expected_every_s": 60}]
    )
    async with serving.in_process(settings) as (server, session):
        api = Api(server, session, tenant, tenant)
        await active(api, "web-user", T, source="another")
        await api.record("c1", identities=["user:chat-user"])
        await api.record("c2", identities=["user:both"], source="shop")  # on another channel
        states = [
            (await shop(api, f"user:{it}"))["state"] for it in ("web-user", "chat-user", "both", "nobody")
        ]
        assert states == ["degraded", "complete", "degraded", "degraded"]
