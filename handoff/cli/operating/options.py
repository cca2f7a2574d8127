"""The parsers of the operator's commands. Imports nothing that a command needs."""

from __future__ import annotations

import argparse
from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command, page_size

_RUN = "operating.actions"
SOURCES_EXAMPLES = """\
examples:
  handoff sources list
  handoff sources show shop-phone     # why its deliveries are refused
  handoff sources list --json | jq '.sources[] | select(.late)'

The token needs the scope operate.
"""
QUARANTINE_EXAMPLES = """\
exit status:
  0  done
  1  failed; the message gives the reason
  3  the adapter cannot read the item (try), or items stay in quarantine
     (replay)

examples:
  handoff quarantine list --source shop-chat
  handoff quarantine show 4f0c9a5f1d2b4c60a7b8c9d0e1f2a3b4
  handoff quarantine show 4f0c9a5f1d2b4c60a7b8c9d0e1f2a3b4 --raw > item.json
  handoff quarantine try 4f0c9a5f1d2b4c60a7b8c9d0e1f2a3b4
  handoff quarantine replay 4f0c9a5f1d2b4c60a7b8c9d0e1f2a3b4
  handoff quarantine replay --source shop-chat --code unreadable
  handoff quarantine dismiss --source shop-chat --yes

The token needs the scope operate. Content is shown as it is stored: card
numbers and the like are masked. Secrets of the source are hidden.
"""
DELIVERIES_EXAMPLES = """\
examples:
  handoff webhooks list
  handoff deliveries list WEBHOOK_ID --dead
  handoff deliveries show WEBHOOK_ID MESSAGE_ID
  handoff deliveries replay WEBHOOK_ID --id MESSAGE_ID
  handoff deliveries replay WEBHOOK_ID --since 2026-01-15T00:00:00Z --only-failed

The token needs the scope webhooks:write.
"""
STATUS_EXAMPLES = """\
exit status:
  0  the server is ready
  1  no answer; the message gives the reason
  3  the server is not ready

examples:
  handoff status
  handoff status --json | jq .leases

The token needs the scope operate.
"""
WEBHOOK_EXAMPLES = """\
examples:
  handoff webhooks test https://desk.example.com/handoff --secret whsec_…
  handoff webhooks test http://127.0.0.1:9000/hook \\
      --allow-insecure --allow-network 127.0.0.0/8

The exit status is 0 if the receiver accepted the event, otherwise 1.
"""


def add_operating(commands: Any) -> None:
    _add_sources(commands)
    _add_quarantine(commands)
    _add_deliveries(commands)
    status = add_command(commands, "status", "show the state of a running server", STATUS_EXAMPLES)
    add_admin_options(status, f"{_RUN}:show_status")
    summary = "show the configuration of a running server, without secrets"
    add_admin_options(add_command(commands, "show-config", summary), f"{_RUN}:show_configuration")


def _add_sources(commands: Any) -> None:
    summary = "show what sources deliver, and why deliveries are refused"
    actions = add_actions(add_command(commands, "sources", summary, SOURCES_EXAMPLES))
    add_admin_options(
        add_command(actions, "list", "list the sources with their activity"), f"{_RUN}:list_sources"
    )
    show = add_command(actions, "show", "show a source with its last refusals")
    show.add_argument("name", help="the source's name")
    add_admin_options(show, f"{_RUN}:show_source")


def _add_quarantine(commands: Any) -> None:
    summary = "look at, replay and dismiss deliveries that could not be read"
    actions = add_actions(add_command(commands, "quarantine", summary, QUARANTINE_EXAMPLES))
    listing = add_command(actions, "list", "list quarantined items, the newest first")
    listing.add_argument("--source", help="only items of this source")
    _add_page(listing)
    add_admin_options(listing, f"{_RUN}:list_quarantine")
    show = add_command(actions, "show", "show an item with its content")
    show.add_argument("id", help="the item's id")
    show.add_argument(
        "--raw", action="store_true", help="write only the content, without secrets of the source"
    )
    add_admin_options(show, f"{_RUN}:show_quarantined")
    trying = add_command(actions, "try", "show what the adapter reads in an item; nothing is stored")
    trying.add_argument("id", help="the item's id")
    add_admin_options(trying, f"{_RUN}:try_quarantined")
    for name, summary in (
        ("replay", "process items again"),
        ("dismiss", "delete items; this cannot be undone"),
    ):
        change = add_command(actions, name, summary)
        change.add_argument("id", nargs="*", help="ids of items")
        change.add_argument("--source", help="all items of this source")
        change.add_argument("--code", help="with --source: only items with this error")
        if name == "dismiss":
            change.add_argument("--yes", action="store_true", help="do not ask")
        add_admin_options(change, f"{_RUN}:{name}_quarantined")


def _add_deliveries(commands: Any) -> None:
    summary = "show and replay messages to webhook subscribers"
    actions = add_actions(add_command(commands, "deliveries", summary, DELIVERIES_EXAMPLES))
    listing = add_command(actions, "list", "list a subscription's messages, the newest first")
    listing.add_argument("webhook", help="the subscription's id; `handoff webhooks list` shows it")
    listing.add_argument("--dead", action="store_true", help="only dead letters")
    _add_page(listing)
    add_admin_options(listing, f"{_RUN}:list_deliveries")
    show = add_command(actions, "show", "show a message with every attempt")
    show.add_argument("webhook", help="the subscription's id")
    show.add_argument("id", help="the message's webhook-id")
    add_admin_options(show, f"{_RUN}:show_delivery")
    replay = add_command(actions, "replay", "send messages again")
    replay.add_argument("webhook", help="the subscription's id")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="the message with this webhook-id")
    which.add_argument("--since", metavar="TIME", help="all messages from this time on")
    replay.add_argument("--until", metavar="TIME", help="with --since: up to this time (default: now)")
    replay.add_argument("--only-failed", action="store_true", help="with --since: skip what was delivered")
    add_admin_options(replay, f"{_RUN}:replay_deliveries")


def _add_page(listing: argparse.ArgumentParser) -> None:
    listing.add_argument("--limit", type=page_size, default=50, metavar="N", help="at most 500 (default: 50)")
    listing.add_argument("--cursor", help="continue a list: the cursor that it ended with")


def add_webhooks(commands: Any) -> None:
    webhooks = add_command(commands, "webhooks", "list subscriptions, and test webhook receivers")
    tools = add_actions(webhooks, "tool")
    listing = add_command(tools, "list", "list subscriptions with the state of their queues")
    add_admin_options(listing, f"{_RUN}:list_webhooks")
    test = add_command(tools, "test", "send a signed test event to a URL", WEBHOOK_EXAMPLES)
    test.add_argument("url", help="the receiver's URL")
    test.add_argument(
        "--secret", help="the signing secret, whsec_…; without it, the command prints a new one"
    )
    test.add_argument("--allow-insecure", action="store_true", help="allow http:// URLs")
    test.add_argument(
        "--allow-network",
        action="append",
        default=[],
        metavar="CIDR",
        help="allow a private network, such as 10.0.0.0/8; can be repeated",
    )
    test.set_defaults(run="operating.webhooks:test")
