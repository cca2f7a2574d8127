"""Quotes without courtesies, each sentence once, and numbers however they are typed."""

from __future__ import annotations

import pytest

from handoff.domain.brief import Brief
from handoff.domain.brief.signals.references import in_words
from handoff.domain.clock import DAY, HOUR, MINUTE
from tests.briefs import NOW, RULES, brief_of, item

from .test_examples import MAIL, agent, ask, resolved, texts, waits

ANNA = item("identified", 0, traits={"name": "Anna Smith"})
LONG = "I have been a customer of yours for many years and was always content. " * 5


def quoted(text: str, **more: object) -> str:
    brief = brief_of([ANNA, item("email.received", 5, text=text, **MAIL | more)])
    return str(brief.wants[0].params["words"])


def matters(brief: Brief) -> set[int]:
    return {it.params["matter"] for it in brief.wants if "matter" in it.params}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dear Mr Okafor,\n\nThe lamp that I ordered is broken.\n\nKind regards\nAnna Smith", "The lamp"),
        ("Sehr geehrte Damen und Herren,\n\nThe lamp is broken in two.\n\nMfG\nA. Smith", "The lamp"),
        ("Hei,\n\nThe lamp that I ordered is broken.\n\nYstävällisin terveisin\nAnna", "The lamp"),
        ("Hej Elin! The lamp that I ordered is broken.\n\nMvh Anna Smith", "The lamp"),
        ("Bonjour Madame,\nThe lamp that I ordered is broken.\nCordialement,\nAnna Smith", "The lamp"),
        ("Buenas tardes:\n\nThe lamp that I ordered is broken. Anna S", "The lamp"),
    ],
)
def test_a_greeting_and_a_sign_off_are_not_quoted(text: str, words: str) -> None:
    shown = quoted(text)
    assert shown.startswith(words)
    assert shown.rstrip(" …").endswith(("broken.", "two."))
    assert shown.endswith("…")  # a quote that ends early is marked


@pytest.mark.parametrize(
    "text",
    [
        "Hello Anna here with a question about the lamp, is it safe?",
        "The lamp that I ordered is broken, please send another.\n\nRegards\nTom Baker, her son",
        "The lamp that I ordered is broken, please send another.\n\nAnna Smith, account 4410 882",
        "Hi New phone the QR code was used already, it reads",
        "hello, the lamp leaks",
    ],
)
def test_words_with_content_are_quoted(text: str) -> None:
    assert quoted(text) == " ".join(text.split())


@pytest.mark.parametrize(
    ("filler", "wish"),
    [
        (LONG, "Please send a driver and fetch it."),
        ("Wir stellen am 2. Dezember in Hannover aus. " + LONG, "Bitte setzen Sie sie zurück."),
        (LONG, "Je vous demande de la retrouver."),
        (LONG, "Díganme qué hay que presentar."),
        (LONG, "Pyydän mitätöimään laskun."),
        (LONG, "Jag betalar inte förrän den fungerar."),
    ],
)
def test_a_long_mail_is_quoted_with_the_wish_at_its_end(filler: str, wish: str) -> None:
    shown = quoted(f"Hello,\n\n{filler}{wish}\n\nRegards\nAnna Smith")
    assert wish in shown
    assert "Regards" not in shown
    assert "2. …" not in shown  # an ordinal ends no sentence


def test_a_promise_is_quoted_once() -> None:
    answer = "The lamp is out of stock until then. I will call you back tomorrow."
    brief = brief_of([ask(1, "Where is my lamp"), agent(5, answer)])
    assert "out of stock" in texts(brief, "answered")
    assert "call you back" not in texts(brief, "answered")
    assert "I will call you back tomorrow" in texts(brief, "promised")


def test_an_answer_that_is_a_promise_and_nothing_else_stays_whole() -> None:
    brief = brief_of([ask(1, "Where is my lamp"), agent(5, "I will call you back tomorrow.")])
    assert "I will call you back tomorrow." in texts(brief, "answered")


def test_a_complaint_is_short_beside_the_wish_that_it_is_in() -> None:
    words = "This is an absolutely unacceptable way of treating somebody who pays you on time each month"
    brief = brief_of([ask(1, f"Where is my lamp? {words}.")])
    assert words in texts(brief, "wants")
    assert words not in texts(brief, "feelings")
    assert "unacceptable" in texts(brief, "feelings")


def test_an_automatic_reply_is_quoted_for_its_numbers() -> None:
    reply = "We have received your message and thank you for it. Your ticket is SUP-30918."
    auto = item("email.sent", 2, text=reply, data={"auto_submitted": "auto-replied"}, **MAIL)
    brief = brief_of([ask(1, "It is broken"), auto])
    assert "“Your ticket is SUP-30918.”" in texts(brief, "tried")


