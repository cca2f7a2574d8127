"""Identities that several people share: readable, handed over, and given to a person piece by piece."""

from __future__ import annotations

from typing import Any

import pytest

from tests.samples import WEEK_AGO

from .conftest import Shop, identities, texts_of
from .test_field import record_one, verified

FAMILY = "phone:+358401234567"
OFFICE = "email:office@firm.example"


async def share(shop: Shop, identity: str = OFFICE, *users: str) -> None:
    """Let the users log in with the same contact detail."""
    type_, value = identity.split(":")
    for user in users or ("ella", "eero"):
        await record_one(shop, f"login of {user}", f"user:{user}", verified(type_, value))


async def write(shop: Shop, event: str, identity: str = OFFICE, **more: Any) -> str:
    """A mail from the shared address; its id."""
    given = {"channel": "email", "type": "email.received", "thread": event, **more}
    return await record_one(shop, event, verified(*identity.split(":")), **given)


async def assign(shop: Shop, touchpoint: str, identity: str, **more: Any) -> Any:
    body = {"identity": identity, "reason": "confirmed on the phone", **more}
    return await shop.ok("POST", f"/v1/touchpoints/{touchpoint}/assign", body)


def messages_of(context: Any) -> set[str]:
    return {it for it in texts_of(context) if it.startswith("text of") and "login" not in it}


# --- Reading ---------------------------------------------------------------------------------------


async def test_what_happened_on_a_shared_identity_can_be_read(shop: Shop) -> None:
    await share(shop)
    await write(shop, "cancel")
    await record_one(shop, "chat of ella", "user:ella", thread="c")
    found = await shop.look_up(OFFICE)
    assert (found["match"], found["customer"]) == ("several", None)
    assert messages_of(found) == {"text of cancel"}
    assert [it["subject"] or it["channels"] for it in found["conversations"]] == [["email"]]
    assert "text of cancel" in str(found["brief"])
    assert found["question"]
    by_name = {it["identity"]: it for it in found["candidates"]}
    assert by_name.keys() == {"user:ella", "user:eero"}
    assert by_name["user:ella"]["summary"]["waiting_since"] is not None
    assert by_name["user:ella"]["summary"]["channels"] == ["chat"]
    assert found["left_out"].get("candidates") is None


async def test_the_timeline_of_a_shared_identity_is_bounded_with_a_cursor(shop: Shop) -> None:
    await share(shop)
    for event in range(4):
        await write(shop, f"m{event}")
    found = await shop.look_up(OFFICE, limit=2)
    assert found["timeline"]["returned"] == 2
    assert found["left_out"]["touchpoints"] == 2
    assert found["timeline"]["next"]


async def test_a_customer_facing_token_reads_nothing_of_a_shared_identity(shop: Shop) -> None:
    """The customer who asks is one of several people, and the messages may be from another."""
    await share(shop)
    await write(shop, "secret")
    found = await shop.look_up(OFFICE, token="bot")
    assert found["match"] == "several"
    assert "secret" not in str(found)
    assert all("summary" not in it for it in found["candidates"])
    own = await shop.look_up("user:ella", token="bot")
    assert "secret" not in str(own)


async def test_each_persons_context_lists_unassigned_touchpoints(shop: Shop) -> None:
    await share(shop)
    await write(shop, "waits")
    handoff = await hand_over(shop, identity=OFFICE)
    for user in ("user:ella", "user:eero"):
        context = await shop.look_up(user)
        (shared,) = context["customer"]["shared_identities"]
        assert (shared["identity"], shared["people"], shared["unattributed"]) == (OFFICE, 2, 1)
        assert [it["text"] for it in shared["newest"]] == ["text of waits"]
        assert shared["waiting_since"]
        assert shared["pending"] == [handoff["id"]]
        assert context["left_out"]["unattributed"] == 1
        assert messages_of(context) == set()


