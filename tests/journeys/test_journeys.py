"""Ten journeys: what a customer went through, and the brief a reader agrees with, line by line."""

from __future__ import annotations

import pytest

from handoff.domain.brief import BriefLine
from tests.briefs import SECTIONS

from .journeys import NAMES, journey


def shown(line: BriefLine) -> dict[str, str]:
    """A line as the files write it."""
    fields = {"code": line.code, "text": line.text, "from": " ".join(line.touchpoints)}
    return fields if line.assurance == "verified" else fields | {"assurance": line.assurance}


def test_there_are_ten() -> None:
    assert len(NAMES) >= 10


@pytest.mark.parametrize("name", NAMES)
def test_the_brief_of_a_journey(name: str) -> None:
    played = journey(name)
    brief = played.brief()
    sections = {section: [shown(line) for line in getattr(brief, section)] for section in SECTIONS}
    assert sections == {section: played.expected.get(section, []) for section in SECTIONS}
    assert brief.effort.text == played.expected["effort"]


@pytest.mark.parametrize("name", NAMES)
def test_every_line_points_at_touchpoints_of_the_journey(name: str) -> None:
    played = journey(name)
    brief = played.brief()
    known = {item.id: item for item in played.items}
    for section in SECTIONS:
        for line in getattr(brief, section):
            assert line.touchpoints
            assert set(line.touchpoints) <= set(known)
            assert line.count >= len(line.touchpoints)
            assert line.text.isprintable()


@pytest.mark.parametrize("name", NAMES)
def test_what_was_deleted_or_is_internal_is_never_quoted_to_others(name: str) -> None:
    played = journey(name)
    brief = played.brief(internal=False)
    hidden = [item.text for item in played.items if item.text and (item.deleted or item.type == "note.added")]
    texts = " ".join(line.text for section in SECTIONS for line in getattr(brief, section))
    assert not [words for words in hidden if words in texts]
