"""Answers, findings, and agreements of our people, and how earlier handoffs ended."""

from __future__ import annotations

from functools import partial
from typing import Any

from handoff.domain.clock import DAY, SECOND, Micros, format_time

from ..lines import MadeLine, clock, duration, line, quote, word
from ..shapes import BriefLine, TimelineItem
from ..signals import Acts
from ..story import SHOWN_AFTER_ANSWER, Story
from .candidates import words_beside

MAX_ANSWERS, MAX_NOTES, MAX_TALKS, MAX_ENDS = 8, 4, 3, 3  # of each kind, the newest
RECENT: Micros = 30 * DAY
MAX_ASKED = 80  # characters of a question without content

_NOTES = frozenset({"note.added"})
_ENDS = {"handoff.completed": "completed", "handoff.released": "given back"}


def answered(story: Story) -> list[MadeLine]:
    """In the order of time; the newest of each kind."""
    found = [
        *_newest(story, _answers(story), MAX_ANSWERS),
        *_newest(story, _notes(story), MAX_NOTES),
        *_newest(story, _talks(story), MAX_TALKS),
        *_newest(story, _ends(story), MAX_ENDS),
        *_held(story),
    ]
    found.sort(key=lambda it: (it[0].occurred_at, it[0].id))
    return [it for _item, it in found]


Dated = tuple[TimelineItem, MadeLine]


def _newest(story: Story, found: list[Dated], limit: int) -> list[Dated]:
    story.left_out["answered"] += max(len(found) - limit, 0)
    return found[-limit:]


def _answers(story: Story) -> list[Dated]:
    """Answers to what is still wanted, was settled lately, or is back in the same words."""
    found: list[Dated] = []
    back = {key for it in story.folded.matters if it.returned and it.unsettled for key in it.keys}
    for signal in story.signals.values():
        if not signal.acts & Acts.ANSWER:
            continue
        item = story.by_id[signal.id]
        if not item.text or only_asks(item.text):
            continue
        matter = story.matter_of.get(item.id)
        if matter is not None and not matter.unsettled:
            ended = matter.settled
            if ended is None or (story.now - ended.at > SHOWN_AFTER_ANSWER and not matter.keys & back):
                continue
        elif story.now - item.occurred_at > RECENT:
            continue
        found.append((item, partial(_answer, story, item)))
    return found


def _answer(story: Story, item: TimelineItem) -> BriefLine:
    words, who = words_beside(story, item), quote(item.name, 60)
    params = {"who": who, "channel": item.channel, "words": words, "at": format_time(item.occurred_at)}
    return line("answered", params, [item], f"{who or 'An agent'} on {item.channel}: “{words}”")


def only_asks(text: str) -> bool:
    """Whether an answer only asks back, which is of no use to the next agent."""
    plain = text.strip()
    return plain.endswith("?") and not any(mark in plain for mark in ".!\n:") and len(plain) < MAX_ASKED


def _notes(story: Story) -> list[Dated]:
    """Notes of colleagues, for readers who may see them."""
    found: list[Dated] = []
    for item in story.of(_NOTES):
        if not item.text or (item.visibility == "internal" and not story.internal):
            continue
        if item.direction == "inbound" or story.now - item.occurred_at > RECENT:
            continue
        found.append((item, partial(_note, story, item)))
    return found


def _note(story: Story, item: TimelineItem) -> BriefLine:
    words, who = words_beside(story, item), quote(item.name, 60)
    params = {"who": who, "words": words, "at": format_time(item.occurred_at)}
    by = f" by {who}" if who else ""
    return line("noted", params, [item], f"Note{by}: “{words}”")


def _talks(story: Story) -> list[Dated]:
    found: list[Dated] = []
    for signal in story.folded.talks:
        item = story.by_id[signal.id]
        found.append((item, partial(_talk, item)))
    return found


def _talk(item: TimelineItem) -> BriefLine:
    stated = item.data.get("duration_s")
    seconds = int(stated) if isinstance(stated, int | float) and 0 < stated < 1e6 else None
    params: dict[str, Any] = {"at": format_time(item.occurred_at), "seconds": seconds}
    how_long = f" ({duration(seconds * SECOND)})" if seconds else ""
    text = f"Spoke on the phone {clock(item.occurred_at)}{how_long}"
    if item.text:
        params["words"] = quote(item.text)
        text += f": “{params['words']}”"
    return line("spoke", params, [item], text)


def _ends(story: Story) -> list[Dated]:
    """How earlier handoffs ended, where somebody wrote it down."""
    found: list[Dated] = []
    for item in story.of(_ENDS.keys()):
        how = _ENDS[item.type]
        if not item.text or story.now - item.occurred_at > RECENT:
            continue
        who = _agent(item)
        params = {
            "who": who,
            "how": how,
            "reason": quote(word(item.data.get("reason"))),
            "words": quote(item.text),
            "at": format_time(item.occurred_at),
        }
        about = f" ({params['reason']})" if params["reason"] else ""
        text = f"Handoff{about} {how}" + (f" by {who}" if who else "") + f": “{params['words']}”"
        found.append((item, line("handoff_ended", params, [item], text)))
    return found


def _agent(item: TimelineItem) -> str:
    to = item.data.get("to")
    return word(to.get("agent")) if isinstance(to, dict) else ""


def _held(story: Story) -> list[Dated]:
    """Agents who promised to look into a matter and have not answered since."""
    found = {}
    for matter in story.live():
        if matter.held is not None:
            item = story.by_id[matter.held.id]
            who = quote(item.name, 60)
            params = {"who": who, "since": format_time(item.occurred_at), "words": quote(item.text, 80)}
            text = f"{who or 'An agent'} has it since {clock(item.occurred_at)}: “{params['words']}”"
            found[item.id] = (item, line("held", params, [item], text))
    return list(found.values())
