"""Promises in the ledger: opened by touchpoints, proved on any channel, and listed."""

from __future__ import annotations

from .conftest import Ledger, opened


async def test_a_promise_is_listed_with_its_words_and_its_owner(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600, data={"act": "call"}, text="I will call you by noon")
    await ledger.until({id_: "open"}, ledger.states)
    (promise,) = await ledger.promises(state="open")
    assert promise["text"] == "I will call you by noon"
    assert promise["act"] == "call"
    assert promise["owner"] == {"agent": None, "queue": None, "handoff": None}
    assert promise["customer_id"] == await ledger.customer()
    assert await ledger.promises(state="overdue") == []
    handoff = await ledger.ok(
        "POST",
        "/v1/handoffs",
        {"identity": "user:anna", "from": {"channel": "chat"}, "to": {"queue": "billing"}, "reason": "x"},
    )
    assert [it["id"] for it in await ledger.promises(owner="billing")] == [id_]
    path = f"/v1/handoffs/{handoff['id']}/accept"
    await ledger.ok("POST", path, {"version": handoff["version"], "agent": "mia"})
    assert await ledger.promises(owner="billing") == []
    (promise,) = await ledger.promises(owner="mia")
    assert promise["owner"] == {"agent": "mia", "queue": None, "handoff": handoff["id"]}


async def test_a_call_on_another_identity_proves_a_promised_call(ledger: Ledger) -> None:
    """Recorded before the promise is: the relay may see the proof first, or not at all by itself."""
    phone = {"channel": "phone", "identities": ["user:anna", "phone:+358401234567"], "thread": "call"}
    answered = {"data": {"duration_s": 60, "status": "completed"}, "direction": "outbound"}
    await ledger.happened("call.ended", 50, **{**phone, "data": {"duration_s": 60}, "id": "before"})
    call = await ledger.happened("call.ended", 10, **phone, **answered)
    id_ = await ledger.promised(3600, ago=30, data={"act": "call"})
    await ledger.until({id_: "kept"}, ledger.states)
    (promise,) = await ledger.promises(state="kept")
    assert promise["proof"] == call
    kept = await ledger.ok("GET", "/v1/customers/%s/timeline?type=promise.kept" % await ledger.customer())
    assert [it["data"]["promise"] for it in kept["touchpoints"]] == [id_]
    lines = (await ledger.context())["brief"]["promised"]
    assert [(it["code"], it["params"]["state"]) for it in lines] == [("promise", "kept")]


async def test_a_voicemail_a_short_call_and_another_customers_call_prove_nothing(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600, ago=300, data={"act": "call"})
    phone = {"channel": "phone", "thread": "call"}
    voicemail = {"duration_s": 60, "answered_by": "machine_start"}
    await ledger.happened("call.ended", 200, **phone, data=voicemail)
    await ledger.happened("call.ended", 190, **phone, data={"duration_s": 3})
    theirs = {"identities": ["user:ben"], "data": {"duration_s": 90}}
    await ledger.happened("call.ended", 180, **phone, **theirs)
    fence = await ledger.promised(None, ago=1, text="fence")
    await ledger.until({id_: "open", fence: "open"}, ledger.states)


async def test_a_message_in_the_thread_proves_that_we_wrote(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600, ago=1200, data={"act": "write"})
    ours = {"direction": "outbound", "actor": {"type": "agent", "name": "Mia"}}
    await ledger.happened("message.sent", 1190, text="Is there anything else today?", **ours)
    elsewhere = {"thread": "other", "channel": "email"}
    await ledger.happened(
        "email.sent", 300, text="The contract is attached to this mail", **ours, **elsewhere
    )
    fence = await ledger.promised(None, ago=200, text="fence")
    await ledger.until({id_: "open", fence: "open"}, ledger.states)
    bot = {"direction": "outbound", "actor": {"type": "bot"}}
    await ledger.happened("message.sent", 150, text="This is an automatic message", **bot)
    answer = await ledger.happened("message.sent", 100, text="Your parcel left today with DHL", **ours)
    await ledger.until({id_: "kept", fence: "open"}, ledger.states)
    (promise,) = await ledger.promises(state="kept")
    assert promise["proof"] == answer


async def test_an_event_proves_a_refund_of_the_same_order(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600, ago=60, data={"act": "refund", "order": "A-17"})
    tracked = {"channel": "web", "thread": None}
    await ledger.happened("event.tracked", 40, data={"name": "order.refunded", "order": "B-9"}, **tracked)
    await ledger.happened("event.tracked", 30, data={"name": "order.created", "order": "A-17"}, **tracked)
    fence = await ledger.promised(None, ago=1, text="fence")
    await ledger.until({id_: "open", fence: "open"}, ledger.states)
    await ledger.happened("event.tracked", 20, data={"name": "Order.Refunded", "order": "A-17"}, **tracked)
    await ledger.until({id_: "kept", fence: "open"}, ledger.states)


