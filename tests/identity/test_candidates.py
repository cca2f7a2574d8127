"""`GET /v1/customers/{id}/candidates`: who may be the same person, and why, in words."""

from __future__ import annotations

from typing import Any

import pytest

from handoff.domain.identities.likeness import likeness

from .conftest import Shop, identities
from .test_field import record_one

ADDRESS = {"street": "Satamakatu 3", "postalCode": "70100", "city": "Kuopio"}


async def candidates(shop: Shop, identity: str) -> list[Any]:
    path = f"/v1/customers/{await shop.customer(identity)}/candidates"
    return list((await shop.ok("GET", path))["candidates"])


async def test_a_claim_is_explained_with_its_channel(shop: Shop) -> None:
    await shop.web("identify", userId="anna", traits={"email": "anna@example.com"})
    await shop.chat(7, "Hi, I am Anna", email="anna@example.com")
    (found,) = await candidates(shop, "user:anna")
    assert (found["identity"], found["assurance"]) == ("chatwoot.contact@1:7", "claimed")
    (reason,) = found["reasons"]
    assert (reason["kind"], reason["channel"]) == ("claimed", "chat")
    assert reason["text"].startswith("Claimed in chat on ")
    assert "email:anna@example.com" in reason["text"]
    (mirrored,) = await candidates(shop, "chatwoot.contact@1:7")
    assert mirrored["reasons"][0]["kind"] == "claimed"
    await shop.withdraw("user:anna", reason["link"])
    assert await candidates(shop, "user:anna") == []


async def test_the_same_name_and_address_make_a_candidate_and_no_link(shop: Shop) -> None:
    await shop.web("identify", userId="old", traits={"name": "Anna Korhonen", "address": ADDRESS})
    flat = {"first_name": "ANNA", "last_name": "Korhonen", "address": "Satamakatu 3, 70100 Kuopio"}
    await shop.web("identify", userId="new", traits=flat)
    await shop.web("identify", userId="son", traits={"name": "Eero Korhonen", "address": ADDRESS})
    (found,) = await candidates(shop, "user:new")
    assert (found["identity"], found["assurance"]) == ("user:old", "inferred")
    (reason,) = found["reasons"]
    assert reason["kind"] == "same_name_and_address"
    assert reason["text"] == "Same name and address: anna korhonen, satamakatu 3 70100 kuopio"
    assert identities(await shop.look_up("user:new")) == {"user:new"}
    assert await candidates(shop, "user:son") == []
    await shop.withdraw("user:new", reason["link"])
    assert await candidates(shop, "user:new") == []
    assert await candidates(shop, "user:old") == []


async def test_a_look_alike_is_confirmed_after_a_dry_run(shop: Shop) -> None:
    await record_one(shop, "card", "crm@app:7")
    for identity in ("crm@app:7", "user:anna"):
        await record_one(
            shop,
            f"form of {identity}",
            identity,
            channel="web",
            type="form.submitted",
            data={"form": "Move", "fields": {"name": "Anna Korhonen", "address": "Satamakatu 3 Kuopio"}},
        )
    (found,) = await candidates(shop, "user:anna")
    forecast = await shop.link("user:anna", found["identity"], dry_run=True)
    assert [sorted(it["identities"]) for it in forecast["after"]] == [["crm@app:7", "user:anna"]]
    assert len(await candidates(shop, "user:anna")) == 1
    await shop.link("user:anna", found["identity"])
    assert identities(await shop.look_up("user:anna")) == {"crm@app:7", "user:anna"}
    assert await candidates(shop, "user:anna") == []


async def test_separated_customers_are_no_look_alikes(shop: Shop) -> None:
    for user in ("crm@app:1", "crm@app:2"):
        traits = {"name": "Anna Korhonen", "address": ADDRESS}
        await record_one(
            shop, f"card {user}", user, type="identified", channel="web", data={"fields": traits}
        )
    assert len(await candidates(shop, "crm@app:1")) == 1
    await shop.link("crm@app:1", "crm@app:2")
    await shop.split("crm@app:1", "crm@app:2")
    assert await candidates(shop, "crm@app:1") == []


@pytest.mark.parametrize(
    "stated",
    [
        {"name": "Anna", "address": "Satamakatu 3"},
        {"name": "Anna Korhonen", "address": "Kuopio"},
        {"name": "Anna Korhonen"},
        {"address": "Satamakatu 3"},
        {"name": ["Anna"], "address": {"street": None}},
        {"name": "Anna Korhonen", "address": "Satamakatu 3 " * 50},
    ],
)
def test_a_part_of_a_name_or_an_address_is_no_likeness(stated: dict[str, Any]) -> None:
    assert likeness(stated, {}) is None


@pytest.mark.parametrize(
    ("stated", "same"),
    [
        ({"name": "Korhonen Anna", "address": "Satamakatu 3, Kuopio"}, True),
        ({"First Name": "Ánna", "Last Name": "korhonen", "Street": "SATAMAKATU 3", "City": "Kuopio"}, True),
        ({"name": "Anna Korhonen", "address": "Satamakatu 4, Kuopio"}, False),
    ],
)
def test_spellings_of_a_name_and_an_address_are_equal(stated: dict[str, Any], same: bool) -> None:
    wanted = likeness({}, {"fields": {"name": "Anna Korhonen", "address": "Satamakatu 3 Kuopio"}})
    assert (likeness(stated, {}) == wanted) is same
