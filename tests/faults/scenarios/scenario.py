"""A scenario: a store, a disturbance, and the bounds that must hold meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.scenarios.stage import Stage
    from tests.faults.scenarios.stores import Backing

EVIDENCE = 10  # ids that are printed of each kind of failure


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The load while the scenario runs.

    `senders` post touchpoints for `homes` customers, each touchpoint `copies` times at once, and pause
    for `pace_s` in between. `padding` is the length of each text.
    """

    senders: int = 16
    homes: int = 5
    pace_s: float = 0.004
    copies: int = 1
    padding: int = 0
    mail: bool = False
    handoffs: bool = False


EVERYTHING = Traffic(mail=True, handoffs=True)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One row of the table.

    The store is set up `runs` times and disturbed `rounds` times each. `outage_s` bounds the longest
    time without an acknowledgement. `delivery_s` bounds the time from the acknowledged handoff to its
    webhook. `needs` return why the scenario cannot run on this machine, or None. `unsolved` names what
    does not hold yet: the scenario is played only when its whole name is asked for.
    """

    key: str
    title: str
    store: Callable[[Path], AbstractAsyncContextManager[Backing]]
    disturb: Callable[[Stage], Awaitable[None]]
    runs: int = 1
    rounds: int = 1
    outage_s: float | None = None
    delivery_s: float | None = None
    traffic: Traffic = field(default_factory=Traffic)
    arguments: tuple[str, ...] = ()
    needs: tuple[Callable[[], str | None], ...] = ()
    unsolved: str | None = None

    def missing(self) -> str | None:
        """Why this machine cannot run it."""
        return next((why for it in self.needs if (why := it())), None)


@dataclass
class Figures:
    """The figures of one or several runs; `add` sums them up.

    `slowness` is how many times longer the machine takes than an idle one: bounds grow with it.
    """

    runs: int = 0
    acknowledged: int = 0
    mails: int = 0
    events: int = 0
    lost: int = 0
    twice: int = 0
    disordered: int = 0
    other_statuses: int = 0
    slowness: float = 1.0
    longest_s: dict[str, float] = field(default_factory=dict)
    bounds_s: dict[str, float] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        for name in (
            "runs",
            "acknowledged",
            "mails",
            "events",
            "lost",
            "twice",
            "disordered",
            "other_statuses",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, seconds in other.longest_s.items():
            self.longest_s[name] = max(seconds, self.longest_s.get(name, 0.0))
        self.bounds_s |= other.bounds_s
        self.slowness = max(self.slowness, other.slowness)
        self.seeds += other.seeds
        self.failures += other.failures

    def measure(self, name: str, seconds: float, bound_s: float | None) -> None:
        """A time that must stay within its bound; of several by one name the longest counts."""
        self.longest_s[name] = max(seconds, self.longest_s.get(name, 0.0))
        if bound_s is None:
            return
        self.bounds_s[name] = bound_s
        if seconds > bound_s * self.slowness:
            slower = f", {self.slowness:.1f} times that on this busy machine" if self.slowness > 1 else ""
            self.failures.append(f"{name}: {seconds:.2f} s, allowed are {bound_s:g} s{slower}")

    def count(self, name: str, ids: list[str]) -> None:
        """Ids that must not exist, such as the lost ones."""
        setattr(self, name, getattr(self, name) + len(ids))
        if ids:
            shown = ", ".join(ids[:EVIDENCE])
            more = f" and {len(ids) - EVIDENCE} more" if len(ids) > EVIDENCE else ""
            self.failures.append(f"{name.replace('_', ' ')}: {shown}{more}")

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.failures.append(otherwise)
