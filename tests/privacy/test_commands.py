"""`handoff customer erase|reveal` and `handoff erasures`: the real commands against a running server."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests import serving
from tests.access.conftest import Callers
from tests.api.conftest import message
from tests.conftest import fresh_tenant

from .test_masked_numbers import NUMBERS, WORDS, settings

PATIENCE_S = 60.0


async def command(api: Callers, *arguments: str, code: int = 0, **more: str) -> str:
    """The output of a command with the token of an operator of all tenants."""
    given = {"HANDOFF_URL": api.url, "HANDOFF_TOKEN": serving.ADMIN, "COLUMNS": "200", **more}
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "handoff.cli", *arguments, env=os.environ | given,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        out, err = await started.communicate()
    output = out.decode() + err.decode()
    assert started.returncode == code, output
    assert "Traceback" not in output
    return output


async def test_erasures_of_a_tenant_and_their_pages(valkey: str, tmp_path: Path) -> None:
    tenant, other = fresh_tenant(), fresh_tenant()
    chosen = settings(valkey, tenant, other, tmp_path, privacy={}, store={"data_dir": str(tmp_path)})
    async with serving.in_process(chosen) as (server, session):
        api = Callers(server, session, tenant, other)
        people = [f"user:{it}" for it in ("anna", "bert", "carl")]
        for who in people:
            await api.ok("POST", "/v1/touchpoints", message(who, identities=[who]))
        first = await command(api, "customer", "erase", people[0], "--yes", "--tenant", tenant, "--wait")
        assert "completed (100%)" in first
        for who in people[1:]:
            await command(api, "customer", "erase", who, "--yes", "--tenant", tenant)
        missing = await command(api, "customer", "erase", people[0], "--yes", "--tenant", other, code=1)
        assert "there is no such customer" in missing
        page = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "2")
        assert "2 of 3 shown" in page
        cursor = page.split("continue with --cursor ")[1].split()[0]
        rest = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "2", "--cursor", cursor)
        assert "1 of 3 shown" in rest
        assert "continue" not in rest
        raw = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "1", "--all", "--json")
        whole: dict[str, Any] = msgspec.json.decode(raw)
        assert (whole["returned"], len(whole["erasures"]), whole["next"]) == (3, 3, None)
        shown = await command(api, "erasures", "show", whole["erasures"][2]["id"], "--tenant", tenant)
        assert "sha256" in shown
        assert "0 of 0 shown" in await command(api, "erasures", "list", "--tenant", other)


async def test_a_touchpoint_is_revealed(valkey: str, tmp_path: Path) -> None:
    tenant, other = fresh_tenant(), fresh_tenant()
    async with serving.in_process(settings(valkey, tenant, other, tmp_path)) as (server, session):
        api = Callers(server, session, tenant, other)
        (id_,) = (await api.record("m1", text=WORDS, data={"id": NUMBERS[1]}))["ids"]
        shown = await command(api, "customer", "reveal", id_, "--reason", "ticket 7", "--tenant", tenant)
        assert WORDS in shown
        assert f'"id": "{NUMBERS[1]}"' in shown
        refused = await command(api, "customer", "reveal", id_, "--reason", "ticket 7", code=1)
        assert WORDS not in refused
        asked = ("--reveal", "--reason", "access request 12")
        customer = (await api.context())["customer"]["id"]
        given = {"HANDOFF_TOKEN": serving.secret_of("bank", tenant)}
        assert WORDS in await command(api, "customer", "export", customer, *asked, **given)
        assert WORDS not in await command(api, "customer", "export", customer, **given)
