"""Transcripts and OCR as the rules read them: as the words of the speaker of the original, marked.

A derived text is an addition to its original. The rules get an utterance in its place: at the time of the
words, in the conversation of the original, with its speaker. A text whose original is missing waits. Deleted
texts, and texts of deleted originals, are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import msgspec

from handoff.domain.identity import ASSURANCE_RANK
from handoff.domain.text.derived import (
    DERIVED,
    VERBATIM,
    DerivedSpeaker,
    DerivedText,
    Standing,
    read_derived,
    standing,
)

from .lines import sureness
from .shapes import TimelineItem, Transcribed
from .signals.extract import talked
from .signals.speaker import automatic, marked

_CALLS = frozenset(
    {"call.started", "call.ended", "callback.attempted", "callback.completed", "callback.missed"}
)
_MESSAGES = frozenset({"message.received", "message.sent", "email.received", "email.sent", "note.added"})
_FORMS = frozenset({"form.submitted", "form.failed", "callback.requested"})
_ACTORS: Mapping[DerivedSpeaker, str] = {
    DerivedSpeaker.AGENT: "agent",
    DerivedSpeaker.BOT: "bot",
    DerivedSpeaker.BUSINESS: "business",
}
_RANKS = {str(it.value): rank for it, rank in ASSURANCE_RANK.items()}


def has_derived(items: Sequence[TimelineItem]) -> bool:
    """Whether there is a derived text among these touchpoints."""
    return DERIVED in [it.type for it in items]


def heard(items: Sequence[TimelineItem]) -> list[TimelineItem]:
    """The touchpoints that the rules read, oldest first: those that were not deleted, with utterances
    instead of derived texts."""
    present = [it for it in items if not it.deleted]
    if not has_derived(present):
        return present
    left = [it for it in present if it.type != DERIVED]
    originals, calls = {it.id: it for it in items}, _calls(left)
    by_id = {it.id: it for it in present if it.type == DERIVED}
    read = _standing(by_id.values())
    replaced: dict[str, TimelineItem] = {}
    spoken: list[TimelineItem] = []
    for text in read.texts:
        source = by_id[text.id]
        whole_call = text.of == source.conversation
        original = calls.get(source.conversation) if whole_call else originals.get(text.of)
        if original is None and not (whole_call and text.speaker and text.at is not None):
            continue  # it waits for its original
        if original is not None and (original.deleted or original.type == DERIVED):
            continue
        if original is not None and _is_mixed(original, text):
            _add_words(replaced, original, text)
        elif (made := _utterance(source, text, original)) is not None:
            spoken.append(made)
    left = [replaced.get(it.id, it) for it in left]
    return sorted([*left, *spoken], key=lambda it: it.occurred_at)  # stable: words follow their original


def _standing(items: Iterable[TimelineItem]) -> Standing:
    found = []
    for item in items:
        text = read_derived(
            item.id, item.text, item.language, item.data, (item.occurred_at, item.recorded_at, item.id)
        )
        if text is not None and text.kind in VERBATIM:
            found.append(text)
    return standing(found)


def _calls(items: Sequence[TimelineItem]) -> dict[str, TimelineItem]:
    """The last touchpoint of the call in each conversation that has one."""
    return {it.conversation: it for it in items if it.type in _CALLS}


def _is_mixed(original: TimelineItem, text: DerivedText) -> bool:
    """Whether a text may have the words of both sides of a call. In a voicemail only the customer speaks."""
    return original.type in _CALLS and text.speaker is None and not _is_voicemail(original)


def _is_voicemail(call: TimelineItem) -> bool:
    return call.type == "call.ended" and call.direction == "inbound" and not talked(call, unknown=False)


def _add_words(replaced: dict[str, TimelineItem], call: TimelineItem, text: DerivedText) -> None:
    """Show words of a call with the call if their speaker is not stated."""
    known = replaced.get(call.id)
    if known is None and call.text:
        return  # it has words of its own, such as an agent's summary
    words = f"{known.text} {text.text}" if known else text.text
    mark = _mark(text)
    if known is not None and known.transcribed is not None:
        mark = min(mark, known.transcribed, key=sureness)
    replaced[call.id] = msgspec.structs.replace(call, text=words, transcribed=mark, made=None)


def _mark(text: DerivedText) -> Transcribed:
    return Transcribed(by=text.by, kind=text.kind.value, confidence=text.confidence)


def _utterance(source: TimelineItem, text: DerivedText, original: TimelineItem | None) -> TimelineItem | None:
    """The words as their speaker's. None if the rules do not read this kind of original."""
    found = _spoken_as(source, text, original)
    if found is None:
        return None
    name = ("heard", found, text.of, original and (original.id, original.conversation, original.late))
    made: TimelineItem = source.once(name, partial(_made, source, text, original, found))
    return made


def _spoken_as(
    source: TimelineItem, text: DerivedText, original: TimelineItem | None
) -> tuple[str, str] | None:
    """Type and direction of an utterance."""
    type_ = original.type if original is not None else "call.started"
    if type_ in _MESSAGES and original is not None:
        return type_, original.direction
    if type_ in _FORMS:
        return "message.received", "inbound"
    if type_ in _CALLS:
        theirs = text.speaker in (DerivedSpeaker.CUSTOMER, None)
        return ("message.received", "inbound") if theirs else ("message.sent", "outbound")
    return None


def _made(
    source: TimelineItem, text: DerivedText, original: TimelineItem | None, spoken_as: tuple[str, str]
) -> TimelineItem:
    type_, direction = spoken_as
    near = source if original is None else original
    call = original is None or original.type in _CALLS
    by, name = near.by, near.name
    if call:
        by = _ACTORS.get(text.speaker) if text.speaker else None
        name = source.name
    data = near.data if marked(near.data) or automatic(near.data) else {}
    return msgspec.structs.replace(
        source,
        type=type_,
        channel=near.channel,
        direction=direction,
        visibility="public" if original is None else original.visibility,
        assurance=_weaker(source.assurance, near.assurance),
        occurred_at=near.occurred_at if text.at is None else text.at,
        conversation=near.conversation,
        subject=None,
        by=by,
        name=name,
        data=data,
        traits={},
        recorded_at=near.recorded_at,
        late=near.late,
        source=near.source,
        attachments=(),
        identity=near.identity,
        claims=near.claims,
        made=None if source.made is None else {},
        transcribed=_mark(text),
    )


def _weaker(one: str, other: str) -> str:
    return min(one, other, key=_RANKS.__getitem__)
