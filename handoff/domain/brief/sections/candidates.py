"""Candidates: possible promises and complaints that are not confirmed, marked as such."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from typing import Any

import msgspec

from handoff.domain.clock import DAY, HOUR, Micros, format_time
from handoff.domain.touchpoint import TYPES

from ..lines import clock, line, quote, same
from ..packs import tokens_of
from ..packs.pack import Dates, Pack, Packs, mentions
from ..shapes import BriefLine, TimelineItem
from ..signals import Acts, Speaker, automatic
from ..story import Story

MAX_CANDIDATES = 3  # of each kind, the newest
READ = 200  # touchpoints that are looked through, the newest
RECENT: Micros = 30 * DAY
PROMISES = frozenset(it for it in TYPES if it.startswith("promise."))
_SENTENCE = re.compile(r"(?:[^.!?\n]|[.!?](?=\S))+[.!?]*")
_AMOUNT = re.compile(r"\b(\d{1,3})\b")


def promise_candidates(story: Story) -> list[BriefLine]:
    """Sentences by our side that commit us: a verb of commitment, not negated, asked or conditional."""
    confirmed = {same(it.text) for it in story.of(PROMISES) if it.text}
    found: dict[str, BriefLine] = {}
    for item in story.items[-READ:]:
        signal = story.signals.get(item.id)
        if signal is None or not signal.acts & (Acts.ANSWER | Acts.MACHINE) or item.direction != "outbound":
            continue
        if item.type == "email.auto_replied" or automatic(item.data):
            continue
        if not item.text or story.settled(item) or story.now - item.occurred_at > RECENT:
            continue
        for sentence in _SENTENCE.findall(item.text[:1000]):
            pack = _commits(sentence, story, item)
            if pack is not None and same(sentence) not in confirmed:
                made = _promise(story, item, sentence.strip(), pack, signal.speaker)
                found.pop(same(sentence), None)
                found[same(sentence)] = made
    return list(found.values())[-MAX_CANDIDATES:]


def _commits(sentence: str, story: Story, item: TimelineItem) -> Pack | None:
    if "?" in sentence:
        return None
    tokens = tokens_of(sentence)
    if story.rules.packs.first_words["commit"].isdisjoint(tokens):
        return None
    for pack in _packs(story, item, tokens):
        if mentions(tokens, pack.phrases.get("commit", {})):
            return pack if any(_binds(part, pack) for part in _parts(tokens, pack)) else None
    return None


def _binds(tokens: Sequence[str], pack: Pack) -> bool:
    return mentions(tokens, pack.phrases["commit"]) and not mentions(tokens, pack.phrases.get("uncommit", {}))


def _parts(tokens: Sequence[str], pack: Pack) -> list[Sequence[str]]:
    """A sentence, cut at "but" where that denies only what is before it: "not today, but tomorrow"."""
    denied, contrast = pack.phrases.get("deny", {}), pack.phrases.get("contrast", {})
    at = next((place for place, it in enumerate(tokens) if it in contrast), None)
    if at is None or not mentions(tokens[:at], denied):
        return [tokens]
    return [tokens[:at], tokens[at + 1 :]]


def _packs(story: Story, item: TimelineItem, tokens: Sequence[str]) -> tuple[Pack, ...]:
    """The packs for a text: people change the language within a conversation."""
    packs = story.rules.packs
    return packs.chosen(
        item.language or packs.guess(tokens) or story.languages.get(item.conversation), tokens
    )


def _promise(story: Story, item: TimelineItem, sentence: str, pack: Pack, speaker: Speaker) -> BriefLine:
    words, who = quote(sentence), quote(item.name, 60) or speaker.value
    due = due_time(sentence, item.occurred_at, pack.dates)
    params: dict[str, Any] = {
        "words": words,
        "due": format_time(due) if due else None,
        "state": "candidate",
        "promised_by": who,
    }
    text = f"Perhaps promised by {who}: “{words}”" + (f" by {clock(due)}" if due else "")
    return _candidate("promise_candidate", params, item, "promise", sentence, text)


def complaint_candidates(story: Story) -> list[BriefLine]:
    """Words of a complaint in what the customer wrote, where no complaint was opened."""
    if "complaint.opened" in story.by_type:
        return []
    found = []
    for item in story.items[-READ:]:
        signal = story.signals.get(item.id)
        if signal is None or not signal.acts & Acts.ASK or not item.text or story.settled(item):
            continue
        packs = story.rules.packs
        tokens = item.once("complaint", partial(_tokens_of_complaint, item.text, packs))
        if tokens is None:
            continue
        if any(mentions(tokens, it.phrases.get("complaint", {})) for it in _packs(story, item, tokens)):
            words = quote(item.text, 140)
            params: dict[str, Any] = {"words": words, "state": "candidate"}
            text = f"Perhaps a complaint: “{words}”"
            found.append(_candidate("complaint_candidate", params, item, "complaint", item.text, text))
    return found[-MAX_CANDIDATES:]


def _tokens_of_complaint(text: str, packs: Packs) -> list[str] | None:
    """The tokens of a text that may complain; None for any other."""
    tokens = tokens_of(text[:1000])
    return None if packs.first_words["complaint"].isdisjoint(tokens) else tokens


def _candidate(
    code: str, params: dict[str, Any], item: TimelineItem, kind: str, sentence: str, text: str
) -> BriefLine:
    """A line that nobody has confirmed; its id stays the same as long as the words do."""
    made = line(code, params, [item], text)
    digest = blake2b(f"{item.id}\n{kind}\n{same(sentence)}".encode(), digest_size=12).hexdigest()
    mark = "inferred" if made.assurance == "verified" else made.assurance
    text = made.text if made.assurance != "verified" else f"({mark}) {made.text}"
    return msgspec.structs.replace(made, assurance=mark, text=text, candidate=True, id=f"cd_{digest}")


def due_time(sentence: str, written_at: Micros, dates: Dates) -> Micros | None:
    """The time that a sentence names for something to happen, in UTC; None if it names none.

    A bare date is the end of that day: nothing is overdue before.
    """
    tokens = tokens_of(sentence)
    day = written_at - written_at % DAY
    joined = f" {' '.join(tokens)} "
    amount = _AMOUNT.search(sentence)
    if amount and any(f" {amount[1]} {unit} " in joined for unit in dates.hours):
        return written_at + int(amount[1]) * HOUR
    if amount and any(f" {amount[1]} {unit} " in joined for unit in dates.days):
        return day + (int(amount[1]) + 1) * DAY
    if any(f" {it} " in joined for it in dates.tomorrow):
        return day + 2 * DAY
    if any(f" {it} " in joined for it in dates.today):
        return day + DAY
    for number, name in enumerate(dates.weekdays):
        if f" {name} " in joined:
            today = (written_at // DAY + 3) % 7  # 1 January 1970 was a Thursday
            return day + ((number - today - 1) % 7 + 2) * DAY
    return None
