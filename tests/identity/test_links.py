"""Links, withdrawals, splits and shared marks through the API, each with a dry run and undone."""

from __future__ import annotations

from typing import Any

from handoff.services.customers.lookup import MAX_LINKED
from tests.samples import WEEK_AGO

from .conftest import Shop, identities, message, texts_of

ANNA = (
    "user:anna",
    {"type": "email", "value": "anna@example.com", "assurance": "verified"},
    "anonymous@app:a1",
)


async def record_one(shop: Shop, event: str, *who: Any, **more: Any) -> None:
    await shop.ok("POST", "/v1/touchpoints", message(event, identities=list(who), **more))


async def anna(shop: Shop) -> None:
    """Anna with an email and a browser, each with something of its own; Bert has called."""
    await record_one(shop, "login", *ANNA)
    await record_one(shop, "mail", ANNA[1], occurred_at=f"{WEEK_AGO}T10:01:00Z")
    await record_one(shop, "page", ANNA[2], occurred_at=f"{WEEK_AGO}T10:02:00Z")
    await record_one(shop, "call", "phone:+358401234567", occurred_at=f"{WEEK_AGO}T10:03:00Z")


def parts(view: Any, key: str = "after") -> list[tuple[list[str], int]]:
    return sorted((sorted(it["identities"]), it["touchpoints"]) for it in view[key])


async def snapshot(shop: Shop, *names: str) -> list[Any]:
    """The identities and texts of these customers, without our own bookkeeping."""
    found = []
    for name in names:
        context = await shop.look_up(name)
        found.append((identities(context), texts_of(context)))
    return found


EVERYBODY = ("user:anna", "email:anna@example.com", "anonymous@app:a1", "phone:+358401234567")


async def test_a_link_is_previewed_made_and_undone(shop: Shop) -> None:
    await anna(shop)
    before = await snapshot(shop, *EVERYBODY)
    forecast = await shop.link("user:anna", "phone:+358 40 1234567", dry_run=True)
    assert forecast["dry_run"] is True
    assert forecast["id"] is None
    assert len(forecast["before"]) == 2
    everybody = sorted(EVERYBODY)
    assert parts(forecast) == [(everybody, 4)]
    assert await snapshot(shop, *EVERYBODY) == before, "a dry run changes nothing"

    view = await shop.link("user:anna", "phone:+358 40 1234567")
    assert parts(view) == parts(forecast)
    joined = await snapshot(shop, *EVERYBODY)
    assert joined == [(set(EVERYBODY), ["text of call", "text of page", "text of mail", "text of login"])] * 4
    (link,) = [it for it in await shop.links("user:anna") if it["id"] == view["id"]]
    assert (link["by"], link["why"], link["effective"]) == ("agent:desk", "confirmed by phone", True)
    timeline = (await shop.look_up("user:anna"))["timeline"]["touchpoints"]
    (linked,) = [it for it in timeline if it["type"] == "identity.linked"]
    assert linked["visibility"] == "internal"

    await record_one(shop, "call 2", "phone:+358401234567", occurred_at=f"{WEEK_AGO}T10:04:00Z")
    undo = await shop.withdraw("user:anna", view["id"], dry_run=True)
    assert parts(undo) == [(everybody[:2] + everybody[3:], 4), (["phone:+358401234567"], 2)]
    await shop.withdraw("user:anna", view["id"])
    before[3] = ({"phone:+358401234567"}, ["text of call 2", "text of call"])
    assert await snapshot(shop, *EVERYBODY) == before, "including touchpoints recorded while they were joined"


async def test_linking_when_the_customers_root_is_not_the_earliest(shop: Shop) -> None:
    """The id comes from the login, whatever was there before it; the evidence is between the roots."""
    await record_one(shop, "mail", ANNA[1])
    await record_one(shop, "call", "phone:+358401234567")
    await record_one(shop, "login", *ANNA)
    id_ = await shop.customer("user:anna")
    await shop.link("email:anna@example.com", "phone:+358401234567")
    assert await shop.customer("phone:+358401234567") == id_
    other = await shop.customer("phone:+358401234567")
    view = await shop.change("user:anna", "links", {"identity": "user@partner:9"})
    assert view["after"][0]["customer_id"] == other, "the earlier login stays the root"


