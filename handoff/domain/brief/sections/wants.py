"""The customer's wishes: their own words, matter by matter, with the answers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from handoff.domain.clock import format_time

from ..lines import SHORT, MadeLine, clock, line, quote, same, times, word
from ..matters import Ask, Matter
from ..shapes import BriefLine, CandidateWords, TimelineItem
from ..story import Story
from .answered import only_asks

FIRST, LAST = 3, 9  # asks of one matter that are quoted; those between are counted
READ_FIRST, READ_LAST = 20, 60  # asks of one matter that are looked at for what to quote
MAX_CANDIDATES = 3  # messages of unproved senders, the newest
MAX_FILES = 5  # named beside one message
_SPOKEN = frozenset({"message.received", "email.received", "form.submitted"})
"""Types whose text is what the customer wrote. The reason of a call back may be an agent's words."""


def wants(story: Story) -> list[MadeLine]:
    """Waiting matters first, then the newest; within a matter in the order of time."""
    lines: list[MadeLine] = []
    for matter in story.live():
        lines += _matter(story, matter)
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


class _Quoted:
    """One message of the customer, with those that repeat it and the answer to it."""

    def __init__(self, ask: Ask, item: TimelineItem, code: str) -> None:
        self.asks, self.items, self.code = [ask], [item], code
        self.answer: TimelineItem | None = None
        self.nudges = 0


def _matter(story: Story, matter: Matter) -> list[MadeLine]:
    messages = _quoted(story, matter)
    for answer in matter.answers:
        before = [it for it in messages if it.asks[-1].signal.at <= answer.at] or messages[:1]
        text = story.by_id[answer.id].text
        if before and text and not only_asks(text):
            before[-1].answer = story.by_id[answer.id]
    for nudge in matter.nudges:
        before = [it for it in messages if it.asks[-1].signal.at <= nudge.at] or messages[:1]
        if before:
            before[-1].nudges += 1
    if len(messages) > FIRST + LAST:
        story.left_out["wants"] += len(messages) - FIRST - LAST
        messages = messages[:FIRST] + messages[-LAST:]
    return [partial(_line, matter, it) for it in messages]


def _quoted(story: Story, matter: Matter) -> list[_Quoted]:
    found: list[_Quoted] = []
    known: dict[str, _Quoted] = {}
    complaints: list[_Quoted] = []
    asks = matter.asks
    if len(asks) > READ_FIRST + READ_LAST:
        story.left_out["wants"] += len(asks) - READ_FIRST - READ_LAST
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


def _line(matter: Matter, quoted: _Quoted) -> BriefLine:
    item = quoted.items[-1]
    words = quote(item.text or item.subject)
    params: dict[str, Any] = {
        "channel": item.channel,
        "at": format_time(item.occurred_at),
        "words": words,
        "matter": matter.number,
    }
    files = [name for one in item.attachments if (name := _file(one))]
    if quoted.code == "asked_for_call":
        text = f"Asked for a call back: “{words}”"
    elif quoted.code == "sent_files":
        text = f"Sent on {item.channel}: {', '.join(files[:MAX_FILES]) or 'files'}"
    else:
        about = ""
        if item.type == "email.received" and item.subject:
            params["subject"] = quote(item.subject)
            about = f" ({params['subject']})" if item.text else ""
        text = f"On {item.channel}{about}: “{words}”" + (
            f" [{', '.join(files[:MAX_FILES])}]" if files else ""
        )
    if files:
        params["files"] = files[:MAX_FILES]
    text += times(len(quoted.items))
    if quoted.nudges:
        params["nudges"] = quoted.nudges
        text += f", asked for news{times(quoted.nudges)}"
    if any(ask.unseen for ask in quoted.asks):
        params["late"] = True
        text += " (arrived after the answer)"
    return line(quoted.code, params, quoted.items, text + _answer(quoted, params))


def _answer(quoted: _Quoted, params: dict[str, Any]) -> str:
    if quoted.answer is None:
        return ""
    params["answer"] = quote(quoted.answer.text, SHORT)
    params["answered_by"] = quote(quoted.answer.name, 60)
    return f" → {params['answered_by'] or 'answer'}: “{params['answer']}”"


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
    params = {"since": format_time(matter.touched_at), "words": words, "matter": matter.number}
    return line("dormant", params, asks, f"Dormant since {clock(matter.touched_at)}: “{words}”")
