"""The table of results: for the terminal, for docs/reliability.md, and as a file that a soak resumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec

from bench.table import Table, thousands
from tests.faults.scenarios.catalogue import SCENARIOS
from tests.faults.scenarios.scenario import Figures

BEGIN = "<!-- faults: begin -->"
END = "<!-- faults: end -->"
BUSY = 1.2  # times: below, figures are those of an idle machine
COLUMNS = (
    "scenario",
    "runs",
    "acknowledged",
    "mails",
    "webhooks",
    "lost",
    "twice",
    "wrong order",
    "other statuses",
    "longest outage (allowed)",
    "other times (allowed)",
)


def table(results: Mapping[str, Figures], skipped: Mapping[str, str]) -> Table:
    """One row a scenario. `skipped` has the reasons of scenarios without one."""
    known = [it for it in SCENARIOS if it.key in results]
    total = Figures()
    for figures in known:
        total.add(results[figures.key])
    rows = [_row(f"{it.title} (`{it.key}`)", results[it.key]) for it in known]
    notes = [f"Not run: `{key}`, {why}" for key, why in skipped.items()]
    if total.slowness > BUSY:
        notes.append(
            f"Other work slowed this machine down: bounds were stretched up to {total.slowness:.1f} times"
        )
    notes.append("Seeds: " + ", ".join(f"`{it.key}` {_seeds(results[it.key].seeds)}" for it in known))
    return Table(
        title="Results",
        columns=COLUMNS,
        rows=(*rows, _row("all", total, times=False)),
        notes=tuple(notes),
    )


def _row(title: str, figures: Figures, *, times: bool = True) -> tuple[str, ...]:
    others = [name for name in figures.longest_s if name != "outage"]
    return (
        title,
        str(figures.runs),
        thousands(figures.acknowledged),
        thousands(figures.mails),
        thousands(figures.events),
        str(figures.lost),
        str(figures.twice),
        str(figures.disordered),
        str(figures.other_statuses),
        _time(figures, "outage") if times and "outage" in figures.longest_s else "",
        ", ".join(f"{name} {_time(figures, name)}" for name in others) if times else "",
    )


def _time(figures: Figures, name: str) -> str:
    bound = figures.bounds_s.get(name)
    return f"{figures.longest_s[name]:.1f} s" + (f" ({bound:g} s)" if bound is not None else "")


def _seeds(seeds: list[int]) -> str:
    """`1-5` for seeds in a row; a soak's are many, so that only the last ones are shown."""
    if len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    shown = ", ".join(map(str, seeds[-5:]))
    return shown if len(seeds) <= 5 else f"{len(seeds)} random ones, the last {shown}"


def write(page: Path, made: Table) -> None:
    """Put the table between the page's markers."""
    text = page.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    body = made.markdown().partition("\n\n")[2]
    page.write_text(f"{head}{BEGIN}\n{body}\n{END}{tail}")


def load(path: Path) -> dict[str, Figures]:
    """The figures of an earlier, longer run; none where there is no such file."""
    if not path.exists():
        return {}
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Figures])


def save(path: Path, results: Mapping[str, Figures]) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode({key: asdict(it) for key, it in results.items()}))
    new.replace(path)
