"""Copies: touchpoints that record one act are counted and quoted once, and two acts never become one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handoff.domain.brief import StoryState, TimelineItem, read_story, write_brief
from handoff.domain.brief.copies import Copies
from handoff.domain.brief.copies.copied import MAX_MESSAGES
from handoff.domain.clock import DAY, MINUTE
from tests.briefs import NOW, RULES, brief_of, item
from tests.examples import examples

WORDS = "Hello, my washing machine M-7 leaks again. Can you send somebody?"
MAIL_ID = "b1@mail.example"
SID = "SM" + "0123456789abcdef" * 2


def mail(minute: int = 0, **changes: Any) -> TimelineItem:
    """A mail as SMTP delivers it."""
    given = {"channel": "email", "source": "mail", "text": WORDS, "conversation": "m"}
    return item("email.received", minute, **given | {"data": {"message_id": MAIL_ID}} | changes)


def inbox(minute: int = 1, **changes: Any) -> TimelineItem:
    """The same mail as a chat platform's inbox delivers it."""
    data = {"mail_id": MAIL_ID, "source_id": MAIL_ID, "content_type": "incoming_email"}
    return mail(
        minute, **{"id": f"inbox/{minute}", "source": "chat", "conversation": "c", "data": data} | changes
    )


def sent(minute: int, channel: str, source: str, **changes: Any) -> TimelineItem:
    type_ = "email.sent" if channel == "email" else "message.sent"
    given = {"id": f"{source}/{minute}", "channel": channel, "source": source, "by": "bot"}
    return item(type_, minute, **given | {"text": "Your parcel P-3 is at the pick-up point now."} | changes)


def found(items: Sequence[TimelineItem], *apart: str) -> Copies:
    copies = Copies(apart=frozenset(apart))
    assert copies.take(sorted(items, key=lambda it: (it.occurred_at, it.id)))
    return copies


def pairs(items: Sequence[TimelineItem], *apart: str) -> dict[str, tuple[str, str]]:
    """Copy -> what it is shown with, and why."""
    return {id_: (it.of, it.why) for id_, it in found(items, *apart).copies.items()}


# --- Certain ---------------------------------------------------------------------------------------


def test_equal_message_ids_of_two_sources_are_one_mail() -> None:
    assert pairs([mail(), inbox()]) == {"inbox/1": ("email.received/0", "message_id")}
    bracketed = mail(data={"message_id": f"<{MAIL_ID}>"})
    assert pairs([bracketed, inbox(data={"source_id": MAIL_ID})]).keys() == {"inbox/1"}


def test_one_mail_to_two_inboxes_of_a_platform_is_one() -> None:
    assert pairs([inbox(0), inbox(1, conversation="sales")]) == {"inbox/1": ("inbox/0", "message_id")}


def test_an_id_on_many_mails_is_compared_with_the_latest_only() -> None:
    """Anyone may write one Message-ID into any number of mails."""

    def words(number: int) -> str:
        return " ".join(f"w{number}x{part}" for part in range(20))

    many = [mail(minute, text=words(minute)) for minute in range(MAX_MESSAGES + 1)]
    for number, copies in ((MAX_MESSAGES, {"inbox/30"}), (0, set[str]())):
        assert pairs([*many, inbox(30, text=words(number))]).keys() == copies


def test_the_brief_counts_and_quotes_one_mail_once_and_names_both_ways() -> None:
    brief = brief_of([mail(), inbox()])
    (wish,) = brief.wants
    assert "leaks again" in wish.text
    assert wish.text.endswith("(also through chat)")
    assert wish.params["also"] == [{"touchpoint": "inbox/1", "channel": "email", "source": "chat"}]
    assert (wish.count, wish.touchpoints) == (1, ("email.received/0",))
    assert (brief.effort.contacts, brief.effort.repeated, brief.effort.switches) == (1, 0, 0)


def test_the_surest_copy_is_shown() -> None:
    assert pairs([mail(assurance="claimed"), inbox()]) == {"email.received/0": ("inbox/1", "message_id")}


