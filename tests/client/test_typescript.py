"""The TypeScript types match the API, and the guide's TypeScript compiles and works."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from aiohttp import ClientSession

from docs import typescript
from handoff.bootstrap.server import running
from tests.e2e.agents import settings
from tests.serving import options_of

ROOT = Path(__file__).resolve().parents[2]
TSC = ROOT / "node_modules" / ".bin" / "tsc"
STRICT = (
    "--strict",
    "--target",
    "ES2022",
    "--module",
    "ES2022",
    "--moduleResolution",
    "bundler",
    "--pretty",
    "false",
)
PATIENCE_S = 60


def guide() -> str:
    (block,) = re.findall(r"```ts\n(.*?)```", (ROOT / "docs" / "desktop.md").read_text(), re.DOTALL)
    return str(block)


async def output(*command: str | Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=asyncio.subprocess.STDOUT)
    async with asyncio.timeout(PATIENCE_S):
        printed, _ = await process.communicate()
    return process.returncode, printed.decode()


@pytest.fixture(scope="module")
def needed() -> None:
    if not typescript.GENERATOR.exists() or not TSC.exists() or shutil.which("node") is None:
        pytest.skip("openapi-typescript, tsc or node is missing (npm install)")


@pytest.fixture
async def compiled(needed: None, tmp_path: Path) -> tuple[Path, str]:
    """Compile the guide's TypeScript, and a copy with a mistake; returns the folder and tsc's output."""
    shutil.copy(typescript.TYPES, tmp_path)
    (tmp_path / "desktop.mts").write_text(guide().replace("./openapi", "./openapi.d.ts"))
    (tmp_path / "mistake.mts").write_text(
        guide().replace("./openapi", "./openapi.d.ts").replace("it.version", "it.etag")
    )
    _, printed = await output(TSC, *STRICT, tmp_path / "desktop.mts", tmp_path / "mistake.mts")
    return tmp_path, printed


def test_the_types_match_the_api(needed: None) -> None:
    assert typescript.TYPES.read_text() == typescript.generated(), "make ts-types updates them"


async def test_the_guides_typescript_accepts_a_handoff(compiled: tuple[Path, str], valkey: str) -> None:
    folder, messages = compiled
    found = [line for line in messages.splitlines() if "error" in line]
    assert [line for line in found if "mistake.mts" not in line] == []
    assert any("'etag' does not exist" in line for line in found), found  # the mistake is reported
    chosen = settings(valkey)
    secret = chosen.tokens[0].secret
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        running(chosen, options_of()) as server,
        ClientSession(server.url, headers=headers) as http,
    ):
        request = {
            "identity": "user:anna",
            "to": {"channel": "chat", "queue": "refunds"},
            "reason": "Refund",
        }
        async with http.post("/v1/handoffs", json=request) as response:
            id_ = (await response.json())["id"]
        async with http.post("/v1/sessions", json={"agent": "ville"}) as response:
            token = (await response.json())["token"]
        script = folder / "run.mjs"
        script.write_text(
            'import { take } from "./desktop.mjs";\n'
            f'const given = [{json.dumps(server.url)}, {json.dumps(token)}, "refunds"];\n'
            "console.log(JSON.stringify([await take(...given), await take(...given)]));\n"
        )
        status, printed = await output("node", script)
        assert status == 0, printed
        first, second = json.loads(printed)
        assert "Refund" in " ".join(first)
        assert second is None
        async with http.get(f"/v1/handoffs/{id_}") as response:
            assert (await response.json())["owner"] == "ville"
        async with http.get("/panel/openapi.d.ts") as response:
            assert await response.text() == typescript.TYPES.read_text()
