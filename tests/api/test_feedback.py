"""Agents say that a line of a brief is wrong: a touchpoint with the rule and the line, counted by rule."""

from __future__ import annotations

from typing import Any

import pytest

from tests.samples import WEEK_AGO

from .conftest import Api


async def feedback(api: Api, event: str, **data: Any) -> Any:
    fields = {"type": "brief.line_wrong", "text": None, "actor": {"type": "agent", "name": "Mia"}}
    body = {
        "id": event,
        "channel": "chat",
        "occurred_at": f"{WEEK_AGO}T11:00:00Z",
        "identities": ["user:anna"],
    }
    return await api.post("/v1/touchpoints", body | fields | {"data": data})


async def counted(api: Api, name: str) -> dict[str, float]:
    metrics = (await api.get("/metrics", token=None)).raw.decode()
    found = [it for it in metrics.splitlines() if it.startswith(f"{name}{{")]
    return {it.partition('rule="')[2].partition('"')[0]: float(it.rpartition(" ")[2]) for it in found}


async def test_a_wrong_line_is_recorded_and_counted_once(api: Api) -> None:
    await api.record("e1")
    (line,) = (await api.context())["brief"]["wants"]
    for _time in (1, 2):  # a repetition is not a second complaint
        answer = await feedback(api, "wrong-1", rule=line["code"], line=line["text"])
        assert answer.status == 200
    assert (await feedback(api, "wrong-2", rule="of_another_build", line="x")).status == 200
    assert await counted(api, "handoff_brief_lines_wrong_total") == {"said": 1, "other": 1}
    assert (await counted(api, "handoff_brief_lines_total"))["said"] >= 1
    context = await api.context()
    shown = next(it for it in context["timeline"]["touchpoints"] if it["type"] == "brief.line_wrong")
    assert (shown["visibility"], shown["direction"]) == ("internal", "internal")
    assert [it["text"] for it in context["brief"]["wants"]] == [line["text"]]


@pytest.mark.parametrize(
    "data", [{}, {"rule": "said"}, {"rule": "No Code", "line": "x"}, {"rule": "said", "line": ""}]
)
async def test_feedback_names_its_rule_and_its_line(api: Api, data: dict[str, Any]) -> None:
    answer = await feedback(api, "wrong", **data)
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"].startswith("/data/")
