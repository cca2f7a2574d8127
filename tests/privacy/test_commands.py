"""`handoff customer erase|reveal` and `handoff erasures`: the commands against a running server."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys
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


@pytest.mark.parametrize(("typed", "code"), [(b"\x04", 1), (b"y\n", 1), (b"yes\n", 0), (None, 130)])
async def test_the_question_before_an_erasure_takes_every_answer(
    valkey: str, tmp_path: Path, typed: bytes | None, code: int
) -> None:
    """Ctrl-D, an answer that is too short, yes, and Ctrl-C at a terminal."""
    tenant, other = fresh_tenant(), fresh_tenant()
    chosen = settings(valkey, tenant, other, tmp_path, privacy={}, store={"data_dir": str(tmp_path)})
    async with serving.in_process(chosen) as (server, session):
        api = Callers(server, session, tenant, other)
        await api.ok("POST", "/v1/touchpoints", message("m1", identities=["user:anna"]))
        ours, theirs = pty.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "handoff.cli", "customer", "erase", "user:anna", "--tenant", tenant),
                env=os.environ | {"HANDOFF_URL": api.url, "HANDOFF_TOKEN": serving.ADMIN},
                stdin=theirs,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            assert process.stdout is not None
            async with asyncio.timeout(PATIENCE_S):
                await process.stdout.readuntil(b"Type yes: ")
                if typed is None:
                    process.send_signal(signal.SIGINT)
                else:
                    os.write(ours, typed)
                output, _ = await process.communicate()
        finally:
            os.close(ours)
            os.close(theirs)
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == code, output
        assert b"Traceback" not in output
        context = await api.ok("GET", "/v1/context?identity=user:anna")
        assert (context["customer"] is None) is (code == 0)


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
