"""Candidates that somebody has confirmed or dismissed: they are no longer shown as candidates."""

from __future__ import annotations

from handoff.domain.touchpoint import TYPES

from ..lines import word
from ..story import Story

DECIDING = frozenset(it for it in TYPES if it.startswith(("promise.", "complaint.")))
"""Types of touchpoints that decide about a candidate, which `data.candidate` names."""


def decided_ids(story: Story) -> set[str]:
    """The ids of the candidates that somebody has decided about."""
    return {word(it.data.get("candidate")) for it in story.of(DECIDING)}