def test_a_subject_is_shown_once_in_a_row() -> None:
    mails = [
        item("email.received", at, text=text, subject=subject, **MAIL)
        for at, text, subject in ((1, "It leaks", "Claim 7"), (9, "Any answer on the leak?", "AW: Claim 7"))
    ]
    assert texts(brief_of(mails), "wants").count("Claim 7") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ref INV 55 20871 - any news?", "INV 55 20871"),
        ("following up on SUP 30918. now", "SUP 30918"),
        ("Order is WX 88-20417. The box", "WX 88-20417"),
        ("9411 7302 55 0088", "9411 7302 55 0088"),
        ("dossier 2026-IM-3341.", "2026-IM-3341"),
    ],
)
def test_numbers_are_found_however_they_are_typed(text: str, shown: str) -> None:
    assert shown in [it.shown for it in in_words(text, RULES.packs)]


@pytest.mark.parametrize(
    "text",
    [
        "EUR 12000 were paid",
        "TEL 0171 2345678",
        "4111 1111 1111 1111",
        "06 39 98 12 45",
        "2026-11-25",
        "12/11/2026",
        "the ICE 27712",
        "KWH 14500",
    ],
)
def test_amounts_days_phones_and_cards_are_no_numbers_of_a_matter(text: str) -> None:
    assert list(in_words(text, RULES.packs)) == []


def test_a_number_in_another_spelling_joins() -> None:
    late = NOW - 3 * DAY
    brief = brief_of(
        [
            ask(1, "My box is lost, INV-55-20871", occurred_at=late),
            agent(2, "We look for it", occurred_at=late + MINUTE),
            item("message.received", 9, text="INV 55 20871 what now", conversation="b"),
        ]
    )
    assert matters(brief) == {1}


def test_the_number_of_our_case_belongs_to_the_only_matter_without_one() -> None:
    mail = item("email.received", 60, text="It is all in ticket T-9191!", **MAIL)
    assert matters(brief_of([ask(1, "The line is dead"), mail])) == {1}
    order = item("email.received", 60, text="Where is order T-9191?", **MAIL)
    assert len(matters(brief_of([ask(1, "The line is dead"), order]))) == 2


def test_the_same_amount_joins() -> None:
    late = NOW - 3 * DAY
    items = [
        ask(1, "You charged £31.20 for roaming", occurred_at=late),
        agent(2, "I check it", occurred_at=late + MINUTE),
        item("email.received", 9, text="what happens with my 31,20", **MAIL),
    ]
    assert matters(brief_of(items)) == {1}


def test_what_we_named_for_two_things_keeps_them_apart() -> None:
    items = [
        ask(1, "Hail broke both cars"),
        agent(2, "Your claims are CLM-770031 and CLM-770032"),
        item("email.received", 5, text="Photos for CLM-770031", **MAIL),
        item("email.received", 9, text="Photos for CLM-770032", **MAIL | {"conversation": "m2"}),
    ]
    assert len(matters(brief_of(items))) == 2


def test_words_that_are_only_forwarded_join_nothing() -> None:
    forwarded = "The bin stinks\n\nFrom: Waste Ltd\nSubject: Bins\n\nThe permit for the terrace is not ours."
    late = NOW - 5 * DAY
    items = [
        ask(1, "When is the permit for the terrace ready?", occurred_at=late),
        item("email.received", 9, text=forwarded, **MAIL),
    ]
    assert len(matters(brief_of(items))) == 2


@pytest.mark.parametrize(
    ("answer", "accepted"),
    [
        ("Vi kommer hem till dig onsdag mellan 8 och 12", "toppen, onsdag funkar"),
        ("Ich habe den Rückruf gestartet und melde mich", "danke!! puh"),
        ("You could restart it and see if that is of any help", "great, will try that tonight"),
        ("Kokeile käynnistää modeemi uudelleen, se voi auttaa", "okei kokeilen sitä illalla"),
    ],
)
def test_an_acceptance_starts_no_wait(answer: str, accepted: str) -> None:
    answered = [ask(1, "It is dead"), agent(5, answer)]
    assert waits(brief_of([*answered, ask(9, accepted)])) is None


@pytest.mark.parametrize(
    "more", ["thanks, but it is still dead", "ok kiitos, laatikko puuttuu", "great, can you come on Friday?"]
)
def test_thanks_with_a_wish_start_one(more: str) -> None:
    answered = [ask(1, "It is dead"), agent(5, "Vi kommer onsdag mellan 8 och 12")]
    assert waits(brief_of([*answered, ask(9, more)])) == 9


def test_a_form_that_follows_an_answer_starts_no_wait() -> None:
    form = item("form.submitted", 30, channel="web", conversation="w", data={"form": "Extra costs"})
    answered = [ask(1, "I want my money back"), agent(5, "Please fill in our form")]
    assert waits(brief_of([*answered, form])) is None
    assert waits(brief_of([form])) == 30


