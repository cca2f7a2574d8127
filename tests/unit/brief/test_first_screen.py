"""Corrections, long messages, callbacks and returns as the next agent reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from handoff.domain.brief import TimelineItem
from handoff.domain.brief.lines import MAX_QUOTE
from tests.briefs import brief_of, item

from .test_examples import MAIL, agent, ask, bot, callback, resolved, talk, texts, waits


@pytest.mark.parametrize(
    "correction",
    [
        "Sorry, typo: it is order B-71, not B-17",
        "Not B-17, I mean B-71",
        "Entschuldigung, Zahlendreher: B-71 statt B-17",
        "Anteeksi, kirjoitin väärin: B-71 eikä B-17",
        "Oj, fel siffror, det ska vara B-71 i stället för B-17",
        "Pardon, je me suis trompé : B-71 et non B-17",
        "Perdón, me equivoqué: es B-71, no B-17",
    ],
)
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_correction_may_name_the_wrong_number_too(correction: str, elsewhere: bool) -> None:
    later = item("email.received", 4, text=correction, **MAIL) if elsewhere else ask(4, correction)
    brief = brief_of([ask(1, "My parcel B-17 is late"), later])
    assert len({it.params["matter"] for it in brief.wants}) == 1
    assert "B-71 (before: B-17)" in texts(brief, "known")
    assert "B-17 (before" not in texts(brief, "known")


def test_a_correction_in_another_conversation_joins_the_only_open_matter() -> None:
    mail = item("email.received", 60, text="Correction: the right number is B-71", **MAIL)
    brief = brief_of([ask(1, "My parcel B-17 is late"), mail])
    assert len({it.params["matter"] for it in brief.wants}) == 1
    assert "B-71 (before: B-17)" in texts(brief, "known")


def test_a_correction_of_one_kind_of_number_leaves_the_others_alone() -> None:
    brief = brief_of(
        [ask(1, "My order A-17 is late"), ask(2, "Correction: for order A-17 the invoice is IN-5")]
    )
    assert "before" not in texts(brief, "known")


FLUFF = "We have enjoyed the garden furniture that we bought from the shop for many years. "
LONG = [
    (
        "Leaking pump",
        f"Dear team. {FLUFF * 3}The pump leaks at the valve. {FLUFF}Kind regards",
        "leaks at the valve",
    ),
    ("Hello", f"Dear team. {FLUFF * 4}Can somebody pick up the parcel at the school?", "at the school?"),
    (
        "Rechnung",
        f"{FLUFF * 4}Bitte schicken Sie die Rechnung an Haus 12. Mit freundlichen Grüßen",
        "an Haus 12",
    ),
    (None, f"{FLUFF * 4}The machine shows E-44 since Monday. {FLUFF}", "E-44 since Monday"),
]


@pytest.mark.parametrize(("subject", "text", "wish"), LONG)
def test_the_wish_of_a_long_message_is_quoted(subject: str | None, text: str, wish: str) -> None:
    mail = item("email.received", 1, text=text, subject=subject, **MAIL)
    words = brief_of([mail]).wants[0].params["words"]
    assert wish in words
    assert len(words) <= MAX_QUOTE
    assert words.count("…") >= 1  # no silent cut
    sentences = [it.strip(" …") for it in words.split("…") if it.strip(" …")]
    places = [" ".join(text.split()).find(it) for it in sentences]
    assert places == sorted(places)
    assert -1 not in places


def test_the_findings_of_a_long_answer_are_quoted() -> None:
    answer = agent(5, f"Dear customer. {FLUFF * 4}The refund of 45 euros was paid on 3 May.")
    assert "45 euros" in texts(brief_of([ask(1, "Where is my refund"), answer]), "answered")


def test_a_long_message_without_sentences_is_cut_at_its_end() -> None:
    words = brief_of([ask(1, "x " * 400)]).wants[0].params["words"]
    assert words.startswith("x x")
    assert words.endswith("…")


def test_a_number_outside_of_the_quote_is_among_the_facts() -> None:
    text = "Nothing works here " * 20 + " in order A-4711 " + "and nobody is there to help " * 20
    brief = brief_of([ask(1, text)])
    assert "A-4711" not in texts(brief, "wants")
    assert "order: A-4711" in texts(brief, "known")
    assert "A-4711" not in texts(brief_of([ask(1, "Order A-4711 is late")]), "known")


@pytest.mark.parametrize(
    "head",
    [
        "---------- Forwarded message ---------\nFrom: Shop <a@shop.example>\nDate: 3 May\nSubject: Hi\n",
        "-----Ursprüngliche Nachricht-----\nVon: Laden\nGesendet: Montag\nAn: Ida\nBetreff: Hallo\n",
        "________________________________\nLähettäjä: Kauppa\nAihe: Tilaus\n",
    ],
)
def test_a_forwarded_mail_is_quoted_without_its_headers(head: str) -> None:
    text = f"The lamp below came broken.\n\n{head}\nThank you for buying a lamp"
    words = brief_of([item("email.received", 1, text=text, **MAIL)]).wants[0].params["words"]
    assert words == "The lamp below came broken. … Thank you for buying a lamp"


def test_an_answer_belongs_to_what_was_asked_before_it() -> None:
    form = item("form.submitted", 1, channel="web", conversation="w", data={"form": "Contact"})
    mail = item("email.sent", 5, text="We have paid 74 euros", by="agent", name="Ida", **MAIL)
    brief = brief_of([form, mail, ask(9, "I also need a receipt for that")])
    assert "74" not in texts(brief, "wants")
    assert "74" in texts(brief, "answered")


def test_what_returns_is_shown_with_what_was_done() -> None:
    words = "The heating stops every night at two"
    first = [ask(-20000, words, conversation="a"), agent(-19990, "We have set the clock", conversation="a")]
    again = [ask(5, words, conversation="b"), ask(6, "It is 14 degrees in here", conversation="b")]
    brief = brief_of([*first, resolved(-19980, conversation="a"), *again])
    assert (brief.why_now[0].code, brief.why_now[0].params["words"]) == ("returned", words)
    assert "We have set the clock" in texts(brief, "answered")


def test_a_wish_for_a_call_ends_with_a_call() -> None:
    wishes: Sequence[TimelineItem] = [ask(1, "My pump is cold"), callback("requested", 3, text="Pump")]
    assert "Asked for a call back" in texts(brief_of(wishes), "wants")
    spoken = brief_of([*wishes, talk(5)])
    assert "Asked for a call back" not in texts(spoken, "wants")
    assert "My pump is cold" in texts(spoken, "wants")
    assert "served since" in texts(spoken, "promised")


@pytest.mark.parametrize(
    ("data", "marked"),
    [({"reason": "voicemail"}, True), ({"answered_by": "machine_start"}, True), ({"status": "busy"}, False)],
)
def test_a_call_back_that_reached_a_voicemail_is_marked(data: dict[str, str], marked: bool) -> None:
    missed = callback("missed", 5, data={"callback": "x", **data})
    (line,) = brief_of([callback("requested", 1, text="Meter"), missed]).promised
    assert line.params["state"] == "missed"
    assert line.params.get("voicemail", False) is marked
    assert ("reached a voicemail" in line.text) is marked


def test_all_languages_of_a_customer_are_named_the_newest_first() -> None:
    items = [
        ask(1, "Minun nettini ei toimi, ja valo on punainen"),
        ask(2, "Jag har redan gjort det och det är inte bra", conversation="c2"),
        item("email.received", 3, text="I work from home and need it by the end of the week", **MAIL),
    ]
    line = brief_of(items).known[-1]
    assert line.params == {"language": "en", "others": ["sv", "fi"]}
    assert line.text == "Writes in English, also in Swedish and Finnish"
    assert brief_of(items[:1]).known[-1].params == {"language": "fi"}


@pytest.mark.parametrize("ours", [agent, bot])
@pytest.mark.parametrize(
    ("asks", "reply", "shown"),
    [
        ("What is your order number?", "4711-22", "What is your order number?"),
        ("Thanks. Is the light red?", "yes", "Is the light red?"),
        ("Haluatteko hyvityksen vai uuden lampun?", "uuden", "Haluatteko hyvityksen vai uuden lampun?"),
        ("It was sent on Friday.", "it is not here yet", None),
        ("Is the light red?", "why do you ask?", None),
        ("Is the light red?", "No, and since yesterday evening the whole house has no power", None),
    ],
)
def test_a_short_reply_is_shown_with_the_question(
    ours: Any, asks: str, reply: str, shown: str | None
) -> None:
    wants = brief_of([ask(1, "My lamp is broken"), ours(2, asks), ask(3, reply), ask(4, "and hurry")]).wants
    line = next(it for it in wants if it.params["words"] == reply)
    assert line.params.get("question") == shown
    assert (f"(asked “{shown}”)" in line.text) is (shown is not None)
    assert all("question" not in it.params for it in wants if it is not line)


def test_a_question_of_another_conversation_or_a_claim_is_not_shown() -> None:
    for changes in ({"conversation": "c2"}, {"assurance": "claimed"}, {"visibility": "internal"}):
        brief = brief_of([ask(1, "My lamp is broken"), agent(2, "Is it red?", **changes), ask(3, "yes")])
        assert "asked" not in texts(brief, "wants")


@pytest.mark.parametrize(
    "greeting", ["hi", "Good morning!", "Huomenta", "God dag", "Moin", "Bonjour", "Buenos días"]
)
def test_a_greeting_is_no_wish_but_the_wait_begins_with_it(greeting: str) -> None:
    brief = brief_of([ask(1, greeting), ask(9, "12345 678")])
    assert [it.text for it in brief.wants] == ["On chat: “12345 678”"]
    assert waits(brief) == 1


def test_questions_back_are_no_answers_to_show() -> None:
    brief = brief_of([ask(1, "My router is dead"), agent(2, "Have you restarted it? Is the light red?")])
    assert not brief.answered
    assert "→" not in texts(brief, "wants")


def test_a_long_form_leaves_the_name_on_the_screen() -> None:
    fields = {f"field {number}": f"value {number}" for number in range(25)}
    traits = {"name": "Ann Lee", "email": "ann@example.com"}
    form = item("form.submitted", 1, channel="web", data={"form": "Claim", "fields": fields}, traits=traits)
    brief = brief_of([form])
    assert brief.known[0].text == "name: Ann Lee"
    assert len(brief.known) + brief.left_out["known"] == 27