async def test_linking_an_earlier_login_changes_the_id_and_old_ids_read(shop: Shop) -> None:
    await record_one(shop, "early", "user@partner:9")
    await anna(shop)
    old = await shop.customer("user:anna")
    await shop.link("user:anna", "user@partner:9")
    current = await shop.customer("user:anna")
    assert current != old
    context = await shop.ok("GET", f"/v1/customers/{old}/context")
    assert (context["customer"]["id"], context["requested_id"]) == (current, old)
    assert len(texts_of(context)) == 4
    assert (await shop.get(f"/v1/customers/{old}/timeline")).json["total"] == context["timeline"]["total"]
    assert (await shop.get(f"/v1/customers/{old}/links")).json["customer_id"] == current
    link = (await shop.links("user:anna"))[0]["id"]
    for path, body in (
        ("links", {"identity": "phone:+358401234567"}),
        (f"links/{link}/withdraw", {}),
        ("split", {"identities": ["anonymous@app:a1"]}),
    ):
        for query in ("", "?dry_run=true"):
            answer = await shop.post(f"/v1/customers/{old}/{path}{query}", {"reason": "x", **body})
            assert (answer.status, answer.code) == (409, "customer_merged")
            assert answer.json["current"] == current


async def test_a_split_of_several_parts_them_together_and_is_undone(shop: Shop) -> None:
    await anna(shop)
    await shop.link("user:anna", "phone:+358401234567")
    before = await snapshot(shop, *EVERYBODY)
    out = ("anonymous@app:a1", "phone:+358401234567")
    forecast = await shop.split("user:anna", *out, dry_run=True)
    view = await shop.split("user:anna", *out)
    assert parts(view) == parts(forecast)
    assert parts(view) == [
        (["anonymous@app:a1"], 1),
        (["email:anna@example.com", "user:anna"], 3),
        ([out[1]], 1),
    ]
    links = await shop.links("user:anna")
    (apart,) = [it for it in links if it["statement"] == "not_same"]
    assert apart["id"] == view["id"]
    assert sorted(apart["identities"]) == sorted(out)
    assert sorted(apart["from_identities"]) == ["email:anna@example.com", "user:anna"]
    for name in out:
        assert [it["id"] for it in await shop.links(name) if it["statement"] == "not_same"] == [view["id"]]
    # The same senders say the same again, in whatever words: it stays undone, and is shown as a conflict.
    await record_one(shop, "login 2", *ANNA)
    await record_one(shop, "login 3", ANNA[2], ANNA[1])
    assert identities(await shop.look_up("user:anna")) == {"user:anna", "email:anna@example.com"}
    context = await shop.look_up("anonymous@app:a1")
    assert {it["reason"] for it in context["customer"]["conflicts"]} == {"not_same"}
    await shop.withdraw("user:anna", view["id"])
    restored = await snapshot(shop, *EVERYBODY)
    assert [it[0] for it in restored] == [it[0] for it in before]
    assert set(restored[0][1]) == {*before[0][1], "text of login 2", "text of login 3"}


def sure(type_: str, value: str) -> dict[str, str]:
    return {"type": type_, "value": value, "assurance": "verified"}


async def test_a_split_holds_for_each_of_its_identities_wherever_they_went(shop: Shop) -> None:
    """Two that were parted are parted still when nothing else connects either with the others."""
    near, far = sure("email", "near@example.com"), sure("email", "far@example.com")
    phone, other = sure("phone", "+358401234567"), sure("phone", "+358401234568")
    await record_one(shop, "1", "user:anna", near)
    await record_one(shop, "2", near, "anonymous@app:a1")
    await record_one(shop, "3", "user:anna", far)
    await record_one(shop, "4", far, phone)
    await record_one(shop, "5", "user:anna", other)
    await shop.split("user:anna", "phone:+358401234568", "phone:+358401234567")
    for one, two in (("near@example.com", "anonymous@app:a1"), ("far@example.com", "phone:+358401234567")):
        link = next(
            it["id"]
            for it in await shop.links(two)
            if it["statement"] == "same" and {f"email:{one}", two} == set(it["identities"])
        )
        await shop.withdraw(two, link)
    await record_one(shop, "6", phone, "anonymous@app:a1")
    for name in ("anonymous@app:a1", "phone:+358401234567"):
        context = await shop.look_up(name)
        assert identities(context) == {name}
        assert {it["reason"] for it in context["customer"]["conflicts"]} >= {"not_same"}


