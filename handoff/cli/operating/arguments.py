"""The parsers of the operator's commands. Imports nothing that a command needs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

AddCommand = Callable[..., argparse.ArgumentParser]
AddOptions = Callable[[argparse.ArgumentParser, str], None]

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
SESSIONS_EXAMPLES = """\
examples:
  handoff sessions list --agent ville
  handoff sessions end --agent ville
  handoff sessions end --opened-by desk --json

With the scope operate, a token sees and ends all sessions of its tenant;
without it, those that it opened.
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


def add(commands: Any, command: AddCommand, options: AddOptions) -> None:
    """Add the commands. `command` makes one, `options` adds those of a command that asks a server."""
    _add_sources(commands, command, options)
    _add_quarantine(commands, command, options)
    _add_deliveries(commands, command, options)
    status = command(commands, "status", "show the state of a running server", STATUS_EXAMPLES)
    options(status, f"{_RUN}:show_status")
    summary = "show the configuration of a running server, without secrets"
    options(command(commands, "show-config", summary), f"{_RUN}:show_configuration")


def _actions(parent: argparse.ArgumentParser) -> Any:
    return parent.add_subparsers(dest="action", required=True, metavar="ACTION")


def _add_sources(commands: Any, command: AddCommand, options: AddOptions) -> None:
    summary = "show what sources deliver, and why deliveries are refused"
    actions = _actions(command(commands, "sources", summary, SOURCES_EXAMPLES))
    options(command(actions, "list", "list the sources with their activity"), f"{_RUN}:list_sources")
    show = command(actions, "show", "show a source with its last refusals")
    show.add_argument("name", help="the source's name")
    options(show, f"{_RUN}:show_source")


def _add_quarantine(commands: Any, command: AddCommand, options: AddOptions) -> None:
    summary = "look at, replay and dismiss deliveries that could not be read"
    actions = _actions(command(commands, "quarantine", summary, QUARANTINE_EXAMPLES))
    listing = command(actions, "list", "list quarantined items, the newest first")
    listing.add_argument("--source", help="only items of this source")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most 500 (default: 50)")
    listing.add_argument("--cursor", help="continue a list: the cursor that it ended with")
    options(listing, f"{_RUN}:list_quarantine")
    show = command(actions, "show", "show an item with its content")
    show.add_argument("id", help="the item's id")
    show.add_argument(
        "--raw", action="store_true", help="write only the content, without secrets of the source"
    )
    options(show, f"{_RUN}:show_quarantined")
    trying = command(actions, "try", "show what the adapter reads in an item; nothing is stored")
    trying.add_argument("id", help="the item's id")
    options(trying, f"{_RUN}:try_quarantined")
    for name, summary in (
        ("replay", "process items again"),
        ("dismiss", "delete items; this cannot be undone"),
    ):
        change = command(actions, name, summary)
        change.add_argument("id", nargs="*", help="ids of items")
        change.add_argument("--source", help="all items of this source")
        change.add_argument("--code", help="with --source: only items with this error")
        if name == "dismiss":
            change.add_argument("--yes", action="store_true", help="do not ask")
        options(change, f"{_RUN}:{name}_quarantined")


def _add_deliveries(commands: Any, command: AddCommand, options: AddOptions) -> None:
    summary = "show and replay messages to webhook subscribers"
    actions = _actions(command(commands, "deliveries", summary, DELIVERIES_EXAMPLES))
    listing = command(actions, "list", "list a subscription's messages, the newest first")
    listing.add_argument("webhook", help="the subscription's id; `handoff webhooks list` shows it")
    listing.add_argument("--dead", action="store_true", help="only dead letters")
    listing.add_argument("--limit", type=int, default=50, metavar="N", help="at most 500 (default: 50)")
    listing.add_argument("--cursor", help="continue a list: the cursor that it ended with")
    options(listing, f"{_RUN}:list_deliveries")
    show = command(actions, "show", "show a message with every attempt")
    show.add_argument("webhook", help="the subscription's id")
    show.add_argument("id", help="the message's webhook-id")
    options(show, f"{_RUN}:show_delivery")
    replay = command(actions, "replay", "send messages again")
    replay.add_argument("webhook", help="the subscription's id")
    which = replay.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", help="the message with this webhook-id")
    which.add_argument("--since", metavar="TIME", help="all messages from this time on")
    replay.add_argument("--until", metavar="TIME", help="with --since: up to this time (default: now)")
    replay.add_argument("--only-failed", action="store_true", help="with --since: skip what was delivered")
    options(replay, f"{_RUN}:replay_deliveries")


def add_session_list(actions: Any, command: AddCommand, options: AddOptions) -> None:
    """`handoff sessions list`."""
    listing = command(actions, "list", "list open sessions")
    listing.add_argument("--agent", help="sessions of this agent")
    listing.add_argument("--opened-by", metavar="NAME", help="sessions that this token opened")
    options(listing, f"{_RUN}:list_sessions")


def add_webhook_list(actions: Any, command: AddCommand, options: AddOptions) -> None:
    """`handoff webhooks list`."""
    listing = command(actions, "list", "list subscriptions with the state of their queues")
    options(listing, f"{_RUN}:list_webhooks")
