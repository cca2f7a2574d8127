"""`handoff keys` and `handoff store seal`, as an operator runs them; a rotation is also killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handoff.cli.arguments import parser
from handoff.cli.sealing.operating import rotate_keys
from handoff.domain.clock import DAY, Micros
from handoff.domain.errors import ConfigurationError
from handoff.store.sealing.key_file import Epoch, KeySet, read_key_file, write_key_file
from handoff.store.sealing.rotation import RETIRED_S
from tests.commands import run_command
from tests.conftest import opened
from tests.samples import NOON, record_all, timeline, touchpoint

from .conftest import MASTER, opened_sealed, sealing
from .test_timelines import stored

PEOPLE = 20


@pytest.fixture
def config(fresh_valkey: str, tmp_path: Path) -> Path:
    path = tmp_path / "handoff.toml"
    keys = f'keys = "{MASTER}"\nkey_file = "{tmp_path}/keys.json"'
    path.write_text(f'[store]\nurl = "{fresh_valkey}"\n[privacy.sealing]\n{keys}\n')
    return path


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON that a command printed, after what the tests log."""
    _log, brace, rest = capsys.readouterr().out.partition("{")
    document: dict[str, Any] = json.loads(brace + rest)
    return document


def people() -> list[str]:
    return [f"user:p{number}" for number in range(PEOPLE)]


async def filled(url: str, folder: Path | None, at: Micros = NOON) -> None:
    events = [touchpoint(f"of-{it}", it, at=at) for it in people()]
    if folder is None:
        async with opened(url) as store:
            await record_all(store, "default", events)
        return
    async with opened_sealed(url, sealing(folder), "default") as store:
        await record_all(store, "default", events)


async def read_back(url: str, folder: Path) -> None:
    async with opened_sealed(url, sealing(folder), "default") as store:
        for person in people():
            texts = [view.text for view in await timeline(store, "default", person)]
            assert texts == [f"text of of-{person}"]


def rotate(config: Path, *arguments: str) -> int:
    options = parser().parse_args(["keys", "rotate", "--config", str(config), *arguments])
    options.settle_s = 0.0
    return rotate_keys(options)


def key_set(config: Path) -> KeySet:
    found = read_key_file(config.parent / "keys.json")
    assert found is not None
    return found


def retired_long_ago(config: Path) -> None:
    """As if the time for servers that use an old epoch was over."""
    path = config.parent / "keys.json"
    content = json.loads(path.read_bytes())
    for epoch in content["epochs"]:
        if "retired_at" in epoch:
            epoch["retired_at"] -= RETIRED_S + 1
    path.write_text(json.dumps(content))


