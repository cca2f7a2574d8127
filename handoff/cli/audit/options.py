"""The parsers of `audit`. Imports nothing that a command needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.cli.parsing import add_actions, add_admin_options, add_command, count

AUDIT_EXAMPLES = """\
examples:
  handoff audit search --customer email:anna@example.com --since 30d
  handoff audit search --agent ville --action exportCustomer
  handoff audit verify --data /var/lib/handoff
  handoff audit verify --dir /mnt/archive/audit --expect 3f…

verify exits with 1 if a line or a file was changed, removed, or reordered.
search needs the scope audit:read.
"""


def add_audit(commands: Any) -> None:
    audit = add_command(commands, "audit", "check and search the audit trail", AUDIT_EXAMPLES)
    tools = add_actions(audit, "tool")
    verify = add_command(tools, "verify", "check that nothing in the trail's files was changed or removed")
    verify.add_argument("--config", type=Path, metavar="FILE", help="the server's configuration file")
    verify.add_argument("--data", metavar="DIR", help="the server's data directory")
    verify.set_defaults(run="audit.commands:check")
    verify.add_argument("--dir", metavar="DIR", help="the trail's directory, or a copy of it")
    verify.add_argument(
        "--expect", action="append", default=[], metavar="HASH", help="a hash of a line; can be repeated"
    )
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    search = add_command(tools, "search", "list who read and changed what")
    search.add_argument("--customer", metavar="CUSTOMER", help="type:value, or a customer id")
    search.add_argument("--agent", help="only accesses by this agent")
    search.add_argument("--by-token", dest="token_name", metavar="NAME", help="only accesses by this token")
    search.add_argument("--action", help="only this operation, such as exportCustomer")
    search.add_argument("--since", metavar="TIME", help="a time, or an age such as 30d")
    search.add_argument("--until", metavar="TIME", help="a time, or an age such as 1h")
    search.add_argument("--limit", type=count, default=500, metavar="N", help="default: 500")
    add_admin_options(search, "audit.commands:search")
