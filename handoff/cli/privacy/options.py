"""The parsers of `customer erase`, `customer reveal`, `erasures`, and `retention`.

Imports nothing that a command needs.
"""

from __future__ import annotations

from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command, add_store_options, page_size

ERASE_EXAMPLES = """\
examples:
  handoff customer erase email:anna@example.com --wait
  handoff customer erase CUSTOMER_ID --reason "request 118" --yes --json
  handoff customer erase user:anna --identity phone:+358401234567

The customer is out of sight at once; the rest is deleted in the background.
It cannot be undone. `handoff erasures list` shows what was erased.
"""


def add_erase_and_reveal(actions: Any) -> None:
    erase = add_command(actions, "erase", "erase a customer for good", ERASE_EXAMPLES)
    erase.add_argument("customer", help="a customer id, or type:value")
    erase.add_argument("--identity", help="erase only this identity of the customer, type:value")
    erase.add_argument("--reason", help="kept with the erasure; do not name the person")
    erase.add_argument("--wait", action="store_true", help="wait for the end, and print the receipt")
    erase.add_argument(
        "--now", action="store_true", help="compact the embedded store's log now, not within the hour"
    )
    erase.add_argument("--yes", action="store_true", help="do not ask")
    add_admin_options(erase, "privacy.erasures:erase")
    reveal = add_command(actions, "reveal", "show a touchpoint with its bank account and national numbers")
    reveal.add_argument("touchpoint", help="the touchpoint's id")
    reveal.add_argument("--reason", required=True, help="audited; a ticket, not a story")
    add_admin_options(reveal, "privacy.revealing:reveal")


def add_erasures(commands: Any) -> None:
    erasures = add_command(commands, "erasures", "show erasures and their receipts")
    actions = add_actions(erasures)
    every = add_command(actions, "list", "list erasures, newest first")
    every.add_argument("--limit", type=page_size, default=50, metavar="N", help="how many (default: 50)")
    every.add_argument("--cursor", help="continue where an earlier list ended")
    every.add_argument("--all", action="store_true", help="all of them, page by page")
    add_admin_options(every, "privacy.erasures:show_all")
    show = add_command(actions, "show", "show an erasure with its receipt")
    show.add_argument("erasure", help="the erasure's id")
    add_admin_options(show, "privacy.erasures:show")


def add_retention(commands: Any) -> None:
    retention = add_command(commands, "retention", "show or run the deletion of what was kept long enough")
    tools = add_actions(retention, "tool")
    status = add_command(tools, "status", "show the rules, the horizons, and the last sweep")
    add_store_options(status, "privacy.retention:show_status")
    status.add_argument("--json", action="store_true", help="print JSON")
    sweep = add_command(tools, "sweep", "delete now what is older than the rules allow")
    add_store_options(sweep, "privacy.retention:sweep")
    sweep.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    sweep.add_argument("--json", action="store_true", help="print JSON")
