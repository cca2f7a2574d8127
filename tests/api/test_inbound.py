"""Vendors' deliveries: rejected, quarantined, replayed, counted, and visible to operators."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from handoff.adapter.contract import InboundRequest
from handoff.api.handlers.inbound import MAX_INBOUND
from handoff.services.admission.limits import LimitSettings
from handoff.services.sources import quarantine
from tests.api.conftest import SECRET, Answer, Api
from tests.samples import EIGHT_DAYS_AGO, WEEK_AGO


def track(id_: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "messageId": id_,
        "userId": "anna",
        "event": "Basket Left",
        "timestamp": f"{WEEK_AGO}T10:00:00Z",
        "sentAt": f"{WEEK_AGO}T10:00:01Z",
        **changes,
    }


async def send(api: Api, *events: Any, key: str = SECRET, raw: bytes | None = None, **headers: str) -> Answer:
    body = raw if raw is not None else msgspec.json.encode({"batch": list(events)})
    token = base64.b64encode(f"{key}:".encode()).decode()
    return await api.post(
        "/in/shop/v1/batch",
        data=io.BytesIO(body),
        token=None,
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/json", **headers},
    )


async def quarantined(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.ok("GET", "/v1/quarantine"))["items"]
    return found


async def test_a_delivery_is_durable_before_the_response(api: Api) -> None:
    assert (await send(api, track("1"), track("2"))).status == 200
    assert (await send(api, track("1", sentAt="2026-11-22T10:00:00Z"))).status == 200
    context = await api.context()
    assert context["timeline"]["total"] == 2
    assert context["completeness"]["sources"][0]["last_seen"]


async def test_a_delivery_is_recorded_although_its_sender_disconnects(api: Api) -> None:
    body = msgspec.json.encode({"batch": [track("1"), {"type": "track"}], "writeKey": SECRET})
    address = urlsplit(api.url)
    _reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST /in/shop/v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(10):
        while not await quarantined(api):  # noqa: ASYNC110 - the server finishes this last
            await asyncio.sleep(0.01)
    assert (await api.context())["timeline"]["total"] == 1


async def test_a_wrong_key_is_refused_and_never_quarantined(api: Api) -> None:
    answer = await send(api, track("1"), key="guess")
    assert (answer.status, answer.code) == (401, "signature_refused")
    assert await quarantined(api) == []
    assert (await api.context())["match"] == "none"


async def test_unreadable_deliveries_are_quarantined_and_400(api: Api) -> None:
    for raw in (b"{", b"\xff\xfe", b"[]", b""):
        answer = await send(api, raw=raw)
        assert answer.status == 400, raw
    items = await quarantined(api)
    assert len(items) == 4
    page = await api.ok("GET", "/v1/quarantine?order=asc&limit=3")
    assert (page["total"], page["items"]) == (4, items[:0:-1])
    assert all(it["source"] == "shop" and it["code"] for it in items)
    assert "item" not in items[0]


async def test_an_invalid_item_does_not_affect_its_batch(api: Api) -> None:
    assert (await send(api, track("1"), {"type": "track"}, track("2"))).status == 200
    assert (await api.context())["timeline"]["total"] == 2
    assert len(await quarantined(api)) == 1


async def test_quarantined_items_lower_completeness_until_they_are_gone(api: Api) -> None:
    await api.record("open", occurred_at=f"{EIGHT_DAYS_AGO}T10:00:00Z")
    await send(api, {"type": "track", "userId": "anna"})
    completeness = (await api.context())["completeness"]
    assert completeness["state"] == "degraded"
    assert completeness["sources"][0]["quarantined"] == 1
    (item,) = await quarantined(api)
    assert (await api.call("DELETE", f"/v1/quarantine/{item['id']}")).status == 204
    assert (await api.context())["completeness"]["state"] == "complete"
    assert (await api.call("DELETE", f"/v1/quarantine/{item['id']}")).status == 404


async def test_a_reused_id_is_quarantined_and_the_first_remains(api: Api) -> None:
    await send(api, track("1", properties={"step": 1}))
    assert (await send(api, track("1", properties={"step": 2}))).status == 200
    (item,) = await quarantined(api)
    assert item["code"] == "id_reused"
    (shown,) = (await api.context())["timeline"]["touchpoints"]
    assert b'"step":1' in msgspec.json.encode(shown["data"])


async def test_a_replay_keeps_a_delivery_that_is_still_malformed(api: Api) -> None:
    await send(api, {"type": "track"})
    (item,) = await quarantined(api)
    answer = await api.post(f"/v1/quarantine/{item['id']}/replay")
    assert (answer.status, answer.code) == (422, "still_malformed")
    assert len(await quarantined(api)) == 1


async def test_a_replay_records_a_readable_delivery_once_and_removes_it(api: Api) -> None:
    kept = quarantine.Quarantine(api.server.store, LimitSettings())
    good = quarantine.Rejected(code="old_bug", detail="mended since", item=msgspec.json.encode(track("9")))
    request = InboundRequest(
        method="POST",
        path="/v1/track",
        url="",
        query=(),
        headers={"content-type": "application/json"},
        raw=b"",
        body=b"",
        received_at=1_795_000_000_000_000,
    )
    await kept.keep(api.tenant, "shop", request, (good,))
    (item,) = await quarantined(api)
    outcome = await api.ok("POST", f"/v1/quarantine/{item['id']}/replay")
    assert outcome["accepted"] == 1
    assert await quarantined(api) == []
    assert (await api.context())["timeline"]["total"] == 1
    assert (await api.post(f"/v1/quarantine/{item['id']}/replay")).status == 404


async def test_compressed_bodies_are_decompressed_within_the_limit(api: Api) -> None:
    raw = msgspec.json.encode({"batch": [track("1")]})
    assert (await send(api, raw=gzip.compress(raw), **{"Content-Encoding": "gzip"})).status == 200
    bomb = gzip.compress(b" " * (MAX_INBOUND + 1))
    answer = await send(api, raw=bomb, **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (413, "too_large")
    halves = gzip.compress(raw[:20]) + gzip.compress(raw[20:])
    assert (await send(api, raw=halves, **{"Content-Encoding": "gzip"})).status == 200
    answer = await send(api, raw=gzip.compress(raw) + b"more", **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (400, "invalid_encoding")
    answer = await send(api, raw=gzip.compress(b"") * 1000, **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (400, "invalid_encoding")
    answer = await send(api, raw=gzip.compress(raw)[:-5], **{"Content-Encoding": "gzip"})
    assert (answer.status, answer.code) == (400, "invalid_encoding")
    answer = await send(api, raw=raw, **{"Content-Encoding": "br"})
    assert answer.status == 415
    answer = await send(api, raw=b" " * (MAX_INBOUND + 1))
    assert (answer.status, answer.code) == (413, "too_large")
    assert (await api.context())["timeline"]["total"] == 1


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_and_metrics_need_no_token(api: Api, path: str) -> None:
    assert (await api.get(path, token=None)).status == 200


async def test_metrics_count_deliveries_and_name_no_sender(api: Api) -> None:
    await send(api, track("1"), track("1"), {"type": "track"})
    await send(api, track("2"), key="guess")
    text = (await api.get("/metrics", token=None)).raw.decode()
    assert 'handoff_touchpoints_total{result="accepted",source="shop"} 1.0' in text
    assert 'handoff_touchpoints_total{result="duplicate",source="shop"} 1.0' in text
    assert 'handoff_quarantined_total{source="shop"} 1.0' in text
    assert 'handoff_refused_total{source="shop"} 1.0' in text
    assert 'route="/in/{source}/{rest}"' in text
    assert "anna" not in text
