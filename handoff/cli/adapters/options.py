"""The parser of `adapters`. Imports nothing that a command needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.cli.parsing import add_command

EXAMPLES = """\
examples:
  handoff adapters
  handoff adapters show chat.chatwoot
  handoff adapters try phone.twilio call.form --header content-type:application/x-www-form-urlencoded
  handoff adapters new chat.acme
"""
TRY = """\
Show what an adapter reads in a captured delivery. Nothing is stored, and
neither a server nor a store is needed.

FILE is the body, or a whole HTTP request that begins with its request line
and headers. `-` is standard input.
"""
TRY_EXAMPLES = """\
examples:
  handoff adapters try chat.chatwoot message.json
  handoff adapters try web.segment batch.json --path /v1/batch --option trust=server
  handoff adapters try email.smtp mail.eml --option recipients=support@shop.example \\
      --header rcpt-to:support@shop.example
  handoff adapters try chat.acme request.http --option secrets=s3cret --json
  handoff adapters try generic.webhook order.json --config handoff.toml --source shop-orders

With `secrets`, the signature is checked, too: as of --received-at. With --config
and --source, the options are those of the file, and the signature is checked
if FILE is a whole request.

exit status:
  0  the delivery is read
  1  the delivery would be refused or quarantined, or a part of it
"""
NEW = """\
Write a package for a new adapter: the adapter, fixtures, and tests that pass.
Replace the example's parts with the vendor's. Nothing else is changed.
"""


def add_adapters(commands: Any) -> None:
    listing = add_command(commands, "adapters", "list, describe, try, and start adapters", EXAMPLES)
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(run="adapters.listing:list_all")
    actions = listing.add_subparsers(dest="action", metavar="ACTION")
    shown = add_command(actions, "show", "describe an adapter: its events, options, and what it keeps")
    shown.add_argument("name", help="as in `handoff adapters`")
    shown.add_argument("--json", action="store_true", help="print JSON")
    shown.set_defaults(run="adapters.listing:show")
    _add_try(actions)
    new = add_command(actions, "new", "write a package for a new adapter", description=NEW)
    new.add_argument("name", help="<channel>.<vendor>, such as chat.acme")
    new.add_argument("--folder", type=Path, help="default: handoff-<channel>-<vendor>")
    new.set_defaults(run="adapters.starting:start")


def _add_try(actions: Any) -> None:
    trial = add_command(
        actions, "try", "show what an adapter reads in a captured delivery", TRY_EXAMPLES, description=TRY
    )
    trial.add_argument("name", help="as in `handoff adapters`")
    trial.add_argument("file", help="the captured delivery, or - for standard input")
    repeated: dict[str, Any] = {"action": "append", "default": []}
    trial.add_argument("--header", **repeated, metavar="NAME:VALUE", help="can be repeated")
    trial.add_argument(
        "--option", **repeated, metavar="KEY=VALUE", help="an option of the source; can be repeated"
    )
    trial.add_argument("--config", type=Path, metavar="TOML", help="take the options from this file")
    trial.add_argument("--source", metavar="NAME", help="the source in it whose options are taken")
    trial.add_argument("--method", help="default: POST, or that of the captured request")
    trial.add_argument("--path", help="the part after /in/{source}, with its query")
    trial.add_argument("--received-at", metavar="TIME", help="when it was received (default: now)")
    trial.add_argument("--json", action="store_true", help="print JSON")
    trial.set_defaults(run="adapters.trying:try_delivery")
