"""Candidates: promises and complaints that somebody put in words and nobody has confirmed, marked as such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from handoff.domain.clock import DAY, Micros, format_time
from handoff.domain.said import Candidate
from handoff.domain.said.candidate import comparable
from handoff.domain.touchpoint import TYPES

from ..lines import MAX_QUOTE, SHORT, clock, line, quote
from ..packs import tokens_of
from ..shapes import BriefLine, TimelineItem
from ..signals import SENT, automatic
from ..story import Story
from ..utterances import candidates_in, zone_of
from .decided import decided_ids

MAX_CANDIDATES = 3  # of each kind, the newest
BESIDE = 60  # characters of a sentence that another line quotes too
MIN_LEFT = 3  # tokens of an answer that are worth a line beside its promises
READ = 200  # touchpoints that are looked through, the newest
RECENT: Micros = 30 * DAY
PROMISES = frozenset(it for it in TYPES if it.startswith("promise."))
_NOTES = frozenset({"note.added"})
_GAPS = re.compile(r"(?:…[\s.,;]*)+")


def promise_candidates(story: Story) -> list[BriefLine]:
    """Sentences by our side that commit us and that nobody has decided about, each once, the newest last."""
    return [_promise(story, made, item) for made, item in offered(story)]


def offered(story: Story) -> Sequence[tuple[Candidate, TimelineItem]]:
    """The promises that are shown as candidates, with their touchpoints, the newest last."""
    if story.offered is None:
        story.offered = _offered(story)
    return story.offered


def _offered(story: Story) -> list[tuple[Candidate, TimelineItem]]:
    confirmed = {comparable(it.text) for it in story.of(PROMISES) if it.text}
    decided, found = decided_ids(story), dict[str, tuple[Candidate, TimelineItem]]()
    for item in _newest_first(story):
        if item.type not in SENT and not (item.type in _NOTES and story.internal):
            continue
        if automatic(item.data) or (item.visibility != "public" and not story.internal):
            continue
        for made in reversed(candidates_of(story, item)):
            words = comparable(made.sentence)
            if words not in confirmed and words not in found and made.id not in decided:
                found[words] = (made, item)
        if len(found) >= MAX_CANDIDATES:
            break
    return [*found.values()][MAX_CANDIDATES - 1 :: -1]


def words_beside(story: Story, item: TimelineItem) -> str:
    """The words of a message of ours, without what is shown as its promises where more is left."""
    words = story.words(item)
    rest = words
    for made, source in offered(story):
        if source.id == item.id:
            rest = rest.replace(" ".join(made.sentence.split()), "…")
    if rest == words:
        return words
    rest = _GAPS.sub("… ", rest).strip()
    return rest if len(tokens_of(rest)) >= MIN_LEFT else words


def complaint_candidates(story: Story) -> list[BriefLine]:
    """Words of a complaint in what the customer wrote, where no complaint was opened."""
    if "complaint.opened" in story.by_type:
        return []
    decided, found = decided_ids(story), list[BriefLine]()
    for item in _newest_first(story):
        if item.direction == "inbound":
            made = candidates_of(story, item)[:1]
            found += [_complaint(story, it, item) for it in made if it.id not in decided]
        if len(found) >= MAX_CANDIDATES:
            break
    return found[::-1]


def _newest_first(story: Story) -> Iterator[TimelineItem]:
    """The touchpoints that are looked through. Reading words is the dear part, so the reader stops early."""
    for item in reversed(story.items[-READ:]):
        if story.now - item.occurred_at <= RECENT and not story.settled(item):
            yield item


def candidates_of(story: Story, item: TimelineItem) -> Sequence[Candidate]:
    """The candidates in one touchpoint of a story. Computed once where that is allowed."""
    if not item.text:
        return ()
    zone, language = _zone(story), story.languages.get(item.conversation)
    matter = story.matter_of.get(item.id)
    reference = next((it.shown for it in matter.references.values()), None) if matter else None
    make = partial(candidates_in, item, story.rules, zone, language=language, matter=reference)
    made: list[Candidate] = item.once(("speech", zone.key, language, reference), make)
    return made


def _zone(story: Story) -> ZoneInfo:
    if story.zone is None:
        story.zone = zone_of(reversed(story.items), story.rules)
    return story.zone


def _promise(story: Story, made: Candidate, item: TimelineItem) -> BriefLine:
    sentence = " ".join(made.sentence.split())
    limit = BESIDE if sentence in words_beside(story, item) else MAX_QUOTE
    words, who = quote(sentence, limit), quote(made.speaker_name, 60) or made.speaker
    params: dict[str, Any] = {
        "words": words,
        "due": format_time(made.due) if made.due is not None else None,
        "state": "candidate",
        "promised_by": who,
        "act": made.act,
        "due_rule": made.due_rule,
    }
    text = f"Perhaps promised by {who}: “{words}”" + (
        f" by {clock(made.due)}" if made.due is not None else ""
    )
    return _candidate("promise_candidate", params, item, made.id, text)


def _complaint(story: Story, made: Candidate, item: TimelineItem) -> BriefLine:
    sentence = " ".join(made.sentence.split())
    words = quote(sentence, BESIDE if _quoted(story, item, sentence) else SHORT)
    params: dict[str, Any] = {"words": words, "state": "candidate"}
    return _candidate("complaint_candidate", params, item, made.id, f"Perhaps a complaint: “{words}”")


def _quoted(story: Story, item: TimelineItem, sentence: str) -> bool:
    """Whether the customer's wish is quoted with a sentence."""
    matter = story.matter_of.get(item.id)
    return matter is not None and matter.unsettled and sentence in story.words(item)


def _candidate(code: str, params: dict[str, Any], item: TimelineItem, id_: str, text: str) -> BriefLine:
    """A line that nobody has confirmed."""
    made = line(code, params, [item], text)
    mark = "inferred" if made.assurance == "verified" else made.assurance
    text = made.text if made.assurance != "verified" else f"({mark}) {made.text}"
    return msgspec.structs.replace(made, assurance=mark, text=text, candidate=True, id=id_)