async def test_a_mailbox_of_many_people_shows_only_a_count(shop: Shop) -> None:
    await share(shop, OFFICE, *(f"u{number}" for number in range(22)))
    await write(shop, "among many")
    (shared,) = (await shop.look_up("user:u3"))["customer"]["shared_identities"]
    assert (shared["people"], shared["unattributed"], shared["newest"]) == (22, 1, [])


async def test_nothing_of_a_shared_identity_crosses_tenants(shop: Shop) -> None:
    await share(shop)
    touchpoint = await write(shop, "cancel")
    assert (await shop.look_up(OFFICE, token="elsewhere"))["match"] == "none"
    body = {"identity": "user:ella", "reason": "mine"}
    answer = await shop.post(f"/v1/touchpoints/{touchpoint}/assign", body, token="elsewhere")
    assert (answer.status, answer.code) == (404, "not_found")


# --- Handing over ----------------------------------------------------------------------------------


async def hand_over(shop: Shop, **target: Any) -> Any:
    return await shop.ok(
        "POST",
        "/v1/handoffs",
        {"from": {"channel": "email"}, "to": {"channel": "email", "queue": "q"}, "reason": "help", **target},
    )


async def test_a_handoff_of_a_shared_identity_follows_who_it_turns_out_to_be(shop: Shop) -> None:
    await share(shop)
    mail = await write(shop, "cancel")
    made = await hand_over(shop, identity=OFFICE)
    assert {it["identity"] for it in made["candidates"]} == {"user:ella", "user:eero"}
    path = f"/v1/handoffs/{made['id']}"
    context = await shop.ok("GET", f"{path}/context")
    assert (context["match"], messages_of(context)) == ("several", {"text of cancel"})
    assert context["brief"]["why_now"]
    pinned = await shop.ok("GET", f"{path}/snapshot")
    assert (pinned["match"], messages_of(pinned)) == ("several", {"text of cancel"})

    await assign(shop, mail, "user:ella", conversation=True)
    context = await shop.ok("GET", f"{path}/context")
    assert context["match"] == "one"
    assert "user:ella" in identities(context)
    assert "text of cancel" in messages_of(context)
    ella = await shop.customer("user:ella")
    assert (await shop.ok("GET", path))["customer_id"] == ella
    (listed,) = (await shop.ok("GET", "/v1/handoffs"))["handoffs"]
    assert listed["customer_id"] == ella
    assert (await shop.ok("GET", f"/v1/conversations/{made['conversation_id']}"))["customer_id"] == ella
    moved = await shop.ok("POST", f"{path}/accept", {"version": made["version"], "agent": "mia"})
    assert moved["customer_id"] == ella
    accepted = await shop.ok("GET", f"{path}/snapshot?at=accepted")
    assert (accepted["match"], accepted["customer"]["id"]) == ("one", ella)


async def test_a_shared_number_without_any_touchpoint_can_be_handed_over(shop: Shop) -> None:
    """The caller waits now; nothing was recorded on the number yet."""
    await share(shop, FAMILY)
    made = await hand_over(shop, identity=FAMILY, **{"from": {"channel": "phone", "party": "ivr"}})
    assert made["state"] == "requested"
    again = await hand_over(shop, identity=FAMILY, **{"from": {"channel": "phone", "party": "ivr"}})
    assert again["id"] == made["id"]


# --- Assigning -------------------------------------------------------------------------------------


