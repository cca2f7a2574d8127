"""Every response has the headers that browsers need to treat it safely: by walk over all operations."""

from __future__ import annotations

import re

import pytest

from handoff.api.operations import OPERATIONS

from .conftest import Api

ROUTES = sorted({(it.method, it.path) for it in OPERATIONS if it.method != "WS"})
STREAMS = "/events"


async def check(api: Api, method: str, path: str) -> None:
    url = re.sub(r"\{[^}]*\}", "index.html", path)
    for token in ("admin", None):
        answer = await api.call(method, url, token=token, allow_redirects=False)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["x-content-type-options"] == "nosniff", (method, url)
        assert headers["referrer-policy"] == "no-referrer", (method, url)
        assert "default-src" in headers["content-security-policy"], (method, url)
        assert "frame-ancestors" in headers["content-security-policy"], (method, url)
        assert "unsafe-inline" not in headers["content-security-policy"], (method, url)


async def test_every_operation_answers_with_security_headers(api: Api) -> None:
    for method, path in ROUTES:
        if not path.endswith(STREAMS) and method in ("GET", "POST", "DELETE", "PATCH", "PUT"):
            await check(api, method, path)


@pytest.mark.parametrize("path", ["/panel/", "/panel", "/docs", "/nothing", "/v1/nothing"])
async def test_pages_and_unknown_paths_too(api: Api, path: str) -> None:
    await check(api, "GET", path)
