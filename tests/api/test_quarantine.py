"""Quarantine for operators: the bytes, a trial, replay and deletion, one at a time and many at once."""

from __future__ import annotations

import base64
import threading
from typing import Any, cast
from urllib.parse import quote

import msgspec

from handoff.adapter.contract import InboundRequest, Parsed
from handoff.services.admission.limits import LimitSettings
from handoff.services.sources import quarantine
from handoff.services.sources.hiding import source_secrets, without_secrets, without_secrets_in
from handoff.services.sources.inbound import Source
from handoff.services.sources.parsing import THREAD_ABOVE
from handoff.services.sources.quarantine import Rejected
from handoff_adapters.registry import adapter_class
from handoff_adapters.web.segment.adapter import SegmentAdapter
from handoff_adapters.web.segment.options import SegmentOptions
from tests.api.conftest import SECRET, Api
from tests.api.test_inbound import track
from tests.samples import WEEK_AGO

CARD = "4111 1111 1111 1111"


async def put(
    api: Api,
    *items: bytes,
    source: str = "shop",
    code: str = "old_bug",
    query: tuple[tuple[str, str], ...] = (("a", "b"),),
    path: str = "/v1/track",
) -> list[str]:
    """Put items into quarantine, as an adapter with a fault did; their ids, oldest first."""
    kept = quarantine.Quarantine(api.server.store, LimitSettings())
    request = InboundRequest(
        method="POST",
        path=path,
        url="",
        query=query,
        headers={"content-type": "application/json"},
        raw=b"",
        body=b"",
        received_at=1_795_300_000_000_000,
    )
    rejected = [Rejected(code=code, detail="mended since", item=it) for it in items]
    before = {it["id"] for it in (await listed(api))["items"]}
    await kept.keep(api.tenant, source, request, rejected)
    page = await api.ok("GET", "/v1/quarantine?order=asc&limit=500")
    return [it["id"] for it in page["items"] if it["id"] not in before]


async def listed(api: Api, query: str = "limit=500") -> Any:
    return await api.ok("GET", f"/v1/quarantine?{query}")


def event(id_: str, **changes: Any) -> bytes:
    return msgspec.json.encode(track(id_, **changes))


async def test_an_item_shows_its_bytes_as_they_are_stored(api: Api) -> None:
    (id_,) = await put(api, event("1", properties={"note": f"my card is {CARD}"}))
    item = await api.ok("GET", f"/v1/quarantine/{id_}")
    assert (item["id"], item["source"], item["code"]) == (id_, "shop", "old_bug")
    assert (item["method"], item["path"], item["query"]) == ("POST", "/v1/track", [["a", "b"]])
    assert item["complete"] is True
    assert CARD not in item["text"]
    assert msgspec.json.decode(item["text"])["messageId"] == "1"
    assert base64.b64decode(item["base64"]).decode() == item["text"]


async def test_bytes_that_are_no_text_and_beginnings_are_shown_as_such(api: Api) -> None:
    binary, long_ = await put(api, b"\xff\xfe\x00", b"x" * (1024 * 1024 + 5))
    item = await api.ok("GET", f"/v1/quarantine/{binary}")
    assert (item["text"], base64.b64decode(item["base64"])) == (None, b"\xff\xfe\x00")
    item = await api.ok("GET", f"/v1/quarantine/{long_}")
    assert (item["complete"], len(item["text"]), item["size"]) == (False, 1024 * 1024, 1024 * 1024 + 5)


async def test_an_item_shows_no_secret_of_its_source(api: Api) -> None:
    for body in (
        event("1", writeKey=SECRET),
        f"writeKey={SECRET}&a=b".encode(),
        b'["%s"' % SECRET.encode(),
    ):
        query = (("writeKey", SECRET), ("user", "anna"))
        (id_,) = await put(api, body, query=query, path=f"/v1/track/{SECRET}")
        answer = await api.get(f"/v1/quarantine/{id_}")
        item = answer.json
        assert SECRET.encode() not in answer.raw
        assert SECRET.encode() not in base64.b64decode(item["base64"])
        assert item["query"] == [["writeKey", "…"], ["user", "anna"]]
        assert item["path"] == "/v1/track/…"
    assert (await api.ok("POST", f"/v1/quarantine/{id_}/try"))["readable"] is False


def test_every_form_of_every_secret_of_a_source_is_hidden() -> None:
    first, shared, proof = 'a"b/c d\\e', "shared-key-1", "proof-of-identity"
    twilio = msgspec.convert(
        {"name": "calls", "adapter": "phone.twilio", "secrets": [first], "shared_keys": {"name": shared}},
        adapter_class("phone.twilio").options,
    )
    segment = msgspec.convert(
        {"name": "shop", "adapter": "web.segment", "secrets": ["s1"], "identity_proof_secret": [proof]},
        adapter_class("web.segment").options,
    )
    secrets = source_secrets(twilio)
    assert set(secrets) == {first, shared}
    assert set(source_secrets(segment)) == {"s1", proof}
    content = msgspec.json.encode({"k": first, "l": shared}) + quote(first, safe="").encode()
    shown = without_secrets_in(content, secrets)
    assert shown == '{"k":"…","l":"…"}…'.encode()
    assert without_secrets("s1", source_secrets(segment)) == "…"
    assert without_secrets_in(b"items1", source_secrets(segment)) == b"items1"  # too short to be looked for


async def test_an_id_that_is_named_twice_is_one_item(api: Api) -> None:
    first, second = await put(api, event("1"), event("2"))
    done = await api.ok("POST", "/v1/quarantine/replay", {"ids": [first, second, first]})
    assert (done["replayed"], done["accepted"], done["duplicates"]) == (2, 2, 0)


