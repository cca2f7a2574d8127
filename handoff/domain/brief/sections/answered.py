"""What people of ours said, found out and agreed, and how earlier handoffs ended."""

from __future__ import annotations

from typing import Any

from handoff.domain.clock import DAY, SECOND, Micros, format_time

from ..lines import clock, duration, line, quote, word
from ..shapes import Line, TimelineItem
from ..signals import Acts
from ..story import SHOWN_AFTER_ANSWER, Story

MAX_ANSWERS, MAX_NOTES, MAX_TALKS, MAX_ENDS = 8, 4, 3, 3  # of each kind, the newest
RECENT: Micros = 30 * DAY

_ENDS = {"handoff.completed": "completed", "handoff.released": "given back"}


def answered(story: Story) -> list[Line]:
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


Dated = tuple[TimelineItem, Line]


def _newest(story: Story, found: list[Dated], limit: int) -> list[Dated]:
    story.left_out["answered"] += max(len(found) - limit, 0)
    return found[-limit:]


def _answers(story: Story) -> list[Dated]:
    """Answers to what is still wanted, or was settled lately."""
    found = []
    for it in story.items:
        signal = story.signals.get(it.id)
        if signal is None or not signal.acts & Acts.ANSWER or not it.text or only_asks(it.text):
            continue
        matter = story.matter_of.get(it.id)
        if matter is not None and not matter.unsettled:
            ended = matter.settled
            if ended is None or story.now - ended.at > SHOWN_AFTER_ANSWER:
                continue
        elif story.now - it.occurred_at > RECENT:
            continue
        words, who = quote(it.text), quote(it.name, 60)
        params = {"who": who, "channel": it.channel, "words": words, "at": format_time(it.occurred_at)}
        found.append((it, line("answered", params, [it], f"{who or 'An agent'} on {it.channel}: “{words}”")))
    return found


def only_asks(text: str) -> bool:
    """Whether an answer is one question back, which tells the next agent nothing."""
    plain = text.strip()
    return plain.endswith("?") and not any(mark in plain[:-1] for mark in ".!?\n:") and len(plain) < 160


def _notes(story: Story) -> list[Dated]:
    """What colleagues wrote down, for readers who may see it."""
    found = []
    for it in story.items:
        if it.type != "note.added" or not it.text or (it.visibility == "internal" and not story.internal):
            continue
        if it.direction == "inbound" or story.now - it.occurred_at > RECENT:
            continue
        words, who = quote(it.text), quote(it.name, 60)
        params = {"who": who, "words": words, "at": format_time(it.occurred_at)}
        by = f" by {who}" if who else ""
        found.append((it, line("noted", params, [it], f"Note{by}: “{words}”")))
    return found


def _talks(story: Story) -> list[Dated]:
    found = []
    for signal in story.folded.talks:
        it = story.by_id[signal.id]
        stated = it.data.get("duration_s")
        seconds = int(stated) if isinstance(stated, int | float) and 0 < stated < 1e6 else None
        params: dict[str, Any] = {"at": format_time(it.occurred_at), "seconds": seconds}
        how_long = f" ({duration(seconds * SECOND)})" if seconds else ""
        text = f"Spoke on the phone {clock(it.occurred_at)}{how_long}"
        if it.text:
            params["words"] = quote(it.text)
            text += f": “{params['words']}”"
        found.append((it, line("spoke", params, [it], text)))
    return found


def _ends(story: Story) -> list[Dated]:
    """How earlier handoffs ended, where somebody said so."""
    found = []
    for it in story.items:
        how = _ENDS.get(it.type)
        if how is None or not it.text or story.now - it.occurred_at > RECENT:
            continue
        who = _agent(it)
        params = {
            "who": who,
            "how": how,
            "reason": quote(word(it.data.get("reason"))),
            "words": quote(it.text),
            "at": format_time(it.occurred_at),
        }
        about = f" ({params['reason']})" if params["reason"] else ""
        text = f"Handoff{about} {how}" + (f" by {who}" if who else "") + f": “{params['words']}”"
        found.append((it, line("handoff_ended", params, [it], text)))
    return found


def _agent(it: TimelineItem) -> str:
    to = it.data.get("to")
    return word(to.get("agent")) if isinstance(to, dict) else ""


def _held(story: Story) -> list[Dated]:
    """Who said that they look into it, and has not answered since."""
    found = {}
    for matter in story.live():
        if matter.held is not None:
            it = story.by_id[matter.held.id]
            who = quote(it.name, 60)
            params = {"who": who, "since": format_time(it.occurred_at), "words": quote(it.text, 80)}
            text = f"{who or 'An agent'} has it since {clock(it.occurred_at)}: “{params['words']}”"
            found[it.id] = (it, line("held", params, [it], text))
    return list(found.values())
