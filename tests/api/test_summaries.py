"""A summariser that is installed speaks in contexts and never in what is pinned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from handoff.domain.brief import Brief, TimelineItem
from handoff.services.context.summary import Summariser
from handoff.services.privacy.settings import MaskingRule, PrivacySettings
from tests import serving
from tests.api.conftest import Api, served, settings_for
from tests.conftest import fresh_tenant
from tests.unit.test_summaries import installed

NUMBERS = ("DE89370400440532013000", "123456789", "131052-308T")
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


@pytest.mark.parametrize("masked", [True, False])
async def test_it_reads_what_readers_of_the_tenant_get(valkey: str, masked: bool) -> None:
    """A plug-in may send its input to a model elsewhere, so masking only its summary is not enough."""
    tenant, read = fresh_tenant(), []

    def summarise(items: Sequence[TimelineItem], brief: Brief) -> str:
        read.append(f"{items}{brief}")
        return "short"

    plain = settings_for(valkey, tenant, fresh_tenant())
    rules = [MaskingRule(tenant=tenant)] if masked else []
    settings = msgspec.structs.replace(plain, privacy=PrivacySettings(masking=rules))
    async with serving.in_process(settings) as (server, session):
        server.site.summariser = Summariser("house-model", summarise)
        api = Api(server, session, tenant, tenant)
        text = f"I was promised a refund to {NUMBERS[0]} by Friday. Why is it late?"
        await api.record("e1", text=text, data={"ssn": {"value": NUMBERS[1]}}, actor={"name": NUMBERS[2]})
        assert (await api.context())["brief"]["summary"]["text"] == "short"
    assert {it for it in NUMBERS if it in read[0]} == (set() if masked else set(NUMBERS))
    assert read[0].count("refund to DE") > 1, "the touchpoint and the brief"
