"""Goodbyes, nudges, withdrawals and announced transfers in the words that people use, in six languages."""

from __future__ import annotations

import pytest

from handoff.domain.brief import Pending, TimelineItem
from handoff.domain.clock import DAY, HOUR, MINUTE
from tests.briefs import NOW, brief_of, item

from .test_examples import agent, ask, resolved, texts, waits

QUESTION = ask(1, "12345 678")
ANSWER = agent(3, "It is on its way to you and will be there soon enough")


@pytest.mark.parametrize(
    "goodbye",
    [
        "Fantastic, thanks again mate, have a great day!",
        "That's fine, ta",
        "Amazing service, all the best",
        "Iso kiitos nopeasta vastauksesta, mukavaa viikonloppua!",
        "Upeaa, kiitos tiedosta, moro",
        "Strålande, tack för snabba svaret, vi hörs",
        "Vad bra, trevlig helg!",
        "Ausgezeichnet, lieben Dank für die rasche Auskunft, schönen Feierabend",
        "Sehr gut, einverstanden, gute Nacht",
        "Impeccable, mille mercis pour les infos, bonne soirée",
        "C'est noté, merci bien, à bientôt !",
        "Fenomenal, muchísimas gracias por todo, buen fin de semana",
        "Muy amable, nos vemos 🤝",
    ],
)
def test_a_goodbye_is_no_wish(goodbye: str) -> None:
    brief = brief_of([QUESTION, ANSWER, ask(5, goodbye)])
    assert waits(brief) is None
    assert goodbye not in texts(brief, "wants")


@pytest.mark.parametrize(
    "nudge",
    [
        "Any progress on this?",
        "Still no response...",
        "did you get my email?",
        "Onko mitään uutta?",
        "Odottelen vieläkin, missä mennään",
        "Fortfarande inget svar!",
        "Fick ni mitt mejl?",
        "Immer noch keine Rückmeldung",
        "Haben Sie meine Mail bekommen?",
        "Toujours pas de réponse ?",
        "J'attends toujours votre réponse",
        "¿Hay novedades?",
        "Sigo sin respuesta",
    ],
)
@pytest.mark.parametrize("days", [0, 3])
def test_a_nudge_counts_for_what_waits_however_old_it_is(nudge: str, days: int) -> None:
    """Three days later it comes in a conversation of its own."""
    where = {"conversation": "c2"} if days else {}
    brief = brief_of([QUESTION, ask(9 + days * 24 * 60, nudge, **where)], now=NOW + days * DAY)
    assert [it.params["words"] for it in brief.wants] == ["12345 678"]
    assert brief.wants[0].params["nudges"] == 1
    assert brief.effort.waiting_minutes == 119 + days * 24 * 60


def test_a_customer_whose_only_word_is_hello_waits() -> None:
    hello = ask(1, "Hello, anybody there?")
    assert waits(brief_of([hello])) == 1
    assert waits(brief_of([hello, ask(4, "My heating is cold")])) == 1
    assert (
        waits(brief_of([hello, agent(5, "Good morning, how may we help you? I have your file here")])) is None
    )
    closed = brief_of([hello, resolved(6)])
    assert (waits(closed), texts(closed, "why_now")) == (None, "")


@pytest.mark.parametrize(
    "words",
    [
        "Please ignore that, it turned up",
        "It sorted itself out",
        "Asia hoitui jo",
        "Ongelma poistui, kiitos",
        "Det har ordnat sig",
        "Strunt samma, allt fungerar nu",
        "Hat sich geklärt, danke",
        "Läuft wieder, bitte ignorieren",
        "Le problème est réglé, merci",
        "Ça remarche tout seul",
        "Ya se arregló solo, gracias",
        "Ya no lo necesito",
    ],
)
def test_what_solved_itself_is_withdrawn(words: str) -> None:
    brief = brief_of([ask(1, "12345 678"), ask(5, words)])
    assert (waits(brief), texts(brief, "wants")) == (None, "")
    assert "by the customer's own word" in texts(brief, "why_now")


@pytest.mark.parametrize(
    "words",
    [
        "thanks, still no response",
        "The problem is gone but now the screen flickers",
        "danke, immer noch nicht gelöst",
        "noch nicht geklärt",
        "merci, mais ça ne remarche pas",
        "gracias, pero todavía no funciona",
        "tack, men det har inte ordnat sig",
        "kiitos, mutta asia ei hoitunut",
    ],
)
def test_a_denial_ends_nothing(words: str) -> None:
    assert waits(brief_of([ask(1, "12345 678"), ask(5, words)])) == 1


