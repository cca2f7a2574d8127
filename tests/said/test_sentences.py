"""The labelled set has the size and the mix that its measure needs."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.said.sentences import HALVES, LANGUAGES, Half, faults_of_set, load


def test_each_language_has_enough_sentences_and_hard_negatives() -> None:
    assert faults_of_set([entry for half in HALVES for entry in load(half)]) == []


@pytest.mark.parametrize("half", HALVES)
def test_the_halves_hold_the_same_numbers_of_each_label(half: Half) -> None:
    sentences = load(half)
    counts = Counter(
        (entry.language, label)
        for entry in sentences
        for label, given in (
            ("all", True),
            ("promise", entry.promise is not None),
            ("time", entry.promise is not None and entry.promise.due is not None),
            ("complaint", entry.complaint),
            ("closing", entry.closing),
            ("hard negative", entry.is_hard_negative),
        )
        if given
    )
    per_language = {"all": 40, "promise": 7, "time": 5, "complaint": 6, "closing": 5, "hard negative": 17}
    assert counts == {(language, label): n for language in LANGUAGES for label, n in per_language.items()}
