"""Arguments of the command line: what each command takes, and by name the function that runs it.

Nothing here imports what a command needs, so that `handoff --help` and small commands answer at once.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from handoff import __version__

_LEVELS = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    """The parser; `run` in what it gives is `module:function` of `handoff.cli`."""
    top = argparse.ArgumentParser(prog="handoff", description="Omnichannel conversation hand-off middleware.")
    top.add_argument("--version", action="version", version=f"handoff {__version__}")
    top.add_argument(
        "--log-level", default=os.environ.get("HANDOFF_LOG_LEVEL", "info"), choices=_LEVELS, metavar="LEVEL"
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="run the server")
    _add_serving(serving, "configured:serve", "loopback and no sources")
    serving.add_argument("--workers", type=int, help="server processes on the one port")
    showing = commands.add_parser("demo", help="run the server and play a customer's journey through it")
    _add_serving(showing, "configured:demo", "the demo's own")
    showing.add_argument("--once", action="store_true", help="end after the journey")
    _add_customers(commands)
    _add_import(commands)
    _add_webhooks(commands)
    checking = commands.add_parser("check-config", help="check a configuration file")
    checking.add_argument("file", type=Path)
    checking.set_defaults(run="configured:check")
    listing = commands.add_parser("adapters", help="list the adapters that are installed")
    listing.set_defaults(run="configured:list_adapters")
    _add_store(commands)
    return top


def _add_serving(it: argparse.ArgumentParser, run: str, otherwise: str) -> None:
    it.add_argument("--config", type=Path, help=f"a TOML file; without one, {otherwise}")
    it.add_argument("--host")
    it.add_argument("--port", type=int)
    it.add_argument("--data", metavar="DIR", help="where the embedded store keeps its data")
    it.set_defaults(run=run)


def _add_customers(commands: Any) -> None:
    context = commands.add_parser("context", help="show what an agent would receive")
    context.add_argument("identity", nargs="+", help="type:value; several narrow an ambiguous one")
    _add_reading(context, "customers:show_context")
    handoffs = commands.add_parser("handoffs", help="list hand-offs")
    for name in ("state", "queue", "agent"):
        handoffs.add_argument(f"--{name}")
    _add_reading(handoffs, "customers:show_handoffs")
    customer = commands.add_parser("customer", help="who is who: look, export, link, withdraw, split")
    actions = customer.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="the customer behind an identity")
    show.add_argument("identity", nargs="+")
    _add_reading(show, "customers:show_context")
    links = actions.add_parser("links", help="the evidence about a customer")
    links.add_argument("identity", nargs="+")
    _add_reading(links, "customers:show_links")
    export = actions.add_parser("export", help="all that is known of a customer")
    export.add_argument("identity", help="type:value, or a customer's id")
    export.add_argument("--format", choices=("json", "vcon"), default="json")
    export.add_argument("--output", type=Path, metavar="FILE", help="instead of the standard output")
    _add_remote(export, "customers:export")
    for name, words, operand in (
        ("link", "say that another identity is this customer's", "other"),
        ("withdraw", "take a piece of evidence back", "link"),
        ("split", "take identities out of a customer", "others"),
    ):
        change = actions.add_parser(name, help=words)
        change.add_argument("identity")
        change.add_argument(operand, **({"nargs": "+"} if operand == "others" else {}))
        change.add_argument("--reason", required=True)
        change.add_argument("--dry-run", action="store_true", help="only say what would join or part")
        _add_reading(change, f"customers:{name}")


def _add_reading(it: argparse.ArgumentParser, run: str) -> None:
    _add_remote(it, run)
    it.add_argument("--json", action="store_true", help="print the server's own answer")


def _add_remote(it: argparse.ArgumentParser, run: str) -> None:
    it.add_argument("--url", help="the server (or HANDOFF_URL)")
    it.add_argument("--token", help="a bearer token (or HANDOFF_TOKEN)")
    it.set_defaults(run=run)


_IMPORT = """\
Import touchpoints from an NDJSON file, one a line, plain or gzip'ed.

