"""`handoff customer erase|reveal` and `handoff erasures`: the commands against a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.cli.arguments import parser
from handoff.domain.errors import HandoffError
from tests import serving
from tests.access.conftest import Callers
from tests.api.conftest import message
from tests.conftest import fresh_tenant

from .test_masked_numbers import NUMBERS, WORDS, settings

PATIENCE_S = 60.0


Command = Callable[..., Awaitable[str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command in this process, with the token of an operator of all tenants: its output."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("HANDOFF_TOKEN", raising=False)

    def run(arguments: Sequence[str]) -> int:
        options = parser().parse_args(arguments)
        module, _, function = options.run.partition(":")
        try:
            return int(getattr(import_module(f"handoff.cli.{module}"), function)(options) or 0)
        except HandoffError as error:
            print(error.detail)
            return 1

    async def call(api: Callers, *arguments: str, code: int = 0, token: str = serving.ADMIN) -> str:
        capsys.readouterr()
        given = [*arguments, "--url", api.url, "--token", token]
        async with asyncio.timeout(PATIENCE_S):
            status = await asyncio.to_thread(run, given)
        output = capsys.readouterr().out
        assert status == code, output
        return output

    return call


async def test_erasures_of_a_tenant_and_their_pages(valkey: str, tmp_path: Path, command: Command) -> None:
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
        assert "no customer matches user:anna" in missing
        page = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "2")
        assert "2 of 3 shown" in page
        cursor = page.split("continue with --cursor ")[1].split()[0]
        rest = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "2", "--cursor", cursor)
        assert "1 of 3 shown" in rest
        assert "continue" not in rest
        raw = await command(api, "erasures", "list", "--tenant", tenant, "--limit", "1", "--all", "--json")
        whole: dict[str, Any] = msgspec.json.decode(raw[raw.index("{\n") : raw.rindex("\n}") + 2])
        assert (whole["returned"], len(whole["erasures"]), whole["next"]) == (3, 3, None)
        shown = await command(api, "erasures", "show", whole["erasures"][2]["id"], "--tenant", tenant)
        assert "sha256" in shown
        assert "0 of 0 shown" in await command(api, "erasures", "list", "--tenant", other)


async def test_a_touchpoint_is_revealed(valkey: str, tmp_path: Path, command: Command) -> None:
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
        bank, file = serving.secret_of("bank", tenant), tmp_path / "export.json"
        export = ("customer", "export", customer, "--output", str(file))
        await command(api, *export, token=bank)
        assert WORDS not in file.read_text()
        await command(api, *export, *asked, token=bank)
        assert WORDS in file.read_text()
