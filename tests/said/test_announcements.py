"""The labelled announcements, and how well the rules find them: only better from here."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.said.announcements import HALVES, LANGUAGES, load_announcements, measured_announcements

FEWEST = 20  # sentences of a language
PRECISION, RECALL = 1.0, 1.0
"""The figures of each half when it was made. Never lower these."""


def test_each_language_has_enough_sentences_half_of_them_hard_negatives() -> None:
    found = [it for half in HALVES for it in load_announcements(half)]
    assert len({it.id for it in found}) == len({it.text for it in found}) == len(found)
    for language in LANGUAGES:
        mine = [it for it in found if it.language == language]
        negative = [it for it in mine if it.kind.startswith("negative: ")]
        assert len(mine) >= FEWEST
        assert 2 * len(negative) >= len(mine)
        assert all((it.announces is None) == (it in negative) for it in mine)
        kinds = Counter(it.announces for it in mine if it.announces)
        assert min(kinds[it] for it in ("transfer", "callback", "mail")) >= 4


@pytest.mark.parametrize("half", HALVES)
def test_the_rules_are_as_good_as_they_were(half: str) -> None:
    counts = measured_announcements(load_announcements(half))
    worse = {
        language: (count.precision, count.recall)
        for (_kind, language), count in counts.items()
        if count.precision < PRECISION or count.recall < RECALL
    }
    assert worse == {}
