"""The command line's entry: one command, the modules it needs, and its exit status."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module

from .arguments import parser

GC_THRESHOLDS = (20_000, 20, 50)
"""Objects made between two looks for cycles. A request leaves hardly any, and 700 are eight requests;
importing the server makes 60 000 and no garbage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status: 0 well, 1 a failure that the message explains, 2 wrong usage."""
    options = parser().parse_args(arguments)
    gc.set_threshold(*GC_THRESHOLDS)
    # Only now: who asks for help, or mistypes, waits for none of it.
    from handoff.bootstrap.logs import configure_logging
    from handoff.domain.errors import HandoffError

    configure_logging(options.log_level)
    module, _, function = options.run.partition(":")
    try:
        return int(getattr(import_module(f"handoff.cli.{module}"), function)(options) or 0)
    except HandoffError as error:
        print(f"handoff: {error.detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
