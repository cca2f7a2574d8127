"""A handoff's change reaches every subscriber, signed, and survives a restart."""

from __future__ import annotations

from handoff.domain.handoff import Action
from tests.delivery.conftest import StartDelivery
from tests.delivery.subscribers import subscriber, until


async def test_a_change_arrives_as_a_signed_cloudevent(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform) as harness:
        handoff = await harness.request()
        await until(lambda: platform.accepted)
    (message,) = platform.accepted
    event = message.event
    assert message.headers["content-type"] == "application/cloudevents+json"
    assert event["specversion"] == "1.0"
    assert event["id"] == message.id
    assert (event["type"], event["subject"]) == ("handoff.requested", handoff.id)
    assert (event["partitionkey"], event["sequence"]) == (handoff.id, f"{1:020d}")
    assert event["data"]["state"] == "requested"
    assert event["data"]["version"] == 1
    assert event["data"]["links"]["context"] == f"https://handoff.example/v1/handoffs/{handoff.id}/context"
    assert event["correlationid"] == event["data"]["root"]
    assert event["recordedtime"].endswith("Z")


async def test_every_version_arrives_in_order(delivering: StartDelivery) -> None:
    async with subscriber() as platform, delivering(platform) as harness:
        handoff = await harness.request()
        for action in (Action.OFFER, Action.ACCEPT, Action.COMPLETE):
            handoff = await harness.move(handoff, action)
        await until(lambda: len(platform.accepted) == 4)
    assert [it.event["data"]["version"] for it in platform.accepted] == [1, 2, 3, 4]
    assert platform.types()[-1] == "handoff.completed"


async def test_pending_deliveries_survive_a_restart(delivering: StartDelivery) -> None:
    async with subscriber(status=503) as platform:
        async with delivering(platform, retry_schedule_s=[0.3, 0.3, 0.3]) as harness:
            await harness.request()
            await until(lambda: platform.received)
        platform.status = 200
        async with delivering(platform, retry_schedule_s=[0.3, 0.3, 0.3]):
            await until(lambda: platform.accepted)
    assert len({it.id for it in platform.received}) == 1


async def test_changes_made_while_nothing_runs_are_delivered_later(delivering: StartDelivery) -> None:
    async with subscriber() as platform:
        async with delivering(platform) as harness:
            pass
        await harness.request()
        async with delivering(platform):
            await until(lambda: platform.accepted)
    assert platform.types() == ["handoff.requested"]
