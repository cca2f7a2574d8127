"""Candidates that somebody has confirmed or dismissed: they are no longer shown as candidates."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.domain.touchpoint import TYPES

from ..lines import word
from ..shapes import BriefLine
from ..story import Story

DECIDING = frozenset(it for it in TYPES if it.startswith(("promise.", "complaint.")))
"""Types of touchpoints that decide about a candidate, which `data.candidate` names."""


def undecided(story: Story, lines: Sequence[BriefLine]) -> list[BriefLine]:
    """The lines of candidates that nobody has decided about."""
    if not lines:
        return []
    decided = {word(it.data.get("candidate")) for it in story.of(DECIDING)}
    return [it for it in lines if it.id not in decided]
