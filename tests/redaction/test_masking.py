"""The rules of masking, one by one."""

from __future__ import annotations

import base64
import time
from quopri import encodestring
from random import Random
from typing import Any

import msgspec
import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from handoff.bootstrap.redaction import build_redaction
from handoff.bootstrap.settings import PatternSettings
from handoff.domain.clock import SECOND
from handoff.domain.errors import ConfigurationError
from handoff.domain.redaction.documents import LONG, masked_document
from handoff.domain.redaction.quick import SHORT_RUN, needs_look
from handoff.domain.redaction.redaction import Redaction, safe_detail
from handoff.domain.redaction.scan import TenantPattern
from handoff.domain.redaction.values import masked_texts, masked_value
from handoff.domain.touchpoint import Touchpoint
from handoff.services.sources.native import Caller, read_native

from .numbers import card, disguised, readable

VISA = "4111111111111111"
TWICE = f"{VISA} {VISA}"
NOON = 1_795_000_000 * SECOND


def masked(text: str) -> str:
    return masked_texts([text])[0][0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("4111 1111 1111 1111", "**** **** **** 1111"),
        ("3782-822463-10005", "****-******-*0005"),
        ("4111\u200b1111\u00a01111\n1111", "****\u200b****\u00a0****\n1111"),
        ("４１１１１１１１１１１１１１１１", "************１１１１"),
        ("411<b>1</b>1111&nbsp;1111 &#49;111", "***<b>*</b>****&nbsp;**** &#49;111"),
        ("4111 1111 1111 1111 12/27 123", "**** **** **** 1111 12/27 ***"),
        ("my CVV is 123", "my CVV is ***"),
        ("Prüfziffer: 1234", "Prüfziffer: ****"),
        ("%B4111111111111111^DOE/JANE^27121010000000000?", "[track data]"),
        (";4111111111111111=27121010000000000?", "[track data]"),
        ("ref 2024 4111 1111 1111 1111", "ref 2024 **** **** **** 1111"),
    ],
)
def test_what_must_not_be_stored_is_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # its check digit is wrong
        "1234567812345670",  # no network issues it
        "security code 123456",  # a one-time password
        "DE44 5001 0517 5407 3249 31",
        "order 303-1234567-1234567",
        "+49 151 1234567, +49 30 1234567",
        "2026-11-28T01:35:08.123456Z",
        "12.50 4.99 3.00 | 19.99 | 5.49",
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    "value",
    [
        {"a": "4111", "b": "1111", "c": "1111", "d": "1111"},
        {"a": 4111, "b": 1111, "c": 1111, "d": 1111},
        {"parts": ["41111", "11111", "111111"]},
        {"first": "41111111", "second": {"rest": "11111111"}},
        {"subject": "my card 4111 1111", "text": "1111 1111 thanks"},
        {"number": 4111111111111111},
        {"number": 4111111111111111.0},
        {"4111111111111111": True},
        [{"deep": [[["4111111111111111.pdf"]]]}],
    ],
)
def test_card_numbers_in_documents_and_split_over_members_are_masked(value: Any) -> None:
    shown, counts = masked_value(value)
    assert counts == {"card_number": 1}
    assert VISA not in readable(msgspec.json.encode(shown).decode())


def test_codes_and_tracks_are_known_by_the_name_of_their_member() -> None:
    shown, counts = masked_value({"cvv": "123", "securityCode": 1234, "track2": f"{VISA}=2712"})
    assert shown == {"cvv": "***", "securityCode": "****", "track2": "[track data]"}
    assert counts["card_code"] == 2


def test_the_name_of_a_member_counts_for_what_is_nested_in_it() -> None:
    nested = {"cvc": {"value": "123", "of": [{"entered": 1234}]}, "track1": {"raw": f"{VISA}=2712"}}
    shown, counts = masked_value({"card": nested, "order": {"value": "123"}})
    assert shown["card"]["cvc"] == {"value": "***", "of": [{"entered": "****"}]}
    assert shown["card"]["track1"] == {"raw": "[track data]"}
    assert shown["order"] == {"value": "123"}
    assert counts["card_code"] == 2
    named = {"security_code": {"cvv": "123", "expires": "12/27"}}
    assert masked_value(named)[0] == {"security_code": {"cvv": "***", "expires": "12/27"}}