async def test_a_link_withdraws_the_objections_to_it_and_no_others(shop: Shop) -> None:
    """Browser and phone were split off together; linking the browser again leaves the phone where it is."""
    await anna(shop)
    await shop.link("user:anna", "phone:+358401234567")
    out = ("anonymous@app:a1", "phone:+358401234567")
    split = await shop.split("user:anna", *out)
    parted = await snapshot(shop, *EVERYBODY)
    view = await shop.link("user:anna", "anonymous@app:a1")
    assert view["withdrawn"] == [split["id"]]
    assert identities(await shop.look_up("user:anna")) == set(EVERYBODY) - {out[1]}
    assert identities(await shop.look_up(out[1])) == {out[1]}
    await shop.withdraw("user:anna", view["id"])
    assert await snapshot(shop, *EVERYBODY) == parted


async def test_agents_cannot_make_links_that_a_guard_forbids(shop: Shop) -> None:
    await anna(shop)
    await record_one(shop, "bert", "user:bert")
    id_ = await shop.customer("user:anna")
    for query in ("", "?dry_run=true"):
        body = {"identity": "user:bert", "reason": "the same, I think"}
        answer = await shop.post(f"/v1/customers/{id_}/links{query}", body)
        assert (answer.status, answer.code) == (409, "guard_refused")
        assert answer.json["reasons"] == ["two_users"]
    refused = await shop.post(f"/v1/customers/{id_}/links", {"identity": "reference:A-1", "reason": "x"})
    assert (refused.status, refused.code) == (422, "reference_never_joins")
    assert (await shop.links("user:bert")) == []


async def test_a_link_may_be_a_claim(shop: Shop) -> None:
    await anna(shop)
    body = {"identity": "phone:+358401234567", "assurance": "claimed"}
    view = await shop.change("user:anna", "links", body)
    assert len(view["after"]) == 2
    (candidate,) = (await shop.look_up("user:anna"))["customer"]["candidates"]
    assert (candidate["identity"], candidate["touchpoints"]) == ("phone:+358401234567", 1)
    assert "text of call" not in texts_of(await shop.look_up("user:anna"))
    await shop.link("user:anna", "phone:+358401234567")
    assert "text of call" in texts_of(await shop.look_up("user:anna"))
    assert (await shop.look_up("user:anna"))["customer"]["candidates"] == []


NONSENSE: list[tuple[str, Any, str]] = [
    ("links", {"identity": "user:x"}, "invalid"),
    ("links", {"identity": "user:x", "reason": " "}, "invalid"),
    ("links", {"identity": "nonsense", "reason": "x"}, "invalid_identity"),
    ("links", {"identity": "user:x", "reason": "x", "more": 1}, "invalid"),
    ("split", {"identities": ["user:bert"], "reason": "x"}, "not_theirs"),
    ("split", {"identities": list(EVERYBODY[:3]), "reason": "x"}, "nothing_to_split"),
    ("split", {"identities": [], "reason": "x"}, "nothing_to_split"),
]


async def test_what_makes_no_sense_is_422(shop: Shop) -> None:
    await anna(shop)
    id_ = await shop.customer("user:anna")
    for path, body, code in NONSENSE:
        answer = await shop.post(f"/v1/customers/{id_}/{path}", body)
        assert (answer.status, answer.code) == (422, code), (path, body)