def test_an_answer_ends_the_wait_of_a_call_in_vain() -> None:
    caller = {"assurance": "claimed", "identity": "phone:+358401234567", "direction": "inbound"}
    call = item("call.ended", 1, channel="phone", conversation="p", data={"status": "busy"}, **caller)
    assert waits(brief_of([call])) == 1
    assert waits(brief_of([call, ask(3, "It is dead"), agent(9, "We fix it today")])) is None


@pytest.mark.parametrize(
    "news",
    [
        "has anyone read my email?",
        "har nån läst mitt mejl?",
        "hat jemand meine Mail gelesen?",
        "avez-vous vu mon mail ?",
        "han visto mi correo?",
        "onko kukaan lukenut viestiäni?",
    ],
)
def test_who_asks_whether_we_read_their_mail_asks_for_news(news: str) -> None:
    brief = brief_of([ask(1, "It is dead"), ask(20, news)])
    assert waits(brief) == 1
    assert len(brief.wants) == 1


@pytest.mark.parametrize(
    "instead",
    [
        "Please ignore my last mail, I would keep the appointment on the 18th after all if possible",
        "ne tenez pas compte de mon mail, finalement je sors demain donc je garde le 18",
        "unohtakaa edellinen: en jääkään jonoon vaan palautin takin tänään Postiin",
        "bitte meine letzte Mail ignorieren, ich nehme nun doch lieber den Termin am 18.",
    ],
)
def test_a_message_that_is_taken_back_for_another_wish_is_a_wish(instead: str) -> None:
    brief = brief_of([ask(1, "Please cancel my appointment on the 18th"), ask(20, instead)])
    assert "18" in texts(brief, "wants") or "Postiin" in texts(brief, "wants")
    assert waits(brief) == 1


def test_a_withdrawal_ends_the_matter_that_it_names() -> None:
    items = [
        item("email.received", 1, text="The eSIM code was used already", **MAIL),
        item(
            "message.received",
            5,
            text="Different question: my bill has a charge that is wrong",
            conversation="b",
        ),
        item("message.received", 9, text="please ignore my mail about the eSIM", conversation="b"),
    ]
    brief = brief_of(items)
    assert "eSIM" in texts(brief, "why_now")  # solved
    assert "charge" in texts(brief, "wants")


def test_the_numbers_and_the_agent_of_a_settled_matter_stay_readable() -> None:
    brief = brief_of(
        [
            ask(1, "The car is in the wrong town"),
            ask(2, "It is claim AS-2026-90331"),
            agent(5, "We move it tomorrow", name="Nerea"),
            resolved(9),
            item("message.received", 30, text="And who pays the taxi", conversation="b"),
        ]
    )
    solved = next(it for it in brief.why_now if it.code == "solved")
    assert "(AS-2026-90331)" in solved.text
    assert "→ Nerea: “We move it tomorrow”" in solved.text
    assert solved.params["references"] == [{"name": "claim", "value": "AS-2026-90331"}]


def test_a_number_of_an_old_answer_is_a_fact() -> None:
    old = NOW - 40 * DAY
    brief = brief_of(
        [
            ask(1, "My badge ran out", occurred_at=old),
            agent(2, "Your case is BB-26-10442", occurred_at=old + HOUR),
            ask(9, "Is the badge ready now?"),
        ]
    )
    assert "BB-26-10442" in texts(brief, "known")


def test_a_number_that_a_cut_quote_hides_is_a_fact() -> None:
    text = "You charged interest although I was never in the red this year, not once, please check. " * 2
    brief = brief_of(
        [
            item("email.received", 1, text=text + "It is account 4410-882", **MAIL),
            item("email.sent", 5, text="It is booked back", by="agent", **MAIL),
            item("email.received", 6, text="Thanks!", **MAIL),
            item(
                "message.received", 40, text="Different question: my transfer went to Peru", conversation="b"
            ),
        ]
    )
    assert "4410-882" not in texts(brief, "wants")
    assert "4410-882" in texts(brief, "known")


@pytest.mark.parametrize(
    "supplied",
    [
        "ya lo he hecho diez veces. soy autónoma y los clientes no me localizan",
        "ya está hecho, adjunto el justificante",
        "j'ai réglé la facture le 3, voici la preuve",
        "voilà c'est fait, j'ai renvoyé le formulaire",
        "Der Monteur hat repariert, jetzt tropft es woanders",
        "löysin kuitin, tässä liite",
        "paketissa oli kolme kuppia",
        "hittade kvittot, bifogar",
        "ok I have done the reset and it came back with the error again",
    ],
)
def test_who_has_done_their_part_still_waits(supplied: str) -> None:
    brief = brief_of([ask(1, "It is dead"), ask(20, supplied)])
    assert waits(brief) == 1
    assert supplied[:20] in texts(brief, "wants")


def test_thanks_in_more_words_open_nothing_after_the_end() -> None:
    items = [ask(1, "It is dead"), agent(5, "We fix it at noon"), resolved(6)]
    assert not brief_of([*items, ask(9, "thanks I'm in all day tomorrow")]).wants
