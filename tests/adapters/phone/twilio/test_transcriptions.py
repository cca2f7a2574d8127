"""Twilio's transcriptions: of a recording, and of a call sentence by sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handoff.adapter.contract import CallLeg
from handoff.domain.clock import format_time
from tests.adapters.contract import request

from .test_twilio import FORM, build, posted

LIVE = {
    "CallSid": "CA1",
    "AccountSid": "AC1",
    "TranscriptionSid": "GT1",
    "TranscriptionEvent": "transcription-content",
    "TranscriptionData": json.dumps({"transcript": "My router has a red light.", "confidence": 0.93}),
    "Track": "inbound_track",
    "Final": "true",
    "SequenceId": "4",
    "LanguageCode": "en-US",
    "Timestamp": "2026-11-21T21:09:30.125Z",
}


def parsed(**changes: str) -> Any:
    form = {name: value for name, value in (LIVE | changes).items() if value}
    return build().parse(posted(list(form.items())))


def test_a_sentence_of_a_call_is_filed_by_its_call() -> None:
    found = parsed()
    assert found.touchpoints == ()
    (leg,) = found.legs
    assert isinstance(leg, CallLeg)
    made = leg.passed_on
    assert (made.type, made.thread, made.amends, made.event_id) == ("text.derived", "CA1", "CA1", "GT1/4")
    assert (made.text, made.language) == ("My router has a red light.", "en-US")
    assert format_time(made.occurred_at) == "2026-11-21T21:09:30.125000Z"
    assert made.data == {
        "of": "CA1",
        "kind": "transcript",
        "by": "twilio",
        "speaker": "customer",
        "confidence": 0.93,
        "at": "2026-11-21T21:09:30.125000Z",
        "part_of": "GT1",
        "part": 4,
    }


def test_a_sentence_of_an_unknown_call_can_be_replayed() -> None:
    (leg,) = parsed().legs
    assert leg.unfiled is not None
    assert leg.unfiled.code == "unknown_call"
    again = build().parse(request(body=leg.unfiled.item, headers=FORM))
    assert again.legs == (leg,)


def test_our_side_of_a_call_may_be_a_person_or_a_program() -> None:
    (leg,) = parsed(Track="outbound_track").legs
    assert leg.passed_on.data["speaker"] == "business"
    (leg,) = parsed(Track="").legs
    assert "speaker" not in leg.passed_on.data


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"Final": "false"}, "transcription.partial"),
        ({"TranscriptionEvent": "transcription-started"}, "transcription.started"),
        ({"TranscriptionEvent": "transcription-error"}, "transcription.error"),
        ({"TranscriptionData": '{"transcript": " "}'}, "transcription.empty"),
    ],
)
def test_what_is_no_text_is_counted(changes: dict[str, str], name: str) -> None:
    assert dict(parsed(**changes).ignored) == {name: 1}


@pytest.mark.parametrize("data", ["", "{", "[]", '{"transcript": "x"' + "[" * 2_000])
def test_a_broken_sentence_is_quarantined(data: str) -> None:
    (bad,) = parsed(TranscriptionData=data).malformed
    assert bad.code == "invalid_transcription"


@pytest.mark.parametrize("confidence", ["-1", "7", '"high"', "true"])
def test_a_senseless_confidence_is_none(confidence: str) -> None:
    found = parsed(TranscriptionData=f'{{"transcript": "Hello there", "confidence": {confidence}}}')
    (leg,) = found.legs
    assert "confidence" not in leg.passed_on.data