async def test_other_tenants_and_customers_are_not_accessible(shop: Shop) -> None:
    await anna(shop)
    id_ = await shop.customer("user:anna")
    link = (await shop.links("user:anna"))[0]["id"]
    for token in ("elsewhere",):
        for method, path in (
            ("GET", "context"), ("GET", "timeline"), ("GET", "links"),
            ("POST", "links"), ("POST", "split"), ("POST", f"links/{link}/withdraw"),
        ):  # fmt: skip
            body = {"reason": "x"}
            body |= {"identity": "user:anna"} if path == "links" else {}
            body |= {"identities": ["user:anna"]} if path == "split" else {}  # type: ignore[dict-item]
            given = body if method == "POST" else None
            answer = await shop.call(method, f"/v1/customers/{id_}/{path}", given, token=token)
            assert answer.status == 404, path
    await record_as(shop, "elsewhere", "same name", *ANNA)
    theirs = (await shop.look_up("user:anna", token="elsewhere"))["customer"]["id"]
    assert theirs != id_
    answer = await shop.post(
        f"/v1/customers/{theirs}/links/{link}/withdraw", {"reason": "x"}, token="elsewhere"
    )
    assert answer.status == 404
    # The bytes of our id, spoken as theirs, name nothing; a link of another customer of ours neither.
    assert (await shop.get(f"/v1/customers/{theirs}/context")).status == 404
    bert = await shop.customer("phone:+358401234567")
    assert (await shop.post(f"/v1/customers/{bert}/links/{link}/withdraw", {"reason": "x"})).status == 404
    for nonsense in ("cu_", "cu_x", id_[:-1], id_ + "A", link, "li_" + id_[3:]):
        assert (await shop.get(f"/v1/customers/{nonsense}/context")).status == 404


async def record_as(shop: Shop, token: str, event: str, *who: Any) -> None:
    await shop.ok("POST", "/v1/touchpoints", message(event, identities=list(who)), token=token)


async def test_changes_need_their_scope(shop: Shop) -> None:
    await anna(shop)
    id_ = await shop.customer("user:anna")
    for path in ("links", "split", "links/li_x/withdraw"):
        body = {"reason": "x", "identity": "user:x"} if path == "links" else {"reason": "x", "identities": []}
        body = {"reason": "x"} if path.endswith("withdraw") else body
        answer = await shop.post(f"/v1/customers/{id_}/{path}", body, token="bot")
        assert (answer.status, answer.code) == (403, "missing_scope")
    answer = await shop.post("/v1/identities/shared", {"identity": "user:x", "reason": "x"}, token="bot")
    assert answer.status == 403


# --- Shared identities -----------------------------------------------------------------------------


async def mark(shop: Shop, identity: str, shared: bool) -> None:
    body = {"identity": identity, "reason": "the whole family", "shared": shared}
    answer = await shop.ok("POST", "/v1/identities/shared", body)
    assert answer["shared"] is shared


async def test_a_shared_mark_parts_and_taking_it_away_restores(shop: Shop) -> None:
    await anna(shop)
    before = await snapshot(shop, *EVERYBODY)
    await mark(shop, "email:anna@example.com", True)
    assert identities(await shop.look_up("user:anna")) == {"user:anna", "anonymous@app:a1"}
    found = await shop.look_up("email:anna@example.com")
    assert found["match"] == "several", "a sender from a shared address is ambiguous"
    (candidate,) = found["candidates"]
    assert (candidate["identity"], candidate["touchpoints"]) == ("user:anna", 2)
    refused = await shop.post(
        f"/v1/customers/{await shop.customer('user:anna')}/links",
        {"identity": "email:anna@example.com", "reason": "x"},
    )
    assert (refused.status, refused.json["reasons"]) == (409, ["shared"])
    await mark(shop, "email:anna@example.com", False)
    assert await snapshot(shop, *EVERYBODY) == before


async def test_a_box_that_hundreds_write_from(shop: Shop) -> None:
    """info@ belongs to no one, and no customer loses touchpoints because of it."""
    box = {"type": "email", "value": "info@corp.example", "assurance": "verified"}
    batch = [message(f"m{n}", identities=[f"user:u{n}", box, f"anonymous@app:a{n}"]) for n in range(300)]
    await shop.ok("POST", "/v1/touchpoints", batch)
    for number in (0, 150, 299):
        context = await shop.look_up(f"anonymous@app:a{number}")
        assert identities(context) == {f"user:u{number}", f"anonymous@app:a{number}"}
    found = await shop.look_up("email:info@corp.example")
    assert found["match"] == "several"
    assert len(found["candidates"]) == 50
    assert len({it["customer_id"] for it in found["candidates"]}) == 50
    assert found["left_out"] == {"candidates": 250}
    narrowed = await shop.look_up("email:info@corp.example", "anonymous@app:a299")
    assert identities(narrowed) == {"user:u299", "anonymous@app:a299"}
    assert "candidates" not in narrowed["left_out"]