async def test_the_configuration_names_further_events(valkey: str) -> None:
    def promises(tenant: str) -> dict[str, object]:
        return {"proofs": [{"act": "refund", "events": ["credit_note.sent"], "tenant": tenant}]}

    async with opened(valkey, promises=promises) as ledger:
        id_ = await ledger.promised(3600, ago=60, data={"act": "refund"})
        await ledger.happened("event.tracked", 20, data={"name": "credit_note.sent"}, channel="web")
        await ledger.until({id_: "kept"}, ledger.states)


async def test_an_agent_states_proof_or_that_a_promise_is_broken(ledger: Ledger) -> None:
    kept = await ledger.promised(3600, ago=60, text="I will look into it", data={"promise": "p-1"})
    broken = await ledger.promised(3600, ago=60, text="I will send it", data={"promise": "p-2"})
    late = await ledger.promised(-600, ago=4000, text="I will ask him")
    await ledger.until({kept: "open", broken: "open", late: "broken"}, ledger.states)
    await ledger.happened("promise.kept", data={"promise": "p-1"})
    await ledger.happened("promise.broken", data={"promise": broken})
    await ledger.happened("promise.kept", data={"promise": late})
    await ledger.until({kept: "kept", broken: "broken", late: "kept late"}, ledger.states)
    assert await ledger.promises(state="overdue") == []
    assert [it["id"] for it in await ledger.promises(state="broken")] == [broken]


async def test_a_promise_made_again_has_the_new_time(ledger: Ledger) -> None:
    id_ = await ledger.promised(-5, ago=60, data={"promise": "p-1"})
    await ledger.until({id_: "broken"}, ledger.states)
    await ledger.promised(3600, data={"promise": "p-1"})
    await ledger.until({id_: "open"}, ledger.states)
    (promise,) = await ledger.promises()
    assert promise["due"] > promise["made_at"]


async def test_a_deleted_promise_is_owed_no_longer(ledger: Ledger) -> None:
    id_ = await ledger.promised(3600)
    await ledger.until({id_: "open"}, ledger.states)
    await ledger.happened("message.deleted", amends=id_)
    await ledger.until({id_: "dismissed"}, ledger.states)
    assert await ledger.promises(state="open") == []


async def test_pages_go_on_where_the_last_one_ended(ledger: Ledger) -> None:
    made = [await ledger.promised(3600, ago=100 - at, text=f"promise {at}") for at in range(5)]
    await ledger.until(dict.fromkeys(made[::-1], "open"), ledger.states)
    seen, cursor = [], {}
    while True:
        page = await ledger.ok("GET", "/v1/promises", params={"limit": "2", "state": "open", **cursor})
        seen += [it["id"] for it in page["promises"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen == made[::-1]
    assert (await ledger.ok("GET", "/v1/promises"))["total"] == 5
    assert (await ledger.get("/v1/promises?state=late")).code == "invalid_parameter"


async def test_imported_history_raises_no_alarm(ledger: Ledger) -> None:
    data = {"due": "2026-01-02T00:00:00Z"}
    touchpoint = {
        "id": "old",
        "channel": "chat",
        "type": "promise.made",
        "occurred_at": "2026-01-01T00:00:00Z",
        "identities": ["user:anna"],
        "data": data,
    }
    answer = await ledger.ok("POST", "/v1/touchpoints?announce=false", touchpoint)
    (id_,) = answer["ids"]
    await ledger.until({id_: "broken"}, ledger.states)
    entries = await ledger.server.store.of(ledger.tenant).outbox.after("0-0", 100)
    assert entries is None or not [it for it in entries.entries if b"promise" in it.payload]


async def test_a_restricted_customer_does_not_end_the_list_of_a_limited_token(ledger: Ledger) -> None:
    made = {}
    for who in ("user:anna", "user:ben"):
        made[who] = await ledger.promised(3600, identities=[who], thread=who)
        body = {"identity": who, "from": {"channel": "chat"}, "to": {"queue": "sales"}, "reason": "x"}
        await ledger.ok("POST", "/v1/handoffs", body)
    await ledger.promised(3600, identities=["user:eve"], thread="eve")
    await ledger.until(3, lambda: counted(ledger))
    path = f"/v1/customers/{await ledger.customer()}/restriction"
    await ledger.ok("PUT", path, {"reason": "a dispute"})
    answer = await ledger.ok("GET", "/v1/promises", token="sales")
    shown = {it["id"]: it["text"] for it in answer["promises"]}
    assert shown == {made["user:anna"]: None, made["user:ben"]: "I will call you"}


async def counted(ledger: Ledger) -> int:
    return len(await ledger.promises())
