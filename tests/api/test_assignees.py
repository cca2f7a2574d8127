"""A vendor's assignee: the conversation's owner where no handoff names another, and a line of the brief."""

from __future__ import annotations

from typing import Any

from tests.samples import WEEK_AGO

from .conftest import Api


async def assign(api: Api, event: str, at: str, assignee: dict[str, Any] | None) -> None:
    data = {"name": "conversation.assigned"} | ({"assignee": assignee} if assignee else {})
    more = {"thread": "t", "direction": "internal", "text": None}
    await api.record(event, type="event.tracked", data=data, occurred_at=at, **more)


async def test_the_newest_assignment_to_a_person_counts(api: Api) -> None:
    await api.record("e1", thread="t")
    await assign(api, "a1", f"{WEEK_AGO}T10:01:00Z", {"name": "Mia"})
    context = await api.context()
    assert [it["owner"] for it in context["conversations"]] == ["Mia"]
    assert "Mia has it since" in str(context["brief"]["why_now"])
    await assign(api, "a2", f"{WEEK_AGO}T10:02:00Z", {"name": "Bot", "type": "agent_bot"})
    assert [it["owner"] for it in (await api.context())["conversations"]] == [None]
    await assign(api, "a3", f"{WEEK_AGO}T10:03:00Z", None)
    assert "has it since" not in str((await api.context())["brief"]["why_now"])