@pytest.mark.parametrize(
    "words",
    [
        "I'm passing you over to our claims people",
        "Let me patch you through to the workshop",
        "Ohjaan sinut tekniseen tukeen",
        "Jag kopplar dig till tekniska avdelningen",
        "Ich stelle Sie durch zur Buchhaltung",
        "Ich leite Sie weiter an die Fachabteilung",
        "Je vous redirige vers le service après-vente",
        "Le pongo con el departamento de ventas",
    ],
)
def test_an_announced_transfer_is_due_within_half_an_hour(words: str) -> None:
    announced = [ask(1, "12345 678"), agent(2, words)]
    assert waits(brief_of(announced)) == 1

    def requested(minute: int) -> Pending:
        at = NOW - 2 * HOUR + minute * MINUTE
        return Pending(id="h", reason="r", sender="Bot", to="desk", requested_at=at)

    assert "announced a transfer" not in texts(brief_of(announced, pending=requested(3)), "why_now")
    assert "none followed" in texts(brief_of(announced, pending=requested(100)), "why_now")
    moved: list[TimelineItem] = [*announced, item("handoff.requested", 90, data={"handoff": "h"})]
    assert "none followed" in texts(brief_of(moved), "why_now")


@pytest.mark.parametrize(
    "words",
    [
        "Sorry, I cannot transfer you, the workshop opens at nine",
        "Jag kan inte koppla dig vidare idag, de öppnar klockan nio",
        "We are unable to connect you to the doctor today",
    ],
)
def test_a_transfer_that_is_refused_is_an_answer(words: str) -> None:
    brief = brief_of([ask(1, "12345 678"), agent(2, words)])
    assert waits(brief) is None
    assert "announced" not in texts(brief, "why_now")


def test_a_transfer_that_is_only_offered_is_none() -> None:
    brief = brief_of([ask(1, "12345 678"), agent(2, "Shall I transfer you to the workshop?")])
    assert "announced" not in texts(brief, "why_now")


@pytest.mark.parametrize("score", ["5", "10/10", "4 / 5"])
def test_a_score_after_the_end_opens_nothing(score: str) -> None:
    """The vendor's survey asks how it went."""
    ended = [QUESTION, ANSWER, resolved(5), ask(7, score)]
    assert (waits(brief_of(ended)), texts(brief_of(ended), "wants")) == (None, "")
    assert waits(brief_of([QUESTION, ANSWER, ask(7, score)])) == 7
    assert waits(brief_of([*ended, ask(9, "It is broken again")])) == 9
    for words in ("5 lamps are missing", "no", "4711"):
        assert waits(brief_of([*ended[:3], ask(7, words)])) == 7


@pytest.mark.parametrize(
    ("words", "promised"),
    [
        ("I cannot call you today, but Tom will call you tomorrow", True),
        ("Heute kann ich nicht, aber ich rufe Sie morgen an und wir melden uns", True),
        ("En ehdi tänään, mutta kollegani soittaa teille huomenna", True),
        ("We will not call you, but write to us", False),
        ("If the lamp is broken we will send a new one, but only then", False),
        ("It is not broken, but if it were we would say that we will pay", False),
    ],
)
def test_what_is_denied_before_a_but_denies_no_promise_after_it(words: str, promised: bool) -> None:
    assert bool(brief_of([QUESTION, agent(3, words)]).promised) is promised


@pytest.mark.parametrize(
    ("nudge", "shown"),
    [
        ("any luck with my refund", True),
        ("Still waiting for my invoice", True),
        ("Hallo, gibt es schon etwas Neues?", False),
        ("hello, any news?", False),
        ("???", False),
    ],
)
def test_a_nudge_that_names_something_is_shown_beside_the_wish(nudge: str, shown: bool) -> None:
    (line,) = brief_of([QUESTION, ask(5, nudge)]).wants
    assert line.params["nudges"] == 1
    assert line.params.get("nudge") == (nudge if shown else None)
    assert (f"asked for news: “{nudge}”" in line.text) is shown


def test_a_boast_settles_nothing() -> None:
    assert waits(brief_of([QUESTION, ask(5, "I managed to break it")])) == 1
