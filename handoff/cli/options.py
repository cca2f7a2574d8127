"""The parsers of `serve`, `demo`, and `store`. Imports nothing that a command needs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .parsing import add_actions, add_command, add_store_options, count
from .sealing.options import add_seal

SERVE_EXAMPLES = """\
examples:
  handoff serve --data /var/lib/handoff
  handoff serve --config /etc/handoff.toml --workers 4
  HANDOFF_STORE_URL=redis://store.internal:6379 handoff serve

Options override the HANDOFF_SERVER_* and HANDOFF_STORE_* variables, which
override the configuration file. SIGTERM and Ctrl-C stop the server after the
requests in flight have finished.
"""
DEMO_EXAMPLES = """\
examples:
  handoff demo                # then open the URLs that it prints; Ctrl-C stops it
  handoff demo --once         # print the journey and the agent's context, then exit

The demo is idempotent: running it again records nothing twice.
"""
UPGRADE = """\
Let the store use this release's formats. Run this command after you have
upgraded every worker: older workers cannot read records in the new formats,
and the store cannot return to the old ones.
"""
ACCEPT_LOSS = """\
Resume writes after the store lost acknowledged data, for example because an
old backup was restored. Until then, the servers answer writes with 503.
Restore the missing data first if you can: this command only confirms the
loss.
"""


def add_servers(commands: Any) -> None:
    serving = add_command(commands, "serve", "run the server", SERVE_EXAMPLES)
    _add_serving(serving, "configured:serve", "the server listens on loopback and has no sources")
    serving.add_argument(
        "--workers", type=int, metavar="N", help="server processes that share the port (default: 1)"
    )
    showing = add_command(
        commands, "demo", "run the server and play a customer's journey through it", DEMO_EXAMPLES
    )
    _add_serving(showing, "configured:demo", "the demo uses its own")
    showing.add_argument("--once", action="store_true", help="exit after the journey")


def _add_serving(command: argparse.ArgumentParser, run: str, default: str) -> None:
    command.add_argument(
        "--config", type=Path, metavar="FILE", help=f"a TOML configuration file; without it, {default}"
    )
    command.add_argument("--host", help="the address to listen on (default: 127.0.0.1)")
    command.add_argument("--port", type=int, help="the port to listen on (default: 8080; 0 picks a free one)")
    command.add_argument("--data", metavar="DIR", help="the data directory of the embedded store")
    command.set_defaults(run=run)


def add_store(commands: Any) -> None:
    store = add_command(commands, "store", "inspect and maintain the store")
    tools = add_actions(store, "tool")
    upgrading = add_command(tools, "upgrade", "let the store use this release's formats", description=UPGRADE)
    add_store_options(upgrading, "maintenance:upgrade_store")
    upgrading.add_argument("--dry-run", action="store_true", help="only report what prevents the upgrade")
    upgrading.add_argument(
        "--force",
        action="store_true",
        help="upgrade even if some workers are too old or cannot be reached; such workers become "
        "unready and must be replaced",
    )
    pruning = add_command(tools, "prune-functions", "remove other releases' functions from the store")
    pruning.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    pruning.set_defaults(run="maintenance:prune_functions")
    accepting = add_command(
        tools, "accept-loss", "resume writes after the store lost data", description=ACCEPT_LOSS
    )
    add_store_options(accepting, "maintenance:accept_loss_of_data")
    add_seal(tools)
    size = add_command(tools, "size", "show how the store uses its memory")
    add_store_options(size, "maintenance:show_sizes")
    size.add_argument(
        "--sample",
        type=count,
        default=1000,
        metavar="N",
        help="keys to measure of each kind; 0 measures all (default: 1000)",
    )
    size.add_argument("--json", action="store_true", help="print the figures as JSON")