It can be stopped at any time and run again: what the server has made durable is kept in FILE.progress and
checked with the server before it is believed. History is imported quietly: timelines, contexts and links
have it like everything else, but no webhook, connector, policy or owner of a conversation hears of it.
"""
_IMPORT_MORE = """\
exit status:
  0    every line is stored
  1    not finished; the message says why, the same command goes on
  3    finished, some lines were rejected: they are in FILE.rejected.ndjson with line, code and detail
  130  interrupted; the same command goes on

examples:
  handoff import history.ndjson --url https://handoff.example.com
  handoff import history.ndjson.gz --rejected mend-me.ndjson
  handoff import mend-me.ndjson              # after mending its lines
  handoff import yesterday.ndjson --announce # tell webhooks, connectors, policies and owners

The token needs the scopes touchpoints:write and operate (with --announce only the first).
"""


def _add_import(commands: Any) -> None:
    it = commands.add_parser(
        "import",
        help="import touchpoints from an NDJSON file",
        description=_IMPORT,
        epilog=_IMPORT_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("file", type=Path)
    _add_remote(it, "importing:run")
    it.add_argument("--announce", action="store_true", help="tell webhooks, connectors, policies and owners")
    it.add_argument("--restart", action="store_true", help="send the whole file, also what was sent before")
    it.add_argument(
        "--rejected", type=Path, metavar="PATH", help="for rejected lines; FILE.rejected.ndjson by default"
    )
    it.add_argument(
        "--patience",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="how long to try again where the server is away or overloaded (300)",
    )


def _add_webhooks(commands: Any) -> None:
    webhooks = commands.add_parser("webhooks", help="look after outgoing webhooks")
    tools = webhooks.add_subparsers(dest="tool", required=True, metavar="TOOL")
    test = tools.add_parser("test", help="send a signed test event to a URL")
    test.add_argument("url")
    test.add_argument("--secret", help="whsec_…; without one, one is made and printed")
    test.add_argument("--allow-insecure", action="store_true", help="permit http")
    test.add_argument("--allow-network", action="append", default=[], metavar="CIDR", help="a private subnet")
    test.set_defaults(run="webhooks:test")


def _add_store(commands: Any) -> None:
    store = commands.add_parser("store", help="look after the store")
    tools = store.add_subparsers(dest="tool", required=True, metavar="TOOL")
    upgrading = tools.add_parser("upgrade", help="let this release's formats be written to the store")
    upgrading.add_argument("--config", type=Path)
    upgrading.add_argument("--data", metavar="DIR", help="where the embedded store of a running server is")
    upgrading.add_argument("--dry-run", action="store_true", help="only say what is in the way")
    upgrading.add_argument(
        "--force",
        action="store_true",
        help="raise the format although some workers are too old, or cannot be seen: these stop being ready "
        "and must be replaced",
    )
    upgrading.set_defaults(run="maintenance:upgrade_store")
    pruning = tools.add_parser("prune-functions", help="remove functions of other releases from the store")
    pruning.add_argument("--config", type=Path)
    pruning.set_defaults(run="maintenance:prune_functions")
    accepting = tools.add_parser("accept-loss", help="take writes again after the store lost data")
    accepting.add_argument("--config", type=Path)
    accepting.add_argument("--data", metavar="DIR", help="where the embedded store of a running server is")
    accepting.set_defaults(run="maintenance:accept_loss_of_data")
    size = tools.add_parser("size", help="show what the store's memory is spent on")
    size.add_argument("--config", type=Path)
    size.add_argument("--data", metavar="DIR", help="where the embedded store of a running server is")
    size.add_argument(
        "--sample", type=_count, default=1000, metavar="N", help="keys of each kind to measure; 0 for all"
    )
    size.add_argument("--json", action="store_true", help="figures for programs")
    size.set_defaults(run="maintenance:show_sizes")


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
