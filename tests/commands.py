"""Runs a command of the command line in this process, without its logging: other tests have theirs."""

from __future__ import annotations

import sys
from importlib import import_module

from handoff.cli.arguments import parser
from handoff.domain.errors import HandoffError


def run_command(*arguments: str) -> int:
    """The exit status. The output is on standard output and standard error."""
    options = parser().parse_args(arguments)
    module, _, function = options.run.partition(":")
    try:
        return int(getattr(import_module(f"handoff.cli.{module}"), function)(options) or 0)
    except HandoffError as error:
        print(f"handoff: {error.detail}", file=sys.stderr)
        return 1
