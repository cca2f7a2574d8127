"""Shorter ways for ASCII text give the results of the general ones, forced by a letter outside ASCII."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.brief.lines import same
from handoff.domain.brief.packs import tokens_of
from handoff.domain.brief.packs.tokens import has_digit
from handoff.domain.brief.signals.references import in_words
from tests.briefs import RULES
from tests.examples import examples

OUTSIDE = " é"
ANY = st.text(st.characters(max_codepoint=127), max_size=40)
LABELS = sorted({*RULES.packs.reference_words, *RULES.packs.number_words})
NUMBERS = ["A-17", "AB12", "4711", "(12)", "#44", "-1"]
OTHERS = ["no.", "my", "is", "don't", "x-ray", "'order", "order:", "re:order"]
PARTS = st.one_of(st.sampled_from(LABELS), st.sampled_from(NUMBERS), st.sampled_from(OTHERS))
GAPS = st.sampled_from([" ", ": ", " #", " (", "; ", " '", "\n"])
SENTENCES = st.lists(st.tuples(PARTS, GAPS), max_size=6)


def sentence(parts: list[tuple[str, str]]) -> str:
    return "".join(word + gap for word, gap in parts)


@pytest.mark.no_cover
@settings(max_examples=examples(300))
@given(st.one_of(ANY, SENTENCES.map(sentence)))
def test_tokens_are_the_same(text: str) -> None:
    assert tokens_of(text) == tokens_of(text + OUTSIDE)[:-1]
    assert same(text) == same(text + OUTSIDE)[:-1]
    assert has_digit(text) == has_digit(text + OUTSIDE)


@pytest.mark.no_cover
@settings(max_examples=examples(300))
@given(SENTENCES.map(sentence))
def test_references_are_the_same(text: str) -> None:
    assert list(in_words(text, RULES.packs)) == list(in_words(text + OUTSIDE, RULES.packs))


def test_the_samples_have_references() -> None:
    assert [it.shown for it in in_words("my order no. 4711 and A-17", RULES.packs)] == ["4711", "A-17"]
    assert [it.shown for it in in_words("my order is 4711", RULES.packs)] == ["4711"]
    assert not list(in_words("my 2 lamps for (4711)", RULES.packs))
