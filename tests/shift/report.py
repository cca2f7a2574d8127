"""The table of a shift, in docs/desktop.md."""

from __future__ import annotations

from pathlib import Path

from bench.processes import ROOT
from bench.table import Table, thousands

from .ledger import Ledger, median, percentile
from .plan import Pace

PAGE = ROOT / "docs/desktop.md"
BEGIN, END = "<!-- shift: written by make shift -->", "<!-- /shift -->"


def table(ledger: Ledger, pace: Pace) -> Table:
    kinds = sorted({it.kind for it in ledger.deeds})
    counts = ", ".join(f"{len(ledger.times(it))} × {it}" for it in kinds)
    rows = [
        ("actions that had their effect", f"{len(ledger.of('done'))}: {counts}"),
        ("without effect, with the reason on the screen", str(len(ledger.of("explained")))),
        ("another agent accepted before the click", str(len(ledger.of("overtaken")))),
        ("stuck: neither an effect nor a reason within 25 s", str(len(ledger.of("stuck")))),
        *(
            (
                f"from Accept to the story on the screen, {name}: median, p95",
                _times(ledger.times("accept", it)),
            )
            for name, it in (("from the queue", False), ("from the open story", True), ("all", None))
        ),
        ("opening a story: median, p95", _times(ledger.times("open"))),
        ("handoffs that ended and had one owner, by the API", f"{ledger.ended} of {ledger.handoffs}"),
        ("tabs that differed from the API", f"{len(ledger.different)} of {ledger.compared}"),
        ("uncaught errors in the pages", str(len(ledger.errors))),
        ("on the way", "; ".join(f"{count} {name}" for name, count in sorted(ledger.incidents.items()))),
    ]
    return Table(
        title=f"A shift of {pace.handoffs} handoffs, {pace.agents} agents with {pace.tabs} tabs each",
        columns=("what", "result"),
        rows=tuple(rows),
        notes=(f"{thousands(ledger.seconds)} s in Chromium over HTTP/1.1, beside the server on one machine",),
    )


def _times(values: list[float]) -> str:
    return f"{median(values):.0f} ms, {percentile(values, 0.95):.0f} ms"


def write(page: Path, made: Table) -> None:
    """Put the table between the page's markers."""
    head, _, rest = page.read_text().partition(BEGIN)
    _, end, tail = rest.partition(END)
    assert end, f"{page} has no place for the table"
    body = made.markdown().partition("\n\n")[2].replace("|--:|", "|---|")
    page.write_text(f"{head}{BEGIN}\n{body}\n{END}{tail}")
