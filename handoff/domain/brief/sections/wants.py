"""The customer's wishes: their own words, matter by matter, with the answers."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec

from handoff.domain.clock import Micros, format_time

from ..excerpts import question
from ..lines import MAX_QUOTE, SHORT, MadeLine, clock, line, quote, same, times, word
from ..matters import Ask, Matter
from ..packs import tokens_of
from ..packs.pack import covered
from ..shapes import BriefLine, CandidateWords, TimelineItem
from ..signals import Acts
from ..story import Story
from .answered import only_asks

FIRST, LAST = 3, 9  # asks of one matter that are quoted; those between are counted
READ_FIRST, READ_LAST = 20, 60  # asks of one matter that are looked at for what to quote
MAX_CANDIDATES = 3  # messages of unproved senders, the newest
BESIDE = 60  # characters of an answer that is quoted beside the wish; `answered` quotes longer ones
PAST = 100  # characters of a wish whose answer the customer confirmed, while they wait for something else
MAX_FILES = 5  # named beside one message
MAX_REFERENCES = 5  # of a matter, the first
MIN_NAMED = 4  # letters of a word by which a nudge names something
MAX_REPLY = 40  # characters of a message that may be no more than the answer to a question of ours
_REPLIED = re.compile(r"^(?:\s*(?:re|aw|sv|vs|vl|rv|wg|tr|fw|fwd|antw|res|enc|ref|vb)\s*:)+", re.IGNORECASE)
_OURS = frozenset({"message.sent", "email.sent"})
_SPOKEN = frozenset({"message.received", "email.received", "form.submitted"})
"""Types whose text is what the customer wrote. The reason of a call back may be an agent's words."""


def wants(story: Story) -> list[MadeLine]:
    """Waiting matters first, then the newest; within a matter in the order of time."""
    lines: list[MadeLine] = []
    questions = _questions(story)
    groups: dict[int, list[tuple[Micros, MadeLine]]] = {}
    for matter in story.live():
        groups.setdefault(matter.shown_as, []).extend(_matter(story, matter, questions))
    for group in groups.values():
        lines += [made for _at, made in sorted(group, key=lambda it: it[0])]
    dormant = [it for it in story.folded.matters if it.dormant(story.now)]
    lines += [made for matter in dormant if (made := _dormant(story, matter))]
    if len(story.candidates) > MAX_CANDIDATES:
        story.left_out["wants"] += len(story.candidates) - MAX_CANDIDATES
    return [*lines, *(partial(_candidate, it) for it in story.candidates[-MAX_CANDIDATES:])]


def _candidate(candidate: CandidateWords) -> BriefLine:
    """Words of somebody who may be the customer, always a claim."""
    item, words = candidate.item, quote(candidate.item.text)
    params = {
        "identity": item.identity,
        "reference": candidate.reference,
        "words": words,
        "channel": item.channel,
        "at": format_time(item.occurred_at),
    }
    text = f"Perhaps theirs too, {item.identity} about {candidate.reference}: “{words}”"
    made = line("candidate_words", params, [item], text)
    if made.assurance != "verified":
        return made
    return msgspec.structs.replace(made, assurance="claimed", text=f"(claimed) {text}")


def _questions(story: Story) -> dict[str, TimelineItem]:
    """Short messages of the customer -> the question of ours that they answer: "yes" alone means nothing."""
    asked: dict[str, TimelineItem] = {}
    found: dict[str, TimelineItem] = {}
    for item in story.of(_OURS | _SPOKEN):
        if item.type in _OURS and item.visibility == "public" and item.assurance == "verified":
            asked[item.conversation] = item
        elif item.type in _SPOKEN:
            ours, reply = asked.pop(item.conversation, None), item.text or ""
            if ours and len(reply) <= MAX_REPLY and "?" not in reply and question(ours.text):
                found[item.id] = ours
    return found


class _Quoted:
    """One message of the customer, with those that repeat it and the answer to it."""

    def __init__(self, ask: Ask, item: TimelineItem, code: str) -> None:
        self.asks, self.items, self.code = [ask], [item], code
        self.answer: TimelineItem | None = None
        self.nudges = 0
        self.nudge: TimelineItem | None = None
        """The newest of them."""
        self.called = False
        """Whether somebody spoke with them since they asked for a call."""
        self.same_subject = False
        """Whether the message that is quoted before it has the same subject."""


def _topic(item: TimelineItem) -> str:
    """A subject as subjects are compared: without "Re:" and the like."""
    return same(_REPLIED.sub("", item.subject or ""))


def _first_at(quoted: _Quoted) -> Micros:
    return quoted.asks[0].signal.at


