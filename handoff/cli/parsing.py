"""Arguments and types that the parsers of several commands have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_command(
    commands: Any, name: str, summary: str, examples: str | None = None, *, description: str | None = None
) -> argparse.ArgumentParser:
    """A command whose own help starts with its summary, unless it has a longer description."""
    made: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description or f"{summary[0].upper()}{summary[1:]}.",
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def add_actions(command: argparse.ArgumentParser, word: str = "action") -> Any:
    """The place for a command's own commands. The chosen one is in the options under `word`."""
    return command.add_subparsers(dest=word, required=True, metavar=word.upper())


def add_admin_options(command: argparse.ArgumentParser, run: str) -> None:
    add_reading_options(command, run)
    command.add_argument("--tenant", help="the tenant, for admin tokens (default: the token's)")


def add_reading_options(command: argparse.ArgumentParser, run: str) -> None:
    add_remote_options(command, run)
    command.add_argument("--json", action="store_true", help="print the server's JSON response")


def add_remote_options(command: argparse.ArgumentParser, run: str) -> None:
    command.add_argument("--url", help="the server's URL (or HANDOFF_URL; default: http://127.0.0.1:8080)")
    command.add_argument("--token", help="a bearer token (or HANDOFF_TOKEN, or HANDOFF_ADMIN_TOKEN)")
    command.set_defaults(run=run)


def add_store_options(command: argparse.ArgumentParser, run: str) -> None:
    command.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    command.add_argument("--data", metavar="DIR", help="the data directory of a running embedded store")
    command.set_defaults(run=run)


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def page_size(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 500:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 500")
    return number
