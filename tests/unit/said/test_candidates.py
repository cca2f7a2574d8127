"""Candidates: ids that stay, sentences word for word, and bounded work on any text."""

from __future__ import annotations

import time
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.clock import from_datetime, to_datetime
from handoff.domain.said import Candidate, SpeechRules, Utterance, candidates
from handoff.domain.said.zones import customer_zone
from tests.briefs import brief_of, item
from tests.examples import examples
from tests.packs import packs
from tests.said.measure import speech_rules
from tests.unit.said.test_customers import TABLE as CUSTOMERS
from tests.unit.said.test_sentences import HELSINKI, SPOKEN_AT, TABLE, promised

RULES = speech_rules()
SENTENCES = [it for of in TABLE.values() for it in of] + [
    it for of in CUSTOMERS.values() for listed in of.values() for it in listed
]


def found(text: str, *, rules: SpeechRules = RULES, **more: object) -> list[Candidate]:
    fields = {"touchpoint": "tp_1", "home": "user:anna", "text": text, "at": SPOKEN_AT, "ours": True}
    return candidates(Utterance(**fields | more), HELSINKI, rules)


PROMISE = "Hello Anna, I will call you back tomorrow before noon. Kind regards, Mia"


def test_the_id_depends_on_home_touchpoint_and_words_only() -> None:
    (made,) = found(PROMISE)
    assert made.id.startswith("pc_")
    assert len(made.id) == 25
    assert found(PROMISE.upper())[0].id == made.id
    assert found(PROMISE, speaker="bot", matter="A-17", at=SPOKEN_AT + 1)[0].id == made.id
    others = [
        found(PROMISE, home="user:bo"),
        found(PROMISE, touchpoint="tp_2"),
        found(PROMISE.replace("tomorrow", "on Friday")),
        found(PROMISE, rules=SpeechRules(grammars=packs().grammars, key=b"another store")),
    ]
    assert len({made.id, *(it[0].id for it in others)}) == 5


def test_two_promises_with_a_time_each_are_two() -> None:
    one, other = found(
        "I will call you back tomorrow before noon and you will have your money within five days."
    )
    assert (one.act, one.sentence) == ("call", "I will call you back tomorrow before noon")
    assert (other.act, other.sentence) == ("refund", "you will have your money within five days")
    assert one.due is not None
    assert other.due is not None
    assert one.due < other.due


def test_quoted_mail_and_customers_promise_nothing() -> None:
    assert found("Thanks.\n\n> I will call you tomorrow.\n") == []
    assert found("Thanks.\n\nOn Monday, Mia wrote:\nI will call you tomorrow.\n") == []
    assert found("I will call you tomorrow.", ours=False) == []


def test_notes_promise_in_the_past() -> None:
    assert promised("Promised to call back on Friday.", note=True) == "2026-11-27 17:00"
    assert promised("Luvattu soittaa perjantaina klo 12.", note=True) == "2026-11-27 12:00"
    assert promised("Promised to call back on Friday.") == "no"


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("I will call you at 9.", "2026-11-26 09:00"),
        ("I will call you by the end of the day.", "2026-11-25 17:00"),
        ("We will refund it in 3 business days.", "2026-11-30 17:00"),
        ("We will refund it within two weeks.", "2026-12-09 17:00"),
        ("I will write to you on Wednesday.", "2026-12-02 17:00"),
        ("I will write to you next Wednesday.", "2026-12-02 17:00"),
        ("I will write to you next Friday.", "2026-12-04 17:00"),
        ("I will write to you by 12 January.", "2027-01-12 17:00"),
        ("We will refund you between 10 and 20 euros.", "none"),
        ("I will call you in the next few days.", "none"),
    ],
)
def test_due_times(text: str, due: str) -> None:
    assert promised(text) == due


def test_due_times_are_in_the_customers_zone_over_a_change_of_clocks() -> None:
    zone = ZoneInfo("Europe/Helsinki")
    saturday = from_datetime(datetime(2026, 10, 24, 12, tzinfo=zone))  # clocks go back on Sunday
    (made,) = found("I will call you tomorrow at 10:00.", at=saturday)
    assert made.due is not None
    assert f"{to_datetime(made.due):%d %H:%M}" == "25 08:00"


def test_the_zone_is_the_traits_then_the_numbers_then_the_tenants() -> None:
    assert customer_zone([{"timezone": "Asia/Tokyo"}], ["+358401234567"], "UTC").key == "Asia/Tokyo"
    assert customer_zone([{"timezone": "Moon/Sea"}], ["+358401234567"], "UTC").key == "Europe/Helsinki"
    assert customer_zone([], ["+16502530000"], "Europe/Paris").key == "America/Los_Angeles"
    assert customer_zone([], ["+18002530000"], "Europe/Paris").key == "Europe/Paris"
    assert customer_zone([], ["nobody"], "../etc") == ZoneInfo("UTC")


TEXTS = st.text(max_size=400) | st.lists(st.sampled_from(SENTENCES), max_size=4).map("\n> ".join)


@settings(max_examples=examples(100))
@given(TEXTS, st.booleans())
def test_any_text_is_read_and_sentences_are_word_for_word(text: str, ours: bool) -> None:
    for made in found(text, ours=ours, at=0):
        assert made.sentence in text
        assert made.id == found(text, ours=ours, at=10**18)[0].id or len(found(text, ours=ours)) > 1


def test_the_work_grows_with_the_text_and_not_faster() -> None:
    def seconds(text: str) -> float:
        runs = []
        for _run in range(3):
            start = time.thread_time()
            found(text)
            runs.append(time.thread_time() - start)
        return min(runs)

    for words in (
        "I will we will you will ",
        "call tomorrow by ",
        "1 to 2 to ",
        "((((",
        "on 4 december ",
        "a" * 8,
    ):
        assert seconds(words * 400) < 40 * seconds(words * 40) + 0.2


def test_the_brief_marks_candidates_and_the_language() -> None:
    brief = brief_of(
        [
            item("message.received", 1, text="Das ist das dritte Mal, eine Frechheit. Wo ist das Paket?"),
            item("message.sent", 2, text="Ich rufe Sie morgen um 10 Uhr zurück.", by="bot"),
            item("note.added", 3, text="Promised to call back on Friday."),
        ]
    )
    promises = [it for it in brief.promised if it.code == "promise_candidate"]
    assert [(it.candidate, it.assurance, it.params["due"][:16]) for it in promises] == [
        (True, "inferred", "2026-11-22T10:00"),
        (True, "inferred", "2026-11-27T17:00"),
    ]
    assert [it.params["act"] for it in promises] == ["call", "call"]
    (complaint,) = [it for it in brief.feelings if it.code == "complaint_candidate"]
    assert complaint.candidate is True
    assert brief.language is not None
    assert (brief.language.language, brief.language.source) == ("de", "recognised")
    stated = item("identified", 4, traits={"locale": "fi-FI"})
    language = brief_of([stated]).language
    assert language is not None
    assert (language.language, language.source) == ("fi", "stated")