class _Threads(SegmentAdapter):
    """Notes the thread that parses."""

    def __init__(self, options: SegmentOptions) -> None:
        super().__init__(options)
        self.names: list[str] = []

    def parse(self, request: InboundRequest) -> Parsed:
        self.names.append(threading.current_thread().name)
        return super().parse(request)


async def test_a_large_item_is_parsed_beside_the_event_loop(api: Api) -> None:
    (id_,) = await put(api, event("1", properties={"note": "x" * (THREAD_ABOVE + 1)}))
    known = api.server.site.sources["shop"]
    adapter = _Threads(cast("SegmentOptions", known.options))
    source = Source(options=known.options, adapter=adapter)
    records = api.server.store.of(api.tenant).quarantine
    await api.server.site.inbound.replay(source, await quarantine.read(records, id_))
    assert len(adapter.names) == 1
    assert adapter.names != [threading.current_thread().name]


async def test_a_trial_shows_what_the_adapter_reads_and_stores_nothing(api: Api) -> None:
    good, bad = await put(api, event("9"), b"{")
    trial = await api.ok("POST", f"/v1/quarantine/{good}/try")
    assert trial["readable"] is True
    assert trial["count"] == 1
    (read,) = trial["touchpoints"]
    assert (read["id"], read["type"]) == ("9", "event.tracked")
    assert read["occurred_at"].startswith(f"{WEEK_AGO}T10:00:00")
    assert (await api.context())["match"] == "none"
    assert (await listed(api))["total"] == 2
    trial = await api.ok("POST", f"/v1/quarantine/{bad}/try")
    assert (trial["readable"], trial["count"]) == (False, 0)
    assert trial["code"]
    assert (await listed(api))["total"] == 2


async def test_many_are_replayed_and_those_that_cannot_be_read_stay(api: Api) -> None:
    ids = await put(api, event("1"), event("1"), b"{", event("2"))
    done = await api.ok("POST", "/v1/quarantine/replay", {"ids": ids})
    assert (done["replayed"], done["accepted"], done["duplicates"]) == (3, 2, 1)
    assert [(it["id"], it["code"]) for it in done["failed"]] == [(ids[2], "still_malformed")]
    assert done["next"] is None
    assert [it["id"] for it in (await listed(api))["items"]] == [ids[2]]
    assert (await api.context())["timeline"]["total"] == 2
    again = await api.ok("POST", "/v1/quarantine/replay", {"ids": ids[:2]})
    assert (again["replayed"], again["failed"]) == (0, [])


async def test_a_source_is_replayed_call_by_call_until_the_end(api: Api) -> None:
    await put(api, *(event(str(number)) for number in range(130)))
    await put(api, b"{", code="other")
    await put(api, event("theirs"), source="gone")
    replayed, cursor, calls = 0, None, 0
    while calls == 0 or cursor is not None:
        body = {"source": "shop", "code": "old_bug"} | ({"cursor": cursor} if cursor else {})
        done = await api.ok("POST", "/v1/quarantine/replay", body)
        replayed, cursor, calls = replayed + done["replayed"], done["next"], calls + 1
    assert (replayed, calls) == (130, 2)
    assert {it["source"] for it in (await listed(api))["items"]} == {"shop", "gone"}
    assert (await listed(api, "source=shop"))["total"] == 1
    done = await api.ok("POST", "/v1/quarantine/replay", {"source": "gone"})
    assert [it["code"] for it in done["failed"]] == ["not_found"]


async def test_many_are_dismissed(api: Api) -> None:
    ids = await put(api, *(event(str(number)) for number in range(4)))
    await put(api, b"{", source="other")
    done = await api.ok("POST", "/v1/quarantine/dismiss", {"ids": [*ids[:2], "no-id", "ab" * 16]})
    assert done == {"dismissed": 2, "next": None}
    done = await api.ok("POST", "/v1/quarantine/dismiss", {"source": "shop", "code": "nothing"})
    assert done["dismissed"] == 0
    done = await api.ok("POST", "/v1/quarantine/dismiss", {"source": "shop"})
    assert done["dismissed"] == 2
    assert [it["source"] for it in (await listed(api))["items"]] == ["other"]


async def test_pages_of_a_source_go_on_after_each_other(api: Api) -> None:
    ids = await put(api, *(event(str(number)) for number in range(5)))
    await put(api, b"{", source="other")
    first = await listed(api, "source=shop&limit=2")
    second = await listed(api, f"source=shop&limit=3&cursor={first['next']}")
    assert [it["id"] for it in [*first["items"], *second["items"]]] == ids[::-1]
    assert (first["total"], second["next"]) == (5, None)


async def test_a_selection_names_either_ids_or_a_source(api: Api) -> None:
    for body in (
        {},
        {"ids": []},
        {"ids": ["00"], "source": "shop"},
        {"ids": ["00"], "code": "x"},
        {"source": "shop", "cursor": "!"},
        {"ids": ["00"] * 101},
        {"source": "shop", "surprise": 1},
    ):
        for action in ("replay", "dismiss"):
            assert (await api.post(f"/v1/quarantine/{action}", body)).status == 422, body


async def test_another_tenant_reads_tries_and_deletes_nothing(api: Api) -> None:
    (id_,) = await put(api, event("1"))
    for method, path in (("GET", ""), ("POST", "/try"), ("POST", "/replay"), ("DELETE", "")):
        answer = await api.call(method, f"/v1/quarantine/{id_}{path}", token="elsewhere")
        assert answer.status == 404, (method, path)
    for action, name in (("replay", "replayed"), ("dismiss", "dismissed")):
        for body in ({"ids": [id_]}, {"source": "shop"}):
            done = await api.ok("POST", f"/v1/quarantine/{action}", body, token="elsewhere")
            assert done[name] == 0
    assert (await listed(api))["total"] == 1
