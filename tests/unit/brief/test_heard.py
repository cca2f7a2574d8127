"""Transcripts in the brief: the words of the original's speaker, marked, in whatever order they arrive."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest

from handoff.codec.records import encode_record
from handoff.domain.brief import BriefLine, TimelineItem, read_story, write_brief
from handoff.domain.brief.kept import KeptStory, keeping_story, restoring_story
from handoff.domain.brief.steps import finish
from handoff.domain.clock import MINUTE, format_time
from handoff.domain.ledger.proof import PROOFS, proof_of
from tests.briefs import NOW, RULES, SECTIONS, brief_of, item

VOICE: dict[str, Any] = {"text": None, "attachments": ({"name": "voice.ogg", "content_type": "audio/ogg"},)}
WORDS = "My invoice 4711-22 is wrong, please correct it"


def derived(minute: int, of: str, text: str = WORDS, **stated: Any) -> TimelineItem:
    fields = {
        name: stated.pop(name) for name in ("id", "conversation", "deleted", "language") if name in stated
    }
    data = {"of": of, "kind": "transcript", "by": "whisper", "confidence": 0.82} | stated
    return item("text.derived", minute, text=text, data=data, **fields)


def lines(items: list[TimelineItem], section: str = "wants") -> tuple[BriefLine, ...]:
    found: tuple[BriefLine, ...] = getattr(brief_of(items), section)
    return found


def texts(items: list[TimelineItem]) -> str:
    brief = brief_of(items)
    return "\n".join(it.text for section in SECTIONS for it in getattr(brief, section))


def test_a_transcript_is_the_customers_wish_and_is_marked() -> None:
    voice = item("message.received", 0, **VOICE)
    made = next(it for it in lines([voice, derived(5, voice.id)]) if it.code == "said")
    assert made.params["words"] == WORDS
    assert made.params["at"] == format_time(voice.occurred_at)
    assert made.params["transcribed"] == {"by": "whisper", "kind": "transcript", "confidence": 0.82}
    assert made.text.startswith("(as transcribed by whisper, 82 % sure) ")
    assert made.touchpoints == ("text.derived/5",)


def test_nothing_of_a_transcript_is_unmarked() -> None:
    """Every line that shows a word of a transcript, wherever it is quoted, has the mark."""
    items = [
        voice := item("message.received", 0, **VOICE),
        derived(1, voice.id, "Order A-4812 arrived broken, this is the third time, it is unacceptable!"),
        answer := item("message.sent", 10, by="agent", name="Mia", **VOICE),
        derived(11, answer.id, "I will send order A-4812 again by Friday, is the zebra address right?"),
        item("message.received", 12, text="yes"),
        nudge := item("message.received", 30, **VOICE),
        derived(31, nudge.id, "Any news about my zebra parcel?"),
    ]
    brief = brief_of(items)
    shown = [it for section in SECTIONS for it in getattr(brief, section)]
    from_transcripts = [
        it for it in shown if any(word in it.text for word in ("A-4812", "zebra", "unaccept"))
    ]
    assert len(from_transcripts) >= 4
    for made in from_transcripts:
        assert "transcribed" in made.params, made.text
        assert "as transcribed by whisper" in made.text


def test_a_typed_line_has_no_mark() -> None:
    (made,) = lines([item("message.received", 0, text="Where is order A-17?")])
    assert "transcribed" not in made.params


def test_a_surer_transcript_replaces_an_earlier_one() -> None:
    voice = item("message.received", 0, **VOICE)
    poor = derived(1, voice.id, "My in voice is wrong", confidence=0.4)
    good = derived(2, voice.id, "My invoice 4711-22 is wrong", by="human", confidence=1)
    shown = texts([voice, poor, good])
    assert "in voice" not in shown
    assert "as transcribed by human, 100 % sure" in shown


def test_the_order_of_arrival_does_not_matter() -> None:
    """Also with the derived text before its original in time, which a clock that runs ahead makes."""
    voice, early = item("message.received", 3, **VOICE), derived(1, "message.received/3")
    answer = item("message.sent", 20, text="Corrected, thank you.", by="agent", name="Mia")
    items = sorted([early, voice, answer], key=lambda it: it.occurred_at)
    whole = brief_of(items)
    for order in permutations(items):
        state = None
        for end in range(1, len(order) + 1):
            known = sorted(order[:end], key=lambda it: it.occurred_at)
            story, state = read_story(
                known, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True, state=state
            )
        assert msgspec.to_builtins(_written(story)) == msgspec.to_builtins(whole)


def _written(story: Any) -> Any:
    return write_brief(story)


def test_a_text_without_its_original_waits() -> None:
    assert texts([derived(1, "message.received/0"), item("page.viewed", 2)]) == texts(
        [item("page.viewed", 2)]
    )


@pytest.mark.parametrize("which", [0, 1])
def test_nothing_is_heard_of_what_was_deleted(which: int) -> None:
    items = [item("message.received", 0, **VOICE), derived(1, "message.received/0")]
    items[which] = msgspec.structs.replace(items[which], deleted=True, text=None)
    assert "4711" not in texts(items)


def test_a_translation_is_never_quoted_as_the_customers_words() -> None:
    typed = item("message.received", 0, text="Laskuni on väärin", language="fi")
    shown = texts([typed, derived(1, typed.id, "My invoice is wrong", kind="translation", language="en")])
    assert "Laskuni on väärin" in shown
    assert "My invoice" not in shown


def test_a_derived_text_neither_opens_nor_answers_by_itself() -> None:
    asked = item("message.received", 0, text="Where is order A-17?")
    ours = item("message.sent", 5, by="bot", **VOICE)
    brief = brief_of([asked, ours, derived(6, ours.id, "It arrives tomorrow")])
    assert brief.effort.contacts == 1
    assert brief.effort.waiting_since == format_time(asked.occurred_at)  # a bot's words answer nobody


def call(minute: int, seconds: int = 300, direction: str = "inbound") -> TimelineItem:
    return item("call.ended", minute, channel="phone", direction=direction, data={"duration_s": seconds})


def segment(minute: int, text: str, speaker: str, part: int) -> TimelineItem:
    at = format_time(NOW - 120 * MINUTE + minute * MINUTE)
    return derived(minute, "c1", text, speaker=speaker, part=part, part_of="GT1", at=at)


def test_the_sentences_of_a_call_are_their_speakers() -> None:
    items = [
        segment(1, "My invoice 4711-22 is wrong", "customer", 1),
        segment(2, "I will send you a new one by Friday", "agent", 2),
        call(5),
    ]
    brief = brief_of(items)
    assert [it.params["words"] for it in brief.wants if it.code == "said"] == ["My invoice 4711-22 is wrong"]
    (promise,) = [it for it in brief.promised if it.code == "promise_candidate"]
    assert promise.candidate is True
    assert "transcribed" in promise.params
    assert brief.effort.waiting_since is None  # they talked


def test_the_sentences_of_a_call_that_lasts_are_heard_at_once() -> None:
    assert "4711-22" in texts([segment(1, "My invoice 4711-22 is wrong", "customer", 1)])


def test_words_of_a_call_without_a_stated_speaker_are_shown_with_the_call() -> None:
    brief = brief_of([call(5), derived(9, "c1", "My invoice is wrong. I will correct it by Friday.")])
    (spoke,) = [it for it in brief.answered if it.code == "spoke"]
    assert "My invoice is wrong" in spoke.text
    assert "transcribed" in spoke.params
    assert not brief.wants
    assert not brief.promised


def test_a_message_on_an_answering_machine_is_the_customers() -> None:
    missed = item("call.ended", 5, channel="phone", data={"status": "no-answer"})
    brief = brief_of([missed, derived(9, missed.id, WORDS)])
    assert [it.params["words"] for it in brief.wants if it.code == "said"] == [WORDS]
    assert brief.effort.waiting_since == format_time(missed.occurred_at)


def test_the_weaker_assurance_counts() -> None:
    voice = item("message.received", 0, assurance="claimed", **VOICE)
    (made,) = [it for it in lines([voice, derived(1, voice.id)]) if it.code == "said"]
    assert made.assurance == "claimed"
    assert made.text.startswith("(claimed) (as transcribed")


def test_a_kept_state_hears_the_same() -> None:
    items = [
        item("message.received", 0, text="Where is order A-17?"),
        voice := item("message.received", 2, **VOICE),
        derived(4, voice.id),
        segment(6, "My invoice 4711-22 is wrong", "customer", 1),
        call(9),
    ]
    story, state = read_story(items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True)
    kept = msgspec.msgpack.decode(encode_record(finish(keeping_story(state))), type=KeptStory)
    restored = finish(restoring_story(kept))
    again, _state = read_story(
        restored.items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True, state=restored
    )
    assert msgspec.to_builtins(_written(again)) == msgspec.to_builtins(_written(story))


def test_words_of_a_transcript_prove_no_promise() -> None:
    made = item("promise.made", 0, conversation="c1", text="We will write to you", data={"act": "write"})
    spoken, typed = (
        segment(30, "Here is what you asked for, have a look", "agent", 1),
        item("message.sent", 40, text="Here is what you asked for", by="agent"),
    )
    for items, proof in (([made, spoken], None), ([made, spoken, typed], typed.id)):
        story, _state = read_story(items, now=NOW, rules=RULES, pending=None, handoffs=(), internal=True)
        found = proof_of(story, made, made.occurred_at, PROOFS["write"])
        assert (found.id if found else None) == proof