async def test_of_more_people_than_are_read_the_rest_is_counted_too(shop: Shop) -> None:
    order = "reference:order-of-everybody"
    batch = [message(f"m{n}", identities=[f"user:u{n}", order]) for n in range(MAX_LINKED + 20)]
    for at in range(0, len(batch), 100):
        await shop.ok("POST", "/v1/touchpoints", batch[at : at + 100])
    found = await shop.look_up(order)
    assert (len(found["candidates"]), found["left_out"]) == (50, {"candidates": MAX_LINKED + 20 - 50})


async def test_of_many_claims_those_that_are_not_named_are_counted(shop: Shop) -> None:
    batch = [message(f"m{n}", identities=["user:anna", f"email:a{n}@example.com"]) for n in range(53)]
    await shop.ok("POST", "/v1/touchpoints", batch)
    context = await shop.look_up("user:anna", fields=["timeline"])
    assert len(context["customer"]["candidates"]) == 50
    assert context["left_out"]["candidates"] == 3


async def test_ambiguous_handles_narrow_each_other(shop: Shop) -> None:
    """A phone of Anna and Bert, a browser of Bert and Cecilia: both together are Bert."""
    phone = {"type": "phone", "value": "+358401234567", "assurance": "verified"}
    for user, *handles in (
        ("anna", phone), ("bert", phone, "anonymous@app:pc"), ("cecilia", "anonymous@app:pc"),
    ):  # fmt: skip
        await record_one(shop, user, f"user:{user}", *handles)
    assert (await shop.look_up("phone:+358401234567"))["match"] == "several"
    assert (await shop.look_up("anonymous@app:pc"))["match"] == "several"
    found = await shop.look_up("phone:+358401234567", "anonymous@app:pc")
    assert (found["match"], identities(found)) == ("one", {"user:bert"})
    contradiction = await shop.look_up("user:anna", "user:cecilia")
    assert {it["identity"] for it in contradiction["candidates"]} == {"user:anna", "user:cecilia"}


async def test_two_ways_to_one_customer_are_one(shop: Shop) -> None:
    """A shared phone that leads to an email and to a browser of the same person is that person's match
    beside the other's, once."""
    await anna(shop)
    phone = {"type": "phone", "value": "+358409999999", "assurance": "verified"}
    await record_one(shop, "one", ANNA[1], phone)
    await record_one(shop, "two", phone, ANNA[2])
    await record_one(shop, "three", "user:bert", phone)
    await mark(shop, "phone:+358409999999", True)
    found = await shop.look_up("phone:+358409999999")
    assert sorted(it["identity"] for it in found["candidates"]) == ["user:anna", "user:bert"]


# --- References ------------------------------------------------------------------------------------


async def test_references_find_and_never_join(shop: Shop) -> None:
    await record_one(shop, "order", "user:anna", "reference:A-1", ANNA[1])
    await record_one(shop, "guest", {"type": "email", "value": "guest@example.com"}, "reference:A-2")
    found = await shop.look_up("reference:A-1")
    assert (found["match"], identities(found)) == ("one", {"user:anna", "email:anna@example.com"})
    guest = await shop.look_up("reference:A-2")
    assert guest["match_assurance"] == "claimed"
    assert (await shop.look_up("reference:A-2", min_assurance="verified"))["match"] == "none"
    await record_one(shop, "gift", "user:bert", "reference:A-1")
    found = await shop.look_up("reference:A-1")
    assert found["match"] == "several"
    assert {it["identity"] for it in found["candidates"]} == {"user:anna", "user:bert"}
    assert identities(await shop.look_up("reference:A-1", "email:anna@example.com")) == {
        "user:anna",
        "email:anna@example.com",
    }
    assert identities(await shop.look_up("user:bert")) == {"user:bert"}
    link = next(it for it in await shop.links("user:bert") if "reference:A-1" in it["identities"])
    await shop.withdraw("user:bert", link["id"])
    await record_one(shop, "gift 2", "user:bert", "reference:A-1")
    await record_one(shop, "gift 3", "user:bert", "reference:A-1", source="till")
    assert (await shop.look_up("reference:A-1"))["match"] == "one", "taken back, and repeated in vain"


