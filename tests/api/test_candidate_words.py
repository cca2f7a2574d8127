"""The brief marks an unknown sender's words about a customer's claim and links them to no customer."""

from __future__ import annotations

from typing import Any

from .conftest import Api

CLAIM = {
    "channel": "web",
    "type": "form.submitted",
    "data": {"form": "Claim", "fields": {"claim number": "CL-909"}},
    "text": "My bike was stolen",
}
FAR = "email:zahra@work.example"


def mail(**changes: Any) -> dict[str, Any]:
    return {
        "channel": "email",
        "type": "email.received",
        "identities": [FAR],
        "subject": "CL-909 police number",
        "text": "The police report number is 5500/R/123.",
        **changes,
    }


def candidates(context: dict[str, Any]) -> list[dict[str, Any]]:
    return [it for it in context["brief"]["wants"] if it["code"] == "candidate_words"]


async def test_words_about_the_same_number_are_a_marked_line(api: Api) -> None:
    await api.record("form", **CLAIM)
    await api.record("mail", **mail())
    (line,) = candidates(await api.context())
    assert (line["assurance"], line["params"]["reference"]) == ("claimed", "CL-909")
    assert line["text"].startswith("(claimed) Perhaps theirs too, email:zahra@work.example")
    assert "5500/R/123" in line["text"]
    context = await api.context()
    assert [it["value"] for it in context["customer"]["identities"]] == ["anna"]
    assert "5500" not in str(context["timeline"])


async def test_another_number_a_proved_sender_and_a_reader_of_proved_things_get_no_line(api: Api) -> None:
    await api.record("form", **CLAIM)
    await api.record("other", **mail(subject="CL-910", text="About CL-910."))
    verified = [{"type": "email", "value": "eve@example.com", "assurance": "verified"}]
    await api.record("proved", **mail(identities=verified))
    assert candidates(await api.context()) == []
    await api.record("mail", **mail())
    assert len(candidates(await api.context())) == 1
    assert candidates(await api.context(min_assurance="verified")) == []


async def test_a_sender_who_is_somebody_else_is_not_shown(api: Api) -> None:
    await api.record("form", **CLAIM)
    await api.record("mail", **mail())
    customer = (await api.context())["customer"]["id"]
    admin = {"Handoff-Tenant": api.tenant}
    body = {"identity": FAR, "reason": "agent asked"}
    link = await api.ok("POST", f"/v1/customers/{customer}/links", body, token="admin", headers=admin)
    assert candidates(await api.context()) == []  # theirs now: among their own words
    assert "5500/R/123" in str((await api.context())["brief"]["wants"])
    path = f"/v1/customers/{(await api.context())['customer']['id']}/links/{link['id']}/withdraw"
    await api.ok("POST", path, {"reason": "wrong"}, token="admin", headers=admin)
    assert "5500/R/123" not in str((await api.context())["timeline"])


async def test_a_word_in_a_mail_makes_no_look_up_ambiguous(api: Api) -> None:
    await api.record("own", identities=["user:anna", "reference:cl909"])
    await api.record("mail", **mail())
    context = await api.context("reference:cl909")
    assert (context["match"], context["customer"]["identities"][0]["value"]) == ("one", "anna")