def _matter(
    story: Story, matter: Matter, questions: Mapping[str, TimelineItem]
) -> list[tuple[Micros, MadeLine]]:
    """Lines and the times of their words, which is their order."""
    messages = _quoted(story, matter)
    for answer in matter.answers:
        count = bisect_right(messages, answer.at, key=_first_at)  # they are in the order of time
        item = story.by_id[answer.id]
        if count and item.text and not only_asks(item.text):
            messages[count - 1].answer = item
        for message in messages[:count] if answer.acts & Acts.TALK else ():
            message.called = True
    for nudge in matter.nudges:
        before = [it for it in messages if it.asks[-1].signal.at <= nudge.at]  # a greeting is before all
        if before:
            before[-1].nudges += 1
            before[-1].nudge = story.by_id[nudge.id]
    if len(messages) > FIRST + LAST:
        story.left_out["wants"] += len(messages) - FIRST - LAST
    messages = [it for it in _first_and_last(messages) if not (it.code == "asked_for_call" and it.called)]
    asked = [questions.get(it.items[-1].id) for it in messages]
    for earlier, later in pairwise(messages):
        later.same_subject = _topic(later.items[-1]) == _topic(earlier.items[-1])
    named = [_references(story, matter) if at == 0 else [] for at in range(len(messages))]
    lines = [partial(_line, story, matter, *it) for it in zip(messages, asked, named, strict=True)]
    return [(it.items[-1].occurred_at, made) for it, made in zip(messages, lines, strict=True)]


def words_of(story: Story, matter: Matter, item: TimelineItem) -> str:
    """The words of a message as its line quotes them."""
    words = story.words(item) or quote(item.subject)
    return quote(words, PAST) if _is_past(story, matter) else words


def _is_past(story: Story, matter: Matter) -> bool:
    """Whether the customer confirmed the answer, and waits for something else now."""
    return bool(matter.confirmed and not matter.waits) and any(it.waits for it in story.live())


def _references(story: Story, matter: Matter) -> list[dict[str, str]]:
    """The numbers that the matter is about, for its first line. One that was only heard is in the marked
    line that quotes it."""
    signals = (*(it.signal for it in matter.asks), *matter.answers)
    transcribed = {it.id for it in signals if story.by_id[it.id].transcribed is not None}
    found = [it for it in matter.references.values() if it.kind == "joining"]
    if transcribed:
        sure = {one.value for it in signals if it.id not in transcribed for one in it.references}
        found = [it for it in found if it.value in sure]
    return [{"name": it.label, "value": it.shown} for it in found[:MAX_REFERENCES]]


def _more_than_a_nudge(story: Story, item: TimelineItem) -> str:
    """The words of a nudge that names something: "any news about my refund?"."""
    tokens = tokens_of(item.text or "")
    packs = story.rules.packs.every
    usual = set[int]().union(*(covered(tokens, it.phrases.get("nudge", {})) for it in packs))
    named = (it for at, it in enumerate(tokens) if at not in usual and it.isalpha() and len(it) >= MIN_NAMED)
    for one in named:
        if not any(one in it.fillers or one in it.function_words for it in packs):
            return quote(item.text, SHORT)
    return ""


def _first_and_last(messages: list[_Quoted]) -> list[_Quoted]:
    return messages if len(messages) <= FIRST + LAST else messages[:FIRST] + messages[-LAST:]


def quoted_items(story: Story, matter: Matter) -> list[TimelineItem]:
    """The messages of a matter that are quoted."""
    return [it.items[-1] for it in _first_and_last(_quoted(story, matter, count=False))]


def _quoted(story: Story, matter: Matter, *, count: bool = True) -> list[_Quoted]:
    found: list[_Quoted] = []
    known: dict[str, _Quoted] = {}
    complaints: list[_Quoted] = []
    asks = matter.asks
    if len(asks) > READ_FIRST + READ_LAST:
        story.left_out["wants"] += (len(asks) - READ_FIRST - READ_LAST) * count
        asks = asks[:READ_FIRST] + asks[-READ_LAST:]
    for ask in asks:
        item = story.by_id[ask.signal.id]
        code = _code(item)
        if code is None:
            continue
        key = same(item.text or item.subject or "")
        if code == "complained":
            complaints.append(_Quoted(ask, item, "said"))
        elif key and key in known and len(key) >= 8:
            known[key].asks.append(ask)
            known[key].items.append(item)
        else:
            known[key] = _Quoted(ask, item, code)
            found.append(known[key])
    return found or complaints  # a complaint is among the feelings; the wish is here


