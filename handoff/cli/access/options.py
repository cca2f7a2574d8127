"""The parsers of `tokens`, `sessions`, and `reload`. Imports nothing that a command needs."""

from __future__ import annotations

from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command

API_KEY_EXAMPLES = """\
examples:
  handoff tokens create billing-desk --scope context:read --scope handoffs:write \\
      --queue billing --network 10.0.0.0/8
  handoff tokens rotate 4kX2mPq9TzR1 --overlap 3600
  handoff tokens revoke 4kX2mPq9TzR1

A key is printed once. The server keeps its HMAC.
"""
SESSIONS_EXAMPLES = """\
examples:
  handoff sessions list --agent ville
  handoff sessions end --agent ville
  handoff sessions end --opened-by desk --json

With the scope operate, a token sees and ends all sessions of its tenant;
without it, those that it opened.
"""


def add_access(commands: Any) -> None:
    tokens = add_command(commands, "tokens", "create, rotate and revoke API keys", API_KEY_EXAMPLES)
    actions = add_actions(tokens)
    create = add_command(actions, "create", "create an API key and print it")
    create.add_argument("name", help="the key's name in logs and records")
    create.add_argument("--scope", action="append", default=[], help="a scope; can be repeated")
    create.add_argument("--queue", action="append", default=[], help="limit to a queue; can be repeated")
    create.add_argument(
        "--network", action="append", default=[], metavar="CIDR", help="accept from a network only"
    )
    create.add_argument("--environment", help="the second part of the key (default: live)")
    create.add_argument("--ttl-s", type=int, metavar="SECONDS", help="lifetime (default: no end)")
    create.add_argument("--audience", choices=("agent", "customer"), help="the readers of its answers")
    create.add_argument("--agent", help="bind to one agent")
    create.add_argument("--role", choices=("agent", "lead"), help="lead: may end handoffs of others")
    add_admin_options(create, "access.commands:create")
    add_admin_options(add_command(actions, "list", "list the API keys"), "access.commands:show")
    rotate = add_command(actions, "rotate", "create the successor of an API key and print it")
    rotate.add_argument("id", help="the key's id")
    rotate.add_argument("--overlap", type=int, metavar="SECONDS", help="how long the old key stays valid")
    add_admin_options(rotate, "access.commands:rotate")
    revoke = add_command(actions, "revoke", "revoke an API key at once")
    revoke.add_argument("id", help="the key's id")
    add_admin_options(revoke, "access.commands:revoke")
    _add_sessions(commands)
    add_admin_options(
        add_command(commands, "reload", "let a running server read its configuration again"),
        "access.commands:reload",
    )


def _add_sessions(commands: Any) -> None:
    sessions = add_command(commands, "sessions", "list and end agents' sessions", SESSIONS_EXAMPLES)
    ends = add_actions(sessions)
    listing = add_command(ends, "list", "list open sessions")
    listing.add_argument("--agent", help="sessions of this agent")
    listing.add_argument("--opened-by", metavar="NAME", help="sessions that this token opened")
    add_admin_options(listing, "operating.actions:list_sessions")
    end = add_command(ends, "end", "end sessions; their streams end, too")
    whose = end.add_mutually_exclusive_group(required=True)
    whose.add_argument("--agent", help="sessions of this agent")
    whose.add_argument("--opened-by", metavar="NAME", help="sessions that this token opened")
    whose.add_argument("--all", action="store_true", help="every session of the tenant")
    add_admin_options(end, "access.commands:end_sessions")
