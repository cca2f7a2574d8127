"""The life of a handoff: one owner, one pending handoff, versions, deadlines, and pinned contexts."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from tests.api.conftest import Answer, Api
from tests.samples import WEEK_AGO

BOT = {"channel": "chat", "party": "bot"}
REFUNDS = {"channel": "chat", "queue": "refunds"}


def body(**changes: Any) -> dict[str, Any]:
    return {"identity": "user:anna", "from": BOT, "to": REFUNDS, "reason": "wants a refund", **changes}


async def request(api: Api, **changes: Any) -> Any:
    return await api.ok("POST", "/v1/handoffs", body(**changes))


async def move(api: Api, handoff: Any, action: str, **changes: Any) -> Answer:
    given = {"version": handoff["version"], **changes}
    return await api.post(f"/v1/handoffs/{handoff['id']}/{action}", given)


async def moved(api: Api, handoff: Any, action: str, **changes: Any) -> Any:
    answer = await move(api, handoff, action, **changes)
    assert answer.status == 200, answer.raw
    return answer.json


async def eventually_in(api: Api, handoff: Any, state: str) -> Any:
    async with asyncio.timeout(20):
        while (found := await api.ok("GET", f"/v1/handoffs/{handoff['id']}"))["state"] != state:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return found


async def types(api: Api) -> list[str]:
    """The types on anna's timeline, oldest first."""
    return [it["type"] for it in reversed((await api.context())["timeline"]["touchpoints"])]


async def test_request_accept_complete(api: Api) -> None:
    await api.record("e1", text="I want my money back")
    answer = await api.post("/v1/handoffs", body(context={"cart": 7}))
    made = answer.json
    assert (answer.status, made["state"], made["version"], made["owner"]) == (201, "requested", 1, "bot")
    assert answer.headers["Location"] == f"/v1/handoffs/{made['id']}"
    assert (made["from"], made["to"], made["context"]) == (BOT, REFUNDS, {"cart": 7})
    taken = await moved(api, made, "accept", agent="maria")
    assert (taken["state"], taken["version"], taken["owner"]) == ("accepted", 2, "maria")
    context = await api.context()
    assert [it["owner"] for it in context["conversations"]] == ["maria"]
    assert [it["id"] for it in context["handoffs"]] == [made["id"]]
    done = await moved(api, taken, "complete", reason="refunded")
    assert (done["state"], done["version"], done["owner"]) == ("completed", 3, None)
    assert [it["state"] for it in done["history"]] == ["requested", "accepted", "completed"]
    assert await types(api) == [
        "message.received",
        "handoff.requested",
        "handoff.accepted",
        "handoff.completed",
    ]


async def test_the_context_of_a_handoff_has_its_reason(api: Api) -> None:
    await api.record("e1", text="I want my money back")
    made = await request(api)
    context = await api.ok("GET", f"/v1/handoffs/{made['id']}/context")
    codes = [it["code"] for it in context["brief"]["why_now"]]
    assert "handoff_requested" in codes
    assert "I want my money back" in context["brief"]["wants"][0]["text"]


async def test_a_new_identity_is_201_and_has_a_context(api: Api) -> None:
    answer = await api.post("/v1/handoffs", body(identity="phone:+358401234567"))
    assert (answer.status, answer.json["state"]) == (201, "requested")
    made = answer.json
    assert (await api.ok("GET", f"/v1/handoffs/{made['id']}/context"))["match"] == "one"
    assert (await moved(api, made, "accept", agent="maria"))["state"] == "accepted"
    context = await api.context("phone:+358401234567")
    assert context["customer"]["id"] == made["customer_id"]
    assert [it["state"] for it in context["handoffs"]] == ["accepted"]
    assert (await api.ok("GET", f"/v1/conversations/{made['conversation_id']}"))["owner"] == "maria"


async def test_the_same_request_again_is_200_with_the_pending_one(api: Api) -> None:
    made = await request(api)
    again = await api.post("/v1/handoffs", body())
    assert (again.status, again.json["id"]) == (200, made["id"])


async def test_concurrent_equal_requests_create_one_handoff(api: Api) -> None:
    await api.record("e1")
    answers = await asyncio.gather(*(api.post("/v1/handoffs", body()) for _ in range(8)))
    assert sorted(it.status for it in answers) == [200] * 7 + [201]
    assert len({it.json["id"] for it in answers}) == 1


