"""Agents' feedback that a line of a brief is wrong, counted by rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.domain.brief import Brief
from handoff.domain.touchpoint import Touchpoint

LINE_WRONG = "brief.line_wrong"


def wrong_rule(touchpoint: Touchpoint) -> str | None:
    """The rule whose line the touchpoint reports as wrong; None for any other touchpoint."""
    return str(touchpoint.data.get("rule")) if touchpoint.type == LINE_WRONG else None


class Noted:
    """Reads a touchpoint, and keeps the rule that it reports as wrong."""

    __slots__ = ("_read", "rule")

    def __init__(self, read: Callable[[], Touchpoint]) -> None:
        self._read = read
        self.rule: str | None = None

    def __call__(self) -> tuple[Touchpoint]:
        touchpoint = self._read()
        if touchpoint.type == LINE_WRONG:
            self.rule = wrong_rule(touchpoint)
        return (touchpoint,)


def rules_of(brief: Brief) -> list[str]:
    """The rule of each line of a brief."""
    sections: tuple[Any, ...] = (
        *(brief.why_now, brief.wants, brief.tried, brief.answered),
        *(brief.promised, brief.known, brief.feelings),
    )
    return [line.code for lines in sections for line in lines]
