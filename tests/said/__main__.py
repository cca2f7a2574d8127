"""Print how well the rules find promises, complaints, and closings in files of labelled texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from .announcements import load_announcements, measured_announcements
from .measure import KINDS, measured, read_labels

FOLDER = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="JSON lines; worked.jsonl if left out")
    parser.add_argument("--verbose", action="store_true", help="list the texts that the rules get wrong")
    parser.add_argument("--language")
    options = parser.parse_args()
    files = options.files or [FOLDER / "worked.jsonl"]
    labels = [it for path in files for it in read_labels(path)]
    counts = measured(it for it in labels if options.language in (None, it.language))
    if not options.files:
        announced = load_announcements("worked")
        counts |= measured_announcements(it for it in announced if options.language in (None, it.language))
    print(
        f"{'':10} {'':4} {'right':>6} {'wrong':>6} {'missed':>6} {'precision':>10} {'recall':>7} {'due':>5}"
    )
    for kind in (*KINDS, "announced"):
        for (of, language), count in sorted(counts.items()):
            if of == kind:
                due = f"{count.due:5.2f}" if kind == "promise" else ""
                print(
                    f"{kind:10} {language:4} {count.right:6} {count.wrong:6} {count.missed:6} "
                    f"{count.precision:10.2f} {count.recall:7.2f} {due}"
                )
                if options.verbose:
                    print("".join(f"    {fault}\n" for fault in count.faults), end="")


main()