@pytest.mark.parametrize(
    "change", [{"reason": "other"}, {"to": {"queue": "other"}}, {"from": {"party": "x"}}]
)
async def test_another_request_while_one_is_pending_is_409_with_it(api: Api, change: dict[str, Any]) -> None:
    await api.record("e1")
    made = await request(api)
    answer = await api.post("/v1/handoffs", body(**change))
    assert (answer.status, answer.code) == (409, "handoff_pending")
    assert answer.json["current"]["id"] == made["id"]


async def test_of_two_concurrent_accepts_one_wins_and_the_other_sees_the_owner(api: Api) -> None:
    for attempt in range(5):
        made = await request(api, identity=f"user:u{attempt}")
        answers = await asyncio.gather(
            move(api, made, "accept", agent="maria"), move(api, made, "accept", agent="otto")
        )
        won, lost = sorted(answers, key=lambda it: it.status)
        assert (won.status, lost.status) == (200, 409)
        assert lost.json["current"]["owner"] == won.json["owner"]
        assert lost.json["current"]["version"] == 2


@pytest.mark.parametrize("version", [0, 2, -1, 2**70])
async def test_a_stale_version_is_409_with_the_current_state(api: Api, version: int) -> None:
    made = await request(api)
    answer = await move(api, {**made, "version": version}, "accept", agent="maria")
    assert answer.status in (409, 422)
    if answer.status == 409:
        assert (answer.code, answer.json["current"]["version"]) == ("stale_version", 1)
    assert (await api.ok("GET", f"/v1/handoffs/{made['id']}"))["state"] == "requested"


ILLEGAL = [
    ([], "complete"),
    ([], "release"),
    (["accept"], "accept"),
    (["accept"], "offer"),
    (["accept"], "decline"),
    (["decline"], "accept"),
    (["withdraw"], "withdraw"),
    (["accept", "complete"], "release"),
]


@pytest.mark.parametrize(("before", "action"), ILLEGAL)
async def test_an_illegal_transition_is_409_and_changes_nothing(
    api: Api, before: list[str], action: str
) -> None:
    handoff = await request(api)
    for step in before:
        handoff = await moved(api, handoff, step, agent="maria")
    answer = await move(api, handoff, action, agent="otto")
    assert (answer.status, answer.code) == (409, "illegal_transition")
    assert answer.json["current"] == {**answer.json["current"], "state": handoff["state"]}
    assert (await api.ok("GET", f"/v1/handoffs/{handoff['id']}"))["version"] == handoff["version"]


async def test_a_declined_handoff_can_be_requested_again(api: Api) -> None:
    made = await request(api)
    offered = await moved(api, made, "offer", agent="otto")
    assert (offered["state"], offered["to"]["agent"]) == ("offered", "otto")
    declined = await moved(api, offered, "decline", agent="otto", reason="lunch")
    assert (declined["state"], declined["owner"]) == ("declined", "bot")
    again = await request(api)
    assert again["id"] != made["id"]
    assert [it["outcome"] for it in again["hops"]] == ["declined"]


async def test_a_released_handoff_returns_to_its_previous_owner(api: Api) -> None:
    taken = await moved(api, await request(api), "accept", agent="maria")
    released = await moved(api, taken, "release")
    assert (released["state"], released["owner"]) == ("released", "bot")


async def test_accepting_an_owned_conversation_ends_its_handoff_as_transferred(api: Api) -> None:
    await api.record("e1")
    first = await moved(api, await request(api), "accept", agent="maria")
    second = await request(api, **{"from": {"party": "maria"}, "to": {"queue": "legal"}, "reason": "law"})
    assert second["owner"] == "maria"
    taken = await moved(api, second, "accept", agent="otto")
    assert taken["owner"] == "otto"
    assert [(it["id"], it["outcome"]) for it in taken["hops"]] == [(first["id"], "transferred")]
    assert (await api.ok("GET", f"/v1/handoffs/{first['id']}"))["state"] == "transferred"
    assert (await api.context())["brief"]["effort"]["transfers"] == 1


async def test_a_handoff_expires_at_its_deadline(api: Api) -> None:
    made = await request(api, deadline_s=0.3)
    expired = await eventually_in(api, made, "expired")
    assert (expired["version"], expired["owner"]) == (2, "bot")
    answer = await move(api, expired, "accept", agent="maria")
    assert (answer.status, answer.code) == (409, "illegal_transition")
    assert "handoff.expired" in await types(api)
    assert (await request(api))["id"] != made["id"]


async def test_an_accepted_handoff_does_not_expire(api: Api) -> None:
    made = await request(api, deadline_s=1.5)
    await moved(api, made, "accept", agent="maria")
    later = await request(api, identity="user:otto", deadline_s=1.5)
    await eventually_in(api, later, "expired")
    assert (await api.ok("GET", f"/v1/handoffs/{made['id']}"))["state"] == "accepted"


