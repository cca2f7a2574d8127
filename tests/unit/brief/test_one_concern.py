"""One concern over several contacts: joining, waits, and the numbers that remain."""

from __future__ import annotations

import pytest

from handoff.domain.brief import Brief
from handoff.domain.brief.signals.references import in_words
from handoff.domain.clock import DAY, MINUTE
from tests.briefs import NOW, brief_of, item
from tests.packs import packs


def matters(brief: Brief) -> list[int]:
    return [it.params["matter"] for it in brief.wants if "matter" in it.params]


def waits(brief: Brief) -> int:
    return brief.effort.waiting_minutes


def text(brief: Brief) -> str:
    lines = (*brief.why_now, *brief.wants, *brief.tried, *brief.answered, *brief.promised, *brief.known)
    return "\n".join(it.text for it in lines)


@pytest.mark.parametrize(
    ("first", "answer", "later"),
    [
        ("The dishwasher leaks", "A technician checks it", "the dishwasher is still dripping on my floor"),
        ("Der Aufzug im Haus klemmt", "Wir prüfen das", "der Aufzug steht schon wieder"),
        ("Hissi on rikki meidän talossa", "Selvitämme", "hissi ei liiku vieläkään"),
        ("Mi reserva del hotel no aparece", "Lo miramos", "sin hotel no podemos viajar"),
        ("My visa card got stuck", "Petra will look at it", "I spoke to Petra and it got worse"),
        ("The heating is cold", "We are sorry to hear it", "nobody has called me back"),
        ("Die Lieferung fehlt", "Das tut uns leid", "es hat sich keiner gemeldet"),
        ("Le chauffage est froid", "Nous regardons", "personne ne m'a rappelé"),
    ],
)
def test_a_contact_days_later_joins_by_words_or_as_a_follow_up(first: str, answer: str, later: str) -> None:
    days = NOW - 3 * DAY
    result = brief_of(
        [
            item("message.received", 0, text=first, occurred_at=days, conversation="a"),
            item("message.sent", 0, text=answer, occurred_at=days + MINUTE, conversation="a", name="Petra"),
            item("email.received", 9, text=later, channel="email", conversation="b"),
        ]
    )
    assert set(matters(result)) == {1}


def test_a_contact_days_later_in_other_words_is_a_matter_of_its_own() -> None:
    result = brief_of(
        [
            item("message.received", 0, text="The dishwasher leaks", occurred_at=NOW - 3 * DAY),
            item("message.sent", 1, text="On Monday", occurred_at=NOW - 3 * DAY + MINUTE, by="agent"),
            item("email.received", 9, text="I moved to Oslo, new bank details", conversation="b"),
        ]
    )
    assert waits(result) == 111
    assert sorted(matters(result)) == [1, 2]


@pytest.mark.parametrize(
    "further",
    [
        "One more thing: my login is locked",
        "Noch was: mein Zugang ist gesperrt",
        "Autre chose : mon accès est bloqué",
        "Otra cosa: mi acceso no va",
        "Vielä yksi asia: tunnus on lukossa",
        "En annan sak: inloggningen är spärrad",
    ],
)
def test_a_further_wish_that_is_announced_is_a_matter_of_its_own(further: str) -> None:
    result = brief_of(
        [
            item("message.received", 0, text="The dishwasher leaks"),
            item("message.received", 3, text=further),
        ]
    )
    assert sorted(matters(result)) == [1, 2]


def test_a_form_and_what_is_written_about_it_are_one_matter_that_an_answer_ends() -> None:
    form = {"form": "Return of goods", "fields": {"reason": "wrong colour"}}
    items = [
        item("form.submitted", 0, data=form, occurred_at=NOW - 2 * DAY, conversation="web", channel="web"),
        item("message.received", 1, text="I sent it back, ref RET-5521, any refund?"),
        item("message.sent", 2, text="It is on its way", by="agent"),
    ]
    assert brief_of(items).effort.waiting_since is None
    again = [*items, item("message.received", 60, text="no refund today either")]
    assert waits(brief_of(again)) == 60


def test_a_claimed_message_is_shown_with_its_matter_and_changes_nothing_there() -> None:
    asked = [
        item("message.received", 0, text="The dishwasher leaks, order A-17"),
        item("message.sent", 1, text="We repair it", by="agent"),
    ]
    claim = {"assurance": "claimed", "conversation": "sms", "identity": "phone:+358401234567"}
    result = brief_of([*asked, item("message.received", 20, text="the dishwasher leaks more", **claim)])
    assert set(matters(result)) == {1}
    assert waits(result) == 100
    assert next(it for it in result.why_now if it.code == "waiting").assurance == "claimed"
    solved = brief_of([*asked, item("message.received", 20, text="never mind, solved", **claim)])
    assert not [it for it in solved.why_now if it.code == "solved"]
    answered = [
        *asked,
        item("message.received", 20, text="the dishwasher leaks more", **claim),
        item("message.sent", 30, text="Tomorrow at nine", by="agent"),
    ]
    assert brief_of(answered).effort.waiting_since is None


@pytest.mark.parametrize(
    "thanks", ["yep works, cheers! 👍", "funktioniert, danke", "ça marche, merci", "toimii, kiitos"]
)
def test_it_works_ends_the_wish_and_starts_no_wait(thanks: str) -> None:
    result = brief_of(
        [
            item("message.received", 0, text="I cannot log in"),
            item("message.sent", 1, text="Please clear the cache", by="agent"),
            item("message.received", 2, text=thanks),
        ]
    )
    assert result.effort.waiting_since is None
    assert thanks not in text(result)