def test_a_mail_that_a_program_wrote_asks_nothing_on_either_way() -> None:
    items = [mail(), inbox(type="email.auto_replied", data={"mail_id": MAIL_ID, "auto": ["header"]})]
    assert pairs(items) == {"email.received/0": ("inbox/1", "message_id")}
    assert brief_of(items).effort.waiting_since is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(
            inbox(text="Please pay 900 euro to a new account."), id="other words: anyone writes any id"
        ),
        pytest.param(
            inbox(text=WORDS + " " + "Also cancel my order and send the money back. " * 3), id="more"
        ),
        pytest.param(inbox(8 * 24 * 60), id="a week later"),
        pytest.param(inbox(type="email.sent", direction="outbound"), id="the other direction"),
        pytest.param(inbox(data={"mail_id": "other@mail.example"}), id="another id, the same words"),
        pytest.param(inbox(visibility="internal"), id="internal"),
    ],
)
def test_what_speaks_against_one_mail(other: TimelineItem) -> None:
    assert pairs([mail(), other]) == {}


def test_renderings_of_one_mail_may_differ() -> None:
    quoted = f"{WORDS}\n\nOn Friday, 20 November 2026 Mia wrote:\n> It was repaired.\n> Best"
    signed = f"{WORDS}\n-- \nAnna Virtanen\nTelephone 040 1234567"
    for text in (quoted, signed, WORDS.replace("washing machine", "<b>washing</b> machine"), None):
        assert pairs([mail(), inbox(text=text)]).keys() == {"inbox/1"}, text


def test_a_message_id_of_a_platform_is_certain_even_for_short_words() -> None:
    sms = item("message.received", 0, source="phone", text="ok", data={"message_sid": SID}, conversation="s")
    chat = item("message.received", 1, source="chat", text="ok", data={"source_id": SID}, conversation="c")
    assert pairs([sms, chat]) == {"message.received/1": ("message.received/0", "platform_id")}
    status = sent(0, "chat", "phone", text=None, data={"message": SID, "status": "sent"})
    written = sent(1, "chat", "desk", data={"external_id": SID})
    assert pairs([status, written]) == {"phone/0": ("desk/1", "platform_id")}  # what has the words


# --- Inferred --------------------------------------------------------------------------------------


def test_a_notification_by_mail_and_sms_is_one() -> None:
    items = [sent(0, "email", "shop-mail"), sent(2, "chat", "sms")]
    assert pairs(items) == {"sms/2": ("shop-mail/0", "same_text")}
    one_source = [sent(0, "email", "notices"), sent(2, "chat", "notices")]
    assert pairs(one_source).keys() == {"notices/2"}
    three = [*items, sent(4, "chat", "push")]
    assert pairs(three).keys() == {"sms/2", "push/4"}


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(
            [sent(0, "email", "m"), sent(1, "email", "m"), sent(2, "chat", "sms"), sent(3, "chat", "sms")],
            id="a template for two orders",
        ),
        pytest.param(
            [
                sent(0, "email", "m", text="Your order has been sent.", subject="Order A-1"),
                sent(1, "chat", "sms", text="Your order has been sent.", data={"order": "A-2"}),
            ],
            id="two orders, stated beside the words",
        ),
        pytest.param([sent(0, "email", "m"), sent(30, "chat", "sms")], id="half an hour apart"),
        pytest.param(
            [sent(0, "email", "m", text="Ok, yes."), sent(1, "chat", "sms", text="Ok, yes.")], id="short"
        ),
        pytest.param(
            [mail(data={}, subject="Re: A"), item("message.received", 2, source="chat", text=WORDS)],
            id="a customer who asks on two channels",
        ),
        pytest.param(
            [
                item("message.received", 0, source="chat", text=WORDS),
                item("message.received", 2, source="phone", text=WORDS),
            ],
            id="a customer who asks in a chat and by SMS",
        ),
        pytest.param(
            [mail(), mail(2, source="mail2", data={"message_id": "other@x.example"})], id="two mails"
        ),
    ],
)
def test_what_speaks_against_one_message(items: list[TimelineItem]) -> None:
    assert pairs(items) == {}


def test_a_mail_without_an_id_is_known_by_its_words() -> None:
    assert pairs([mail(data={}), inbox(2, data={})]) == {"inbox/2": ("email.received/0", "same_text")}


