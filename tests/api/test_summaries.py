"""A summariser that is installed speaks in contexts and never in what is pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import served
from tests.unit.test_summaries import installed

CODE = """
def summarise(touchpoints, brief):
    if any(it.text == "fail" for it in touchpoints):
        raise RuntimeError("no model today")
    return f"{len(touchpoints)} touchpoints, {brief.effort.contacts} contact"
"""


async def test_the_summary_is_in_the_context_and_not_in_the_snapshot(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "house_summary_d", CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    async with served(valkey) as api:
        await api.record("e1", text="I want my money back")
        summary = (await api.context())["brief"]["summary"]
        assert summary == {"text": "1 touchpoints, 1 contact", "by": "house_summary_d", "machine_made": True}
        asked = {"identity": "user:anna", "from": {"party": "bot"}, "to": {"queue": "q"}, "reason": "r"}
        made = await api.ok("POST", "/v1/handoffs", asked)
        path = f"/v1/handoffs/{made['id']}"
        assert (await api.ok("GET", f"{path}/context"))["brief"]["summary"]["by"] == "house_summary_d"
        assert (await api.ok("GET", f"{path}/snapshot"))["brief"]["summary"] is None
        assert "brief" not in await api.context(fields=["timeline"])
        await api.record("e2", text="fail")
        context = await api.context()
        assert context["brief"]["summary"] is None
        assert context["brief"]["wants"]