async def test_an_assigned_touchpoint_is_in_one_persons_timeline_and_brief(shop: Shop) -> None:
    await share(shop)
    first, second = await write(shop, "one"), await write(shop, "two")
    view = await assign(shop, first, "user:ella")
    assert (view["identity"], view["shared_identity"], view["created"]) == ("user:ella", OFFICE, True)
    ella, eero, office = [await shop.look_up(it) for it in ("user:ella", "user:eero", OFFICE)]
    assert (messages_of(ella), messages_of(eero), messages_of(office)) == (
        {"text of one"},
        set(),
        {"text of one", "text of two"},
    )
    assert "text of one" in str(ella["brief"])
    assert "text of one" not in str(eero)
    (shown,) = [it for it in ella["timeline"]["touchpoints"] if it["id"] == first]
    assert shown["assigned"] == {
        "identity": "user:ella",
        "by": "agent:desk",
        "why": "confirmed on the phone",
        "at": shown["assigned"]["at"],
        "link": view["id"],
    }
    marks = {it["id"]: it.get("assigned") for it in office["timeline"]["touchpoints"]}
    assert marks[first]["identity"] == "user:ella"
    assert marks[second] is None
    page = await shop.ok("GET", f"/v1/customers/{ella['customer']['id']}/timeline?channel=email")
    assert [it["id"] for it in page["touchpoints"]] == [first]
    exported = await shop.ok("GET", f"/v1/customers/{ella['customer']['id']}/export")
    assert first in {it["id"] for it in exported["touchpoints"]}
    assert first in {it["touchpoint"] for it in await shop.links("user:ella")}


async def test_pages_of_a_timeline_with_assigned_touchpoints_leave_out_nothing(shop: Shop) -> None:
    await share(shop)
    for minute in range(6):
        at = f"{WEEK_AGO}T11:{minute:02}:00Z"
        if minute % 2:
            await assign(shop, await write(shop, f"m{minute}", occurred_at=at), "user:ella")
        else:
            await record_one(shop, f"m{minute}", "user:ella", occurred_at=at)
    whole = (await shop.look_up("user:ella"))["timeline"]
    assert whole["total"] == whole["returned"]
    customer = await shop.customer("user:ella")
    for order in ("asc", "desc"):
        found: list[str] = []
        cursor = ""
        for _page in range(20):
            query = f"limit=2&order={order}" + (f"&cursor={cursor}" if cursor else "")
            page = await shop.ok("GET", f"/v1/customers/{customer}/timeline?{query}")
            found += [it["id"] for it in page["touchpoints"]]
            cursor = page["next"]
            if not cursor:
                break
        expected = [it["id"] for it in whole["touchpoints"]]
        assert found == (expected if order == "desc" else expected[::-1])


async def test_withdrawing_an_assignment_gives_everything_back(shop: Shop) -> None:
    await share(shop)
    mail = await write(shop, "one")
    before = [texts_of(await shop.look_up(it)) for it in ("user:ella", "user:eero")]
    first = await assign(shop, mail, "user:ella")
    second = await assign(shop, mail, "user:eero")
    assert second["replaces"] == first["id"]
    assert messages_of(await shop.look_up("user:ella")) == set()
    assert messages_of(await shop.look_up("user:eero")) == {"text of one"}
    await shop.withdraw("user:eero", second["id"])
    assert messages_of(await shop.look_up("user:ella")) == {"text of one"}, (
        "the assignment before it counts again"
    )
    await shop.withdraw("user:ella", first["id"])
    assert [texts_of(await shop.look_up(it)) for it in ("user:ella", "user:eero")] == before
    links = {it["id"]: it for it in await shop.links("user:ella")}
    assert links[first["id"]]["statement"] == "assigned"
    assert not links[first["id"]]["effective"]
    assert links[first["id"]]["withdrawn"]["who"] == "agent:desk"


async def test_a_conversation_is_assigned_with_what_comes_later(shop: Shop) -> None:
    await share(shop, FAMILY)
    call = {"channel": "phone", "thread": "call-1"}
    rings = await record_one(shop, "rings", verified("phone", "+358401234567"), type="call.started", **call)
    view = await assign(shop, rings, "user:ella", conversation=True)
    assert view["conversation_id"]
    await record_one(shop, "ends", verified("phone", "+358401234567"), type="call.ended", **call)
    await record_one(
        shop, "other", verified("phone", "+358401234567"), channel="phone", type="call.ended", thread="call-2"
    )
    assert messages_of(await shop.look_up("user:ella")) == {"text of rings", "text of ends"}
    one = await assign(shop, rings, "user:eero")
    assert messages_of(await shop.look_up("user:ella")) == {"text of ends"}, "the latest assignment counts"
    await shop.withdraw("user:eero", one["id"])
    assert messages_of(await shop.look_up("user:ella")) == {"text of rings", "text of ends"}


