"""JSON on standard output, and questions at a terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

from handoff.domain.errors import HandoffError


def print_json(value: Any) -> None:
    """Print a server's response."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def confirmed(question: str, *accepted: str) -> bool:
    """Whether the person at the terminal gives one of these answers. HandoffError without a terminal.

    Call it outside of an event loop: a loop keeps Ctrl-C from the question.
    """
    if not sys.stdin.isatty():
        raise HandoffError("standard input is not a terminal: use --yes", code="usage")
    try:
        return input(question).strip().lower() in accepted
    except EOFError:  # Ctrl-D
        print()
        return False
