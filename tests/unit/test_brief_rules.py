"""The rules of the brief: claims stay marked, repeats collapse, nothing is cut silently or guessed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.domain.brief import MAX_LINES, Brief, BriefLine, Pending, TimelineItem
from handoff.domain.brief.lines import MAX_PROOF, MAX_QUOTE, duration
from handoff.domain.clock import DAY, HOUR, MINUTE, SECOND, format_time
from handoff.domain.handoff import Hop, Party, State
from handoff.domain.touchpoint import TYPES
from tests.briefs import NOW, SECTIONS, brief_of, item


def brief(*touchpoints: TimelineItem, pending: Pending | None = None) -> Brief:
    return brief_of(touchpoints, pending=pending)


def texts(lines: Sequence[BriefLine]) -> list[str]:
    return [it.text for it in lines]


# --- what they want ---


def test_the_words_about_one_matter_are_in_order_across_channels() -> None:
    result = brief(
        item("message.received", 1, text="first"),
        item("message.received", 2, text="second"),
        item("email.received", 3, channel="email", subject="Bill", text="third"),
    )
    assert texts(result.wants) == ["On chat: “first”", "On chat: “second”", "On email (Bill): “third”"]
    assert {line.params["matter"] for line in result.wants} == {1}


@pytest.mark.parametrize(
    "not_theirs",
    [
        item("message.sent", 5, text="ours", by="agent", visibility="internal"),
        item("message.sent", 5, text="ours", by="platform"),
        item("message.received", 5, text="ours", visibility="internal"),
        item("message.received", 5, text="ours", deleted=True),
        item("message.edited", 5, text="ours"),
    ],
)
def test_other_words_are_never_theirs(not_theirs: TimelineItem) -> None:
    result = brief(item("message.received", 1, text="mine"), not_theirs)
    assert texts(result.wants) == ["On chat: “mine”"]
    assert "ours" not in str(result)


def test_a_note_is_for_colleagues_only() -> None:
    asked, note = item("message.received", 1, text="mine"), item("note.added", 5, text="ours", name="Mia")
    assert texts(brief(asked, note).answered) == ["Note by Mia: “ours”"]
    assert "ours" not in str(brief_of([asked, note], internal=False))


def test_a_claim_is_a_line_of_its_own_and_never_replaces_what_is_verified() -> None:
    result = brief(
        item("message.received", 1, text="it is me"),
        item("message.received", 2, text="so is this", assurance="claimed"),
    )
    assert [(line.assurance, line.text) for line in result.wants] == [
        ("verified", "On chat: “it is me”"),
        ("claimed", "(claimed) On chat: “so is this”"),
    ]


def test_a_settled_matter_is_no_wish_until_it_is_taken_up_again() -> None:
    asked, resolved = item("message.received", 1, text="please"), item("conversation.resolved", 2)
    other = item("message.received", 3, text="new", conversation="c2", channel="email")
    assert texts(brief(asked, resolved, other).wants) == ["On email: “new”"]
    again = item("message.received", 4, text="again")
    assert texts(brief(asked, resolved, other, again).wants) == ["On email: “new”", "On chat: “again”"]


def test_a_complaint_is_a_wish_only_without_other_words() -> None:
    complaint = item("complaint.opened", 2, text="bad")
    assert texts(brief(complaint).wants) == ["On chat: “bad”"]
    assert texts(brief(item("message.received", 1, text="help"), complaint).wants) == ["On chat: “help”"]


# --- what they tried ---


def test_repeats_are_one_line_with_a_count() -> None:
    result = brief(*(item("article.viewed", n, data={"title": "Returns"}) for n in range(3)))
    (line,) = result.tried
    assert (line.text, line.count, len(line.touchpoints)) == ("Read “Returns” (3×)", 3, 3)


def test_one_error_after_another_are_two_lines() -> None:
    result = brief(
        item("form.failed", 1, data={"form": "Refund", "error": "not found"}),
        item("form.failed", 2, data={"form": "Refund", "error": "expired"}),
        item("form.submitted", 3, data={"form": "Refund"}),
    )
    assert texts(result.tried) == ["Refund failed: not found", "Refund failed: expired", "Sent Refund"]


def test_claimed_and_verified_attempts_are_not_counted_together() -> None:
    data = {"query": "refund"}
    one, other = item("search.performed", 1, data=data), item("search.performed", 2, data=data)
    result = brief(one, msgspec.structs.replace(other, assurance="claimed"))
    assert texts(result.tried) == ["Searched for “refund”", "(claimed) Searched for “refund”"]


def test_a_lapsed_offer_is_no_failure_but_an_expired_hand_off_is() -> None:
    data = {"handoff": "h", "state": "requested", "to": {"queue": "refunds"}}
    assert not brief(item("handoff.expired", 1, data=data)).tried
    result = brief(item("handoff.expired", 1, data=data | {"state": "expired"}))
    assert texts(result.tried) == ["Was to be handed to refunds: nobody took it"]


def test_a_refusal_and_a_withdrawal_give_the_reason() -> None:
    to = {"queue": "refunds"}
    declined = item("handoff.declined", 1, text="on a call", data={"state": "requested", "to": to})
    last = item("handoff.declined", 2, text="wrong desk", data={"state": "declined", "to": to})
    left = item("handoff.withdrawn", 3, text="customer hung up", data={"state": "withdrawn"})
    assert texts(brief(declined, last, left).tried) == [
        "A handoff was declined: on a call",
        "Was to be handed to refunds: nobody took it (wrong desk)",
        "A handoff was withdrawn: customer hung up",
    ]


# --- what was promised ---


def test_a_promise_is_open_then_overdue_then_kept() -> None:
    due = format_time(NOW + HOUR)
    made = item("promise.made", 1, text="Refund", name="Liisa", data={"promise": "p", "due": due})
    (open_,) = brief(made).promised
    assert open_.text == "“Refund” by 2026-11-21 13:00 UTC: open"
    assert open_.params == {"words": "Refund", "due": due, "state": "open", "promised_by": "Liisa"}
    late = brief_of([made], now=NOW + 2 * HOUR).promised[0]
    assert late.params["state"] == "overdue"
    (kept,) = brief(made, item("promise.kept", 2, data={"promise": "p"})).promised
    assert (kept.params["state"], kept.count) == ("kept", 2)


def test_a_promise_is_closed_only_by_what_is_about_it() -> None:
    result = brief(
        item("promise.made", 1, text="A", data={"promise": "a"}),
        item("promise.made", 2, text="B", data={"promise": "b"}),
        item("promise.broken", 3, data={"promise": "a"}),
    )
    assert [line.text for line in result.promised] == ["“A”: broken", "“B”: open"]


def test_a_claim_that_a_promise_was_kept_marks_the_line() -> None:
    result = brief(item("promise.made", 1, text="A"), item("promise.kept", 2, assurance="claimed"))
    assert texts(result.promised) == ["(claimed) “A”: kept"]


def test_two_call_backs_stand_for_themselves() -> None:
    result = brief(
        item("callback.requested", 1, data={"callback": "x"}),
        item("callback.requested", 2, data={"callback": "y", "due": format_time(NOW + HOUR)}),
        item("callback.missed", 3, data={"callback": "x"}),
        item("callback.completed", 4, data={"callback": "y"}),
    )
    assert [line.params["state"] for line in result.promised] == ["missed", "kept"]


def test_a_missed_call_back_is_why_now_until_they_were_reached() -> None:
    asked, missed = item("callback.requested", 1), item("callback.missed", 2)
    assert [line.code for line in brief(asked, missed).why_now] == ["callback_missed", "waiting"]
    assert [line.code for line in brief(asked, missed, item("callback.completed", 3)).why_now] == []


def test_a_call_that_names_no_call_back_belongs_to_the_one_that_stands() -> None:
    asked = item("callback.requested", 1, data={"callback": "x"})
    (line,) = brief(asked, item("callback.missed", 2)).promised
    assert (line.params["state"], line.count) == ("missed", 2)
    (again,) = brief(asked, item("callback.missed", 2), item("callback.rescheduled", 3)).promised
    assert again.params["state"] == "open"


def test_a_due_date_in_words_is_shown_as_its_sender_wrote_it() -> None:
    result = brief(item("promise.made", 1, text="We call", data={"due": "Tuesday"}))
    assert texts(result.promised) == ["“We call” by Tuesday: open"]


# --- what not to ask again ---


def test_the_newest_value_of_a_fact_with_a_count_and_what_it_was_before() -> None:
    result = brief(
        item("identified", 1, traits={"phone_number": "+1"}),
        item("identified", 2, traits={"phoneNumber": "+2"}),
        item("identified", 3, traits={"phone number": "+2"}),
    )
    (line,) = result.known
    assert (line.text, line.count) == ("phone number: +2 (before: +1)", 3)
    assert line.params == {"name": "phone number", "value": "+2", "before": ["+1"]}


def test_fields_of_a_form_are_known_whether_it_failed_or_not() -> None:
    result = brief(
        item("form.failed", 1, data={"fields": {"city": "Oulu"}}),
        item("form.submitted", 2, data={"values": [{"title": "Size", "value": "XL"}]}),
    )
    assert texts(result.known) == ["Size: XL", "city: Oulu"]


@pytest.mark.parametrize("name", ["password", "Card number", "cvv", "cardNumber", "PIN"])
def test_a_secret_is_known_to_be_given_and_not_shown(name: str) -> None:
    result = brief(item("form.failed", 1, data={"fields": {name: "s3cr3t-4111"}}))
    assert result.known[0].params["withheld"] is True
    assert "s3cr3t" not in str(result)


def test_a_claim_of_what_is_verified_adds_nothing_and_another_claim_is_marked() -> None:
    result = brief(
        item("identified", 1, traits={"name": "Anna"}),
        item("email.received", 2, assurance="claimed", traits={"name": "anna"}),
        item("email.received", 3, assurance="claimed", traits={"city": "Oulu"}),
    )
    assert texts(result.known) == ["(claimed) city: Oulu", "name: Anna"]


def test_an_address_that_was_only_typed_in_is_marked_unless_it_is_verified_elsewhere() -> None:
    typed = item("form.submitted", 1, data={"fields": {"Email": "a@example.com", "City": "Oulu"}})
    assert texts(brief(typed).known) == ["City: Oulu", "(claimed) Email: a@example.com"]
    profile = item(
        "message.received", 2, traits={"email": "a@example.com"}, claims=("email",), text="Hello you"
    )
    assert "(claimed) email: a@example.com" in texts(brief(profile).known)
    verified = item("identified", 3, traits={"email": "a@example.com"})
    assert texts(brief(typed, profile, verified).known)[:2] == ["City: Oulu", "email: a@example.com"]


def test_our_own_notes_and_messages_are_not_facts_from_the_customer() -> None:
    result = brief(
        item("note.added", 1, traits={"mood": "angry"}, data={"order": "A-1"}),
        item("message.sent", 2, data={"order_id": "A-2"}),
    )
    assert not result.known


def test_a_reference_comes_first_and_needs_a_digit() -> None:
    result = brief(
        item("message.received", 1, data={"orderNumber": "A-1", "policy": "privacy"}),
        item("identified", 2, traits={"name": "Anna"}),
    )
    assert texts(result.known) == ["order number: A-1", "name: Anna"]


# --- feelings ---


def test_feelings_are_what_was_stated_and_nothing_else() -> None:
    result = brief(
        item("message.received", 1, text="I am FURIOUS!!!"),
        item("survey.answered", 2, data={"rating": 2, "out_of": 5}),
        item("complaint.opened", 3, text="No answer"),
        item("complaint.resolved", 4),
    )
    assert texts(result.feelings) == ["Complained: “No answer” (resolved)", "Survey: 2 of 5"]


# --- why now ---


def hop(reason: str, outcome: State, number: int) -> Hop:
    return Hop(
        id=f"h{number}",
        sender=Party(party=f"from{number}"),
        to=Party(queue=f"to{number}"),
        reason=reason,
        outcome=outcome,
        requested_at=NOW,
        ended_at=NOW,
        waited_us=46 * MINUTE,
    )


def pending(*hops: Hop) -> Pending:
    return Pending(id="h9", reason="Refund", sender="bot", to="refunds", requested_at=NOW, hops=hops)


def test_the_third_hand_off_for_one_reason_is_ping_pong() -> None:
    hops = [hop("refund.", State.TRANSFERRED, 1), hop("REFUND", State.ACCEPTED, 2)]
    line = brief(pending=pending(*hops)).why_now[1]
    assert line.code == "ping_pong"
    assert line.params["transfers"] == 3
    assert line.params["hops"][0] == {
        "handoff": "h1",
        "from": "from1",
        "to": "to1",
        "reason": "refund.",
        "outcome": "transferred",
        "waited_minutes": 46,
    }
    assert "from1 → to1 (46 min wait)" in line.text


@pytest.mark.parametrize("second", [hop("Delivery", State.TRANSFERRED, 2), hop("Refund", State.DECLINED, 2)])
def test_another_reason_or_a_declined_handoff_is_not_ping_pong(second: Hop) -> None:
    result = brief(pending=pending(hop("Refund", State.TRANSFERRED, 1), second))
    assert "ping_pong" not in {line.code for line in result.why_now}


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (20 * SECOND, "less than a minute"),
        (46 * MINUTE, "46 min"),
        (3 * HOUR + 10 * MINUTE, "3 h 10 min"),
        (3 * HOUR, "3 h"),
        (2 * DAY, "2 d"),
        (2 * DAY + 5 * HOUR, "2 d 5 h"),
    ],
)
def test_waiting_reads_as_people_speak(length: int, words: str) -> None:
    assert duration(length) == words
    result = brief_of([item("message.received", text="When?", occurred_at=NOW - length)])
    assert result.why_now[0].text.startswith(f"Waiting {words}, since ")


# --- effort ---


def test_messages_in_a_row_are_one_contact() -> None:
    effort = brief(
        *(item("message.received", n, text=f"line {n}") for n in range(5)),
        item("email.received", 6, channel="email", conversation="c2"),
        item("message.received", 100, text="back again"),
    ).effort
    assert (effort.contacts, effort.channels, effort.switches) == (3, ("chat", "email"), 2)


def test_saying_it_again_is_counted_but_short_answers_are_not() -> None:
    words = "My card was declined in Lisbon"
    effort = brief(
        item("message.received", 1, text=words),
        item("email.received", 2, text=words.upper() + "!", channel="email"),
        item("message.received", 3, text="yes"),
        item("message.received", 4, text="Yes."),
    ).effort
    assert effort.repeated == 1


# --- bounds ---


def test_what_does_not_fit_is_counted() -> None:
    many = [item("article.viewed", n, data={"title": f"Article {n}"}) for n in range(MAX_LINES + 5)]
    result = brief(*many)
    assert len(result.tried) == MAX_LINES
    assert result.left_out == {"tried": 5}
    assert result.tried[-1].text == f"Read “Article {MAX_LINES + 4}”"


def test_long_words_and_long_proofs_are_bounded_and_counted() -> None:
    many = [item("form.failed", n, data={"form": "F" * 9000, "error": "e" * 9000}) for n in range(40)]
    (line,) = brief(*many).tried
    assert (line.count, len(line.touchpoints)) == (40, MAX_PROOF)
    assert line.touchpoints[-1] == many[-1].id
    assert len(line.text) < 3 * MAX_QUOTE
    assert all(len(value) <= MAX_QUOTE for value in line.params.values())


# --- properties ---

WORDS = st.sampled_from(["", "refund", "Refund!", "where is it", "x" * 400, "A-1042", "\x00\n", "ä"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        *("title", "query", "results", "form", "error", "fields", "values", "order", "promise", "id"),
        *("due", "callback", "state", "to", "handoff", "score", "rating", "out_of", "complaint", "status"),
    ]
)


@st.composite
def journeys(draw: st.DrawFn) -> list[TimelineItem]:
    found = []
    minute = 0
    for number in range(draw(st.integers(0, 12))):
        minute += draw(st.integers(0, 3))
        type_ = draw(st.sampled_from(TYPES))
        found.append(
            item(
                type_,
                minute,
                id=f"t{number}",
                channel=draw(st.sampled_from(["web", "chat"])),
                conversation=draw(st.sampled_from(["c1", "c2"])),
                assurance=draw(st.sampled_from(["verified", "claimed", "inferred"])),
                by=draw(st.sampled_from([None, "bot", "agent"])),
                text=draw(st.none() | WORDS),
                deleted=draw(st.booleans()),
                data=draw(st.dictionaries(KEYS, ANY, max_size=4)),
                traits=draw(st.dictionaries(WORDS, ANY, max_size=2)),
            )
        )
    return found


@pytest.mark.no_cover
@given(journeys())
def test_any_journey_gives_one_brief_with_proof_and_marks(items: list[TimelineItem]) -> None:
    one = brief_of(items, pending=pending())
    assert one == brief_of(list(items), pending=pending())
    assert msgspec.json.decode(msgspec.json.encode(one), type=Brief) == one
    known = {it.id: it for it in items}
    for section in SECTIONS:
        for line in getattr(one, section):
            proof = [known[id_] for id_ in line.touchpoints]
            if any(it.assurance != "verified" for it in proof):
                assert line.assurance != "verified"
                assert line.text.startswith(f"({line.assurance}) ")
            if line.code == "said":
                assert {(it.direction, it.visibility) for it in proof} == {("inbound", "public")}


@pytest.mark.no_cover
@given(journeys(), st.randoms(use_true_random=False))
def test_the_order_among_equal_times_moves_nothing_between_unrelated_matters(
    items: list[TimelineItem], random: Any
) -> None:
    apart = [
        msgspec.structs.replace(it, conversation=it.id, channel=f"channel{n}", traits={}, data={})
        for n, it in enumerate(items)
    ]
    shuffled: list[TimelineItem] = []
    for _at, group in groupby(apart, key=lambda it: it.occurred_at):
        members = list(group)
        random.shuffle(members)
        shuffled += members

    def codes(result: Brief) -> dict[str, list[tuple[str, int]]]:
        return {
            name: sorted((line.code, line.count) for line in getattr(result, name))
            for name in ("wants", "tried", "known", "feelings")
        }

    one = brief_of(apart)
    other = brief_of(shuffled)
    assert codes(one) == codes(other)
    assert one.wants == other.wants
