"""The parser of `continuity`. Imports nothing that a command needs."""

from __future__ import annotations

from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command

_RUN = "continuity.codes"
EXAMPLES = """\
examples:
  handoff continuity issue user:anna --channel phone
  handoff continuity issue user:anna --expires-in 3600 --json | jq -r .forms.text
  handoff continuity list user:anna
  handoff continuity revoke user:anna CODE_ID --undo

Digits and token are shown once. Anyone who has them continues the conversation.
"""


def add_continuity(commands: Any) -> None:
    continuity = add_command(
        commands, "continuity", "issue, list and revoke codes that continue a conversation", EXAMPLES
    )
    actions = add_actions(continuity)
    issue = add_command(actions, "issue", "issue a code for a customer's conversation")
    issue.add_argument("identity", help="type:value, or a customer id")
    issue.add_argument("--conversation", metavar="ID", help="default: the one that a handoff would take")
    issue.add_argument("--channel", help="where the customer is expected")
    issue.add_argument("--expires-in", type=int, metavar="S", help="seconds (default: 86400)")
    issue.add_argument("--digits-expire-in", type=int, metavar="S", help="seconds (default: 1800)")
    issue.add_argument("--uses", type=int, metavar="N", help="how often it may be used (default: 1)")
    issue.add_argument(
        "--verified", action="store_true", help="the handle that uses it is the customer's, if it is verified"
    )
    add_admin_options(issue, f"{_RUN}:issue")
    listing = add_command(actions, "list", "list a customer's codes")
    listing.add_argument("identity", help="type:value, or a customer id")
    add_admin_options(listing, f"{_RUN}:show")
    revoke = add_command(actions, "revoke", "refuse further uses of a code")
    revoke.add_argument("identity", help="type:value, or a customer id")
    revoke.add_argument("code", help="the code's id, from a list")
    revoke.add_argument("--undo", action="store_true", help="also take back what its uses joined")
    add_admin_options(revoke, f"{_RUN}:revoke")
