"""The real `segment-analytics-python` delivers everything once, though answers are lost and it retries."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.conftest import SECRET, served
from tests.faults.proxy import cutting_proxy

EVENTS = 60
SHARE = 0.3  # of answers that never arrive


@pytest.mark.parametrize("gzip", [False, True])
async def test_everything_is_delivered_once_though_answers_are_cut(valkey: str, gzip: bool) -> None:
    analytics = pytest.importorskip("segment.analytics.client")
    async with served(valkey) as api, cutting_proxy(api.url) as proxy:
        proxy.cut_share(SHARE, seed=11)
        failures: list[Any] = []

        def send() -> None:
            client = analytics.Client(
                SECRET,
                host=f"{proxy.url}/in/shop",
                gzip=gzip,
                upload_size=5,
                upload_interval=0.05,
                max_retries=20,
                on_error=lambda error, batch: failures.append((error, batch)),
            )
            client.identify("anna", {"plan": "gold"})
            for number in range(EVENTS):
                client.track("anna", "Step Done", {"step": number})
            client.flush()
            client.join()

        await asyncio.to_thread(send)
        assert failures == []
        assert proxy.cuts >= 3, "no answer was lost: the test shows nothing"
        context = await api.context(limit=500)
        shown = [it for it in context["timeline"]["touchpoints"] if it["type"] == "event.tracked"]
        assert context["timeline"]["total"] == EVENTS + 1
        steps = [step for it in shown for step in _steps(it["data"])]
        assert sorted(steps) == list(range(EVENTS))
        assert (await api.ok("GET", "/v1/quarantine"))["items"] == []


def _steps(data: Any) -> list[int]:
    """Every value of `step`, however deep."""
    if not isinstance(data, dict):
        return []
    own = [data["step"]] if isinstance(data.get("step"), int) else []
    return own + [step for value in data.values() for step in _steps(value)]