def test_an_unchanged_value_is_the_same_object() -> None:
    value = {"order": "12345678", "at": "2026-11-28T01:35:08Z", "n": [1, 2.5, None, True]}
    assert masked_value(value)[0] is value


@pytest.mark.parametrize(
    "raw",
    [
        f'{{"text": "{VISA}"}}'.encode(),
        f'{{"broken": {VISA}, '.encode(),
        b"From=1&Body=4111+1111+1111+1111&To=2",
        b"a=41111111&b=11111111",
        b"a=%34%31%31%31111111111111",
        b"Subject: hi\r\n\r\n" + encodestring(f"card {VISA[:8]}\u00a0{VISA[8:]}".encode()),
        b"4=31=31=31 1111 11=\r\n11 1111",
        b"MIME\r\n\r\n" + base64.encodebytes(f"Meine Karte ist {VISA}, danke. ".encode() * 5),
        msgspec.json.encode(
            {"mail": "X: y\r\n\r\n" + base64.encodebytes(f"{VISA} {VISA}".encode()).decode()}
        ),
        msgspec.json.encode({"inner": msgspec.json.encode({"n": int(VISA)}).decode() + " " * 9}),
        VISA.encode("utf-16-le"),
        b"\xff\xfe4111\xa01111\xa01111\xa01111",
    ],
)
def test_bytes_of_any_format_are_masked(raw: bytes) -> None:
    shown, counts = masked_document(raw)
    assert counts
    for text in (shown.decode("latin-1"), *map(_decoded, shown.decode("latin-1").split("\r\n\r\n"))):
        assert VISA not in readable(text), shown


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text.encode("latin-1"), validate=False).decode("latin-1")
    except ValueError:
        return ""


def test_json_stays_json_with_everything_else_as_it_was() -> None:
    shown, _counts = masked_document(msgspec.json.encode({"n": int(VISA), "other": [1, "ü", None]}))
    assert msgspec.json.decode(shown) == {"n": "************1111", "other": [1, "ü", None]}


@given(st.integers(0, 2**32))
def test_masking_twice_changes_nothing_more(seed: int) -> None:
    _digits, text = disguised(Random(seed))
    once = masked(text)
    assert masked(once) == once


@given(st.text())
def test_any_text_is_masked_without_failing(text: str) -> None:
    masked_document(text.encode("utf-8", "surrogatepass"))
    assert safe_detail(text) == masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "4 " * 50_000,
        "<a " * 40_000 + "1" * 13,
        ("12 " * 12 + "a") * 3000,
        "cvv " * 40_000 + "1" * 13,
        "&#" * 50_000 + "1" * 13,
    ],
)
def test_hostile_texts_take_linear_time(text: str) -> None:
    began = time.process_time()
    masked(text)
    assert time.process_time() - began < 5


def touchpoint(event: str, text: str | None, at: int = NOON, **changes: Any) -> Touchpoint:
    given = {
        "id": event,
        "channel": "chat",
        "type": "message.received",
        "occurred_at": "2026-11-21T10:00:00Z",
        "identities": ["user:anna"],
        "text": text,
        **changes,
    }
    caller = Caller(name="bot", channels=frozenset({"chat"}))
    return msgspec.structs.replace(read_native(msgspec.json.encode(given), caller), occurred_at=at)


def pseudonym(value: str) -> str:
    return str(len(value))


def test_a_touchpoint_counts_its_masked_places() -> None:
    counted: list[tuple[str, str, int]] = []
    redaction = Redaction()
    redaction.counted = lambda *given: counted.append(given)
    shown = redaction.touchpoint("t", touchpoint("1", f"{VISA} cvv 123", data={"pan": VISA}), pseudonym)
    assert shown.redacted == {"card_number": 2, "card_code": 1}
    assert sorted(counted) == [("card_code", "chat", 1), ("card_number", "chat", 2)]


def test_an_ordinary_touchpoint_is_returned_as_it_is() -> None:
    sent = touchpoint("1", "Wo ist meine Bestellung 12345678?", data={"phone": "+491511234567"})
    assert Redaction().touchpoint("t", sent, pseudonym) is sent