def test_a_fact_added_to_an_accepted_answer_starts_no_wait() -> None:
    asked = item("message.received", 0, text="Where is my parcel")
    sent = item("message.sent", 1, text="The courier brings it to your office tomorrow", by="agent")
    added = brief_of([asked, sent, item("message.received", 2, text="great. office is Dock 4")])
    assert added.effort.waiting_since is None
    assert "Dock 4" in text(added)
    wish = brief_of([asked, sent, item("message.received", 2, text="great, but not to the office")])
    assert waits(wish) == 118


def test_a_talk_ends_the_wait_of_a_failed_form() -> None:
    result = brief_of(
        [
            item("form.failed", 0, channel="web", data={"form": "Change of tariff"}, conversation="web"),
            item("callback.requested", 5, text="Bill", data={"callback": "x"}, conversation="cb"),
            item("callback.completed", 9, data={"callback": "x", "duration_s": 300}, conversation="cb"),
        ]
    )
    assert result.effort.waiting_since is None


@pytest.mark.parametrize(
    ("note", "solved"),
    [
        ("I will ask the grid operator and report back", 0),
        ("Nos responden en 10 días", 0),
        ("All explained", 1),
    ],
)
def test_a_note_that_something_is_to_be_done_keeps_a_call_back_from_settling(note: str, solved: int) -> None:
    result = brief_of(
        [
            item("callback.requested", 0, text="Solar feed-in", data={"callback": "x"}, conversation="cb"),
            item("callback.completed", 9, data={"callback": "x", "duration_s": 300}, conversation="cb"),
            item("note.added", 12, text=note, by="agent", channel="phone", conversation="n"),
        ]
    )
    assert [it.code for it in result.why_now].count("solved") == solved


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("meine Kundennummer 4 220 118 903 bitte", "4 220 118 903"),
        ("lasku 81 5500 1207.", "81 5500 1207"),
        ("dossier PE 2031 0088", "PE 2031 0088"),
        ("our account no. is NORD-SE/0412", "NORD-SE/0412"),
        ("the ref is OPS/31904-M, thanks", "OPS/31904-M"),
        ("Betreff Termin\n\nAuftrag KL/0077-31: am Montag", "KL/0077-31"),
    ],
)
def test_numbers_in_odd_formats_are_references(words: str, number: str) -> None:
    assert number in [it.shown for it in in_words(words, packs())]


@pytest.mark.parametrize("words", ["account 4111 1111 1111 1111", "order 12 500 euros", "call 040 123 4567"])
def test_other_groups_of_digits_are_none(words: str) -> None:
    assert list(in_words(words, packs())) == []


@pytest.mark.parametrize(
    "sorry", ["sorry, it is {}", "oops the locator is {}", "perdón, es {}", "anteeksi, se on {}"]
)
def test_a_mistyped_number_is_marked_after_its_correction(sorry: str) -> None:
    result = brief_of(
        [
            item("message.received", 0, text="My locator is KLM88412, the flight is cancelled"),
            item("message.received", 1, text=sorry.format("KLM88142")),
        ]
    )
    assert set(matters(result)) == {1}
    assert all("corrected" in line for line in text(result).splitlines() if "KLM88412" in line)


def test_an_automatic_reply_promises_nothing() -> None:
    asked = item("email.received", 0, text="The dishwasher leaks", channel="email")
    words = "We will get back to you within one business day"
    reply = item("email.sent", 1, text=words, channel="email", by="agent", data={"auto": ["auto-replied"]})
    result = brief_of([asked, reply])
    assert not result.promised
    assert [it.text for it in result.tried] == [f"Automatic reply on email: “{words}”"]


@pytest.mark.parametrize(
    ("report", "wish"),
    [
        (
            "On week {} the invoice was {}2 euros too high, can you check that?",
            "Also my aunt lives in Oslo now.",
        ),
        (
            "In der Woche {} war die Rechnung {}2 Euro zu hoch, können Sie das prüfen?",
            "Außerdem zieht Kai aus.",
        ),
        ("Viikolla {} lasku oli {}2 euroa liian iso, voitteko tarkistaa sen?", "Lisäksi Kalle muutti pois."),
        ("La semana {} la factura era {}2 euros más alta, ¿pueden mirar?", "Además mi tía vive en Lugo."),
    ],
)
def test_a_further_wish_at_the_end_is_not_cut_away(report: str, wish: str) -> None:
    story = " ".join(report.format(it, it) for it in range(1, 9))
    mail = item(
        "email.received", 0, text=f"{story}\n\n{wish}\n\nT. Tuula", channel="email", subject="Invoice"
    )
    assert wish in text(brief_of([mail]))


def test_a_thread_that_wakes_up_after_weeks_goes_on_where_its_words_do() -> None:
    long_ago = NOW - 20 * DAY
    asked = item(
        "email.received", 0, text="A quote for 45 seats. Account no. is NORD-SE/0412.", occurred_at=long_ago
    )
    sent = item("email.sent", 1, text="45 seats cost 900 EUR", by="agent", occurred_at=long_ago + MINUTE)
    result = brief_of([asked, sent, item("email.received", 9, text="We need 52 seats")])
    assert set(matters(result)) == {1}
    assert "NORD-SE/0412" in text(result)
    assert waits(result) == 111
