"""The API for desktops: conditional contexts, allowed origins, the panel's files, and session tokens."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec
import pytest
from aiohttp import ClientSession

from handoff.bootstrap.server import running
from handoff.bootstrap.settings import Settings
from tests.api.conftest import Api, served, settings_for
from tests.conftest import fresh_tenant
from tests.serving import options_of

DESKTOP = "https://desk.example.com"


@pytest.fixture
async def api(valkey: str) -> AsyncIterator[Api]:
    async with served(valkey) as client:
        yield client


@pytest.fixture
async def embedding(valkey: str) -> AsyncIterator[Api]:
    """A server with one configured desktop."""
    tenant, other = fresh_tenant(), fresh_tenant()
    panel = {"allowed_origins": [DESKTOP]}
    settings = msgspec.structs.replace(
        settings_for(valkey, tenant, other), panel=msgspec.convert({"panel": panel}, Settings).panel
    )
    async with running(settings, options_of()) as server, ClientSession() as session:
        yield Api(server, session, tenant, other)


async def test_a_contexts_etag_changes_with_its_content_and_not_with_the_clock(api: Api) -> None:
    await api.record("one")
    path = "/v1/context?identity=user:anna"
    first = await api.get(path)
    assert first.headers["Cache-Control"] == "no-store"
    again = await api.get(path, headers={"If-None-Match": first.headers["Etag"]})
    assert again.status == 304, (first.json, again.json)
    assert not again.raw
    fewer = await api.get(f"{path}&fields=brief", headers={"If-None-Match": first.headers["Etag"]})
    assert fewer.status == 200
    await api.record("two")
    assert (await api.get(path, headers={"If-None-Match": first.headers["Etag"]})).status == 200


async def test_a_handoff_changes_the_etag_without_new_messages(api: Api) -> None:
    await api.record("one")
    path = "/v1/context?identity=user:anna&fields=handoffs"
    before = (await api.get(path)).headers["Etag"]
    asked = {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "Refund"}
    handoff = await api.ok("POST", "/v1/handoffs", asked)
    after = await api.get(path, headers={"If-None-Match": before})
    assert after.status == 200
    same = await api.get(f"/v1/handoffs/{handoff['id']}/context", headers={"If-None-Match": "*"})
    assert same.status == 304


async def test_only_configured_origins_may_call_from_a_browser(embedding: Api) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    known = await embedding.call(
        "OPTIONS", "/v1/touchpoints", token=None, headers={"Origin": DESKTOP, **asked}
    )
    assert known.status == 204
    assert known.headers["Access-Control-Allow-Origin"] == DESKTOP
    assert "Authorization" in known.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in known.headers
    strange = {"Origin": "https://desk.example.com.evil.example", **asked}
    refused = await embedding.call("OPTIONS", "/v1/touchpoints", token=None, headers=strange)
    assert refused.status == 403
    assert "Access-Control-Allow-Origin" not in refused.headers
    await embedding.record("one")
    read = await embedding.get("/v1/context?identity=user:anna", headers={"Origin": DESKTOP})
    assert read.headers["Access-Control-Allow-Origin"] == DESKTOP
    assert "Origin" in read.headers["Vary"]
    assert "ETag" in read.headers["Access-Control-Expose-Headers"]
    problem = await embedding.get("/v1/context?identity=user:anna", token=None, headers={"Origin": DESKTOP})
    assert problem.status == 401
    assert problem.headers["Access-Control-Allow-Origin"] == DESKTOP


async def test_without_configured_desktops_no_origin_is_allowed(api: Api) -> None:
    await api.record("one")
    read = await api.get("/v1/context?identity=user:anna", headers={"Origin": DESKTOP})
    assert "Access-Control-Allow-Origin" not in read.headers
    page = await api.get("/panel/", token=None)
    assert "frame-ancestors 'self';" in page.headers["Content-Security-Policy"]


async def test_the_panel_serves_only_its_own_files(embedding: Api) -> None:
    page = await embedding.get("/panel/", token=None)
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
    assert f"frame-ancestors 'self' {DESKTOP};" in policy
    assert "unsafe" not in policy
    assert f'content="{DESKTOP}"' in page.raw.decode()
    for name in re.findall(r'(?:src|href)="([\w./]+)"', page.raw.decode()):
        asset = await embedding.get(f"/panel/{name}", token=None)
        assert asset.status == 200
        known = {"If-None-Match": asset.headers["Etag"]}
        assert (await embedding.get(f"/panel/{name}", token=None, headers=known)).status == 304
    for name in ("../api/app.py", "%2e%2e/api/app.py", "messages/", "no.js", "messages/../../api/app.py"):
        assert (await embedding.get(f"/panel/{name}", token=None)).status == 404
    entry = await embedding.get("/panel", token=None, allow_redirects=False)
    assert (entry.status, entry.headers["Location"]) == (308, "panel/")


async def test_a_token_can_read_its_agent_and_scopes(api: Api) -> None:
    session = await api.ok("POST", "/v1/sessions", {"agent": "ville", "scopes": ["context:read"]})
    headers = {"Authorization": f"Bearer {session['token']}"}
    current = await api.ok("GET", "/v1/sessions/current", token=None, headers=headers)
    assert current == {
        "agent": "ville",
        "name": "desk",
        "scopes": ["context:read"],
        "queues": None,
        "role": "agent",
        "audience": "agent",
        "expires_at": session["expires_at"],
    }
    assert (await api.ok("GET", "/v1/sessions/current"))["agent"] is None


@pytest.mark.parametrize(
    "origin",
    ["*", "desk.example.com", "https://desk.example.com/", "https://*.example.com", "https://a.example; x"],
)
def test_an_origin_must_have_the_form_that_browsers_send(origin: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"panel": {"allowed_origins": [origin]}}, Settings)
