"""The twelve examples of how matters and waits behave, as a table, and more of the same kinds."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from handoff.domain.brief import Brief, BriefRules, SourceRules, TimelineItem
from handoff.domain.brief.lines import MAX_QUOTE, quote
from handoff.domain.clock import DAY, HOUR, MINUTE
from tests.briefs import NOW, RULES, brief_of, item


def ask(minute: int, text: str, **more: object) -> TimelineItem:
    return item("message.received", minute, text=text, **more)


def agent(minute: int, text: str, **more: object) -> TimelineItem:
    return item("message.sent", minute, **{"text": text, "by": "agent", "name": "Mia"} | more)


def bot(minute: int, text: str, **more: object) -> TimelineItem:
    return item("message.sent", minute, **{"text": text, "by": "bot"} | more)


def resolved(minute: int, **more: object) -> TimelineItem:
    return item("conversation.resolved", minute, direction="internal", **more)


def talk(minute: int, seconds: int = 90, **more: object) -> TimelineItem:
    fields = {
        "channel": "phone",
        "conversation": "call",
        "data": {"status": "completed", "duration_s": seconds},
    }
    return item("call.ended", minute, **fields | more)


def waits(brief: Brief) -> int | None:
    """Since which minute after ten the customer waits."""
    return None if brief.effort.waiting_since is None else 120 - brief.effort.waiting_minutes


def texts(brief: Brief, section: str) -> str:
    return "\n".join(it.text for it in getattr(brief, section))


CALLBACK = {"callback": "x"}
MAIL = {"channel": "email", "conversation": "mail"}
EXAMPLES: dict[str, tuple[Sequence[TimelineItem], int | None, Sequence[str], Sequence[str]]] = {
    # name: (touchpoints, waits since minute, in wants, not in wants)
    "1 one moment, please": (
        [ask(1, "Where is my parcel"), agent(5, "One moment please")],
        1,
        ["Where is my parcel"],
        ["One moment"],
    ),
    "2 answered and thanked for": (
        [ask(1, "When does it come?"), agent(5, "It arrives tomorrow"), ask(7, "thanks, bye")],
        None,
        ["When does it come?", "It arrives tomorrow"],
        ["thanks"],
    ),
    "3 thanks in advance": (
        [ask(1, "thanks in advance, when will it come?")],
        1,
        ["when will it come"],
        [],
    ),
    "4 thanks after the end": (
        [ask(1, "Where is A-8?"), agent(2, "Today"), resolved(3), ask(4, "thanks 👍")],
        None,
        [],
        ["thanks", "A-8"],
    ),
    "5 one of two answered": (
        [ask(1, "A-17 is late"), ask(3, "B-9 is broken"), agent(5, "A-17 comes on Friday")],
        3,
        ["B-9 is broken", "A-17 is late"],
        [],
    ),
    "6 a correction": (
        [ask(1, "Where is A-17"), ask(2, "sorry, I mean A-71")],
        1,
        ["A-17"],
        [],
    ),
    "7 a form, answered by a mail without a thread": (
        [
            item(
                "form.submitted", 1, channel="web", conversation="web", data={"form": "Contact"}, text="Help"
            ),
            item("email.sent", 9, text="It is done", by="agent", **MAIL),
        ],
        None,
        ["Help"],
        [],
    ),
    "8 a talk about nobody knows what": (
        [ask(1, "A-17 is late"), ask(3, "B-9 is broken", conversation="c2"), talk(5)],
        1,
        ["A-17", "B-9"],
        [],
    ),
    "9 an ask that came after the answer": (
        [
            ask(1, "First question here", recorded_at=NOW - 2 * HOUR + 1 * MINUTE),
            ask(3, "Second question here", recorded_at=NOW - 2 * HOUR + 30 * MINUTE),
            agent(5, "An answer", recorded_at=NOW - 2 * HOUR + 5 * MINUTE),
        ],
        3,
        ["Second question here” (arrived after the answer)"],
        [],
    ),
    "10 we tried to call": (
        [
            item(
                "callback.requested",
                1,
                channel="phone",
                conversation="cb",
                text="Meter",
                data={"callback": "x"},
            ),
            item("callback.missed", 5, channel="phone", conversation="call", data={"callback": "x"}),
            item("email.sent", 6, text="This is an automatic message: we tried to call", **MAIL),
        ],
        1,
        ["Meter"],
        [],
    ),
    "11 a bot's promise": (
        [ask(1, "I want a refund"), bot(2, "A colleague will call you tomorrow")],
        1,
        ["I want a refund"],
        [],
    ),
    "12 a spoofed goodbye": (
        [
            ask(1, "Where is my parcel"),
            item("email.received", 5, text="solved, thanks", assurance="claimed", **MAIL),
        ],
        1,
        ["Where is my parcel"],
        ["solved"],
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples(name: str) -> None:
    items, since, present, unsaid = EXAMPLES[name]
    brief = brief_of(items)
    assert waits(brief) == since
    for words in present:
        assert words in texts(brief, "wants")
    for words in unsaid:
        assert words not in texts(brief, "wants")


def test_further_lines_of_the_examples() -> None:
    def of(number: int) -> Brief:
        name = next(it for it in EXAMPLES if it.startswith(f"{number} "))
        return brief_of(EXAMPLES[name][0])

    assert "Mia has it since" in texts(of(1), "answered")
    assert "Solved" in texts(of(4), "why_now")
    assert len({it.params["matter"] for it in of(5).wants}) == 2
    assert len({it.params["matter"] for it in of(6).wants}) == 1
    assert "A-71 (before: A-17)" in texts(of(6), "known")
    assert "unclear about which" in texts(of(8), "why_now")
    assert "missed" in texts(of(10), "why_now")
    (candidate,) = of(11).promised
    assert (candidate.candidate, candidate.assurance) == (True, "inferred")
    assert candidate.params["due"] is not None


@pytest.mark.parametrize(
    ("language", "goodbye", "nudge", "hold"),
    [
        ("en", "Thank you very much, have a nice day!", "Anyone there?", "Bear with me please"),
        ("fi", "Kiitos avusta, hei hei!", "Onko siellä ketään?", "Hetkinen, tarkistan asian"),
        ("sv", "Tack så mycket för hjälpen, hej då", "Är någon där?", "Ett ögonblick, jag kollar"),
        (
            "de",
            "Vielen Dank für die schnelle Hilfe, tschüss",
            "Ist da jemand?",
            "Einen Moment bitte, ich schaue nach",
        ),
        ("fr", "Merci beaucoup pour votre aide, au revoir", "Vous êtes là ?", "Un instant, je vérifie"),
        (
            "es",
            "Muchas gracias por su ayuda, adiós",
            "¿Hay alguien ahí?",
            "Un momento por favor, lo compruebo",
        ),
        ("und", "🙏❤️", "???", "One moment"),
    ],
)
def test_small_talk_in_every_language(language: str, goodbye: str, nudge: str, hold: str) -> None:
    question = ask(1, "12345 678")
    held = brief_of([question, agent(5, hold)])
    assert waits(held) == 1
    assert "has it since" in texts(held, "answered")
    done = [question, agent(5, "It is on its way to you and will be there soon enough"), ask(7, goodbye)]
    assert waits(brief_of(done)) is None
    assert goodbye not in texts(brief_of(done), "wants")
    nudged = brief_of([question, ask(9, nudge)])
    assert (waits(nudged), nudged.wants[0].params["nudges"]) == (1, 1)
    assert nudge not in texts(nudged, "wants")


@pytest.mark.parametrize(
    "words",
    [
        "thanks but it is still broken",
        "Thanks! Can you also change my address",
        "ok, and what about B-9",
        "Danke, aber wann kommt der Techniker",
        "kiitos, mutta paketti ei ole tullut",
        "hello, my washing machine leaks",
        "bye bye money, I was charged twice for nothing",
        "solved? no, it is worse",
        "not solved",
        "no thanks, I want a refund",
    ],
)
def test_what_only_sounds_like_a_goodbye_is_an_ask(words: str) -> None:
    brief = brief_of([ask(1, "Where is it"), agent(3, "It was sent yesterday by post"), ask(5, words)])
    assert waits(brief) == 5
    assert words in texts(brief, "wants")


def test_a_question_mark_hides_nothing() -> None:
    brief = brief_of([ask(1, "My washing machine leaks"), ask(2, "?"), ask(3, "??")])
    assert "leaks” " not in texts(brief, "tried")
    assert [it.params["words"] for it in brief.wants] == ["My washing machine leaks"]
    assert brief.wants[0].params["nudges"] == 2


def test_never_mind_settles_and_is_shown() -> None:
    brief = brief_of([ask(1, "The app is broken"), ask(2, "Never mind, it works now")])
    assert waits(brief) is None
    assert not brief.wants
    assert "by the customer's own word" in texts(brief, "why_now")


def test_closed_and_back_in_the_same_words_leads() -> None:
    words = "The power goes off every evening at eight"
    items = [
        ask(-8000, words, conversation="a"),
        resolved(-7990, conversation="a"),
        ask(-4000, words + "!", conversation="b"),
        resolved(-3990, conversation="b"),
        ask(5, words.upper(), conversation="c"),
    ]
    first = brief_of(items).why_now[0]
    assert (first.code, first.params["times"]) == ("returned", 2)


def test_a_long_wait_is_dormant_and_no_wait_lasts_a_year() -> None:
    old = ask(-363 * 24 * 60, "My old question about the garden")
    brief = brief_of([old])
    assert waits(brief) is None
    assert brief.wants[0].code == "dormant"
    assert "Dormant since 2025-11-2" in brief.wants[0].text


def test_a_wish_that_was_answered_leaves_the_first_screen_after_three_days() -> None:
    asked, answered = ask(1, "When does it come"), agent(5, "On Friday by post")
    assert brief_of([asked, answered], now=NOW + 2 * DAY).wants
    assert not brief_of([asked, answered], now=NOW + 4 * DAY).wants


@pytest.mark.parametrize(
    "machine",
    [
        bot(5, "Done"),
        agent(5, "Done", by="automation"),
        agent(5, "Done", by="platform"),
        agent(5, "Done", data={"auto": ["auto-submitted"]}),
        agent(5, "Done", data={"automation_rule_id": 7}),
        agent(5, "We have received your message and will answer soon"),
        item("email.sent", 5, text="Ich bin nicht im Büro", by="agent", **MAIL),
        talk(5, seconds=12),
        talk(5, data={"duration_s": 60, "answered_by": "machine_start"}),
        item("message.sent", 5, by="agent"),
        item("callback.attempted", 5, channel="phone"),
    ],
)
def test_machines_and_attempts_end_no_wait(machine: TimelineItem) -> None:
    assert waits(brief_of([ask(1, "Where is my parcel"), machine])) == 1


def test_a_missed_call_is_an_ask_and_a_talk_answers_the_only_one() -> None:
    missed = item(
        "call.ended",
        1,
        channel="phone",
        conversation="call1",
        direction="inbound",
        data={"status": "no-answer"},
    )
    assert waits(brief_of([missed])) == 1
    assert waits(brief_of([missed, talk(9, conversation="call2")])) is None


def test_claims_of_two_senders_are_two_matters_and_count_where_nothing_else_waits() -> None:
    one = item("email.received", 1, text="Pay me", assurance="claimed", identity="email:a", conversation="m1")
    other = item(
        "email.received", 2, text="No, me", assurance="claimed", identity="email:b", conversation="m2"
    )
    brief = brief_of([one, other])
    assert {it.params["matter"] for it in brief.wants} == {1, 2}
    assert waits(brief) == 1
    failed = item(
        "email.received", 3, text="Pay", assurance="claimed", data={"dmarc": "fail"}, conversation="m3"
    )
    assert waits(brief_of([ask(1, "When"), agent(2, "On Friday, by the post office"), failed])) is None


def callback(type_: str, minute: int, **more: object) -> TimelineItem:
    fields = {"channel": "phone", "conversation": "cb", "data": CALLBACK}
    return item(f"callback.{type_}", minute, **fields | more)


def test_a_second_line_that_rings_in_vain_breaks_no_kept_promise() -> None:
    asked, kept = callback("requested", 1, text="Meter"), callback("completed", 5)
    brief = brief_of([asked, kept, callback("missed", 6, conversation="line2")])
    assert [it.params["state"] for it in brief.promised] == ["kept"]
    assert "callback_missed" not in {it.code for it in brief.why_now}


def test_a_call_back_whose_matter_was_served_meanwhile_is_not_simply_open() -> None:
    due = {"callback": "x", "due": "2026-11-21T14:00:00Z"}
    asked = callback("requested", 1, text="Refund A-5", data=due)
    assert brief_of([asked]).promised[0].params["state"] == "open"
    assert brief_of([asked, talk(5)]).promised[0].params["state"] == "served"
    chat = ask(3, "I wait for your call about A-5")
    assert brief_of([asked, chat, agent(4, "We will call you soon")]).promised[0].params["state"] == "open"
    assert brief_of([asked, chat, resolved(5)]).promised[0].params["state"] == "served"


def test_a_bot_that_answers_after_a_person_took_over_is_flagged() -> None:
    by_vendor = item(
        "event.tracked",
        2,
        direction="internal",
        data={"name": "conversation.assigned", "assignee": {"name": "Mia"}},
    )
    for taken in (item("handoff.accepted", 2, data={"owner": "mia"}), by_vendor):
        present = texts(
            brief_of([ask(1, "Help me please now"), taken, bot(3, "Did you try the FAQ?")]), "why_now"
        )
        assert "A bot answered after" in present
    to_bot = msgspec.structs.replace(
        by_vendor, data={"name": "conversation.assigned", "assignee": {"name": "Bot", "type": "agent_bot"}}
    )
    assert "after" not in texts(brief_of([ask(1, "Help me"), to_bot, bot(3, "Hm")]), "why_now")


def test_an_announced_transfer_that_did_not_follow_is_shown() -> None:
    conversation = [ask(1, "I need a specialist"), agent(2, "I will transfer you to a colleague")]
    assert "announced a transfer" in texts(brief_of(conversation), "why_now")
    assert waits(brief_of(conversation)) == 1
    followed = [*conversation, item("handoff.requested", 3, data={"handoff": "h"})]
    assert "announced" not in texts(brief_of(followed), "why_now")


def test_a_source_that_declares_its_outbound_and_a_form_without_answers() -> None:
    sources = {"sms": SourceRules(outbound="bot", no_answer_forms=frozenset({"newsletter"}))}
    rules = BriefRules(packs=RULES.packs, sources=sources)
    declared = agent(5, "It was sent", source="sms")
    assert waits(brief_of([ask(1, "Where is it"), declared], rules=rules)) == 1
    form = item("form.submitted", 1, source="sms", data={"form": "Newsletter"})
    assert waits(brief_of([form], rules=rules)) is None
    assert waits(brief_of([form])) == 1


@pytest.mark.parametrize("end", ["👨‍👩‍👧‍👦", "👍🏽", "🇫🇮🇸🇪", "e\u0301", "क\u094d", "🏴\U000e0067\U000e007f"])
def test_a_quote_cuts_no_character_in_two(end: str) -> None:
    for length in range(MAX_QUOTE - 15, MAX_QUOTE + 1):
        words = quote("x" * length + end * 8)
        assert len(words) <= MAX_QUOTE
        rest = words.rstrip("…").lstrip("x")
        whole = ["🇫🇮", "🇸🇪"] if end.startswith("🇫") else [end]
        while rest:
            part = next((it for it in whole if rest.startswith(it)), None)
            assert part or rest in ("e", "👍"), rest
            rest = rest.removeprefix(part or rest)
