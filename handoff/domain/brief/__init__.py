"""The brief: what the next party needs in ten seconds, told from a customer's touchpoints by rule.

No model and no guess: every line points at the touchpoints that prove it. Lines about what was only
claimed are lines of their own and say so. Screens render from `code` and `params`; `text` is the
English rendering. One module per section; the same touchpoints always give the same brief.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handoff.domain.clock import Micros

from .effort import effort
from .feelings import feelings
from .known import known
from .promised import promised
from .shapes import Brief, Effort, Line, Pending, Summary, Told
from .tried import tried
from .wants import wants
from .why_now import why_now

__all__ = [
    "MAX_LINES",
    "RULES",
    "Brief",
    "Effort",
    "Line",
    "Pending",
    "Summary",
    "Told",
    "tell",
]

RULES = 1
"""Version of these rules, kept with every snapshot."""

MAX_LINES = 12  # a section: more is not read in ten seconds; what is left out is counted
_NEWEST_LAST = frozenset({"tried"})


def tell(
    told: Sequence[Told], *, now: Micros, waiting_since: Micros | None, pending: Pending | None = None
) -> Brief:
    """The brief over a customer's own touchpoints (oldest first, edits folded in) as of `now`.

    `waiting_since` is when the customer began to wait for somebody, None when nobody waits. What was
    deleted counts as an effort and is never quoted.
    """
    standing = [it for it in told if not it.deleted]
    sections: dict[str, list[Line]] = {
        "why_now": why_now(standing, now=now, waiting_since=waiting_since, pending=pending),
        "wants": wants(standing),
        "tried": tried(standing),
        "promised": promised(standing, now=now),
        "known": known(standing),
        "feelings": feelings(standing),
    }
    kept = {name: _bounded(name, lines) for name, lines in sections.items()}
    return Brief(
        why_now=kept["why_now"],
        wants=kept["wants"],
        tried=kept["tried"],
        promised=kept["promised"],
        known=kept["known"],
        feelings=kept["feelings"],
        effort=effort(told, now=now, waiting_since=waiting_since),
        left_out=_left_out(sections),
    )


def _bounded(name: str, lines: Sequence[Line]) -> tuple[Line, ...]:
    return tuple(lines[-MAX_LINES:] if name in _NEWEST_LAST else lines[:MAX_LINES])


def _left_out(sections: Mapping[str, Sequence[Line]]) -> dict[str, int]:
    return {name: len(lines) - MAX_LINES for name, lines in sections.items() if len(lines) > MAX_LINES}
