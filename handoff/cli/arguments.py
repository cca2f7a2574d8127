"""The command line's parser, assembled from the packages' own. Each command names the function that runs it.

This module imports nothing that a command needs, so that `handoff --help` and small commands start fast.
"""

from __future__ import annotations

import argparse
import os

from handoff import __version__

from . import options
from .access.options import add_access
from .adapters.options import add_adapters
from .audit.options import add_audit
from .continuity.options import add_continuity
from .customers.options import add_customer, add_reports
from .importing.options import add_import
from .operating.options import add_operating, add_webhooks
from .privacy.options import add_erasures, add_retention
from .promises.options import add_promises
from .sealing.options import add_keys
from .setup.options import add_setup

_LEVELS = ("debug", "info", "warning", "error")
_EXAMPLES = """\
environment:
  HANDOFF_URL, HANDOFF_TOKEN  the server and token for commands that ask a
                              running server
  HANDOFF_ADMIN_TOKEN         the server's admin token; without it,
                              `handoff serve` prints a new one
  HANDOFF_SERVER_*            override [server] in the configuration file
  HANDOFF_STORE_*             override [store] in the configuration file

examples:
  handoff demo
  handoff init /etc/handoff.toml
  handoff check-config /etc/handoff.toml
  handoff serve --config /etc/handoff.toml
  handoff context email:anna@example.com

`handoff COMMAND --help` describes a command.
"""


def parser() -> argparse.ArgumentParser:
    """The parser. It sets `run` to `module:function`, a function in `handoff.cli`."""
    top = argparse.ArgumentParser(
        prog="handoff",
        description="One timeline per customer across all channels, handed over with the conversation.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"handoff {__version__}")
    top.add_argument(
        "--log-level",
        default=os.environ.get("HANDOFF_LOG_LEVEL", "info"),
        choices=_LEVELS,
        metavar="LEVEL",
        help=f"{', '.join(_LEVELS[:-1])} or {_LEVELS[-1]} (or HANDOFF_LOG_LEVEL; default: info)",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    options.add_servers(commands)
    add_reports(commands)
    add_customer(commands)
    add_continuity(commands)
    add_promises(commands)
    add_erasures(commands)
    add_access(commands)
    add_audit(commands)
    add_import(commands)
    add_webhooks(commands)
    add_operating(commands)
    add_setup(commands)
    add_adapters(commands)
    options.add_store(commands)
    add_keys(commands)
    add_retention(commands)
    return top