async def test_a_snapshot_returns_the_pinned_bytes(api: Api) -> None:
    await api.record("e1", text="before")
    made = await request(api)
    path = f"/v1/handoffs/{made['id']}/snapshot"
    first = await api.get(path)
    assert sha256(first.raw).hexdigest() == made["snapshot"]["sha256"] == first.headers["Handoff-Sha256"]
    await api.record("e2", text="between")
    taken = await moved(api, made, "accept", agent="maria")
    await api.record("e3", text="after")
    requested, accepted = await api.get(f"{path}?at=requested"), await api.get(f"{path}?at=accepted")
    assert requested.raw == first.raw
    assert sha256(accepted.raw).hexdigest() == taken["snapshot"]["sha256"]
    texts = [
        {it["text"] for it in msgspec.json.decode(it.raw)["timeline"]["touchpoints"]}
        & {"before", "between", "after"}
        for it in (requested, accepted)
    ]
    assert texts == [{"before"}, {"before", "between"}]
    assert (await api.get(path)).raw == accepted.raw
    listed = await api.ok("GET", f"/v1/handoffs/{made['id']}/snapshots")
    assert [it["at"] for it in listed["snapshots"]] == ["requested", "accepted"]
    answer = await api.get(f"{path}?at=never")
    assert (answer.status, answer.code) == (422, "invalid_parameter")


async def test_handoffs_by_conversation_and_by_customer(api: Api) -> None:
    await api.record("e1", thread="t1")
    context = await api.context()
    conversation = context["conversations"][0]["id"]
    for named in ({"conversation_id": conversation}, {"customer_id": context["customer"]["id"]}):
        given = {key: value for key, value in body().items() if key != "identity"}
        made = await api.ok("POST", "/v1/handoffs", {**given, **named})
        assert made["conversation_id"] == conversation
        await moved(api, made, "withdraw")


async def test_a_handoff_takes_the_newest_open_conversation_of_the_channel(api: Api) -> None:
    await api.record("e1", thread="chat 1", occurred_at=f"{WEEK_AGO}T10:00:00Z")
    await api.record("e2", thread="chat 2", occurred_at=f"{WEEK_AGO}T10:01:00Z")
    await api.record(
        "e3", channel="email", type="email.received", thread="m", occurred_at=f"{WEEK_AGO}T10:02:00Z"
    )
    by_thread = {
        it["thread"]: it["conversation_id"] for it in (await api.context())["timeline"]["touchpoints"]
    }
    made = await request(api, **{"from": {"channel": "phone", "party": "ivr"}})
    assert made["conversation_id"] == by_thread["m"]
    assert (await request(api))["conversation_id"] == by_thread["chat 2"]


async def test_an_identity_of_several_people_can_be_handed_over(api: Api) -> None:
    phone = {"type": "phone", "value": "+358401234567", "assurance": "verified"}
    await api.record("e1", identities=["user:anna", phone])
    await api.record("e2", identities=["user:bo", phone])
    answer = await api.post("/v1/handoffs", body(identity="phone:+358401234567"))
    assert answer.status == 201
    assert {it["identity"] for it in answer.json["candidates"]} == {"user:anna", "user:bo"}
    assert answer.json["question"]


async def test_a_reference_of_several_customers_is_409_with_candidates(api: Api) -> None:
    await api.record("e1", identities=["user:anna", "reference:A-1"])
    await api.record("e2", identities=["user:bo", "reference:A-1"])
    answer = await api.post("/v1/handoffs", body(identity="reference:A-1"))
    assert (answer.status, answer.code) == (409, "ambiguous_identity")
    assert len(answer.json["candidates"]) == 2


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


BAD = [
    {"identity": None},
    {"customer_id": "cu_x"},
    {"reason": ""},
    {"reason": "x" * 2001},
    {"deadline_s": 0},
    {"deadline_s": -5},
    {"deadline_s": 1e12},
    {"to": {"queue": ""}},
    {"to": {"kueue": "x"}},
    {"fallback": [{"queue": "q"}] * 21},
    {"identity": "nonsense"},
    {"context": nested(80)},
    {"context": {"order": 2**64}},
    {"context": [-(2**63) - 1]},
]


@pytest.mark.parametrize("change", BAD)
async def test_an_invalid_request_is_422(api: Api, change: dict[str, Any]) -> None:
    answer = await api.post("/v1/handoffs", body(**change))
    assert answer.status == 422, answer.raw
    assert answer.code
    assert (await api.ok("GET", "/v1/handoffs"))["returned"] == 0


