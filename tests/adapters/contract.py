"""The contract suite of `handoff.testing` for our adapters, with Hypothesis and the collected payloads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff import testing
from handoff.testing import PUBLIC_URL, RECEIVED_AT, survive
from handoff.testing import inbound_request as request
from tests.examples import examples

__all__ = ["PUBLIC_URL", "RECEIVED_AT", "AdapterContract", "SignedContract", "request", "survive"]

SLOW = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)  # the machine may be loaded; only the input matters here


def shared(*parts: str) -> Path:
    """A file of the collected real payloads; the test is skipped where they are missing."""
    root = os.environ.get("HANDOFF_SHARED")
    base = Path(root) if root else Path(__file__).resolve().parents[3] / "shared"
    place = base.joinpath("payloads", *parts)
    if not place.exists():
        pytest.skip("the collected payloads are missing (HANDOFF_SHARED)")
    return place


class AdapterContract(testing.AdapterContract):
    paths: ClassVar[tuple[str, ...]] = ("",)

    @SLOW
    @given(body=st.binary(max_size=300), data=st.data())
    def test_hostile_bytes_are_refused(self, body: bytes, data: st.DataObject) -> None:
        survive(self.build(), request(data.draw(st.sampled_from(self.paths)), body=body))


class SignedContract(AdapterContract, testing.SignedContract):
    """The suite for adapters whose vendor signs."""


# JSON as faulty senders write it: any type anywhere, half an emoji, numbers that fit nowhere.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**60, max_value=2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(), max_size=12),
    st.sampled_from(["", " ", "\ud83d", "\x00", "+358401234567", "a@b.fi", "2026-11-21T21:00:00Z", "0"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def mutated(template: Any) -> st.SearchStrategy[Any]:
    """`template` with any of its values replaced or left out."""
    if isinstance(template, dict):
        return st.one_of(
            *[st.fixed_dictionaries({}, optional={key: mutated(value) for key, value in template.items()})]
            * 4,
            anything,
        )
    if isinstance(template, list) and template:
        return st.one_of(st.lists(mutated(template[0]), max_size=2), anything)
    return st.one_of(st.just(template), anything)