def test_keys_are_listed_rotated_and_destroyed(
    fresh_valkey: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(filled(fresh_valkey, config.parent))
    (old,) = [it.id for it in key_set(config).epochs]
    assert rotate(config) == 0
    printed = capsys.readouterr().out
    assert f"{PEOPLE + 1} data keys" in printed
    assert f"handoff keys destroy {old}" in printed
    command = ["keys", "destroy", old, "--config", str(config)]
    assert run_command(*command) == 1
    assert "wait" in capsys.readouterr().err
    retired_long_ago(config)
    assert run_command(*command) == 0
    assert run_command("keys", "list", "--config", str(config)) == 0
    printed = capsys.readouterr().out
    assert "destroyed" in printed
    assert "current" in printed
    assert "by hand" in printed
    asyncio.run(read_back(fresh_valkey, config.parent))
    assert rotate(config, "--tenant", "another") == 0
    assert {it.tenant for it in key_set(config).epochs} == {"default", "another"}


def test_the_list_has_the_age_of_an_epoch_and_its_next_rotation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, begun = tmp_path / "handoff.toml", int(time.time()) - 31 * 86_400
    keys = f'keys = "{MASTER}"\nkey_file = "{tmp_path}/keys.json"\nrotate_every_days = 45'
    config.write_text(f"[privacy.sealing]\n{keys}\n")
    listed = [
        Epoch(id="00000001", tenant="shop", created_at=begun - 9, retired_at=begun, emptied_at=begun + 200),
        Epoch(id="00000002", tenant="shop", created_at=begun),
        Epoch(id="00000003", tenant="shop", created_at=begun, prepared=True),
    ]
    write_key_file(tmp_path / "keys.json", KeySet(version=1, id="k", epochs=listed))
    assert run_command("keys", "list", "--config", str(config)) == 0
    old, current, prepared = capsys.readouterr().out.splitlines()[-3:]
    due = datetime.fromtimestamp(begun + 45 * 86_400, UTC).strftime("%Y-%m-%d")
    assert "emptied" in old
    assert "31.0 days" in current
    assert current.rstrip().endswith(due)
    assert "prepared" in prepared


def test_what_was_stored_before_is_sealed(
    fresh_valkey: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(filled(fresh_valkey, None))
    assert run_command("store", "seal", "--config", str(config)) == 0
    assert "nothing is left to seal" in capsys.readouterr().out

    async def dump() -> bytes:
        async with opened_sealed(fresh_valkey, sealing(config.parent), "default") as store:
            return await stored(store)

    assert b"user:p" not in asyncio.run(dump())
    asyncio.run(read_back(fresh_valkey, config.parent))


def test_identities_without_a_tenant_are_reported(
    fresh_valkey: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def gone() -> None:
        async with opened(fresh_valkey) as store:
            await record_all(store, "gone", [touchpoint("a")])

    asyncio.run(gone())
    assert run_command("store", "seal", "--config", str(config)) == 1
    assert "1 identities were skipped" in capsys.readouterr().out


def test_retention_is_swept_in_a_sealed_store(
    fresh_valkey: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Touchpoints that are older than the rules allow are deleted, though their people's names are sealed."""
    asyncio.run(filled(fresh_valkey, config.parent, time.time_ns() // 1000 - 5 * DAY))
    path = config.parent / "with-rules.toml"
    path.write_text(f"{config.read_text()}\n[[retention]]\ndays = 1\n")
    sweep = ["retention", "sweep", "--json", "--config", str(path)]
    assert run_command(*sweep, "--dry-run") == 0
    assert shown(capsys)["deleted"] == {"chat/messages": PEOPLE}
    assert run_command(*sweep) == 0
    assert shown(capsys)["deleted"] == {"chat/messages": PEOPLE}
    assert run_command("retention", "status", "--json", "--config", str(path)) == 0
    assert shown(capsys)["rules"][0]["days"] == 1


def test_commands_need_keys(fresh_valkey: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "handoff.toml"
    config.write_text(f'[store]\nurl = "{fresh_valkey}"\ndata_dir = "{tmp_path}"\n')
    assert run_command("store", "seal", "--config", str(config)) == 1
    assert "[privacy.sealing]" in capsys.readouterr().err
    assert run_command("keys", "list", "--config", str(config)) == 1
    assert "there is no key file" in capsys.readouterr().err
    with pytest.raises(ConfigurationError):
        rotate(config)


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2])
def test_a_rotation_that_is_killed_loses_nothing(fresh_valkey: str, config: Path, after_s: float) -> None:
    """Killed as soon as the new epoch is in the key file, and somewhat later."""
    asyncio.run(filled(fresh_valkey, config.parent))
    before = key_set(config)
    command = [sys.executable, "-m", "handoff.cli", "keys", "rotate", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while key_set(config) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGKILL)
    assert len(key_set(config).epochs) == 2
    asyncio.run(read_back(fresh_valkey, config.parent))
    assert rotate(config, "--resume") == 0
    assert len(key_set(config).epochs) == 2
    retired_long_ago(config)
    old = before.epochs[0].id
    assert run_command("keys", "destroy", old, "--config", str(config)) == 0
    asyncio.run(read_back(fresh_valkey, config.parent))
