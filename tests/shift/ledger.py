"""The record of a shift: every action with its outcome, and the planned incidents."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from msgspec import Struct

Outcome = Literal["done", "explained", "overtaken", "stuck"]
"""`explained`: no effect, and the panel stated why. `overtaken`: the handoff left before the click."""


class Deed(Struct, frozen=True, kw_only=True):
    """One action of one agent in one tab."""

    kind: str
    handoff: str
    agent: str
    mark: str
    outcome: Outcome
    ms: float
    reported: str = ""
    from_story: bool = False

    def __str__(self) -> str:
        return (
            f"{self.agent}: {self.kind} {self.mark} {self.outcome} after {self.ms:.0f} ms: {self.reported!r}"
        )


@dataclass
class Ledger:
    """Everything that a shift reports."""

    deeds: list[Deed] = field(default_factory=list)
    incidents: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    """Uncaught errors of the pages."""
    different: list[str] = field(default_factory=list)
    """Tabs whose lists are not those of the API."""
    wrong: list[str] = field(default_factory=list)
    """Handoffs that did not end, or were owned twice, and notes that are missing."""
    seconds: float = 0.0
    handoffs: int = 0
    """Those that arrived, and those that agents requested by transfers."""
    ended: int = 0
    compared: int = 0
    """Tabs that were compared with the API."""

    def of(self, outcome: Outcome) -> list[Deed]:
        return [it for it in self.deeds if it.outcome == outcome]

    def times(self, kind: str, from_story: bool | None = None) -> list[float]:
        """Milliseconds of the actions that had their effect, ascending."""
        chosen = [it for it in self.of("done") if it.kind == kind and from_story in (None, it.from_story)]
        return sorted(it.ms for it in chosen)

    @property
    def failures(self) -> list[str]:
        stuck = [f"stuck: {it}" for it in self.of("stuck")]
        return [*stuck, *self.wrong, *self.different, *(f"page error: {it}" for it in self.errors)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below `share` of them; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else 0.0