def test_a_customer_who_asks_on_two_channels_has_asked_twice() -> None:
    chat = item("message.received", 0, source="chat", text=WORDS)
    brief = brief_of([chat, mail(4, data={})])
    assert (brief.effort.repeated, brief.effort.contacts) == (1, 2)
    (wish,) = brief.wants
    assert (wish.count, wish.params["channels"]) == (2, ["chat", "email"])
    assert "(2×) (by chat and email)" in wish.text


# --- Transcripts -----------------------------------------------------------------------------------

CHAT = (
    ("message.received", "Anna", "Where is my parcel P-3? I have waited for a week."),
    ("message.sent", "Mia", "I will call you back tomorrow before noon."),
    ("message.received", "Anna", "This is unacceptable, I want to complain."),
)


def chat_of() -> list[TimelineItem]:
    return [
        item(type_, at, source="chat", text=text, name=name if type_ == "message.sent" else None, by="agent")
        if type_ == "message.sent"
        else item(type_, at, source="chat", text=text)
        for at, (type_, name, text) in enumerate(CHAT)
    ]


def transcript(before: str = "", **changes: Any) -> TimelineItem:
    lines = "\n".join(f"[10:0{at}] {name}: {text}" for at, (_type, name, text) in enumerate(CHAT))
    given = {"channel": "email", "source": "mail", "subject": "Your chat with us", "conversation": "t"}
    return item("email.sent", 30, **given | {"by": "agent", "text": f"{before}{lines}"} | changes)


def test_a_transcript_asks_and_promises_nothing_again() -> None:
    chat = chat_of()
    alone, both = brief_of(chat), brief_of([*chat, transcript()])
    assert both == alone
    (made,) = found([*chat, transcript()]).transcripts.values()
    assert (made.conversation, made.messages, made.at) == ("c1", 3, chat[0].occurred_at)


@pytest.mark.parametrize(
    "mail_",
    [
        pytest.param(
            transcript(type="email.received", direction="inbound", by=None), id="sent by the customer"
        ),
        pytest.param(
            transcript(
                "Hi Anna,\nthank you for the conversation. This is its transcript.\nhttps://shop.example/help\n\n",
                subject="Transcript of your chat",
            ),
            id="with the words of a platform",
        ),
        pytest.param(
            transcript(
                text="\n".join(f"{name} (10:0{at})\n{text}" for at, (_t, name, text) in enumerate(CHAT))
            ),
            id="with speakers in lines of their own",
        ),
        pytest.param(
            transcript(
                text="\n".join(f"> 10:0{at} | {name} - {text}" for at, (_t, name, text) in enumerate(CHAT))
            ),
            id="quoted",
        ),
    ],
)
def test_transcripts_of_other_forms(mail_: TimelineItem) -> None:
    chat = chat_of()
    assert found([*chat, mail_]).transcripts.keys() == {mail_.id}


THEIRS = {"type": "email.received", "direction": "inbound", "by": None}


@pytest.mark.parametrize(
    "mail_",
    [
        pytest.param(
            transcript("Please refund me now!\n\n", **THEIRS), id="with a wish of the customer's own"
        ),
        pytest.param(transcript("This conversation made me angry, refund it\n", **THEIRS), id="about it"),
        pytest.param(
            transcript("Your refund of 40 euro comes on Friday, I checked it with Otto.\n"), id="an answer"
        ),
        pytest.param(
            transcript(
                text="I wrote at 10:00 and 10:05: Where is my parcel P-3? I have waited for a week.", **THEIRS
            ),
            id="one message only",
        ),
        pytest.param(transcript(occurred_at=NOW + 3 * DAY), id="days later"),
    ],
)
def test_other_mails_are_not_transcripts(mail_: TimelineItem) -> None:
    assert not found([*chat_of(), mail_]).transcripts


# --- Properties ------------------------------------------------------------------------------------

TEXTS = (
    WORDS,
    "My order A-17 has not arrived, where is it?",
    "ok",
    "Your parcel P-3 is at the pick-up point now.",
)
TOUCHPOINT = st.tuples(
    st.integers(0, 40),
    st.sampled_from(["message.received", "email.received", "email.sent", "message.sent"]),
    st.sampled_from(["mail", "chat", "phone"]),
    st.sampled_from(TEXTS),
    st.sampled_from([None, "a@x.example", "b@x.example"]),
    st.sampled_from(["verified", "claimed"]),
)
History = list[tuple[int, str, str, str, str | None, str]]


