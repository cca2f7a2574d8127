"""How many examples property tests and measured promises take: all in CI, fewer while people work."""

from __future__ import annotations

import os

SHARE = float(os.environ.get("HANDOFF_EXAMPLES", "1"))
"""1 in CI. `make test` takes a quarter; a night of looking for rare cases may take fifty times as many."""
FEWEST = 5


def examples(count: int) -> int:
    """The number of examples to take where CI takes `count`."""
    return max(round(count * SHARE), min(count, FEWEST))
