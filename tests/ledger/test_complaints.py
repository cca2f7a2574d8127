"""One clock for each complaint: from its first expression to the remedy, across handoffs."""

from __future__ import annotations

import msgspec
import pytest

from handoff.domain.clock import DAY
from handoff.domain.ledger.entry import COMPLAINT, EntryState, LedgerEntry, with_complaint
from handoff.domain.ledger.facts import ComplaintFact

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


async def test_a_complaint_whose_touchpoint_is_deleted_is_none(ledger: Ledger) -> None:
    """A later one about the same matter has a clock of its own from then on."""
    id_ = await ledger.happened("complaint.opened", 900, **THREAD)
    await ledger.until({id_: ("open", 0)}, lambda: states(ledger))
    await ledger.happened("message.deleted", amends=id_)
    await ledger.until({id_: ("dismissed", 0)}, lambda: states(ledger))
    later = await ledger.happened("complaint.opened", 100, **THREAD)
    await ledger.until({id_: ("dismissed", 0), later: ("open", 0)}, lambda: states(ledger))


END = 100 * DAY
RESOLVED = LedgerEntry(
    id=b"c",
    kind=COMPLAINT,
    home=b"h",
    homes=(b"h",),
    state=EntryState.RESOLVED,
    version=1,
    filed_at=90 * DAY,
    made_at=90 * DAY,
    renewed_at=90 * DAY,
    conversation="cv",
    channel="email",
    ended_at=END,
    proof="tp_end",
)
UNREPORTED = ComplaintFact(
    id="c", others=(), conversation="cv", channel="email", filed_at=90 * DAY, since=90 * DAY
)


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        ({"asked_at": 95 * DAY}, EntryState.RESOLVED),
        ({"asked_at": END + 1}, EntryState.OPEN),
        ({"undone": frozenset({"tp_end"})}, EntryState.OPEN),
    ],
)
def test_a_report_that_retention_deletes_reopens_nothing(fact: dict[str, object], state: EntryState) -> None:
    after = with_complaint(RESOLVED, msgspec.structs.replace(UNREPORTED, **fact))
    assert (after.state, after.ended_at) == (state, END if state is EntryState.RESOLVED else None)
