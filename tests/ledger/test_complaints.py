"""One clock for each complaint: from its first expression to the remedy, across handoffs."""

from __future__ import annotations

from .conftest import Ledger

THREAD = {"thread": "t", "text": "Three weeks, and no refund for order A-17"}


async def states(ledger: Ledger) -> dict[str, tuple[str, int]]:
    return {it["id"]: (it["state"], it["reopened"]) for it in await ledger.complaints()}


async def test_one_matter_has_one_clock_across_channels_and_handoffs(ledger: Ledger) -> None:
    first = await ledger.happened("complaint.opened", 900, **THREAD)
    await ledger.until({first: ("open", 0)}, lambda: states(ledger))
    body = {"identity": "user:anna", "from": {"channel": "chat"}, "to": {"queue": "billing"}, "reason": "x"}
    handoff = await ledger.ok("POST", "/v1/handoffs", body)
    accept = {"version": handoff["version"], "agent": "mia"}
    handoff = await ledger.ok("POST", f"/v1/handoffs/{handoff['id']}/accept", accept)
    again = {"channel": "email", "thread": "mail", "text": "I complain once more about order A-17"}
    await ledger.happened("complaint.opened", 300, **again)
    other = await ledger.happened(
        "complaint.opened", 200, channel="web", thread="w", text="And order B-99 is broken, too"
    )
    await ledger.until({first: ("open", 0), other: ("open", 0)}, lambda: states(ledger))
    complaints = {it["id"]: it for it in await ledger.complaints(state="open", owner="mia")}
    assert complaints[first]["open_s"] >= 899
    assert complaints[first]["text"] == THREAD["text"]


async def test_a_new_request_in_the_matter_reopens_it(ledger: Ledger) -> None:
    id_ = await ledger.happened("complaint.opened", 900, **THREAD)
    await ledger.happened("complaint.resolved", 600, thread="t")
    await ledger.until({id_: ("resolved", 0)}, lambda: states(ledger))
    (complaint,) = await ledger.complaints(state="resolved")
    assert complaint["open_s"] == 300
    await ledger.happened("message.received", 500, text="Thanks, bye!", thread="t")
    fence = await ledger.happened("complaint.opened", 400, thread="w", text="My invoice 4711 is wrong")
    await ledger.until({id_: ("resolved", 0), fence: ("open", 0)}, lambda: states(ledger))
    await ledger.happened("message.received", 100, text="There is still no money for A-17?", thread="t")
    await ledger.until({id_: ("open", 1), fence: ("open", 0)}, lambda: states(ledger))
    await ledger.happened("complaint.resolved", thread="t")
    await ledger.until({id_: ("resolved", 1), fence: ("open", 0)}, lambda: states(ledger))
    (complaint,) = await ledger.complaints(state="resolved")
    assert complaint["open_s"] >= 899  # from the first expression


async def test_an_earlier_expression_that_arrives_late_moves_the_start(ledger: Ledger) -> None:
    id_ = await ledger.happened("complaint.opened", 300, **THREAD)
    await ledger.until({id_: ("open", 0)}, lambda: states(ledger))
    await ledger.happened("complaint.opened", 5000, **THREAD)

    async def started() -> bool:
        return [(it["id"], it["open_s"] >= 4999) for it in await ledger.complaints()] == [(id_, True)]

    await ledger.until(True, started)
