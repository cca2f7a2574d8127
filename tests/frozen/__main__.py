"""`python -m tests.frozen` (`make freeze`): freezes new names. It never removes frozen ones."""

from __future__ import annotations

import json
import sys

from tests.frozen.names import FROZEN, added, collect, frozen, removed


def main() -> int:
    before, now = frozen() if FROZEN.exists() else {}, collect()
    gone = removed(before, now)
    if gone:
        print(
            "These frozen names are gone or changed; see tests/frozen/test_frozen_names.py:",
            *gone,
            sep="\n  ",
        )
        return 1
    new = added(before, now)
    FROZEN.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"froze {len(new)} new names", *new[:200], sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
