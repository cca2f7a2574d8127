"""The parser of `import`. Imports nothing that a command needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handoff.cli.parsing import add_command, add_remote_options

IMPORT = """\
Import touchpoints from an NDJSON file, one touchpoint per line, plain or
gzip-compressed.

You can stop an import at any time and run the command again: FILE.progress
records what the server has stored, and the command checks it with the server
before it continues. An import is quiet: touchpoints appear in timelines,
contexts and links, but trigger no webhooks, connectors, policies or
notifications.
"""
IMPORT_EXAMPLES = """\
exit status:
  0    every line is stored
  1    not finished; the message gives the reason, and the same command
       continues the import
  3    finished, but the server rejected some lines: FILE.rejected.ndjson
       has them with line number, code and detail
  130  interrupted; the same command continues the import

examples:
  handoff import history.ndjson --url https://handoff.example.com
  handoff import history.ndjson.gz --rejected to-fix.ndjson
  handoff import to-fix.ndjson        # after you have corrected its lines
  handoff import yesterday.ndjson --announce

The token needs the scopes touchpoints:write and operate; with --announce, only
touchpoints:write.
"""


def add_import(commands: Any) -> None:
    command = add_command(
        commands,
        "import",
        "import touchpoints from an NDJSON file",
        IMPORT_EXAMPLES,
        description=IMPORT,
    )
    command.add_argument("file", type=Path, help="an NDJSON file, plain or gzip-compressed")
    add_remote_options(command, "importing.command:run")
    command.add_argument(
        "--announce", action="store_true", help="trigger webhooks, connectors, policies and notifications"
    )
    command.add_argument(
        "--restart", action="store_true", help="send the whole file again, including lines already stored"
    )
    command.add_argument(
        "--rejected",
        type=Path,
        metavar="PATH",
        help="the file for rejected lines (default: FILE.rejected.ndjson)",
    )
    command.add_argument(
        "--patience",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="how long to retry while the server is unreachable or overloaded (default: 300)",
    )
