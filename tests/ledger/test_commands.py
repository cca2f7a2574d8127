"""`handoff promises` and `handoff complaints` against a running server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import secret
from tests.commands import run_command

from .conftest import Ledger
from .test_decisions import AGENT, SENTENCE, candidate


async def run(ledger: Ledger, *arguments: str) -> int:
    token = ("--url", ledger.url, "--token", secret("desk", ledger.tenant))
    return await asyncio.to_thread(run_command, *arguments, *token)


def printed(output: str) -> Any:
    """The JSON of a command, behind the log of the server in this process."""
    return json.loads(output[output.index("{\n") :])


async def test_promises_and_complaints(ledger: Ledger, capsys: pytest.CaptureFixture[str]) -> None:
    await ledger.happened("message.received", 120, text="My cellar is wet, when do you come?")
    await ledger.happened("message.sent", 60, text=SENTENCE, **AGENT)
    line = await candidate(ledger)
    due = "2035-01-01T00:00:00Z"
    assert await run(ledger, "promises", "confirm", "user:anna", line["id"], "--due", due) == 0
    assert f"confirmed: {line['id']}, due 2035-01-01 00:00:00" in capsys.readouterr().out
    assert await run(ledger, "promises", "dismiss", "user:anna", line["id"]) == 1
    assert "409 already_confirmed" in capsys.readouterr().err
    assert await run(ledger, "promises", "list", "--state", "open") == 0
    shown = capsys.readouterr().out
    assert SENTENCE in shown
    assert "2035-01-01 00:00:00" in shown
    assert await run(ledger, "promises", "list", "--json", "--owner", "nobody") == 0
    assert printed(capsys.readouterr().out)["promises"] == []
    complaint = await ledger.happened("complaint.opened", 7200, text="This is unacceptable")

    async def ids() -> list[str]:
        return [it["id"] for it in await ledger.complaints()]

    await ledger.until([complaint], ids)
    assert await run(ledger, "complaints", "list") == 0
    shown = capsys.readouterr().out
    assert "2 h" in shown
    assert complaint in shown


async def test_a_rebuild_from_the_command_line(
    ledger: Ledger, valkey: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = await ledger.promised(3600)
    await ledger.until({id_: "open"}, ledger.states)
    config = tmp_path / "handoff.toml"
    token = f'name = "desk"\ntenant = "{ledger.tenant}"\nscopes = []\nsecret = "a-secret-of-16-letters"\n'
    config.write_text(f'[store]\nurl = "{valkey}"\n[[tokens]]\n{token}')
    arguments = ("promises", "rebuild", "--config", str(config), "--json")
    assert await asyncio.to_thread(run_command, *arguments) == 0
    found = printed(capsys.readouterr().out)
    assert (found["settled"], found["changed"]) == (1, 0)