async def test_a_thousand_orders_of_one_customer(shop: Shop) -> None:
    orders = [message(f"o{n}", identities=["user:corp", f"reference:O-{n}"]) for n in range(600)]
    await shop.ok("POST", "/v1/touchpoints", orders)
    await record_one(shop, "mail", "user:corp", {**ANNA[1], "value": "buyer@corp.example"})  # type: ignore[dict-item]
    found = await shop.look_up("reference:O-77")
    assert identities(found) == {"user:corp", "email:buyer@corp.example"}


# --- How sure --------------------------------------------------------------------------------------


async def test_a_customer_facing_token_sees_verified_only(shop: Shop) -> None:
    await anna(shop)
    typed = {"type": "email", "value": "anna@example.com", "assurance": "claimed"}
    await record_one(shop, "forged", typed, occurred_at=f"{WEEK_AGO}T11:00:00Z")
    agent_view, bot_view = await shop.look_up("user:anna"), await shop.look_up("user:anna", token="bot")
    assert "text of forged" in texts_of(agent_view)
    assert "text of forged" not in texts_of(bot_view)
    assert bot_view["left_out"]["below_min_assurance"] == 1
    asked = await shop.look_up("user:anna", token="bot", min_assurance="claimed")
    assert "text of forged" in texts_of(asked)
    timeline = await shop.ok("GET", f"/v1/customers/{agent_view['customer']['id']}/timeline", token="bot")
    assert "text of forged" not in [it["text"] for it in timeline["touchpoints"]]
    assert (await shop.look_up("phone:+358401234567", token="bot"))["match"] == "none"


async def test_a_claimed_handle_does_not_weaken_a_verified_one(shop: Shop) -> None:
    """A bot knows who is logged in, and an address that was typed."""
    await anna(shop)
    await record_one(shop, "typed", "user:anna", "email:other@example.com")
    for token in ("desk", "bot"):
        found = await shop.look_up("user:anna", "email:other@example.com", token=token)
        assert (found["match"], found["match_assurance"]) == ("one", "verified")
        assert "email:other@example.com" not in identities(found)


async def test_candidates_for_a_customer_facing_token_are_sure_too(shop: Shop) -> None:
    phone = {"type": "phone", "value": "+358401234567", "assurance": "verified"}
    await record_one(shop, "a", "user:anna", phone)
    await record_one(shop, "b", "user:bert", phone)
    await record_one(shop, "c", "user:cecilia", "phone:+358401234567")
    agent_view, bot_view = [
        await shop.look_up("phone:+358401234567", token=token) for token in ("desk", "bot")
    ]
    assert [it["assurance"] for it in agent_view["candidates"]] == ["verified", "verified", "claimed"]
    assert {it["identity"] for it in bot_view["candidates"]} == {"user:anna", "user:bert"}


async def test_our_own_bookkeeping_does_not_verify_a_claimed_login(shop: Shop) -> None:
    """Our own bookkeeping is filed under the login and must not verify it."""
    await shop.chat(7, "I am Anna", identifier="anna")
    chat = "chatwoot.contact@1:7"
    (claim,) = await shop.links(chat)
    await shop.withdraw(chat, claim["id"])
    assert (await shop.look_up("user:anna", min_assurance="verified"))["match"] == "none"


# --- Placeholder values ----------------------------------------------------------------------------


PLACEHOLDERS = ("email:NoReply@shop.example", "user:null", "user:Anonymous", "anonymous:undefined", "user:0")


async def test_placeholder_values_are_blocked(shop: Shop) -> None:
    for number, placeholder in enumerate(PLACEHOLDERS):
        answer = await shop.post("/v1/touchpoints", message("e", identities=[placeholder]))
        assert (answer.status, answer.code) == (422, "blocked_identity")
        await record_one(shop, f"a{number}", "user:anna", placeholder, "anonymous@app:a1")
        await record_one(shop, f"b{number}", "user:bert", placeholder)
        assert (await shop.look_up(placeholder))["match"] == "none"
        assert identities(await shop.look_up("user:anna")) == {"user:anna", "anonymous@app:a1"}
        id_ = await shop.customer("user:anna")
        refused = await shop.post(f"/v1/customers/{id_}/links", {"identity": placeholder, "reason": "x"})
        assert (refused.status, refused.code) == (422, "blocked_identity")


# --- Late ------------------------------------------------------------------------------------------


