"""The request and touchpoint metrics, read by Prometheus' own parser."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from handoff.services.metrics import Measures
from handoff.services.timeline.recording import Result


def scraped(measures: Measures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = generate_latest(measures.registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_touchpoints_are_counted_by_source_and_result() -> None:
    measures = Measures()
    stored = Result(status="accepted", id="tp_1")
    measures.count("shop", [stored, stored, Result(status="duplicate", id="tp_1")])
    measures.count("bot", [stored])
    found = scraped(measures)
    counted = {
        labels: value for (name, labels), value in found.items() if name == "handoff_touchpoints_total"
    }
    assert counted == {
        (("result", "accepted"), ("source", "shop")): 2,
        (("result", "duplicate"), ("source", "shop")): 1,
        (("result", "accepted"), ("source", "bot")): 1,
    }


def test_requests_are_a_histogram_whose_buckets_add_up() -> None:
    measures = Measures()
    for seconds in (0.0005, 0.001, 0.002, 0.3, 60.0):
        measures.took("/v1/touchpoints", 2, seconds)
    measures.took("/v1/touchpoints", 5, 0.1)
    found = scraped(measures)

    def bucket(bound: str, status: str = "2xx") -> float:
        labels = (("le", bound), ("route", "/v1/touchpoints"), ("status", status))
        return found["handoff_request_seconds_bucket", labels]

    assert [bucket(it) for it in ("0.001", "0.0025", "0.25", "0.5", "5.0", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert bucket("0.1", "5xx") == bucket("+Inf", "5xx") == 1
    plain = (("route", "/v1/touchpoints"), ("status", "2xx"))
    assert found["handoff_request_seconds_count", plain] == 5
    assert abs(found["handoff_request_seconds_sum", plain] - 60.3035) < 1e-9
