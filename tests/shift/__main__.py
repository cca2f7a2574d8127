"""`python -m tests.shift [--short] [--write]`: play a shift, print its table, fail on a stuck action."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec

from .day import shift
from .plan import FULL, SHORT
from .report import PAGE, table, write


def main() -> int:
    ask = argparse.ArgumentParser(
        prog="python -m tests.shift", description=(__doc__ or "").partition("\n")[0]
    )
    ask.add_argument("--short", action="store_true", help=f"{SHORT.handoffs} handoffs, {SHORT.agents} agents")
    ask.add_argument("--handoffs", type=int, help="in place of those of the plan")
    ask.add_argument("--agents", type=int, help="in place of those of the plan")
    ask.add_argument("--write", action="store_true", help=f"write the table to docs/{PAGE.name}")
    ask.add_argument("--seed", type=int, default=1, help="of the plan")
    given = ask.parse_args()
    pace = SHORT if given.short else FULL
    chosen = {"handoffs": given.handoffs, "agents": given.agents}
    pace = msgspec.structs.replace(pace, **{name: it for name, it in chosen.items() if it})
    ledger = asyncio.run(shift(pace, given.seed))
    made = table(ledger, pace)
    print(made.text())
    for deed in ledger.of("explained"):
        print(f"  {deed}")
    if given.write:
        write(PAGE, made)
    for failure in ledger.failures:
        print(f"FAILED {failure}")
    return 1 if ledger.failures else 0


if __name__ == "__main__":
    sys.exit(main())
