"""Narrowing JSON: what fits is left as it is, and everything else comes out as a copy that fits."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from handoff.domain.errors import Unprocessable
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.touchpoint import MAX_TOUCHPOINT_BYTES, Direction, Touchpoint
from handoff_adapters.chat.chatwoot import ChatwootAdapter
from handoff_adapters.shared import fields
from handoff_adapters.shared.fields import MAX_DEPTH, bounded, checked, text
from handoff_adapters.web.segment import SegmentAdapter
from tests.adapters.contract import request
from tests.examples import examples

FITTING = {"a": ["x", 1, 1.5, None, True, {"ä": "€"}, []], "b": -(2**63), "c": 2**64 - 1}

words = st.text(alphabet=st.characters(), max_size=6)  # half a surrogate pair too
leaves = st.one_of(
    st.none(),
    st.booleans(),
    words,
    st.integers(),
    st.sampled_from([-(2**63) - 1, -(2**63), 2**63, 2**64 - 1, 2**64, 10**50]),
    st.floats(),
    st.binary(max_size=2),
    st.just((1, "x")),
)
keys = st.one_of(words, words, words, st.integers(), st.none())
# Mostly what senders send, so that not every value is spoilt by one leaf.
plain = st.recursive(
    st.one_of(st.none(), st.text(max_size=4), st.integers(-(2**63), 2**64 - 1), st.floats(-1, 1)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
hostile = st.recursive(
    leaves | plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3)
)


def wrapped(value: Any, levels: int, *, array: bool) -> Any:
    for _ in range(levels):
        value = [value] if array else {"in": value}
    return value


def outcome(function: Callable[[Any], Any], value: Any) -> str:
    """The result for `value`, with its types and the order of its keys."""
    try:
        return repr(function(value))
    except Unprocessable as error:
        return f"{error.problem_code}: {error.detail}"


@pytest.mark.no_cover
@settings(max_examples=examples(600), deadline=None)
@given(
    value=hostile,
    levels=st.sampled_from([0, 0, 0, 1, MAX_DEPTH - 2, MAX_DEPTH - 1, MAX_DEPTH]),
    array=st.booleans(),
)
@example(value="x", levels=MAX_DEPTH, array=True)
@example(value="x", levels=MAX_DEPTH + 1, array=True)
@example(value=[], levels=MAX_DEPTH - 1, array=False)
@example(value=[], levels=MAX_DEPTH, array=False)
@example(value={"\ud800": 1}, levels=0, array=True)
@example(value={1: "x"}, levels=0, array=True)
@example(value={"a": "\udfff"}, levels=0, array=True)
@example(value=[2**64], levels=0, array=True)
@example(value=[-(2**63) - 1], levels=0, array=True)
@example(value=[math.nan], levels=0, array=True)
@example(value=[b"x"], levels=0, array=True)
@example(value=[(1, 2)], levels=0, array=True)
def test_the_quick_way_gives_what_a_copy_gives(value: Any, levels: int, array: bool) -> None:
    value = wrapped(value, levels, array=array)
    before = copy.deepcopy(value)
    copied = outcome(lambda it: fields._fitted(it, 0), value)
    assert outcome(bounded, value) == copied
    assert repr(value) == repr(before)


@settings(max_examples=examples(200), deadline=None)
@given(value=hostile)
def test_whatever_comes_out_can_be_stored_and_shown(value: Any) -> None:
    try:
        made = bounded(value)
    except Unprocessable:
        return
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made)) == made
    assert msgspec.json.decode(msgspec.json.encode(made)) == made


def test_what_fits_is_not_copied() -> None:
    assert bounded(FITTING) is FITTING


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (" x ", "x"), (" ", None), ("\ud83d!", "\ufffd!"), (7, "7"), (-7, "-7"), (7.0, "7"), (7.5, "7.5"),
        (True, None), (None, None), ([], None), ({}, None), (math.nan, None), (-math.inf, None),
        (10**40 - 1, "9" * 40), (10**40, None), (1 - 10**40, "-" + "9" * 40), (-(10**40), None),
    ],
)  # fmt: skip
def test_text_is_what_can_be_read_as_such(stated: object, expected: str | None) -> None:
    assert text(stated) == expected


def touchpoint(**more: Any) -> Touchpoint:
    home = Handle(identity("user", "aino"), Assurance.VERIFIED)
    fixed = {"id_space": "x", "event_id": "1", "source": "src", "channel": "web", "type": "event.tracked"}
    return Touchpoint(**fixed, occurred_at=0, identities=(home,), direction=Direction.INBOUND, **more)


def test_a_touchpoint_made_of_little_is_not_measured() -> None:
    assert checked(touchpoint(text="x"), 100).text == "x"
    large = touchpoint(data={"x": "y" * MAX_TOUCHPOINT_BYTES})
    rendered = touchpoint(text="\u20ac" * (MAX_TOUCHPOINT_BYTES // 3))
    for oversized, stated in ((large, None), (large, MAX_TOUCHPOINT_BYTES), (rendered, 100)):
        with pytest.raises(Unprocessable) as caught:
            checked(oversized, stated)
        assert caught.value.problem_code == "too_large"


NUMBERS = [1.5] * (fields._LITTLE // 4)
TERM = "x" * fields._LITTLE
LARGEST = {
    "a survey's answers appear twice": (
        ChatwootAdapter,
        "",
        {
            "event": "message_updated", "id": 1, "account": {"id": 1}, "message_type": "outgoing",
            "content_type": "input_csat", "contact": {"id": 1},
            "content_attributes": {"submitted_values": {"csat_survey_response": {"rating": NUMBERS}}},
        },
    ),
    "a search's words appear three times": (
        SegmentAdapter,
        "/v1/track",
        {"event": "Search", "userId": "1", "messageId": "1", "properties": {"term": TERM}},
    ),
    "numbers of a batch": (
        SegmentAdapter,
        "/v1/batch",
        {"batch": [{"type": "track", "event": "x", "userId": "1", "properties": {"all": NUMBERS}}]},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("adapter", "path", "body"), LARGEST.values(), ids=LARGEST)
def test_the_most_that_is_made_of_little_is_not_too_large(adapter: Any, path: str, body: Any) -> None:
    options = {"name": "src", "adapter": adapter.name, "secrets": ("s3cret",)}
    made = adapter(msgspec.convert(options, adapter.options)).parse(
        request(path, body=msgspec.json.encode(body))
    )
    (found,) = made.touchpoints
    assert len(msgspec.msgpack.encode(found)) > 2 * fields._LITTLE
    assert len(msgspec.msgpack.encode(found)) + 40 * 1024 <= MAX_TOUCHPOINT_BYTES
