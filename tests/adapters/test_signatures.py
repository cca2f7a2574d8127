"""The signature helpers that all adapters share."""

from __future__ import annotations

import base64

import pytest

from handoff.adapter.signatures import any_equal, basic_credentials
from handoff.domain.errors import SignatureRefused


@pytest.mark.parametrize(
    ("given", "expected", "equal"),
    [
        (b"a", [b"a"], True),
        (b"a", [b"b", b"a"], True),
        (b"a", [b"a", b"b"], True),
        (b"a", [b"b", b"aa", b""], False),
        (b"", [], False),
    ],
)
def test_any_equal(given: bytes, expected: list[bytes], equal: bool) -> None:
    assert any_equal(given, expected) is equal


def test_every_candidate_is_compared() -> None:
    candidates = iter([b"a", b"b", b"c"])
    assert any_equal(b"a", candidates)
    assert next(candidates, None) is None


def basic(credentials: bytes) -> str:
    return base64.b64encode(credentials).decode("ascii")


@pytest.mark.parametrize(
    ("credentials", "found"),
    [
        (b"user:password", ("user", "password")),
        (b"user:pass:word", ("user", "pass:word")),
        (b"user:", ("user", "")),
        (b"user", ("user", "")),
        (b"", ("", "")),
        ("päivi:ö".encode(), ("päivi", "ö")),
    ],
)
def test_basic_credentials(credentials: bytes, found: tuple[str, str]) -> None:
    assert basic_credentials(f"Basic {basic(credentials)}") == found
    assert basic_credentials(f"basic   {basic(credentials)} ") == found


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer abc",
        "Basic a",
        "Basic a*b=",
        "Basic ä",
        f"Basic {basic(b'user:')}!",
        f"Basic {basic(bytes([255]))}",
    ],
)
def test_other_headers_are_refused(header: str | None) -> None:
    with pytest.raises(SignatureRefused):
        basic_credentials(header)
