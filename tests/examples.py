"""How many examples property tests and measured promises take: a part of them in the suite of every day."""

from __future__ import annotations

import os

SHARE = float(os.environ.get("HANDOFF_EXAMPLES", "1"))
"""`make test` takes a quarter, `make properties` twenty times as many, and pytest called directly all."""
FEWEST = 5


def examples(count: int) -> int:
    """The number of examples to take where a whole run takes `count`."""
    return max(round(count * SHARE), min(count, FEWEST))
