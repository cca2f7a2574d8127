"""Sessions end: by time, by hand, with their maker, and with their tenant's epoch; streams end with them."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from yarl import URL

from handoff.services.access import sessions
from handoff.services.access.credentials import Credentials
from handoff.services.access.principal import Principal
from handoff.services.access.watch import CHECK_S, CredentialWatch
from tests.access.conftest import Callers, message, stream_of
from tests.api.conftest import secret
from tests.delivery.subscribers import until
from tests.stopwatch import Stopwatch

ENDS_S = 5.0
LASTS_S = 3  # a stream has opened by then, even on a busy machine


async def refused(callers: Callers, session: Any) -> bool:
    return (await callers.as_session("GET", "/v1/sessions/current", session)).status == 401


async def test_a_session_shows_its_rights_and_is_listed_without_its_token(callers: Callers) -> None:
    made = await callers.session(agent="mia", queues=["sales"], role="lead")
    assert (made["agent"], made["queues"], made["role"]) == ("mia", ["sales"], "lead")
    current = (await callers.as_session("GET", "/v1/sessions/current", made)).json
    assert (current["queues"], current["role"], current["expires_at"]) == (
        ["sales"],
        "lead",
        made["expires_at"],
    )
    (listed,) = (await callers.ok("GET", "/v1/sessions?agent=mia"))["sessions"]
    assert listed == {name: value for name, value in made.items() if name != "token"}


async def test_ending_one_an_agents_or_a_tokens(callers: Callers) -> None:
    mia, sam, other = [await callers.session(agent=it) for it in ("mia", "sam", "sam")]
    assert (await callers.call("DELETE", f"/v1/sessions/{sam['id']}")).status == 204
    assert [await refused(callers, it) for it in (mia, sam, other)] == [False, True, False]
    assert (await callers.call("DELETE", f"/v1/sessions/{sam['id']}")).status == 404
    assert (await callers.ok("DELETE", "/v1/sessions?agent=sam"))["ended"] == 1
    assert [await refused(callers, it) for it in (mia, other)] == [False, True]
    assert (await callers.ok("DELETE", "/v1/sessions?token=desk"))["ended"] == 1
    assert await refused(callers, mia)


async def test_all_sessions_of_a_tenant_end_together_listed_or_not(callers: Callers) -> None:
    mia = await callers.session(agent="mia")
    store = callers.server.store.of(callers.tenant)
    records = store.sessions
    await callers.server.store.connection.call(b"DEL", records._list, key=records._list)
    assert (await callers.ok("DELETE", "/v1/sessions?all=true"))["ended"] is None
    assert await refused(callers, mia)
    assert not await refused(callers, await callers.session(agent="mia"))


async def test_a_session_ends_itself_and_no_other(callers: Callers) -> None:
    mia, sam = await callers.session(agent="mia"), await callers.session(agent="sam")
    answer = await callers.as_session("DELETE", f"/v1/sessions/{sam['id']}", mia)
    assert (answer.status, answer.code) == (404, "not_found")
    assert (await callers.as_session("DELETE", "/v1/sessions?agent=sam", mia)).json["ended"] == 0
    everyone = await callers.as_session("DELETE", "/v1/sessions?all=true", mia)
    assert everyone.status == 403
    assert (await callers.as_session("DELETE", "/v1/sessions/current", mia)).status == 204
    assert [await refused(callers, it) for it in (mia, sam)] == [True, False]
    assert (await callers.call("DELETE", "/v1/sessions/current")).status == 404


@pytest.mark.parametrize("query", ["", "?agent=a&token=b", "?all=false"])
async def test_ending_many_names_exactly_whose(callers: Callers, query: str) -> None:
    answer = await callers.call("DELETE", f"/v1/sessions{query}")
    assert (answer.status, answer.code) == (422, "invalid_parameter")


async def test_a_session_has_no_more_rights_than_its_maker_now(callers: Callers) -> None:
    session = await callers.session(agent="mia", scopes=["context:read", "handoffs:write"])
    access = callers.server.site.credentials.access
    known = [token for token, _principal in access._by_hash.values()]
    fewer = [
        msgspec.structs.replace(it, scopes=frozenset({"context:read"}), queues=frozenset({"sales"}))
        if it.name == "desk"
        else it
        for it in known
    ]
    access.replace(fewer, [callers.tenant, callers.other])
    current = (await callers.as_session("GET", "/v1/sessions/current", session)).json
    assert (current["scopes"], current["queues"]) == (["context:read"], ["sales"])
    access.replace([it for it in known if it.name != "desk"], [callers.tenant, callers.other])
    assert await refused(callers, session)


async def test_a_limited_token_opens_only_sessions_of_its_queues(callers: Callers) -> None:
    answer = await callers.post("/v1/sessions", {"agent": "sam", "queues": ["hr"]}, token="sales")
    assert (answer.status, answer.code) == (403, "other_queue")
    made = await callers.session("sales")
    assert made["queues"] == ["sales"]


async def test_an_agents_open_sessions_without_queues_follow_the_newest_one(callers: Callers) -> None:
    """Otherwise an agent who changes teams keeps reading everything in the tab that is still open."""
    await callers.record("hello")
    handoff = await callers.hand_over("user:anna", "hr", "complaint")
    old, kept = await callers.session(agent="sam"), await callers.session(agent="mia")
    path = f"/v1/handoffs/{handoff['id']}"
    assert (await callers.as_session("GET", path, old)).status == 200
    await callers.session(agent="sam", queues=["sales"])
    assert (await callers.as_session("GET", path, old)).status == 404
    assert (await callers.as_session("GET", path, kept)).status == 200


async def ended(events: asyncio.Queue[tuple[str, Any]]) -> list[str]:
    names = []
    async with asyncio.timeout(30):
        while not names or names[-1] != "end":
            names.append((await events.get())[0])
    return names


async def test_a_stream_ends_within_seconds_of_its_sessions_revocation(callers: Callers) -> None:
    session = await callers.session(agent="mia", queues=["sales"])
    async with stream_of(callers, "/v1/queues/sales/events", session["token"]) as events:
        assert (await events.get())[0] == "ready"
        watch = Stopwatch()
        await callers.call("DELETE", f"/v1/sessions/{session['id']}")
        assert await ended(events) == ["session_ended", "end"]
        assert watch.seconds < ENDS_S


async def test_a_stream_ends_when_its_session_expires(callers: Callers) -> None:
    await callers.record("hello")
    customer = (await callers.context())["customer"]["id"]
    session = await callers.session(agent="mia", ttl_s=LASTS_S)
    watch = Stopwatch()
    async with stream_of(callers, f"/v1/customers/{customer}/events", session["token"]) as events:
        assert (await events.get())[0] == "ready"
        assert await ended(events) == ["session_ended", "end"]
        assert watch.seconds < LASTS_S + ENDS_S


async def test_an_expired_session_differs_from_one_that_was_ended(callers: Callers) -> None:
    expires, ended_early = await callers.session(ttl_s=1), await callers.session()
    await callers.call("DELETE", f"/v1/sessions/{ended_early['id']}")

    async def code(token: str) -> str:
        path, headers = "/v1/sessions/current", {"Authorization": f"Bearer {token}"}
        answer = await callers.get(path, token=None, headers=headers)
        return "" if answer.status == 200 else answer.code

    assert await code(ended_early["token"]) == "unauthenticated"
    deadline = time.monotonic() + ENDS_S
    while not await code(expires["token"]):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    assert await code(expires["token"]) == "token_expired"
    listed = await callers.ok("GET", "/v1/sessions?agent=sam")
    assert listed["sessions"] == []
    assert await code(expires["token"][:-1] + "~") == "unauthenticated"
    await callers.ok("DELETE", "/v1/sessions?all=true")
    assert await code(expires["token"]) == "unauthenticated"


async def test_other_streams_stay(callers: Callers) -> None:
    mia, sam = await callers.session(agent="mia"), await callers.session(agent="sam")
    async with (
        stream_of(callers, "/v1/agents/mia/events", mia["token"]) as gone,
        stream_of(callers, "/v1/agents/sam/events", sam["token"]) as stays,
    ):
        for events in (gone, stays):
            assert (await events.get())[0] == "ready"
        await callers.ok("DELETE", "/v1/sessions?agent=mia")
        assert await ended(gone) == ["session_ended", "end"]
        await callers.record("hello")
        body = {"identity": "user:anna", "to": {"agent": "sam"}, "reason": "x"}
        await callers.ok("POST", "/v1/handoffs", body)
        assert (await asyncio.wait_for(stays.get(), 20))[0] == "handoff.requested"


async def test_a_client_that_does_not_read_is_cut_off_as_soon(callers: Callers) -> None:
    await callers.record("hello")
    customer = (await callers.context())["customer"]["id"]
    session = await callers.session(agent="mia")
    hub, url = callers.server.site.hub, URL(callers.url)
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plug.connect((url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=plug, limit=1024)
    request = (
        f"GET /v1/customers/{customer}/events HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {session['token']}\r\n\r\n"
    )
    writer.write(request.encode())
    try:
        await reader.readuntil(b"event: ready")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        (feed,) = {feed for feeds in hub._homes.values() for feed in feeds}
        at = 0
        while len(feed._frames) < 50:  # until everything between the server and the client is full
            at += 1
            assert at < 60
            long = [message(f"long-{at}-{n}", text="x" * 60_000) for n in range(10)]
            assert (await callers.post("/v1/touchpoints", long)).status == 200
            await asyncio.sleep(0)
        watch = Stopwatch()
        await callers.call("DELETE", f"/v1/sessions/{session['id']}")
        await until(lambda: not hub._homes)
        assert watch.seconds < ENDS_S
    finally:
        writer.transport.abort()


async def test_a_store_that_hangs_does_not_prolong_an_expired_stream(callers: Callers) -> None:
    """The streams that end by time do so before the store is asked about the others."""

    class Hanging(Credentials):
        async def ended(self, principals: Sequence[Principal], now: int) -> list[Principal]:
            return await asyncio.get_running_loop().create_future()

    known = callers.server.site.credentials
    watch = CredentialWatch(Hanging(callers.server.store, known.access, known.issuers))
    caller = known.access.authenticate(secret("desk", callers.tenant), None)
    over = watch.add(msgspec.structs.replace(caller, expires_at=time.time_ns() // 1000))
    other = watch.add(caller)
    checking = asyncio.create_task(watch.check())
    async with asyncio.timeout(20):
        await over.ended.wait()
    assert not other.ended.is_set()
    checking.cancel()


def test_streams_are_checked_often_enough() -> None:
    assert CHECK_S * 2 < ENDS_S


async def test_a_session_of_an_older_release_is_still_read(callers: Callers) -> None:
    token = f"hs_{callers.tenant}_{'0' * 48}"
    old = {
        "agent": "mia",
        "tenant": callers.tenant,
        "scopes": ["context:read"],
        "made_by": "bot",
        "min_assurance": "verified",
        "expires_at": time.time_ns() // 1000 + 60_000_000,
    }
    records = callers.server.store.of(callers.tenant).sessions
    await records.put(
        sessions.session_id(token),
        msgspec.msgpack.encode(old),
        seconds=60,
        expires_at=old["expires_at"],
        now=0,
    )
    current = (await callers.as_session("GET", "/v1/sessions/current", {"token": token})).json
    assert (current["agent"], current["audience"]) == ("mia", "customer")


async def test_a_sessions_token_reveals_no_tenant(callers: Callers) -> None:
    """Unknown tenants, known ones, and damaged tokens get the same answer after the same reads."""
    answers, trips = [], []
    connection = callers.server.store.connection
    for tenant in (callers.tenant, callers.other, "no-such-tenant"):
        before = connection.round_trips
        answer = await callers.call(
            "GET",
            "/v1/sessions/current",
            token=None,
            headers={"Authorization": f"Bearer hs_{tenant}_{'0' * 48}"},
        )
        answers.append((answer.status, answer.raw))
        trips.append(connection.round_trips - before)
    assert len(set(answers)) == 1
    assert min(trips) >= 1


async def test_the_name_of_another_tenant_is_refused_whether_or_not_it_exists(callers: Callers) -> None:
    answers = set()
    for tenant in (callers.other, "no-such-tenant"):
        answer = await callers.get("/v1/handoffs", headers={"Handoff-Tenant": tenant})
        answers.add((answer.status, answer.code))
    assert answers == {(403, "other_tenant")}


__all__ = ["secret"]
