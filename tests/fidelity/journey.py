"""A journey: what a customer went through, step by step, and what the next agent must know.

A journey is a TOML file in `journeys/`, or one that `grammar` makes:

    title = "Retail: a refund that the form cannot find"
    industry = "retail"
    language = "en"
    name = "Anna Virtanen"

    [handoff]                      # the handoff at which it is measured
    from = "Refund bot"
    to = "refunds"
    channel = "chat"
    reason = "Bot cannot find the return"

    [[steps]]                      # in the order in which they arrive
    at = 180                       # minutes before the handoff: when it happened
    do = "web.search"              # see `player.STEPS`
    query = "refund"
    results = 0
    matter = "refund"              # optional: the label of the matter that this ask belongs to
    again = true                   # optional: the sender delivers it twice

    [[facts]]
    kind = "tried"                 # see KINDS
    value = "refund"               # searched for without regard to case; or `pattern`, a regular expression
    step = 0                       # optional: the step it comes from, for "validity" and "assurance" of it
    assurance = "claimed"          # what is not verified must be marked wherever the brief states it

    [[wrong]]                      # what no line of the brief may say
    why = "the edited day"
    pattern = "Wednesday"

The journeys in `blind/` have the same form. Their author had not read the rules of the brief. Those whose
names begin with `a_` may be looked at; of those with `b_` only the sums are reported, so that no rule is
made for them. Do not change one after seeing its result. Those in `more/` were written before their author
read the rules; after that, the rules were mended on them.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

FOLDER = Path(__file__).parent / "journeys"
BLIND = Path(__file__).parent / "blind"
MORE = Path(__file__).parent / "more"
Kind = Literal[
    "who",
    "why",
    "wants",
    "detail",
    "reference",
    "second matter",
    "tried",
    "answered",
    "promised",
    "waiting",
    "feeling",
    "candidate",
]


class Fact(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing the next agent must know."""

    kind: Kind
    value: str = ""
    pattern: str = ""
    assurance: Literal["verified", "claimed"] = "verified"
    step: int | None = None

    @property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern or re.escape(self.value), re.IGNORECASE)


class Wrong(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A pattern that no line of the brief may match."""

    why: str
    pattern: str

    @property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.IGNORECASE)


class Journey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One journey with what is right about it."""

    id: str
    title: str
    industry: str
    language: str
    name: str
    handoff: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    facts: tuple[Fact, ...]
    wrong: tuple[Wrong, ...] = ()
    disturbances: tuple[str, ...] = ()
    no_wait: bool = False
    """Whether every wait has ended by the time of the handoff."""

    @property
    def set_aside(self) -> bool:
        """A third of the journeys, by their names: looked at only for the report."""
        return hashlib.sha256(self.id.encode()).digest()[0] % 3 == 0

    @property
    def sealed(self) -> bool:
        """Whether it is in half b of the blind journeys, of which nobody sees more than the sums."""
        return self.id.startswith("b_")

    @property
    def channels(self) -> set[str]:
        return {str(it["do"]).partition(".")[0] for it in self.steps} - {"api"}


def read_journeys(folder: Path = FOLDER) -> list[Journey]:
    """Those written by hand."""
    return [_read(path) for path in sorted(folder.glob("*.toml"))]


def _read(path: Path) -> Journey:
    stated = tomllib.loads(path.read_text("utf-8"))
    return msgspec.convert({"id": path.stem, **stated}, Journey)


class Played(Struct, kw_only=True):
    """The server's answer at the handoff. `handoff` is its id."""

    journey: Journey
    context: dict[str, Any]
    handoff: str = ""