@pytest.mark.parametrize(
    "parts",
    [
        ("my card is 4111 1111", "1111 1111"),
        ("4111", "1111", "1111", "1111 ok?"),
        ("41111111111", "11111"),
    ],
)
def test_a_number_typed_in_several_messages_is_masked_when_it_is_complete(parts: tuple[str, ...]) -> None:
    redaction = Redaction()
    sent = [touchpoint(str(at), part, NOON + at * SECOND) for at, part in enumerate(parts)]
    shown = [redaction.touchpoint("t", it, pseudonym) for it in sent]
    assert VISA not in readable(" ".join(str(it.text) for it in shown))
    assert shown[-1].redacted == {"card_number": 1}
    again = [redaction.touchpoint("t", it, pseudonym) for it in sent]
    assert again == shown, "a retry has the same content"


def test_messages_of_others_and_after_a_pause_are_not_joined() -> None:
    redaction = Redaction()
    first = redaction.touchpoint("t", touchpoint("1", "41111111"), pseudonym)
    assert first.text == "41111111"
    for other in (
        touchpoint("2", "11111111", identities=["user:bob"]),
        touchpoint("3", "11111111", NOON + 3600 * SECOND),
    ):
        assert redaction.touchpoint("t", other, pseudonym) is other


def test_a_tenants_patterns_are_masked_for_that_tenant_only() -> None:
    redaction = build_redaction(
        [PatternSettings(name="loyalty", pattern=r"\bLC[0-9]{8}\b", tenant="shop", keep_last=3)]
    )
    sent = touchpoint("1", "my number is LC12345678 \N{GRINNING FACE}")
    shown = redaction.touchpoint("shop", sent, pseudonym)
    assert (shown.text, shown.redacted) == ("my number is *******678 \N{GRINNING FACE}", {"loyalty": 1})
    assert redaction.touchpoint("other", sent, pseudonym) is sent


def test_a_pattern_takes_linear_time() -> None:
    pattern = TenantPattern(name="evil", search=re2.compile(r"(a|aa)+$"))
    began = time.process_time()
    masked_texts(["a" * 100_000 + "b"], [pattern])
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["(", r"(?=a)", "a*", "x" * 501, r"(\w{1,1000}){1000}"])
def test_patterns_that_are_no_re2_or_match_nothing_are_refused(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match="loyalty"):
        build_redaction([PatternSettings(name="loyalty", pattern=pattern)])


@given(st.integers(0, 2**32))
def test_every_generated_card_number_is_one(seed: int) -> None:
    digits = card(Random(seed))
    assert masked(digits) == "*" * (len(digits) - 4) + digits[-4:]


@pytest.mark.parametrize(
    "piece", [b"0,", b"4111 1111 1111 1111\n", b"%34%31", b"&#52;&#49;", b'"4":1,'], ids=repr
)
def test_all_digits_of_a_long_document_of_digits_are_masked(piece: bytes) -> None:
    """A stranger who sends one must not keep the worker busy."""
    raw = piece * (LONG // len(piece) + 1)
    masked, counts = masked_document(raw)
    assert (len(masked), counts) == (len(raw), {"digits": 1})
    assert not set(masked) & set(b"0123456789")


def test_numbers_in_long_documents_of_words_and_base64_are_looked_for() -> None:
    words = b"Where is my order of last week? " * (LONG // 16)
    card = b"4111 1111 1111 1111"
    for raw in (words + card, b"--x\r\n\r\n" + base64.b64encode(words + card)):
        masked, counts = masked_document(raw)
        assert counts == {"card_number": 1}
        assert len(masked) == len(raw)


@pytest.mark.parametrize("length", [SHORT_RUN - 20, SHORT_RUN, SHORT_RUN + 1, 400])
def test_a_number_is_noticed_in_short_and_long_runs_of_groups(length: int) -> None:
    """Two ways to test the same: digits one by one, and by sums."""
    random = Random(length)
    for _ in range(20):
        groups = ["0" * random.randint(1, 3) for _ in range(length // 2)]
        assert not needs_look(msgspec.json.encode(" ".join(groups)))
        groups.insert(random.randrange(len(groups)), card(random))
        assert needs_look(msgspec.json.encode(" ".join(groups)))
