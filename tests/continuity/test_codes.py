"""Codes over the API: what they prove, when they end, and how they are taken back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handoff.domain.clock import SECOND
from handoff.domain.continuity.forms import write_digits
from handoff.services.continuity.guessing import LIMITS
from handoff.services.continuity.issuing import CodeWish
from handoff.services.continuity.issuing import issue as issue_code
from handoff.services.customers.customer import by_id
from tests.api.conftest import secret
from tests.commands import run_command
from tests.privacy.conftest import finished

from .conftest import ANNAS, Shop, begin, issue, mark_of, native, texts_of

VERIFIED_PHONE = {"type": "phone", "value": "+358401112222", "assurance": "verified"}


async def use(shop: Shop, event: str, code: Any, *identities: str | dict[str, str], **fields: Any) -> Any:
    """Somebody writes with the code."""
    who = identities or (f"anonymous@app:{event}",)
    return await native(shop, event, *who, text=f"Hello {code['forms']['text']}", **fields)


async def state(shop: Shop, event: str) -> str:
    return str((await mark_of(shop, f"anonymous@app:{event}"))["state"])


# --- What it proves ---------------------------------------------------------------------------------


async def test_a_verified_code_joins_a_verified_handle_and_a_claimed_one_stays_a_candidate(
    shop: Shop,
) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna, assurance="verified")
    await use(shop, "app", code, VERIFIED_PHONE)
    assert ANNAS in texts_of(await shop.look_up("phone:+358401112222"))
    other = await issue(shop, anna, assurance="verified")
    await use(shop, "mail", other, {"type": "email", "value": "x@example.com", "assurance": "claimed"})
    theirs = await shop.look_up("email:x@example.com")
    assert ANNAS not in texts_of(theirs)
    assert [it["assurance"] for it in theirs["customer"]["candidates"]] == ["claimed"]


async def test_two_logins_are_never_joined_by_a_code(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna, assurance="verified")
    await use(shop, "ben", code, "user:ben")
    ben = await shop.look_up("user:ben")
    assert ANNAS not in texts_of(ben)
    assert [it["reason"] for it in ben["customer"]["conflicts"]] == ["two_users"]


async def test_a_handoff_of_the_joined_conversation_has_the_customers_history(shop: Shop) -> None:
    anna = await begin(shop)
    pending = await shop.ok(
        "POST",
        "/v1/handoffs",
        {"customer_id": anna, "from": {"channel": "chat"}, "to": {"queue": "service"}, "reason": "leak"},
    )
    code = await issue(shop, anna)
    await use(shop, "call", code, channel="phone", type="call.started")
    asked = {
        "from": {"channel": "phone"},
        "to": {"queue": "service"},
        "reason": "call",
        "identity": "anonymous@app:call",
    }
    refused = await shop.post("/v1/handoffs", asked)
    assert (refused.status, refused.json["current"]["id"]) == (409, pending["id"])
    await shop.ok("POST", f"/v1/handoffs/{pending['id']}/withdraw", {"version": 1, "reason": "done"})
    made = await shop.ok("POST", "/v1/handoffs", asked)
    assert made["customer_id"] == anna
    assert made["root"] == code["conversation_id"]
    context = await shop.ok("GET", f"/v1/handoffs/{made['id']}/context")
    assert ANNAS in texts_of(context)
    assert any("Hello" in it for it in texts_of(context))


async def test_two_conversations_with_handoffs_keep_their_chains(shop: Shop) -> None:
    anna = await begin(shop)
    await native(shop, "own", "user:ben", thread="bens call", channel="phone", type="call.started")
    for who in ("user:anna", "user:ben"):
        asked = {"identity": who, "from": {"channel": "chat"}, "to": {"queue": "service"}, "reason": who}
        await shop.ok("POST", "/v1/handoffs", asked)
    code = await issue(shop, anna)
    await use(shop, "again", code, "user:ben", thread="bens call", channel="phone")
    mark = await mark_of(shop, "user:ben")
    assert (mark["state"], mark["chain"]) == ("joined", "separate")
    hers = await shop.look_up("user:anna")
    assert [it for it in texts_of(hers) if it.startswith("Hello")]


# --- When it ends -----------------------------------------------------------------------------------


async def test_a_code_is_used_once_and_nothing_is_lost(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    await use(shop, "one", code)
    assert (await use(shop, "one", code))["duplicates"] == 1
    assert (await use(shop, "two", code))["accepted"] == 1
    assert (await state(shop, "one"), await state(shop, "two")) == ("joined", "used")
    two = await shop.look_up("anonymous@app:two")
    assert not two["customer"]["candidates"]
    refused = [it for it in two["brief"]["why_now"] if it["code"] == "code_refused"]
    assert [it["params"]["outcome"] for it in refused] == ["used"]
    await native(shop, "more", "anonymous@app:one", thread="one", text=f"Again {code['forms']['text']}")
    assert await state(shop, "one") == "repeated"


async def test_a_code_for_several_uses(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna, uses=2)
    for event in ("one", "two", "three"):
        await use(shop, event, code)
    assert [await state(shop, it) for it in ("one", "two", "three")] == ["joined", "joined", "used"]


async def test_digits_end_before_the_token_and_a_retry_after_the_end_is_a_duplicate(shop: Shop) -> None:
    store, tenant = shop.server.store, shop.tenant
    anna = await begin(shop)
    customer = await by_id(store, tenant, anna)
    wish = CodeWish(by="agent:test", valid_for=3600 * SECOND, digits_valid_for=0)
    code = await issue_code(store, tenant, customer, wish)
    await native(shop, "digits", "anonymous@app:digits", data={"continuity": code.digits})
    assert await state(shop, "digits") == "expired"
    body = {"data": {"continuity": f"#H-{code.token}"}}
    await native(shop, "token", "anonymous@app:token", **body)
    assert await state(shop, "token") == "joined"
    over = await issue_code(store, tenant, customer, CodeWish(by="agent:test", valid_for=0))
    late = {"data": {"continuity": over.token}}
    await native(shop, "late", "anonymous@app:late", **late)
    assert await state(shop, "late") == "expired"
    assert (await native(shop, "late", "anonymous@app:late", **late))["duplicates"] == 1


@pytest.mark.parametrize(
    "stated", ["1234567890", "12", {"state": "joined"}, ["x"], None, 7, "#H-" + "0" * 24]
)
async def test_what_is_no_code_is_unknown(shop: Shop, stated: Any) -> None:
    await native(shop, "odd", "anonymous@app:odd", data={"continuity": stated, "kept": 1})
    (touchpoint,) = (await shop.look_up("anonymous@app:odd"))["timeline"]["touchpoints"]
    mark = None if stated is None else {"state": "unknown", "way": "field"}
    expected = {"kept": 1, "continuity": mark}
    assert touchpoint["data"] == expected


async def test_a_code_of_another_tenant_is_plain_text(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    text = f"Hello {code['forms']['text']}"
    body = {
        "channel": "chat",
        "type": "message.received",
        "occurred_at": "2026-11-21T11:00:00Z",
        "text": text,
    }
    await shop.ok(
        "POST", "/v1/touchpoints", {"id": "x", "identities": ["user:zoe"], **body}, token="elsewhere"
    )
    digits = {
        "id": "y",
        "identities": ["user:zoe"],
        **body,
        "text": "",
        "data": {"continuity": code["digits"]},
    }
    await shop.ok("POST", "/v1/touchpoints", digits, token="elsewhere")
    context = await shop.look_up("user:zoe", token="elsewhere")
    assert text in texts_of(context)
    states = [it["data"]["continuity"]["state"] for it in context["timeline"]["touchpoints"] if it["data"]]
    assert states == ["unknown"]
    path = f"/v1/customers/{anna}/continuity"
    assert (await shop.get(path, token="elsewhere")).status == 404
    assert (await shop.post(path, {}, token="elsewhere")).status == 404


async def test_guessing_stops_at_the_limit_and_raises_the_alarm(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    right = int(code["digits"][:-1])
    for guess in range(LIMITS["handle"]):
        data = {"continuity": write_digits((right + guess + 1) % 10**9)}
        await native(shop, f"guess-{guess}", "phone:+358405556666", data=data)
        await native(shop, f"guess-{guess}", "phone:+358405556666", data=data)  # a retry counts once
    await native(shop, "right", "phone:+358405556666", data={"continuity": code["digits"]})
    newest = (await shop.look_up("phone:+358405556666"))["timeline"]["touchpoints"]
    states = [it["data"]["continuity"]["state"] for it in newest]
    assert sorted(states) == ["limited", *["unknown"] * LIMITS["handle"]]
    metrics = (await shop.get("/metrics", token=None)).raw.decode()
    assert 'handoff_continuity_limits_total{limit="handle",source="api"} 1.0' in metrics
    assert 'handoff_continuity_codes_total{source="api",state="limited"}' in metrics
    await native(shop, "other", "phone:+358407778888", data={"continuity": code["digits"]})
    assert (await mark_of(shop, "phone:+358407778888"))["state"] == "joined"


async def test_what_is_stored_already_spends_no_code(shop: Shop) -> None:
    anna = await begin(shop)
    token, digits = await issue(shop, anna), await issue(shop, anna)
    await native(shop, "reused", "anonymous@app:reused", text="other words")
    body = {"id": "reused", "channel": "chat", "type": "message.received", "thread": "reused"}
    body |= {"occurred_at": "2026-11-21T10:42:00Z", "identities": ["anonymous@app:reused"]}
    refused = await shop.post("/v1/touchpoints", {**body, "text": token["forms"]["text"]})
    assert "id_reused" in refused.raw.decode()
    right = int(digits["digits"][:-1])
    for guess in range(LIMITS["handle"]):
        data = {"continuity": write_digits((right + guess + 1) % 10**9)}
        await native(shop, f"guess-{guess}", "phone:+358405556666", data=data)
    sent = {"thread": "call", "data": {"continuity": digits["digits"]}}
    await native(shop, "limited", "phone:+358405556666", **sent)
    keys = await shop.server.store.connection.call(b"KEYS", b"{c.%s}*guesses:*" % shop.tenant.encode())
    await shop.server.store.connection.answers([(b"DEL", key) for key in keys])  # the hour is over
    assert len(keys) == len(LIMITS)
    assert (await native(shop, "limited", "phone:+358405556666", **sent))["duplicates"] == 1
    codes = (await shop.ok("GET", f"/v1/customers/{anna}/continuity"))["codes"]
    assert [it["state"] for it in codes] == ["valid", "valid"]
    await use(shop, "one", token)
    await native(shop, "two", "anonymous@app:two", data=sent["data"])
    assert [await state(shop, it) for it in ("one", "two")] == ["joined", "joined"]


async def test_what_cannot_be_stored_spends_no_code(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    body = {"id": "zero", "channel": "chat", "type": "message.received", "identities": ["user:0"]}
    text = code["forms"]["text"]
    refused = await shop.post(
        "/v1/touchpoints", {**body, "occurred_at": "2026-11-21T10:42:00Z", "text": text}
    )
    assert "blocked_identity" in refused.raw.decode()
    long = {**body, "id": "long", "identities": ["user:ben"], "occurred_at": "2026-11-21T10:42:00Z"}
    data = {f"part {number}": "x" * 60_000 for number in range(5)}
    refused = await shop.post("/v1/touchpoints", {**long, "text": text, "data": data})
    assert refused.status == 422, refused.raw[:200]
    await use(shop, "one", code)
    assert await state(shop, "one") == "joined"


async def test_outsiders_learn_nothing_about_codes(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    await use(shop, "one", code)
    await use(shop, "two", code)
    for who in ("one", "two"):
        shown = await shop.look_up(f"anonymous@app:{who}", token="bot")
        assert "continuity" not in str(shown["timeline"])


# --- Requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"expires_in_s": 59},
        {"expires_in_s": 7 * 86_400 + 1},
        {"digits_expire_in_s": 86_401},
        {"uses": 0},
        {"uses": 2, "assurance": "verified"},
        {"assurance": "inferred"},
        {"channel": "pigeon"},
        {"digits": True},
    ],
)
async def test_a_wrong_request_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    anna = await begin(shop)
    answer = await shop.post(f"/v1/customers/{anna}/continuity", body)
    assert answer.status == 422, answer.raw


async def test_a_code_needs_the_conversation_of_its_customer_and_one_person(shop: Shop) -> None:
    anna = await begin(shop)
    await native(shop, "b", "user:ben")
    (bens,) = (await shop.look_up("user:ben"))["conversations"]
    answer = await shop.post(f"/v1/customers/{anna}/continuity", {"conversation": bens["id"]})
    assert answer.status == 404
    scopes = await shop.ok("POST", "/v1/sessions", {"agent": "mia"})
    agent = {"Authorization": f"Bearer {scopes['token']}"}
    path = f"/v1/customers/{anna}/continuity"
    assert (await shop.post(path, {}, token=None, headers=agent)).json["by"] == "agent:mia"
    verified = await shop.post(path, {"assurance": "verified"}, token=None, headers=agent)
    assert (verified.status, verified.json["scope"]) == (403, "links:write")


# --- Taking it back ---------------------------------------------------------------------------------


async def test_a_revoked_code_is_refused_and_undoing_separates_everything(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna, uses=2)
    before = texts_of(await shop.look_up("user:anna"))
    await use(shop, "one", code)
    path = f"/v1/customers/{anna}/continuity/{code['id']}"
    assert (await shop.ok("DELETE", path))["state"] == "revoked"
    await use(shop, "two", code)
    assert await state(shop, "two") == "revoked"
    for _again in range(2):
        undone = await shop.ok("DELETE", f"{path}?undo=true")
        assert [it["undone"] for it in undone["used_by"]] == [True]
    assert (await use(shop, "one", code))["duplicates"] == 1
    hers, theirs = await shop.look_up("user:anna"), await shop.look_up("anonymous@app:one")
    assert texts_of(hers) == before
    assert not theirs["customer"]["candidates"]
    (conversation,) = theirs["conversations"]
    chain = await shop.ok("GET", f"/v1/conversations/{conversation['id']}")
    assert chain["root"] == conversation["id"]
    assert (
        await shop.call("DELETE", f"/v1/customers/{anna}/continuity/cc_AAAAAAAAAAAAAAAAAAAAAA")
    ).status == 404


async def test_withdrawing_the_link_undoes_one_use(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    await use(shop, "one", code)
    (joined,) = [
        it for it in (await shop.look_up("user:anna"))["timeline"]["touchpoints"] if it.get("assigned")
    ]
    await shop.withdraw("user:anna", joined["assigned"]["link"])
    assert not [it for it in texts_of(await shop.look_up("user:anna")) if it.startswith("Hello")]
    (conversation,) = (await shop.look_up("anonymous@app:one"))["conversations"]
    chain = await shop.ok("GET", f"/v1/conversations/{conversation['id']}")
    assert chain["root"] == conversation["id"]


async def test_a_statement_of_an_agent_against_it_counts_more(shop: Shop) -> None:
    anna = await begin(shop)
    code = await issue(shop, anna)
    await use(shop, "one", code)
    (link,) = [
        it["id"]
        for it in await shop.links("user:anna")
        if it["source"] == "continuity" and it["statement"] == "same"
    ]
    await shop.withdraw("user:anna", link)
    assert not [it for it in texts_of(await shop.look_up("user:anna")) if it.startswith("Hello")]


async def test_erasing_either_side_deletes_what_a_code_joined(shop: Shop) -> None:
    anna = await begin(shop)
    spent, valid = await issue(shop, anna), await issue(shop, anna)
    await use(shop, "one", spent)
    await use(shop, "two", valid)
    one = await shop.customer("anonymous@app:one")
    store = shop.server.store
    await _erase(shop, one)
    codes = (await shop.ok("GET", f"/v1/customers/{anna}/continuity"))["codes"]
    assert len(codes) == 2
    assert len(texts_of(await shop.look_up("user:anna"))) == 2
    await _erase(shop, anna)
    assert await store.connection.call(b"KEYS", b"{c.%s}n*" % shop.tenant.encode()) == []
    assert "continues" in str((await shop.look_up("anonymous@app:two"))["brief"])
    assert not (await shop.look_up("anonymous@app:two"))["customer"]["candidates"]


async def _erase(shop: Shop, customer: str) -> None:
    answer = await shop.call("DELETE", f"/v1/customers/{customer}", token="officer")
    assert answer.status == 202, answer.raw
    await finished(shop, answer.json["id"])


async def test_a_thread_that_never_ends_is_given_around_the_use_only(shop: Shop) -> None:
    """The thread of text messages is the pair of numbers."""
    anna = await begin(shop)

    async def write(event: str, day: str, text: str) -> None:
        await native(shop, event, "anonymous@app:sms", thread="numbers", occurred_at=day, text=text)

    code = await issue(shop, anna)
    await write("old", "2026-10-01T10:00:00Z", "of last month")
    await write("before", "2026-11-21T09:00:00Z", "just before")
    await write("use", "2026-11-21T11:00:00Z", f"Hello {code['forms']['text']}")
    await write("after", "2026-11-22T11:00:00Z", "the day after")
    await write("late", "2027-01-05T11:00:00Z", "next year")
    assert {"just before", "Hello #H-…", "the day after"} <= set(texts_of(await shop.look_up("user:anna")))
    assert not {"of last month", "next year"} & set(texts_of(await shop.look_up("user:anna")))


async def test_codes_on_the_command_line(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    await begin(shop)
    token = ("--url", shop.url, "--token", secret("desk", shop.tenant))

    async def run(*arguments: str) -> str:
        assert await asyncio.to_thread(run_command, "continuity", *arguments, *token) == 0
        return capsys.readouterr().out

    issued = await run("issue", "user:anna", "--channel", "phone", "--uses", "2")
    text = next(it.split()[1] for it in issued.splitlines() if it.startswith("Text"))
    id_ = next(it.split()[1] for it in issued.splitlines() if it.startswith("Id"))
    await native(shop, "one", "anonymous@app:one", text=f"Hello {text}")
    assert "1/2" in await run("list", "user:anna")
    assert "revoked" in await run("revoke", "user:anna", id_, "--undo")
    assert not [it for it in texts_of(await shop.look_up("user:anna")) if it.startswith("Hello")]
