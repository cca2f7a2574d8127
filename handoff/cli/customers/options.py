"""The parsers of `context`, `handoffs`, and `customer`. Imports nothing that a command needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.cli.parsing import add_actions, add_command, add_reading_options, add_remote_options
from handoff.cli.privacy.options import add_erase_and_reveal

CONTEXT_EXAMPLES = """\
examples:
  handoff context user:anna
  handoff context phone:+358401234567 email:anna@example.com
  handoff context user:anna --json | jq .brief
"""
HANDOFFS_EXAMPLES = """\
examples:
  handoff handoffs --state requested --queue refunds
  handoff handoffs --agent mia --json
"""
CUSTOMER_EXAMPLES = """\
examples:
  handoff customer links user:anna
  handoff customer link user:anna email:anna@example.com \\
      --reason "confirmed on the phone" --dry-run
  handoff customer withdraw user:anna LINK_ID --reason "shared address"
  handoff customer split user:anna phone:+358401234567 --reason "family phone"
  handoff customer assign TOUCHPOINT_ID user:anna --reason "she called from the family's phone"
  handoff customer separate TOUCHPOINT_ID --reason "two orders, the same words"
  handoff customer candidates user:anna
  handoff customer export user:anna --output anna.json
  handoff customer erase user:anna --wait

Try every change with --dry-run first: it shows the customers that the change
would create.
"""


def add_reports(commands: Any) -> None:
    context = add_command(
        commands, "context", "show the context that an agent would receive", CONTEXT_EXAMPLES
    )
    context.add_argument(
        "identity", nargs="+", help="type:value; add more identities if one matches several customers"
    )
    add_reading_options(context, "customers.actions:show_context")
    handoffs = add_command(commands, "handoffs", "list handoffs", HANDOFFS_EXAMPLES)
    handoffs.add_argument("--state", help="only handoffs in this state, such as requested or accepted")
    handoffs.add_argument("--queue", help="only handoffs to this queue")
    handoffs.add_argument("--agent", help="only this agent's handoffs")
    add_reading_options(handoffs, "customers.actions:show_handoffs")


def add_customer(commands: Any) -> None:
    customer = add_command(
        commands,
        "customer",
        "show, export, link or split a customer's identities",
        CUSTOMER_EXAMPLES,
    )
    actions = add_actions(customer)
    show = add_command(actions, "show", "show the customer with an identity")
    show.add_argument("identity", nargs="+", help="type:value")
    add_reading_options(show, "customers.actions:show_context")
    links = add_command(actions, "links", "list the evidence that connects a customer's identities")
    links.add_argument("identity", nargs="+", help="type:value, or one customer id")
    add_reading_options(links, "customers.actions:show_links")
    candidates = add_command(actions, "candidates", "list the customers who may be the same person, and why")
    candidates.add_argument("identity", nargs="+", help="type:value, or one customer id")
    add_reading_options(candidates, "customers.actions:show_candidates")
    assign = add_command(actions, "assign", "give a touchpoint on a shared identity to one person")
    assign.add_argument("touchpoint", help="the touchpoint's id, from a timeline")
    assign.add_argument("identity", help="the person's identity, type:value")
    assign.add_argument("--reason", required=True, help="recorded with the assignment")
    assign.add_argument(
        "--conversation", action="store_true", help="assign everything in the touchpoint's conversation"
    )
    add_reading_options(assign, "customers.actions:assign")
    separate = add_command(actions, "separate", "show a touchpoint by itself, not as a copy of another one")
    separate.add_argument("touchpoint", help="the touchpoint's id, from the `also` of another one")
    separate.add_argument("--reason", required=True, help="recorded with the separation")
    add_reading_options(separate, "customers.actions:separate")
    _add_export(actions)
    add_erase_and_reveal(actions)
    for name, summary, operand, about in (
        ("link", "add an identity to a customer", "other", "the identity to add, type:value"),
        ("withdraw", "withdraw a piece of evidence", "link", "the id that `handoff customer links` shows"),
        ("split", "move identities out of a customer", "others", "the identities to move out, type:value"),
    ):
        change = add_command(actions, name, summary)
        change.add_argument("identity", help="type:value, or a customer id")
        change.add_argument(operand, help=about, nargs="+" if operand == "others" else None)
        change.add_argument("--reason", required=True, help="recorded with the change")
        change.add_argument(
            "--dry-run", action="store_true", help="show the result without changing anything"
        )
        add_reading_options(change, f"customers.actions:{name}")


def _add_export(actions: Any) -> None:
    export = add_command(actions, "export", "export everything stored about a customer")
    export.add_argument("identity", help="type:value, or a customer id")
    export.add_argument(
        "--format", choices=("json", "vcon"), default="json", help="the file's format (default: json)"
    )
    export.add_argument(
        "--output", type=Path, metavar="FILE", help="write to a file instead of standard output"
    )
    export.add_argument(
        "--reveal", action="store_true", help="with bank account and national numbers; needs --reason"
    )
    export.add_argument("--reason", help="kept in the audit trail; a ticket, not a story")
    add_remote_options(export, "customers.actions:export")
