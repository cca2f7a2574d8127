"""Unexpected bytes on every route: no crash, and no verified delivery is lost."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.api.operations import DOCUMENTED
from handoff.api.operations.operation import Operation
from tests.api.conftest import ADMIN, SECRET, Api, message
from tests.api.test_fast_path import Got, connected
from tests.examples import examples

BASIC = b"Basic " + b64encode(f"{SECRET}:".encode())
BEARER = f"Bearer {ADMIN}".encode()
some = settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])


async def sent(api: Api, head: bytes, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Got:
    """The response to a raw request."""
    lines = [head, *(name + b": " + value for name, value in [(b"Host", b"test"), *headers])]
    raw = b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"", body])
    async with connected(int(api.url.rpartition(":")[2])) as line:
        await line.send(raw)
        return await line.receive()


async def waiting(api: Api) -> int:
    """The number of items in quarantine."""
    return int((await api.ok("GET", "/v1/quarantine"))["total"])


TRACK = {"type": "track", "event": "Looked", "messageId": "m1", "userId": "anna"}
# The header decides whether the fast path handles the request.
WAYS = {"fast": [], "aiohttp": [(b"TE", b"trailers")]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("strange", [b"\xff", b"\xed\xa0\x80", b"\xc3\xa4", b"a" * 3000])
async def test_a_delivery_with_strange_headers_is_stored_or_quarantined(
    api: Api, way: str, strange: bytes
) -> None:
    headers = [
        *WAYS[way],
        (b"Authorization", BASIC),
        (b"Content-Type", b"application/json; x=" + strange),
        (b"X-" + b"Note", strange),
    ]
    stored = await sent(api, b"POST /in/shop/v1/track HTTP/1.1", headers, json.dumps(TRACK).encode())
    assert stored.status == 200
    assert (await api.context())["timeline"]["total"] == 1
    unread = await sent(api, b"POST /in/shop/v1/track HTTP/1.1", headers, b"{")
    assert unread.status == 400
    assert await waiting(api) == 1
    (item,) = (await api.ok("GET", "/v1/quarantine"))["items"]
    refused = await api.post(f"/v1/quarantine/{item['id']}/replay")
    assert refused.code == "still_malformed"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["/in/shop/v1/%ff", "/in/shop/v1/track?a=%ff&%ed%a0%80=1", "/in/shop/%00"])
async def test_a_delivery_to_a_strange_url_is_stored_quarantined_or_refused(
    api: Api, way: str, place: str
) -> None:
    headers = [*WAYS[way], (b"Authorization", BASIC), (b"Content-Type", b"application/json")]
    answer = await sent(api, b"POST %b HTTP/1.1" % place.encode(), headers, b"{")
    assert answer.status in (400, 404)
    assert await waiting(api) == (answer.status == 400)


async def test_a_webhook_for_an_invalid_host_is_refused(api: Api) -> None:
    for url in ("https://xn--/", "https://xn--\u00e4/", "https://a..b/", "https://[::1/"):
        answer = await api.post("/v1/webhooks", {"url": url}, token="admin")
        assert (answer.status, answer.code) == (422, "invalid_url"), url


STRANGE = st.one_of(
    st.sampled_from([b"\xff", b"\xed\xa0\x80", b"%ff", b"\xc0\x80", b"xn--", b"[::1%25\xff]", b"a" * 4000]),
    st.binary(max_size=40),
)
HEADERS = (
    b"Accept Accept-Encoding Authorization Content-Encoding Content-Type Cookie Forwarded Handoff-Tenant "
    b"Idempotency-Key If-None-Match Last-Event-ID Origin Range Referer User-Agent X-Chatwoot-Signature "
    b"X-Forwarded-For X-Twilio-Signature"
).split()
TEXTS = st.one_of(
    st.sampled_from(
        [
            "\ud800",
            "\udcff",
            "\0",
            "",
            "xn--",
            "https://xn--/",
            "user:\ud83d",
            "phone:+",
            "x" * 3000,
            "\u202e",
        ]
    ),
    st.text(max_size=20),
)
ID = "nothing"
BODIES: dict[str, Any] = {
    "/v1/touchpoints": message("e1", thread="t", subject="s", actor={"name": "n"}, data={"k": "v"}),
    "/v1/context": {"identities": ["user:anna"], "fields": ["brief"]},
    "/v1/handoffs": {
        "identity": "user:anna",
        "from": {"party": "bot"},
        "to": {"queue": "q"},
        "reason": "r",
        "context": {"k": "v"},
        "fallback": [{"queue": "q"}],
    },
    "/v1/callbacks": {"identity": "user:anna", "phone": "+358401234567", "reason": "r", "due": "d"},
    "/v1/webhooks": {"url": "https://example.com/", "name": "n", "headers": {"X-A": "b"}, "types": ["*"]},
    "/v1/sessions": {"agent": "mia", "scopes": ["context:read"]},
    "/v1/identities/shared": {"identity": "user:anna", "reason": "r"},
}


def changed(value: Any, text: str, at: Iterator[int]) -> Any:
    """`value` with one of its strings (keys included) replaced: the one at which `at` returns 0."""
    if isinstance(value, str):
        return text if next(at) == 0 else value
    if isinstance(value, list):
        return [changed(it, text, at) for it in value]
    if isinstance(value, dict):
        return {(text if next(at) == 0 else key): changed(it, text, at) for key, it in value.items()}
    return value


def down_from(number: int) -> Iterator[int]:
    while True:
        yield number
        number -= 1


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, list[tuple[bytes, bytes]], bytes]:
    """A request to a documented route or a source, with one or more unusual parts."""
    operation: Operation = draw(st.sampled_from([op for op in DOCUMENTED if op.method != "DELETE"]))
    path = operation.path
    if draw(st.booleans()):
        path = re.sub(r"\{\w+\}", lambda _: quote_from_bytes(draw(STRANGE)) or ID, path)
    path = re.sub(r"\{source\}", "shop", re.sub(r"\{(?!source)\w+\}", ID, path))
    query = [
        f"{parameter.name}={quote_from_bytes(draw(STRANGE))}"
        for parameter in operation.parameters
        if parameter.place == "query" and draw(st.booleans())
    ]
    target = path + ("?" + "&".join(query) if query else "")
    token = BASIC if path.startswith("/in/") else BEARER
    headers = [(b"Authorization", token), (b"Content-Type", b"application/json")]
    for name in draw(st.lists(st.sampled_from(HEADERS), max_size=3)):
        value = re.sub(rb"[\x00-\x20\x7f]", b"", draw(STRANGE))
        headers = [(known, kept) for known, kept in headers if known != name] + [(name, value)]
    body = b""
    if operation.method in ("POST", "PATCH"):
        given = BODIES.get(operation.path, {"reason": "r", "identity": "user:anna", "agent": "mia"})
        given = changed(given, draw(TEXTS), down_from(draw(st.integers(0, 20))))
        body = draw(st.sampled_from([json.dumps(given).encode(), b'"\xff"', b'{"a":"\xed\xa0\x80"}']))
    return f"{operation.method} {target} HTTP/1.1".encode(), headers, body


@some
@given(requests())
async def test_no_request_crashes_a_handler(
    api: Api, request_: tuple[bytes, list[tuple[bytes, bytes]], bytes]
) -> None:
    head, headers, body = request_
    answer = await sent(api, head, headers, body)
    assert answer.status < 500, (head, headers, body, answer)


@some
@given(st.lists(st.tuples(st.sampled_from(HEADERS), STRANGE), max_size=4), TEXTS, st.integers(0, 12))
async def test_a_verified_delivery_is_never_lost(
    api: Api, headers: list[tuple[bytes, bytes]], text: str, at: int
) -> None:
    """Stored, in quarantine, or rejected with the reason."""
    given_ = [(b"Authorization", BASIC)]
    given_ += [
        (name, re.sub(rb"[\x00-\x20\x7f]", b"", value))
        for name, value in dict(headers).items()
        if name not in (b"Authorization", b"Content-Encoding")
    ]
    item = changed({**TRACK, "properties": {"k": "v"}}, text, down_from(at))
    before = await waiting(api)
    body = json.dumps({"batch": [item]}).encode()
    answer = await sent(api, b"POST /in/shop/v1/batch HTTP/1.1", given_, body)
    assert answer.status in (200, 400), (answer, headers, item)
    if answer.status == 400:
        assert await waiting(api) == before + 1
