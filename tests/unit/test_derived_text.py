"""Derived text: what a valid one states, and which of several counts, in whatever order they arrive."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.errors import Unprocessable
from handoff.domain.text.derived import DerivedText, check_derived, read_derived, standing

STATED = {"of": "voice-1", "kind": "transcript", "by": "whisper", "confidence": 0.8}


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"of": None}, "/data/of", "derived_of_missing"),
        ({"of": ""}, "/data/of", "derived_of_missing"),
        ({"of": 7}, "/data/of", "derived_of_missing"),
        ({"kind": "guess"}, "/data/kind", "derived_kind_unknown"),
        ({"kind": None}, "/data/kind", "derived_kind_unknown"),
        ({"by": ""}, "/data/by", "invalid"),
        ({"confidence": 1.01}, "/data/confidence", "confidence_out_of_range"),
        ({"confidence": -0.1}, "/data/confidence", "confidence_out_of_range"),
        ({"confidence": True}, "/data/confidence", "confidence_out_of_range"),
        ({"confidence": "high"}, "/data/confidence", "confidence_out_of_range"),
        ({"speaker": "grandma"}, "/data/speaker", "invalid"),
        ({"part": -1}, "/data/part", "invalid"),
        ({"at": "yesterday"}, "/data/at", "invalid"),
        ({"attachment": ""}, "/data/attachment", "invalid"),
        ({"recording": "r" * 3_000}, "/data/recording", "invalid"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], pointer: str, code: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        check_derived("hello", STATED | change)
    assert caught.value.problem_code == code
    assert caught.value.fields["pointers"][0]["pointer"] == pointer


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_a_derived_text_has_a_text(text: str | None) -> None:
    with pytest.raises(Unprocessable) as caught:
        check_derived(text, STATED)
    assert caught.value.problem_code == "derived_without_text"


@pytest.mark.parametrize("change", [{}, {"confidence": 0}, {"confidence": 1}, {"attachment": 0}, {"part": 0}])
def test_the_bounds_are_valid(change: dict[str, Any]) -> None:
    check_derived("hello", STATED | change)


def text(id_: str, minute: int = 0, **changes: Any) -> DerivedText:
    language = changes.pop("language", None)
    made = read_derived(id_, f"words of {id_}", language, STATED | changes, (minute, id_))
    assert made is not None
    return made


def chosen(*texts: DerivedText) -> list[str]:
    return [it.id for it in standing(texts).texts]


def test_the_surest_counts_and_of_equals_the_newest() -> None:
    sure, newer = text("sure", 1, confidence=0.9), text("newer", 2, confidence=0.7)
    assert chosen(sure, newer) == ["sure"]
    assert standing([sure, newer]).superseded == {"newer"}
    assert chosen(text("a", 1), text("b", 2)) == ["b"]


def test_a_text_without_confidence_ranks_in_the_middle() -> None:
    unstated = text("unstated", confidence=None)
    assert chosen(unstated, text("poor", 1, confidence=0.3)) == ["unstated"]
    assert chosen(unstated, text("good", confidence=0.6)) == ["good"]


def test_transcripts_in_two_languages_compete_and_translations_do_not() -> None:
    assert chosen(text("fi", language="fi"), text("en", language="en", confidence=0.9)) == ["en"]
    both = [text(it, kind="translation", language=it) for it in ("en", "sv")]
    assert set(chosen(*both)) == {"en", "sv"}


def test_attachments_recordings_and_kinds_count_apart() -> None:
    parts = [
        text("a", attachment=0),
        text("b", attachment=1),
        text("c", recording="RE1"),
        text("d", kind="ocr"),
    ]
    assert len(chosen(*parts)) == 4


def test_the_parts_of_one_text_stand_together_and_are_replaced_together() -> None:
    first, second = (text(f"p{it}", it, part_of="live", part=it, confidence=0.7) for it in (1, 2))
    better = text("p2b", 3, part_of="live", part=2, confidence=0.8)
    assert chosen(second, first) == ["p1", "p2"]
    assert chosen(second, first, better) == ["p1", "p2b"]
    whole = text("whole", 4, confidence=0.95)
    assert chosen(first, second, better, whole) == ["whole"]
    assert standing([first, second, better, whole]).superseded == {"p1", "p2", "p2b"}


drawn = st.lists(
    st.tuples(
        st.sampled_from(["transcript", "ocr", "translation"]),
        st.sampled_from([None, 0.2, 0.5, 0.9]),
        st.sampled_from([None, "fi", "en"]),
        st.sampled_from([None, "live", "later"]),
        st.sampled_from([None, 0, 1]),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(drawn, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(rows: list[tuple[Any, ...]], chance: random.Random) -> None:
    texts = [
        text(f"t{at}", minute, kind=kind, confidence=sure, language=language, part_of=whole, part=part)
        for at, (kind, sure, language, whole, part, minute) in enumerate(rows)
    ]
    before = standing(texts)
    chance.shuffle(texts)
    after = standing(texts)
    assert (before.texts, before.superseded) == (after.texts, after.superseded)
    kept = {it.id for it in before.texts}
    assert kept.isdisjoint(before.superseded)
    assert kept | before.superseded == {it.id for it in texts}
