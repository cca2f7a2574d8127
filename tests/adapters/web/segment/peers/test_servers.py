"""The vendors' own SDKs for servers deliver everything once, after our 503."""

from __future__ import annotations

import asyncio
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests import serving
from tests.api.conftest import SECRET, WORK, Api
from tests.conftest import fresh_tenant
from tests.faults.proxy import cutting_proxy
from tests.unit.test_project import ROOT

HERE = Path(__file__).parent
STEPS = 20
PATIENCE_S = 60.0
PYTHON = ("segment", "rudderstack")
NODE = ("@segment/analytics-node", "@rudderstack/rudder-sdk-node")


def command(name: str) -> list[str]:
    """The command that runs an SDK. Skips the test if it is not installed."""
    if name in PYTHON:
        if find_spec(name) is None:
            pytest.skip(f"the Python package {name} is not installed")
        return [sys.executable, str(HERE / "server_sdk.py"), name]
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / name).exists():
        pytest.skip(f"node, or its {name} (npm install), is not installed")
    return [node, str(HERE / "server_sdk.mjs"), name]


@pytest.mark.parametrize("name", [*PYTHON, *NODE])
async def test_everything_is_delivered_once(name: str, valkey: str) -> None:
    run, tenant = command(name), fresh_tenant()
    source = {"name": "shop", "adapter": "web.segment", "tenant": tenant, "secrets": [SECRET]}
    async with cutting_proxy(valkey) as way:
        settings = serving.settings_for(
            way.url,
            [serving.token("desk", tenant, *WORK)],
            store={"timeout_s": 1},
            sources=[{**source, "trust": "server"}],
        )
        async with serving.in_process(settings) as (server, session):
            api = Api(server, session, tenant, tenant)
            way.isolate(["127.0.0.1"])
            sdk = await asyncio.create_subprocess_exec(
                *run, server.url, SECRET, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
            )
            try:
                await refused(api, sdk)
                way.heal()
                output, _ = await asyncio.wait_for(sdk.communicate(), PATIENCE_S)
            finally:
                way.heal()
                if sdk.returncode is None:
                    sdk.kill()
                    await sdk.wait()
            assert sdk.returncode == 0, output.decode()
            await has_the_journey(api)


async def refused(api: Api, sdk: asyncio.subprocess.Process) -> None:
    """Wait until the server has answered a delivery with 503."""
    count = 'handoff_request_seconds_count{route="/in/{source}/{rest}",status="5xx"}'
    async with asyncio.timeout(PATIENCE_S):
        while count not in (await api.get("/metrics", token="admin")).raw.decode():
            assert sdk.returncode is None, "ended without a 503"
            await asyncio.sleep(0.05)


async def has_the_journey(api: Api) -> None:
    """Every call is one touchpoint of the customer."""
    shown = (await api.context("user:ana", limit=500))["timeline"]
    assert (await api.ok("GET", "/v1/quarantine"))["items"] == []
    assert shown["total"] == STEPS + 4
    whole = [it for it in shown["touchpoints"] if it["type"] != "event.tracked"]
    assert sorted(it["type"] for it in whole) == ["article.viewed", "form.failed", "identified", "identified"]
    (failed,) = [it for it in whole if it["type"] == "form.failed"]
    assert (failed["text"], failed["data"]["form"]) == ("card refused", "Refund")
    (read,) = [it for it in whole if it["type"] == "article.viewed"]
    assert read["subject"] == "Returns"
    visitor = await api.context("anonymous@segment:visitor-2")
    assert "ana" in [it["value"] for it in visitor["customer"]["identities"]], "`alias` links"
