"""The parsers of `init` and `check-config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.cli.parsing import add_command

INIT = """\
Write a configuration to start from. On a terminal, the command asks for
what the flags leave open; otherwise, or with --yes, it uses the defaults.

Secrets are written into files beside the configuration, which only you can
read. Tokens for your programs are generated, and printed once.
"""
INIT_EXAMPLES = """\
examples:
  handoff init
  handoff init /etc/handoff/handoff.toml --channel chat --channel email \\
      --recipient support@shop.example --public-url https://handoff.shop.example
  handoff init --vendor web.segment --tenant shop --tenant outlet \\
      --store redis://store.internal:6379 --yes

exit status:
  0  the configuration is written, and `handoff check-config` accepts it
  1  nothing is written; the message gives the reason
"""
CHECK = """\
Check a configuration file and the environment variables that it names,
without starting anything. Every fault is listed at once, with its line.
"""
CHECK_EXAMPLES = """\
examples:
  handoff check-config /etc/handoff.toml
  handoff check-config /etc/handoff.toml --strict --json

exit status:
  0  no errors
  1  errors; with --strict, also for warnings
  2  wrong usage
"""


def add_setup(commands: Any) -> None:
    _add_init(commands)
    checking = add_command(
        commands,
        "check-config",
        "check a configuration file without starting the server",
        CHECK_EXAMPLES,
        description=CHECK,
    )
    checking.add_argument("file", type=Path, help="a TOML configuration file")
    checking.add_argument("--strict", action="store_true", help="exit with 1 for warnings, too")
    checking.add_argument("--json", action="store_true", help="print the result as JSON")
    checking.set_defaults(run="setup.checked:check")


def _add_init(commands: Any) -> None:
    init = add_command(
        commands, "init", "write a configuration to start from", INIT_EXAMPLES, description=INIT
    )
    init.add_argument(
        "file", type=Path, nargs="?", default=Path("handoff.toml"), help="default: handoff.toml"
    )
    init.add_argument(
        "--channel",
        action="append",
        choices=("web", "chat", "phone", "email"),
        help="a channel to connect, with its built-in adapter; can be repeated "
        "(default: web, chat and phone; email with --recipient)",
    )
    init.add_argument(
        "--vendor",
        action="append",
        metavar="ADAPTER",
        help="an adapter to connect, see `handoff adapters`; can be repeated",
    )
    init.add_argument(
        "--tenant",
        action="append",
        metavar="NAME",
        help="an organisation; can be repeated (default: default)",
    )
    init.add_argument("--store", metavar="URL", help="the store's URL, or embedded (default: embedded)")
    init.add_argument("--data", metavar="DIR", help="the server's data directory (default: .handoff)")
    init.add_argument("--host", help="the address to listen on (default: 127.0.0.1)")
    init.add_argument("--port", type=int, help="the port to listen on (default: 8080)")
    init.add_argument("--public-url", metavar="URL", help="the URL under which vendors call the server")
    init.add_argument(
        "--recipient",
        action="append",
        metavar="ADDRESS",
        help="an address or @domain that mail is accepted for; can be repeated",
    )
    init.add_argument("--webhook", metavar="URL", help="the https URL of a platform that gets handoff events")
    init.add_argument("--yes", action="store_true", help="do not ask")
    init.add_argument("--force", action="store_true", help="overwrite existing files")
    init.set_defaults(run="setup.init:init")