async def test_late_and_back_filled_touchpoints(shop: Shop) -> None:
    """They are sorted in, marked as late, and listed under `late` in the context of an earlier handoff."""
    await record_one(shop, "now", "user:anna", occurred_at=f"{WEEK_AGO}T10:00:00Z")
    made = await shop.ok(
        "POST",
        "/v1/handoffs",
        {
            "identity": "user:anna",
            "from": {"channel": "chat"},
            "to": {"channel": "chat", "queue": "q"},
            "reason": "money",
        },
    )
    await record_one(shop, "years ago", "user:anna", occurred_at="2019-01-01T10:00:00Z")
    await record_one(shop, "typed", "user:anna", occurred_at=f"{WEEK_AGO}T09:59:00Z")
    context = await shop.ok("GET", f"/v1/handoffs/{made['id']}/context")
    touchpoints = [it for it in context["timeline"]["touchpoints"] if it["channel"] == "chat" and it["text"]]
    shown = [(it["text"], it["late"]) for it in touchpoints if it["text"].startswith("text of")]
    assert shown == [("text of now", False), ("text of typed", True), ("text of years ago", True)]
    late = {it["id"] for it in touchpoints if it["late"]}
    assert set(context["left_out"]["late"]) == late


async def hand_over(shop: Shop, identity: str, **sender: str) -> str:
    """The conversation that a handoff by identity is about; the handoff is taken back."""
    asked = {"identity": identity, "from": sender, "to": {"queue": "support"}, "reason": "help"}
    made = await shop.ok("POST", "/v1/handoffs", asked)
    await shop.ok("POST", f"/v1/handoffs/{made['id']}/withdraw", {"version": made["version"]})
    return str(made["conversation_id"])


async def test_no_link_opens_a_conversation_or_makes_one_the_newest(shop: Shop) -> None:
    """A handoff by identity is about the newest conversation that the customer has, whatever was linked."""
    await record_one(shop, "old", ANNA[0], channel="email", type="email.received", thread="mail")
    await record_one(shop, "new", ANNA[0], thread="chat", occurred_at=f"{WEEK_AGO}T10:05:00Z")
    await record_one(
        shop, "call", "phone:+358401234567", type="form.submitted", channel="phone", thread="call"
    )
    (chat, mail) = [it["id"] for it in (await shop.look_up("user:anna"))["conversations"]]

    async def check(*expected: str) -> None:
        context = await shop.look_up("user:anna")
        assert {it["type"] for it in context["timeline"]["touchpoints"]} >= {"identity.linked"}
        assert {it["id"] for it in context["conversations"]} == set(expected)
        assert await hand_over(shop, "user:anna") == chat
        assert await hand_over(shop, "user:anna", channel="web") == chat
        assert await hand_over(shop, "user:anna", channel="email") == mail

    (call,) = [it["id"] for it in (await shop.look_up("phone:+358401234567"))["conversations"]]
    view = await shop.link("user:anna", "phone:+358401234567")
    await check(chat, mail, call)
    await shop.withdraw("user:anna", view["id"])
    await check(chat, mail)
    await shop.link("user:anna", "phone:+358401234567")
    await shop.split("user:anna", "phone:+358401234567")
    await check(chat, mail)


async def test_a_handoff_that_follows_a_link_alone_is_on_its_own_channel(shop: Shop) -> None:
    """Nothing is open: the handoff opens a conversation where it comes from, and a second one finds it."""
    await record_one(shop, "page", ANNA[0], type="identified", channel="web", thread="visit")
    await record_one(shop, "end", ANNA[0], type="conversation.resolved", channel="web", thread="visit")
    await shop.link("user:anna", "phone:+358401234567")
    assert [it["state"] for it in (await shop.look_up("user:anna"))["conversations"]] == ["resolved"]
    asked = {"identity": "user:anna", "from": {"channel": "chat"}, "to": {"queue": "q"}, "reason": "help"}
    first = await shop.post("/v1/handoffs", asked)
    again = await shop.post("/v1/handoffs", asked)
    assert (first.status, again.status) == (201, 200)
    assert first.json["conversation_id"] == again.json["conversation_id"]
    from_phone = await shop.post("/v1/handoffs", {**asked, "from": {"channel": "phone"}})
    assert from_phone.code == "handoff_pending"
    assert from_phone.json["current"]["id"] == first.json["id"]
    await shop.ok("GET", f"/v1/conversations/{first.json['conversation_id']}")