def history(drawn: History) -> list[TimelineItem]:
    items = [
        item(
            type_,
            minute,
            id=f"tp{number:03}",
            channel="email" if type_.startswith("email") else "chat",
            source=source,
            text=text,
            data={"message_id": id_} if id_ else {},
            assurance=assurance,
            conversation=f"{source} {type_[:5]}",
        )
        for number, (minute, type_, source, text, id_, assurance) in enumerate(drawn)
    ]
    return sorted(items, key=lambda it: (it.occurred_at, it.id))


@pytest.mark.no_cover
@settings(max_examples=examples(150))
@given(st.lists(TOUCHPOINT, max_size=14), st.randoms())
def test_copies_are_of_one_act(drawn: History, chance: Any) -> None:
    items = history(drawn)
    by_id = {it.id: it for it in items}
    copies = found(items).copies
    for copy in copies.values():
        shown = by_id[copy.of]
        assert copy.of not in copies  # the one that is shown stands for itself
        assert (shown.text, shown.direction) == (copy.item.text, copy.item.direction)  # never two asks
        ids = {it.data.get("message_id") for it in (shown, copy.item)} - {None}
        assert len(ids) < 2
        if not ids:
            assert (shown.source, shown.channel) != (copy.item.source, copy.item.channel)
            assert shown.channel == copy.item.channel == "email" or shown.direction == "outbound"
    shuffled = [*items]
    chance.shuffle(shuffled)
    assert {id_: (it.of, it.why) for id_, it in copies.items()} == pairs(shuffled)


@pytest.mark.no_cover
@settings(max_examples=examples(100))
@given(st.lists(TOUCHPOINT, max_size=10), st.integers(0, 9), st.booleans())
def test_an_extended_state_finds_the_copies_of_a_new_one(drawn: History, at: int, late: bool) -> None:
    items = history(drawn)
    first = [*items[:at], *items[at + 1 :]] if late else items[:at]
    _story, state = _read(first, None)
    story, _state = _read(items, state)
    assert write_brief(story) == brief_of(items)
    assert {id_: it.of for id_, it in story.copies.copies.items()} == {
        id_: it.of for id_, it in found(items).copies.items()
    }


def _read(items: list[TimelineItem], state: StoryState | None, *apart: str) -> Any:
    return read_story(
        items,
        now=NOW,
        rules=RULES,
        pending=None,
        handoffs=(),
        internal=True,
        state=state,
        apart=frozenset(apart),
    )


def test_a_separation_holds_whatever_comes_and_is_undone_exactly() -> None:
    items = [mail(), inbox()]
    before, state = _read(items, None)
    separate, state = _read(items, state, "inbox/1")
    assert write_brief(separate).effort.contacts == 2
    again, state = _read(items, state)
    assert write_brief(again) == write_brief(before)
    third = inbox(3, id="third", source="other")
    assert pairs([*items, third], "inbox/1") == {"third": ("email.received/0", "message_id")}
    assert found([*chat_of(), transcript()], "email.sent/30").transcripts == {}


def test_a_later_copy_extends_the_state() -> None:
    _story, state = _read([mail()], None)
    _story, again = _read([mail(), inbox()], state)
    assert again is state


def test_a_surer_copy_rebuilds_the_state() -> None:
    first = mail(assurance="claimed")
    _story, state = _read([first], None)
    story, again = _read([first, inbox()], state)
    assert again is not state
    assert write_brief(story) == brief_of([first, inbox()])


def test_each_touchpoint_is_compared_a_bounded_number_of_times() -> None:
    """Equal times, and two sources: what would be a comparison of each with each."""
    items = [
        msgspec.structs.replace(
            mail(0, data={}),
            id=f"tp{at:05}",
            source=source,
            text=f"{WORDS} {at // 2}",
            occurred_at=NOW - MINUTE,
        )
        for at, source in zip(range(6_000), itertools.cycle(["mail", "chat"]), strict=False)
    ]
    assert len(found(items).copies) == 3_000
