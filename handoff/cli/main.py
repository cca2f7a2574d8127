"""The entry point of the command line: runs one command and returns its exit status."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module

from .arguments import parser

GC_THRESHOLDS = (20_000, 20, 50)
"""Allocations between garbage collections. Python's default of 700 collects every eight requests, although a
request leaves hardly any cycles; importing the server allocates 60 000 objects without any garbage."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0 for success, 1 for a failure that the message explains, 2 for wrong usage."""
    options = parser().parse_args(arguments)
    gc.set_threshold(*GC_THRESHOLDS)
    # Imported after parsing, so that --help and usage errors do not wait for these modules.
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
