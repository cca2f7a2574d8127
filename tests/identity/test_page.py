"""docs/identity.md is correct: its commands run against a server and print the documented output."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tomllib
from pathlib import Path

import msgspec
import pytest

from handoff.bootstrap.settings import Settings
from handoff.cli.arguments import parser
from handoff.domain.evidence import MAX_COMPONENT, MAX_STRONG_NEIGHBOURS
from tests.api.conftest import secret

from .conftest import Shop

PAGE = (Path(__file__).resolve().parents[2] / "docs/identity.md").read_text()
BLOCK = re.compile(r"^( *)```sh\n(.*?)^ *```\n(?: *```text\n(.*?)^ *```\n)?", re.MULTILINE | re.DOTALL)


def script() -> tuple[str, list[str]]:
    """All commands as one, and what each block prints."""
    commands, outputs = [], []
    for indent, block, output in BLOCK.findall(PAGE):
        commands.append(re.sub(f"^{indent}", "", block, flags=re.MULTILINE))
        outputs += re.sub(f"^{indent}", "", output, flags=re.MULTILINE).splitlines()
    return "".join(commands), outputs


async def test_its_commands_print_the_documented_output(shop: Shop) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    commands, outputs = script()
    assert len(outputs) > 15
    environment = os.environ | {"HANDOFF": shop.url, "HANDOFF_TOKEN": secret("desk", shop.tenant)}
    process = await asyncio.create_subprocess_exec(
        "sh", "-eu", "-c", commands, env=environment, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        printed, _ = await process.communicate()
    assert printed.decode().splitlines() == outputs
    assert process.returncode == 0


def test_its_configuration_is_taken() -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    rules = msgspec.convert(tomllib.loads(table), Settings).identity
    assert rules.limits == {"user": 1, "phone": 3}


def test_its_numbers_are_the_codes() -> None:
    assert f"more than {MAX_STRONG_NEIGHBOURS} others" in PAGE
    assert f"More than {MAX_COMPONENT} identities" in PAGE


def test_its_terminal_commands_are_taken() -> None:
    lines = re.findall(r"^(handoff (?:customer|import) .*?)(?:  +#.*)?$", PAGE, re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        words = [it.strip('"') for it in re.findall(r'"[^"]*"|\S+', line)]
        assert parser().parse_args(words[1:]).command == words[1]
