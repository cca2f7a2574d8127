"""The brief: what the next party needs in ten seconds, made from a customer's touchpoints by rule.

No model and no guess: every line points at the touchpoints that prove it. Each touchpoint is reduced to a
signal, signals are grouped into matters, and each matter has a state; the sections are written from that.
Lines about what was only claimed are lines of their own and say so. Screens render from `code` and
`params`; `text` is the English rendering. The same touchpoints always give the same brief.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from handoff.domain.clock import Micros

from .copies.naming import with_routes
from .lines import MadeLine
from .rules import BriefRules, SourceRules
from .sections.answered import answered
from .sections.effort import effort
from .sections.feelings import feelings
from .sections.known import known
from .sections.languages import customer_language
from .sections.promised import promised
from .sections.tried import tried
from .sections.wants import wants
from .sections.why_now import why_now
from .shapes import (
    Brief,
    BriefLine,
    CandidateWords,
    CustomerLanguage,
    EarlierHandoff,
    Effort,
    Pending,
    Summary,
    TimelineItem,
)
from .state import StoryState
from .steps import Steps, finish
from .story import Story, read_story, reading_story

__all__ = [
    "MAX_LINES",
    "RULES",
    "Brief",
    "BriefLine",
    "BriefRules",
    "CandidateWords",
    "CustomerLanguage",
    "EarlierHandoff",
    "Effort",
    "Pending",
    "SourceRules",
    "Story",
    "StoryState",
    "Summary",
    "TimelineItem",
    "build_brief",
    "read_story",
    "reading_story",
    "write_brief",
    "writing_brief",
]

RULES = 2
"""Version of these rules, kept with every snapshot. Raised once per release in which the rules change."""

MAX_LINES = 12  # a section: more is not read in ten seconds; what is left out is counted
MORE_LINES = {"wants": 16, "known": 16}  # several matters with their first and last words; short facts
_NEWEST_LAST = frozenset({"tried", "answered"})
_SECTIONS: Mapping[str, Callable[[Story], Sequence[MadeLine]]] = {
    "why_now": why_now,
    "wants": wants,
    "tried": tried,
    "answered": answered,
    "promised": promised,
    "known": known,
    "feelings": feelings,
}


def build_brief(
    items: Sequence[TimelineItem],
    *,
    now: Micros,
    rules: BriefRules,
    pending: Pending | None = None,
    handoffs: Sequence[EarlierHandoff] = (),
    internal: bool = True,
) -> Brief:
    """The brief over a customer's own touchpoints (oldest first, edits folded in) as of `now`.

    `pending` is the handoff that it is for, `handoffs` are all of the customer. Deleted
    touchpoints count toward the effort and are never quoted; notes are for `internal` readers.
    """
    story, _state = read_story(
        items, now=now, rules=rules, pending=pending, handoffs=handoffs, internal=internal
    )
    return write_brief(story)


def write_brief(story: Story) -> Brief:
    """The brief that a story makes."""
    return finish(writing_brief(story))


def writing_brief(story: Story) -> Steps[Brief]:
    """`write_brief` in steps."""
    sections: dict[str, Sequence[MadeLine]] = {}
    kept: dict[str, tuple[BriefLine, ...]] = {}
    for name, section in _SECTIONS.items():
        sections[name] = section(story)
        yield
    for name, lines in sections.items():
        kept[name] = with_routes(story, _bounded(name, lines))
        yield
    return Brief(
        why_now=kept["why_now"],
        wants=kept["wants"],
        tried=kept["tried"],
        answered=kept["answered"],
        promised=kept["promised"],
        known=kept["known"],
        feelings=kept["feelings"],
        effort=effort(story),
        left_out=_left_out(sections, story.left_out),
        language=customer_language(story),
    )


def _limit(name: str) -> int:
    return MORE_LINES.get(name, MAX_LINES)


def _bounded(name: str, lines: Sequence[MadeLine]) -> tuple[BriefLine, ...]:
    limit = _limit(name)
    kept = lines[-limit:] if name in _NEWEST_LAST else lines[:limit]
    return tuple(it if isinstance(it, BriefLine) else it() for it in kept)


def _left_out(sections: Mapping[str, Sequence[MadeLine]], more: Mapping[str, int]) -> dict[str, int]:
    left = {name: max(len(lines) - _limit(name), 0) + more.get(name, 0) for name, lines in sections.items()}
    return {name: count for name, count in left.items() if count}
