"""Arguments of the command line, and what each command does with them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapters.registry import available
from handoff import __version__
from handoff.bootstrap.logs import configure_logging
from handoff.bootstrap.settings import Settings, load_settings
from handoff.bootstrap.sources import build_sources
from handoff.delivery.settings import subscriptions_of
from handoff.domain.errors import HandoffError

from . import customers, importing, webhooks
from .demo import demo
from .maintenance import prune_functions
from .serve import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 well, 1 a failure that the message explains, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    configure_logging(options.log_level)
    try:
        return int(options.run(options) or 0)
    except HandoffError as error:
        print(f"handoff: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="handoff", description="Omnichannel conversation hand-off middleware."
    )
    parser.add_argument("--version", action="version", version=f"handoff {__version__}")
    parser.add_argument(
        "--log-level", default=os.environ.get("HANDOFF_LOG_LEVEL", "info"), choices=_LEVELS, metavar="LEVEL"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="run the server")
    _add_serving(serving)
    serving.set_defaults(run=lambda options: serve(_settings(options)))
    showing = commands.add_parser("demo", help="run the server and play a customer's journey through it")
    _add_serving(showing)
    showing.add_argument("--once", action="store_true", help="end after the journey")
    showing.set_defaults(run=lambda options: demo(_demo_settings(options), once=options.once))
    customers.add_commands(commands)
    importing.add_command(commands)
    webhooks.add_command(commands)
    checking = commands.add_parser("check-config", help="check a configuration file")
    checking.add_argument("file", type=Path)
    checking.set_defaults(run=_check_config)
    listing = commands.add_parser("adapters", help="list the adapters that are installed")
    listing.set_defaults(run=_adapters)
    store = commands.add_parser("store", help="look after the store")
    tools = store.add_subparsers(dest="tool", required=True, metavar="TOOL")
    pruning = tools.add_parser("prune-functions", help="remove functions of other releases from the store")
    pruning.add_argument("--config", type=Path)
    pruning.set_defaults(run=lambda options: prune_functions(load_settings(options.config)))
    return parser


_LEVELS = ("debug", "info", "warning", "error")


def _add_serving(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, help="a TOML file; without one, loopback and no sources")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    parser.add_argument("--data", metavar="DIR", help="where the embedded store keeps its data")
    parser.add_argument("--workers", type=int, help="server processes on the one port")


def _settings(options: argparse.Namespace) -> Settings:
    return _overridden(load_settings(options.config), options)


def _demo_settings(options: argparse.Namespace) -> Settings:
    return _overridden(load_settings(options.config or demo_configuration()), options)


def demo_configuration() -> Path:
    """The demo's configuration: in the wheel, or in the checkout that this runs from."""
    package = Path(__file__).parent.parent
    inside = package / "demo.toml"
    return inside if inside.exists() else package.parent / "config" / "demo.toml"


def _overridden(settings: Settings, options: argparse.Namespace) -> Settings:
    """The command line stands above the environment, which stands above the file."""
    server = {"host": options.host, "port": options.port, "workers": options.workers}
    given = {key: value for key, value in server.items() if value is not None}
    try:
        changed = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))
    except ValueError as error:
        raise HandoffError(str(error), code="configuration") from error
    if options.data is None:
        return changed
    return msgspec.structs.replace(
        changed, store=msgspec.structs.replace(changed.store, data_dir=options.data)
    )


def _check_config(options: argparse.Namespace) -> int:
    settings = load_settings(options.file)
    sources = build_sources(settings)
    subscriptions_of(settings.webhooks, settings.connectors)
    print(
        f"{options.file} is well-formed: {len(sources)} sources, {len(settings.tokens)} tokens, "
        f"{len(settings.webhooks)} webhooks, {len(settings.connectors)} connectors"
    )
    for source in sources.values():
        print(f"  {source.name}: {source.options.adapter}, tenant {source.tenant}")
    return 0


def _adapters(_options: argparse.Namespace) -> int:
    for name, kind in sorted(available().items()):
        words = (kind.__doc__ or "").strip().splitlines()
        print(f"{name:16} {words[0] if words else ''}")
    return 0