async def test_repeating_an_assignment_adds_nothing(shop: Shop) -> None:
    await share(shop)
    mail = await write(shop, "one")
    first = await assign(shop, mail, "user:ella")
    answer = await shop.post(f"/v1/touchpoints/{mail}/assign", {"identity": "user:ella", "reason": "again"})
    assert (answer.status, answer.json["id"]) == (200, first["id"])
    assert len([it for it in await shop.links("user:ella") if it["statement"] == "assigned"]) == 1


async def test_an_assignment_has_no_effect_while_the_identity_has_one_owner(shop: Shop) -> None:
    await share(shop)
    mail = await write(shop, "one")
    given = await assign(shop, mail, "user:ella")
    (link,) = [
        it for it in await shop.links("user:ella") if OFFICE in it["identities"] and not it["touchpoint"]
    ]
    against = await shop.withdraw("user:ella", link["id"])
    assert OFFICE in identities(await shop.look_up("user:eero"))
    assert messages_of(await shop.look_up("user:eero")) == {"text of one"}
    assert messages_of(await shop.look_up("user:ella")) == set()
    shown = {it["id"]: it["effective"] for it in await shop.links("user:ella")}
    assert shown[given["id"]] is False
    await shop.withdraw("user:ella", against["id"])
    assert messages_of(await shop.look_up("user:ella")) == {"text of one"}


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (OFFICE, (409, "ambiguous_identity")),
        ("reference:A-1", (422, "reference_never_joins")),
        ("user:null", (422, "blocked_identity")),
        ("nonsense", (422, "invalid_identity")),
    ],
)
async def test_a_touchpoint_is_assigned_to_one_person(shop: Shop, identity: str, expected: object) -> None:
    await share(shop)
    mail = await write(shop, "one")
    answer = await shop.post(f"/v1/touchpoints/{mail}/assign", {"identity": identity, "reason": "why"})
    assert (answer.status, answer.code) == expected


async def test_only_a_touchpoint_of_a_shared_identity_is_assigned(shop: Shop) -> None:
    own = await record_one(shop, "own", "user:ella")
    body = {"identity": "user:eero", "reason": "why"}
    answer = await shop.post(f"/v1/touchpoints/{own}/assign", body)
    assert (answer.status, answer.code) == (409, "not_shared")
    answer = await shop.post("/v1/touchpoints/tp_nothing/assign", body)
    assert (answer.status, answer.code) == (404, "not_found")
    answer = await shop.post(f"/v1/touchpoints/{own}/assign", {**body, "reason": " "})
    assert (answer.status, answer.code) == (422, "invalid")


async def test_an_assigned_conversation_is_handed_over_as_the_persons_own(shop: Shop) -> None:
    await share(shop)
    mail = await write(shop, "cancel")
    await assign(shop, mail, "user:ella", conversation=True)
    made = await hand_over(shop, identity="user:ella")
    context = await shop.look_up("user:ella")
    (conversation,) = [it for it in context["conversations"] if it["channels"] == ["email"]]
    assert made["conversation_id"] == conversation["id"]
    assert made["customer_id"] == context["customer"]["id"]


# --- Devices ---------------------------------------------------------------------------------------


async def visit(shop: Shop, minute: int, name: str, **who: str) -> None:
    at = f"{WEEK_AGO}T10:{minute:02}:00Z"
    await shop.web("page", anonymousId="pc", name=name, timestamp=at, **who)


async def pages(shop: Shop, user: str) -> set[str]:
    context = await shop.look_up(f"user:{user}")
    return {it["data"].get("name") or it["subject"] for it in context["timeline"]["touchpoints"]}


