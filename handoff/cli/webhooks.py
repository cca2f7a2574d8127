"""`handoff webhooks test URL`: whether a platform's receiver works, before it is subscribed."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from handoff.delivery.probe import probe


def add_command(commands: Any) -> None:
    """Add the command to the parser's."""
    webhooks = commands.add_parser("webhooks", help="look after outgoing webhooks")
    tools = webhooks.add_subparsers(dest="tool", required=True, metavar="TOOL")
    test = tools.add_parser("test", help="send a signed test event to a URL")
    test.add_argument("url")
    test.add_argument("--secret", help="whsec_…; without one, one is made and printed")
    test.add_argument("--allow-insecure", action="store_true", help="permit http")
    test.add_argument("--allow-network", action="append", default=[], metavar="CIDR", help="a private subnet")
    test.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    result = asyncio.run(
        probe(
            options.url,
            secret=options.secret,
            allow_insecure=options.allow_insecure,
            allow_networks=tuple(options.allow_network),
        )
    )
    if not options.secret:
        print(f"signed with {result.secret}")
    status = f"status {result.status}" if result.status else result.error
    print(f"{'ok' if result.ok else 'failed'}: {status} in {result.latency_ms:.0f} ms; {result.meaning}")
    if result.answer:
        print(result.answer)
    return 0 if result.ok else 1
