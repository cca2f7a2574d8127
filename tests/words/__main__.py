"""`python -m tests.words [PATH …] [--lower] [--json]`: every banned word, and the count per area."""

from __future__ import annotations

import argparse

from tests.words.counting import AREAS, counts, lower, report, summary

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("paths", nargs="*", help="only findings below these paths, from the root of the checkout")
parser.add_argument("--lower", action="store_true", help="store counts that fell")
parser.add_argument("--json", action="store_true")
chosen = parser.parse_args()
if chosen.lower:
    now = counts()
    lower(now)
else:
    now = report(list(AREAS), chosen.paths, chosen.json)
print(summary(now))
