"""Announcements on a server, their events, the handoff by policy, lists, and dismissals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handoff.codec.keyed_hash import TOUCHPOINT
from tests.access.conftest import stream_of
from tests.api.conftest import secret
from tests.delivery.subscribers import subscriber, until

from .conftest import Ledger, opened
from .test_commands import printed, run

TRANSFER = "I'll transfer you to a colleague now."
MAX = {"actor": {"type": "agent", "name": "Max"}}
AGO = 240.0  # seconds: longer than a transfer may take


async def announcements(ledger: Ledger, **query: str) -> list[dict[str, Any]]:
    answer = await ledger.ok("GET", "/v1/announcements", params=query)
    return list(answer["announcements"])


async def states(ledger: Ledger) -> dict[str, str]:
    found = await announcements(ledger)
    return {it["id"]: it["state"] + (" late" if it["late"] else "") for it in found}


async def announced(ledger: Ledger, text: str = TRANSFER, ago: float = AGO, **fields: Any) -> str:
    """Somebody of ours announces something; the id of a transfer."""
    await ledger.happened("message.received", ago + 60, text="My cellar is wet, when do you come?")
    return await ledger.happened("message.sent", ago, text=text, **MAX | fields) + ".transfer"


def handing_over(**changes: Any) -> Any:
    """The configuration of a policy, for the tenant of the test."""

    def sections(tenant: str) -> dict[str, Any]:
        rule = {
            "kind": "transfer",
            "tenant": tenant,
            "on_unfulfilled": "handoff",
            "whom": {"queue": "supervisors"},
            **changes,
        }
        return {"rules": [rule]}

    return sections


async def handoffs(ledger: Ledger) -> list[dict[str, Any]]:
    return list((await ledger.ok("GET", "/v1/handoffs"))["handoffs"])


async def test_the_owner_of_the_customer_hears_of_it_once_and_when_it_follows_late(ledger: Ledger) -> None:
    """By webhook and on the owner's stream, without words."""
    handoff = await ledger.ok(
        "POST",
        "/v1/handoffs",
        {"identity": "user:anna", "from": {"channel": "chat"}, "to": {"queue": "sales"}, "reason": "x"},
    )
    path = f"/v1/handoffs/{handoff['id']}/accept"
    await ledger.ok("POST", path, {"version": handoff["version"], "agent": "mia"})
    async with (
        subscriber() as platform,
        stream_of(ledger, "/v1/agents/mia/events", secret("desk", ledger.tenant)) as agent,
    ):
        hook = {"url": platform.url, "types": ["announcement.*"], "secret": platform.secret}
        hook |= {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
        admin = {"token": "admin", "headers": {"Handoff-Tenant": ledger.tenant}}
        await ledger.ok("POST", "/v1/webhooks", hook, **admin)
        call = {"channel": "phone", "thread": "call", "direction": "outbound", "text": None}
        proof = await ledger.happened("call.ended", 60, data={"duration_s": 40}, **call)
        text = "You will be called back shortly."
        id_ = (await announced(ledger, text, 900)).replace(".transfer", ".callback")
        name, data = await _next(agent, "announcement.")
        assert (name, data["announcement"], data["kind"]) == ("announcement.unfulfilled", id_, "callback")
        assert (data["agent"], data["announced_by"], data["late"]) == ("mia", "person", False)
        await ledger.until({id_: "fulfilled late"}, lambda: states(ledger))
        name, data = await _next(agent, "announcement.")
        assert (name, data["proof"], data["late"]) == ("announcement.fulfilled", proof, True)
        await until(lambda: len(platform.types()) == 2)
        sent = platform.types()
    assert sent == ["announcement.unfulfilled", "announcement.fulfilled"]
    assert not any(text.encode() in it.body for it in platform.accepted)


async def _next(events: asyncio.Queue[tuple[str, Any]], family: str) -> tuple[str, Any]:
    async with asyncio.timeout(30):
        while True:
            name, data = await events.get()
            if name.startswith(family):
                return name, data


async def test_what_follows_in_time_is_no_event(ledger: Ledger) -> None:
    ida = {"actor": {"type": "agent", "name": "Ida"}}
    await ledger.happened("message.sent", AGO - 60, text="Hello, this is billing", **ida)
    id_ = await announced(ledger)
    other = await announced(ledger, "Please call us if you have a question", thread="other")
    await ledger.until({id_: "fulfilled"}, lambda: states(ledger))
    (shown,) = await announcements(ledger, state="fulfilled")
    assert (shown["text"], shown["kind"], shown["announced_by"]) == (TRANSFER, "transfer", "person")
    assert shown["proof"]
    assert other.split(".")[0] not in str(await announcements(ledger))
    entries = await ledger.server.store.of(ledger.tenant).outbox.after("0-0", 100)
    assert entries is None or not [it for it in entries.entries if b"announcement." in it.payload]
    assert await announcements(ledger, state="unfulfilled") == []
    assert (await ledger.get("/v1/announcements", params={"state": "overdue"})).status == 422


async def test_imported_history_and_old_messages_raise_no_alarm(ledger: Ledger) -> None:
    """A message that is recorded an hour after it was sent, or later, is history too."""
    old = await announced(ledger, ago=2 * 3600)
    now = await announced(ledger)
    quiet = {
        "id": "imported",
        "channel": "chat",
        "type": "message.sent",
        "occurred_at": "2026-01-01T00:00:00Z",
        "identities": ["user:ben"],
        "text": TRANSFER,
    }
    await ledger.ok("POST", "/v1/touchpoints?announce=false", quiet)
    await ledger.until({now: "unfulfilled"}, lambda: states(ledger))
    assert old not in await states(ledger)


async def test_a_policy_requests_the_handoff_once_with_the_context(valkey: str) -> None:
    async with opened(valkey, announcements=handing_over()) as ledger:
        id_ = await announced(ledger)

        async def requested() -> list[tuple[str, str]]:
            return [(it["to"]["queue"], it["state"]) for it in await handoffs(ledger)]

        await ledger.until([("supervisors", "requested")], requested)
        (handoff,) = await handoffs(ledger)
        assert handoff["reason"] == "Announced transfer did not follow"
        context = await ledger.ok("GET", f"/v1/handoffs/{handoff['id']}/context")
        codes = [it["code"] for it in context["brief"]["why_now"]]
        assert "transfer_not_followed" in codes
        (shown,) = await announcements(ledger)
        assert (shown["id"], shown["requested_handoff"]) == (id_, handoff["id"])
        assert shown["owner"]["queue"] == "supervisors"
        again = await announced(ledger, "I am connecting you to billing.", AGO - 30, thread="other")
        await ledger.until("unfulfilled", lambda: _state(ledger, again))
        await ledger.until(None, lambda: _wanted(ledger, again))
        assert len(await handoffs(ledger)) == 1  # one is pending


async def _state(ledger: Ledger, id_: str) -> str | None:
    return (await states(ledger)).get(id_)


async def _wanted(ledger: Ledger, id_: str) -> str | None:
    """None once the policy of an announcement has done its work without a handoff."""
    timers = await ledger.server.store.of(ledger.tenant).ledger.timers_of("announcement").entries(limit=10)
    now = await ledger.now()
    return "due" if any(at <= now for _id, at in timers) else None


@pytest.mark.parametrize("speaker", ["bot", "agent"])
async def test_a_policy_may_leave_out_what_bots_announce(valkey: str, speaker: str) -> None:
    async with opened(valkey, announcements=handing_over(speakers=["person"])) as ledger:
        id_ = await announced(ledger, actor={"type": speaker, "name": "Robo"})
        await ledger.until("unfulfilled", lambda: _state(ledger, id_))
        await ledger.until(None, lambda: _wanted(ledger, id_))
        assert len(await handoffs(ledger)) == (speaker == "agent")


async def test_a_rule_may_turn_events_off_and_wait_longer(valkey: str) -> None:
    def sections(tenant: str) -> dict[str, Any]:
        quiet = {"kind": "transfer", "tenant": tenant, "on_unfulfilled": "nothing"}
        slow = {"kind": "callback", "tenant": tenant, "within_s": 3600}
        return {"rules": [quiet, slow]}

    async with opened(valkey, announcements=sections) as ledger:
        await announced(ledger)
        text = "Someone will call you back shortly."
        callback = (await announced(ledger, text, 900, thread="b")).replace(".transfer", ".callback")
        await ledger.until({callback: "open"}, lambda: states(ledger))


async def test_dismissing(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    id_ = await announced(ledger)
    await ledger.until({id_: "unfulfilled"}, lambda: states(ledger))
    context = await ledger.context()
    (line,) = [it for it in context["brief"]["why_now"] if it["code"] == "transfer_not_followed"]
    assert line["params"]["announcement"] == id_
    path = f"/v1/customers/{context['customer']['id']}/announcements/{id_}/dismiss"
    first = await ledger.ok("POST", path, {"reason": "She hung up"})
    assert (first["state"], first["reason"], first["decided_by"]) == ("dismissed", "She hung up", "desk")
    assert await ledger.ok("POST", path, {"reason": "again"}) == first
    assert await states(ledger) == {id_: "dismissed"}

    async def codes() -> list[str]:
        return [it["code"] for it in (await ledger.context())["brief"]["why_now"]]

    assert "transfer_not_followed" not in await codes()
    assert (await ledger.post(path.replace(".transfer", ".mail"), {})).status == 404
    assert await run(ledger, "announcements", "list", "--state", "dismissed") == 0
    assert TRANSFER in capsys.readouterr().out
    assert await run(ledger, "announcements", "list", "--state", "open", "--json") == 0
    assert printed(capsys.readouterr().out)["announcements"] == []
    assert await run(ledger, "announcements", "dismiss", "user:anna", id_) == 0
    assert "dismissed: " in capsys.readouterr().out


async def test_a_recorded_dismissal_ends_only_its_own_customers_announcement(ledger: Ledger) -> None:
    """Browsers of other customers may record touchpoints too, and name any announcement in them."""
    first = await announced(ledger)
    second = await announced(ledger, "I am connecting you to billing.", AGO - 30, thread="other")
    await ledger.until({first: "unfulfilled", second: "unfulfilled"}, lambda: states(ledger))
    ben: dict[str, Any] = {"identities": ["user:ben"], "type_": "announcement.dismissed"}
    own = await ledger.happened(**ben, data={"announcement": first})
    hashes = ledger.server.store.hashes(ledger.tenant)
    (home, _), (_, touchpoint) = (
        hashes.private(TOUCHPOINT, it, 2) for it in (own, first.removesuffix(".transfer"))
    )
    spliced = hashes.public(TOUCHPOINT, home, touchpoint) + ".transfer"
    await ledger.happened(**ben, data={"announcement": spliced})
    await ledger.happened("announcement.dismissed", data={"announcement": "ours-7"})
    await ledger.happened("announcement.dismissed", data={"announcement": second})
    await ledger.until("dismissed", lambda: _state(ledger, second))
    later = await announced(ledger, "One moment, I'll transfer you.", AGO - 60, thread="third")
    await ledger.until("unfulfilled", lambda: _state(ledger, later))
    assert await _state(ledger, first) == "unfulfilled"