async def family(shop: Shop) -> None:
    """Anna, then Bert, then Anna again, on one device; between and around them somebody reads."""
    await visit(shop, 0, "before anna")
    await visit(shop, 10, "anna's 1", userId="anna")
    await visit(shop, 15, "between anna's")
    await visit(shop, 20, "anna's 2", userId="anna")
    await visit(shop, 25, "between the two")
    await visit(shop, 30, "bert's 1", userId="bert")
    await visit(shop, 35, "between bert's")
    await visit(shop, 40, "bert's 2", userId="bert")
    await visit(shop, 45, "between bert and anna")
    await visit(shop, 50, "anna's 3", userId="anna")
    await visit(shop, 55, "after all")


ANNAS = {"before anna", "anna's 1", "between anna's", "anna's 2", "anna's 3"}
BERTS = {"bert's 1", "between bert's", "bert's 2"}


async def test_a_second_login_takes_nothing_from_the_first(shop: Shop) -> None:
    await family(shop)
    assert await pages(shop, "anna") == ANNAS
    assert await pages(shop, "bert") == BERTS


async def test_login_periods_do_not_depend_on_the_order_of_arrival(shop: Shop) -> None:
    await visit(shop, 30, "bert's 1", userId="bert")
    await visit(shop, 45, "between bert and anna")
    await visit(shop, 35, "between bert's")
    await visit(shop, 50, "anna's 3", userId="anna")
    await visit(shop, 40, "bert's 2", userId="bert")
    await visit(shop, 20, "anna's 2", userId="anna")
    await visit(shop, 0, "before anna")
    await visit(shop, 15, "between anna's")
    await visit(shop, 10, "anna's 1", userId="anna")
    assert await pages(shop, "anna") == ANNAS
    assert await pages(shop, "bert") == BERTS


async def test_withdrawing_a_login_gives_the_device_back(shop: Shop) -> None:
    await family(shop)
    (link,) = await shop.links("user:bert")
    against = await shop.withdraw("user:bert", link["id"])
    everything = ANNAS | {"between the two", "between bert's", "between bert and anna", "after all"}
    assert await pages(shop, "anna") - {None} == everything
    await shop.withdraw("user:bert", against["id"])
    assert await pages(shop, "anna") - {None} == ANNAS
    assert await pages(shop, "bert") - {None} == BERTS


async def test_a_kiosk_has_an_unassigned_history(shop: Shop) -> None:
    await visit(shop, 0, "at the kiosk")
    for number in range(6):
        await visit(shop, 10 + number, f"of {number}", userId=f"u{number}")
    for number in range(6):
        assert await pages(shop, f"u{number}") == {f"of {number}"}
    assert (await shop.look_up("anonymous:pc"))["match"] == "several"


async def test_a_device_marked_as_shared_has_an_unassigned_history(shop: Shop) -> None:
    await family(shop)
    mark = {"identity": "anonymous@segment:pc", "reason": "the shop's terminal", "shared": True}
    await shop.ok("POST", "/v1/identities/shared", mark)
    assert await pages(shop, "anna") == {"anna's 1", "anna's 2", "anna's 3"}
    await shop.ok("POST", "/v1/identities/shared", {**mark, "shared": False})
    assert await pages(shop, "anna") == ANNAS


async def test_an_agent_assigns_what_happened_between_two_logins(shop: Shop) -> None:
    await family(shop)
    device = await shop.look_up("anonymous:pc")
    assert "device" in device["question"]
    (between,) = [
        it["id"] for it in device["timeline"]["touchpoints"] if "between the two" in str(it["data"])
    ]
    await assign(shop, between, "user:bert")
    assert await pages(shop, "bert") - {None} == BERTS | {"between the two"}
    (shared,) = [(await shop.look_up("user:anna"))["customer"]["shared_identities"]]
    assert shared == [], "nothing waits on a device"
