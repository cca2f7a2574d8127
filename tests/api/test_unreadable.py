"""Bytes that are not HTTP get a problem document. Neither the log nor the response repeats them."""

from __future__ import annotations

import logging

import pytest
import structlog

from tests.api.conftest import Api
from tests.api.test_fast_path import Got, connected

UNREADABLE = {
    "a space in a header's name": b"POST /v1/touchpoints HTTP/1.1\r\nAuthorization : Bearer s3cret\r\n\r\n",
    "a control character in a token": b"GET /v1/context HTTP/1.1\r\nAuthorization: Bearer s3\x01cret\r\n\r\n",
    "a letter that no URL has": b"GET /v1/context?identity=email:anna@h\xc3\xa4.fi HTTP/1.1\r\n\r\n",
    "a header that is too long": b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer "
    + b"s" * 9000
    + b"\r\n\r\n",
    "no method": b"HELLO /v1/anna HTTP/1.1\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03anna\r\n\r\n",
}


async def answered(api: Api, raw: bytes) -> Got:
    async with connected(int(api.url.rpartition(":")[2])) as line:
        await line.send(raw)
        answer = await line.receive()
        assert await line.is_over()
        return answer


@pytest.mark.parametrize("name", UNREADABLE)
async def test_the_problem_document_and_the_log_have_none_of_the_bytes(
    api: Api, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logged:
        answer = await answered(api, UNREADABLE[name])
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert b'"code":"bad_request"' in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert [it["event"] for it in logged if it["event"] != "request"] == ["request_unreadable"]
    for text in (answer.body.decode(), caplog.text, str(logged)):
        assert "anna" not in text
        assert "s3" not in text
        assert "sss" not in text