def _code(item: TimelineItem) -> str | None:
    if item.type in _SPOKEN:
        if item.text or (item.subject and item.type == "email.received"):
            return "said"
        return "sent_files" if item.attachments else None
    if item.type == "callback.requested" and item.text:
        return "asked_for_call"
    return "complained" if item.type == "complaint.opened" and item.text else None


def _line(
    story: Story,
    matter: Matter,
    quoted: _Quoted,
    asked_in: TimelineItem | None,
    named: list[dict[str, str]],
) -> BriefLine:
    item = quoted.items[-1]
    words = words_of(story, matter, item)
    params: dict[str, Any] = {
        "channel": item.channel,
        "at": format_time(item.occurred_at),
        "words": words,
        "matter": matter.shown_as,
    }
    if named:
        params["references"] = named
    files = [name for one in item.attachments if (name := _file(one))]
    if quoted.code == "asked_for_call":
        text = f"Asked for a call back: “{words}”"
    elif quoted.code == "sent_files":
        text = f"Sent on {item.channel}: {', '.join(files[:MAX_FILES]) or 'files'}"
    else:
        about = ""
        if item.type == "email.received" and item.subject and not quoted.same_subject:
            params["subject"] = quote(item.subject)
            about = f" ({params['subject']})" if item.text else ""
        text = f"On {item.channel}{about}: “{words}”" + (
            f" [{', '.join(files[:MAX_FILES])}]" if files else ""
        )
    text += _slips(matter, item, params)
    if files:
        params["files"] = files[:MAX_FILES]
    if asked_in and quoted.code == "said":
        params["question"] = quote(question(asked_in.text), SHORT)
        text += f" (asked “{params['question']}”)"
    text += times(len(quoted.items))
    if quoted.nudges:
        params["nudges"] = quoted.nudges
        text += f", asked for news{times(quoted.nudges)}"
        if quoted.nudge and (news := _more_than_a_nudge(story, quoted.nudge)):
            params["nudge"] = news
            text += f": “{news}”"
    if any(ask.unseen for ask in quoted.asks):
        params["late"] = True
        text += " (arrived after the answer)"
    return line(quoted.code, params, quoted.items, text + _answer(quoted, params), _beside(quoted, asked_in))


def _beside(quoted: _Quoted, asked_in: TimelineItem | None) -> list[TimelineItem]:
    """The other messages whose words the line quotes."""
    return [it for it in (quoted.answer, quoted.nudge, asked_in) if it is not None]


def _slips(matter: Matter, item: TimelineItem, params: dict[str, Any]) -> str:
    """The numbers in these words that the customer corrected later."""
    slips = {
        old: reference.shown
        for value, old in matter.before.items()
        if (reference := matter.references.get(value)) and old in (item.text or "")
        if reference.shown not in (item.text or "")
    }
    if not slips:
        return ""
    params["corrected"] = [f"{old} → {new}" for old, new in slips.items()]
    return "".join(f" ({old}: corrected, {new})" for old, new in slips.items())


def _answer(quoted: _Quoted, params: dict[str, Any]) -> str:
    if quoted.answer is None:
        return ""
    params["answer"] = quote(quoted.answer.text, SHORT)
    params["answered_by"] = quote(quoted.answer.name, 60)
    who = params["answered_by"]
    if BESIDE < len(quoted.answer.text or "") <= MAX_QUOTE:
        return f" → {who or 'an agent'} answered"
    return f" → {who or 'answer'}: “{params['answer']}”"


def _file(stated: dict[str, Any]) -> str:
    kind = word(stated.get("content_type"))
    if kind.startswith("audio"):
        transcript = quote(word(stated.get("transcript")), SHORT)
        return f"voice message “{transcript}”" if transcript else "voice message"
    return quote(word(stated.get("name")) or word(stated.get("url")), 80)


def _dormant(story: Story, matter: Matter) -> MadeLine | None:
    """A matter that nobody touched for long, folded."""
    asks: Sequence[TimelineItem] = [story.by_id[it.signal.id] for it in matter.asks]
    spoken = next((it for it in reversed(asks) if it.text or it.subject), None)
    if spoken is None:
        return None
    return partial(_dormant_line, matter, asks, spoken)


def _dormant_line(matter: Matter, asks: Sequence[TimelineItem], spoken: TimelineItem) -> BriefLine:
    words = quote(spoken.text or spoken.subject, SHORT)
    params = {"since": format_time(matter.touched_at), "words": words, "matter": matter.shown_as}
    return line("dormant", params, asks, f"Dormant since {clock(matter.touched_at)}: “{words}”")
