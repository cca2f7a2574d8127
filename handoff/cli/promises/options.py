"""The parsers of `promises`, `complaints`, and `announcements`. Imports nothing that a command needs."""

from __future__ import annotations

import argparse
from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command, add_store_options, page_size

_RUN = "promises.actions"
PROMISES_EXAMPLES = """\
examples:
  handoff promises list --state overdue
  handoff promises list --state due --owner billing --json
  handoff promises confirm user:anna CANDIDATE_ID --due 2026-11-30T12:00:00Z
  handoff promises dismiss user:anna CANDIDATE_ID --reason "an example only"
  handoff promises rebuild --config /etc/handoff.toml

A candidate's id is in the brief: `handoff context user:anna --json`.
"""
COMPLAINTS_EXAMPLES = """\
examples:
  handoff complaints list --state open
  handoff complaints confirm user:anna CANDIDATE_ID
"""
ANNOUNCEMENTS_EXAMPLES = """\
examples:
  handoff announcements list --state unfulfilled
  handoff announcements dismiss user:anna ANNOUNCEMENT_ID --reason "she hung up"
"""
REBUILD = """\
Bring the ledger of promises and complaints up to date with all touchpoints.
Run it if outbox entries were skipped (log outbox_entry_skipped), or after an
upgrade during which older workers were running. It sends no alarms for what
is past, can be repeated, and continues where it was interrupted.
It does not reopen announcements: those whose outbox entry was skipped raise
no event. The brief shows them all the same.
"""


def add_promises(commands: Any) -> None:
    promises = add_command(
        commands, "promises", "list, confirm and dismiss promises to customers", PROMISES_EXAMPLES
    )
    actions = add_actions(promises)
    _add_list(actions, "promises", "in this state: open, due, overdue, kept, broken, dismissed")
    _add_decisions(actions, "promise")
    rebuild = add_command(actions, "rebuild", "rebuild the ledger from all touchpoints", description=REBUILD)
    add_store_options(rebuild, "promises.rebuilding:rebuild")
    rebuild.add_argument("--json", action="store_true", help="print the result as JSON")
    complaints = add_command(
        commands, "complaints", "list, confirm and dismiss complaints of customers", COMPLAINTS_EXAMPLES
    )
    actions = add_actions(complaints)
    _add_list(actions, "complaints", "in this state: open, resolved, dismissed")
    _add_decisions(actions, "complaint")
    announcements = add_command(
        commands,
        "announcements",
        "list and dismiss announced transfers, call backs, and mails",
        ANNOUNCEMENTS_EXAMPLES,
    )
    actions = add_actions(announcements)
    _add_list(actions, "announcements", "in this state: open, unfulfilled, fulfilled, dismissed")
    dismiss = add_command(actions, "dismiss", "dismiss an announcement")
    dismiss.add_argument("identity", help="type:value, or a customer id")
    dismiss.add_argument("announcement", help="its id, from the brief or a list")
    dismiss.add_argument("--reason", help="recorded with the dismissal")
    add_admin_options(dismiss, f"{_RUN}:dismiss_announcement")


def _add_list(actions: Any, name: str, states: str) -> None:
    listing = add_command(actions, "list", f"list {name}, the newest first")
    listing.add_argument("--state", help=f"only {name} {states}")
    listing.add_argument("--owner", help="only those whose customer this agent or queue has now")
    listing.add_argument("--limit", type=page_size, default=50, metavar="N", help="at most 500 (default: 50)")
    listing.add_argument("--cursor", help="continue a list: the cursor that it ended with")
    add_admin_options(listing, f"{_RUN}:list_{name}")


def _add_decisions(actions: Any, kind: str) -> None:
    for name, summary in (
        ("confirm", f"confirm that a sentence is a {kind}"),
        ("dismiss", f"dismiss the candidate of a {kind}"),
    ):
        change: argparse.ArgumentParser = add_command(actions, name, summary)
        change.add_argument("identity", help="type:value, or a customer id")
        change.add_argument("candidate", help="the candidate's id, from the brief or a list")
        if (kind, name) == ("promise", "confirm"):
            change.add_argument("--due", metavar="TIME", help="when it is due, instead of what the words say")
        change.add_argument("--reason", help="recorded with the decision")
        add_admin_options(change, f"{_RUN}:{name}_{kind}")