async def test_lists_are_filtered_by_state_queue_and_agent_and_paged(api: Api) -> None:
    made = [await request(api, identity=f"user:u{n}", to={"queue": f"q{n % 2}"}) for n in range(7)]
    taken = await moved(api, made[0], "accept", agent="maria")
    ids = [it["id"] for it in made]

    async def listed(query: str) -> list[str]:
        found: list[str] = []
        cursor = ""
        while True:
            view = await api.ok("GET", f"/v1/handoffs?limit=2{query}{cursor}")
            found += [it["id"] for it in view["handoffs"]]
            if view["next"] is None:
                return found
            cursor = f"&cursor={view['next']}"

    assert await listed("") == ids[::-1]
    assert await listed("&order=asc") == ids
    assert await listed("&queue=q1") == [ids[5], ids[3], ids[1]]
    assert await listed("&state=accepted") == [taken["id"]]
    assert await listed("&agent=maria") == [taken["id"]]
    assert await listed("&queue=q0&state=requested") == [ids[6], ids[4], ids[2]]
    plain = await api.ok("GET", "/v1/handoffs?limit=1")
    assert (plain["total"], plain["scanned_to"]) == (7, None)
    both = await api.ok("GET", "/v1/handoffs?limit=2&queue=q0&state=requested")
    assert (both["total"], both["scanned_to"]) == (None, both["next"])
    rest = await api.ok("GET", f"/v1/handoffs?queue=q0&state=requested&cursor={both['scanned_to']}")
    assert [it["id"] for it in rest["handoffs"]] == [ids[2]]
    assert rest["next"] is None
    assert rest["scanned_to"], "to the end"
    for query in (
        "state=nothing",
        "limit=0",
        "cursor=%C3%A4",
        "cursor=" + "z" * 4000,
        "cursor=-5",
        "order=up",
    ):
        answer = await api.get(f"/v1/handoffs?{query}")
        assert answer.status == 422, query


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"reason": ""}, "/reason"),
        ({"deadline_s": 0}, "/deadline_s"),
        ({"fallback": [{"queue": "a"}, {"queue": "b", "deadline_s": -1}]}, "/fallback/1/deadline_s"),
        ({"fallback": [{"queue": "q"}] * 21}, "/fallback"),
        ({"context": {"order": 2**64}}, "/context"),
        ({"to": {"queue": ""}}, "/to"),
        ({"identity": "nonsense"}, "/identity"),
        ({"identity": {"type": "phone", "value": "12"}}, "/identity"),
    ],
)
async def test_an_error_points_at_the_invalid_value(api: Api, change: dict[str, Any], pointer: str) -> None:
    answer = await api.post("/v1/handoffs", body(**change))
    assert answer.status == 422
    assert [it["pointer"] for it in answer.json["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"from": {"channel": "chats", "party": "bot"}}, "/from/channel"),
        ({"to": {"channel": "Chat", "queue": "refunds"}}, "/to/channel"),
        ({"fallback": [{"queue": "refunds"}, {"channel": "telephone"}]}, "/fallback/1/channel"),
    ],
)
async def test_an_undeclared_channel_is_422(api: Api, change: dict[str, Any], pointer: str) -> None:
    answer = await api.post("/v1/handoffs", body(**change))
    assert (answer.status, answer.code) == (422, "unknown_channel")
    assert [it["pointer"] for it in answer.json["errors"]] == [pointer]
    await request(api, **{"from": {"channel": "branch", "party": "clerk"}})


@pytest.mark.parametrize("change", [{"agent": ""}, {"agent": "x" * 201}, {"reason": "x" * 2001}])
async def test_an_invalid_transition_request_is_422_and_changes_nothing(
    api: Api, change: dict[str, Any]
) -> None:
    handoff = await request(api)
    answer = await move(api, handoff, "accept", **change)
    assert (answer.status, answer.code) == (422, "invalid")
    assert (await api.ok("GET", f"/v1/handoffs/{handoff['id']}"))["version"] == 1


@pytest.mark.parametrize("id_", ["ho_", "ho_x", "cu_" + "A" * 22, "ho_" + "A" * 22, "%00"])
async def test_an_unknown_handoff_is_404(api: Api, id_: str) -> None:
    for answer in (
        await api.get(f"/v1/handoffs/{id_}"),
        await api.get(f"/v1/handoffs/{id_}/snapshot"),
        await api.post(f"/v1/handoffs/{id_}/accept", {"version": 1}),
    ):
        assert (answer.status, answer.code) == (404, "not_found")
