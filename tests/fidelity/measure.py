"""Judges a context against its journey's facts, and what the limits of other products would leave of it.

No model judges: a fact is there if its words are. The handovers of others are cut from the same
context's timeline, as their documentation describes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from typing import Any

from msgspec import Struct, field

from .journey import Played

SECTIONS = ("why_now", "wants", "tried", "answered", "promised", "known", "feelings")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_SPOKEN = ("message.received", "message.sent", "email.received", "email.sent", "note.added")


class Verdict(Struct, kw_only=True):
    """The parts of a journey that reached the next agent."""

    facts: Counter[str] = field(default_factory=Counter)
    in_brief: Counter[str] = field(default_factory=Counter)
    in_context: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unmarked: list[str] = field(default_factory=list)
    disordered: int = 0
    silent_cuts: int = 0
    characters: int = 0
    tokens: int = 0
    pairs: Counter[str] = field(default_factory=Counter)
    rivals: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return not self.missing and not self.wrong and not self.unmarked


def judge(played: Played) -> Verdict:
    """The verdict on one journey."""
    journey, context = played.journey, played.context
    lines = brief_lines(context)
    effort = (context["brief"] or {}).get("effort", {}).get("text") or ""
    brief = "\n".join([*(it["text"] for it in lines), effort])
    everything = _everything(context)
    verdict = Verdict(characters=len(brief), tokens=len(_TOKEN.findall(brief)))
    for fact in journey.facts:
        verdict.facts[fact.kind] += 1
        if fact.regex.search(brief):
            verdict.in_brief[fact.kind] += 1
        else:
            verdict.missing.append(f"{fact.kind}: {fact.value or fact.pattern}")
        if fact.regex.search(brief) or fact.regex.search(everything):
            verdict.in_context[fact.kind] += 1
        if fact.assurance != "verified":
            verdict.unmarked += [
                it["text"] for it in lines if it["assurance"] == "verified" and fact.regex.search(it["text"])
            ]
    verdict.wrong = [it.why for it in journey.wrong if it.regex.search(brief)]
    if journey.no_wait and context["brief"]["effort"]["waiting_since"] is not None:
        verdict.wrong.append("somebody waits")
    verdict.disordered = _disordered(lines)
    verdict.silent_cuts = _silent_cuts(lines, context)
    verdict.pairs = _pairs(played)
    for name, limit in RIVALS.items():
        kept = "\n".join(_shown(it) for it in limit(context))
        verdict.rivals[name] = sum(1 for fact in journey.facts if fact.regex.search(kept))
    return verdict


def brief_lines(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    brief = context.get("brief") or {}
    return [line for name in SECTIONS for line in brief.get(name, ())]


def _everything(context: Mapping[str, Any]) -> str:
    """All that the context holds, in words: candidates, handoffs and the whole timeline included."""
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for key, entry in value.items():
                if isinstance(entry, str | int | float):
                    found.append(f"{key}: {entry}")
                else:
                    walk(entry)
        elif isinstance(value, list):
            for entry in value:
                walk(entry)
        elif isinstance(value, str):
            found.append(value)

    walk(dict(context))
    return "\n".join(found)


def _disordered(lines: Sequence[Mapping[str, Any]]) -> int:
    """Neighbouring words of one matter that are not in their original order."""
    quotes = [it["params"] for it in lines if it["code"] == "said" and "matter" in it["params"]]
    return sum(
        1 for one, other in pairwise(quotes) if one["matter"] == other["matter"] and one["at"] > other["at"]
    )


def _silent_cuts(lines: Sequence[Mapping[str, Any]], context: Mapping[str, Any]) -> int:
    """Quotes that end before their touchpoint's words do and do not say so."""
    texts = {it["id"]: " ".join((it["text"] or "").split()) for it in context["timeline"]["touchpoints"]}
    cuts = 0
    for line in lines:
        words = line["params"].get("words")
        whole = [texts.get(id_, "") for id_ in line["touchpoints"]]
        if line["code"] == "said" and words and not words.endswith("…") and words not in whole:
            cuts += any(text.startswith(words) for text in whole)
    return cuts


def _pairs(played: Played) -> Counter[str]:
    """Pairs of asks that are in one matter by the journey's labels, by the brief, and by both."""
    texts = {
        " ".join(str(step.get("text", "")).split()): step["matter"]
        for step in played.journey.steps
        if step.get("matter") and step.get("text")
    }
    ids = {
        it["id"]: texts[words]
        for it in played.context["timeline"]["touchpoints"]
        if (words := " ".join((it["text"] or "").split())) in texts and it["direction"] == "inbound"
    }
    found: dict[str, object] = {}
    for line in brief_lines(played.context):
        if "matter" in line["params"] and line["code"] in ("said", "solved"):
            found |= {id_: line["params"]["matter"] for id_ in line["touchpoints"] if id_ in ids}
    pairs: Counter[str] = Counter()
    for one, other in combinations(sorted(found), 2):
        right, ours = ids[one] == ids[other], found[one] == found[other]
        pairs["right"] += right
        pairs["ours"] += ours
        pairs["both"] += right and ours
    return pairs


# --- What others hand over ---


def _newest_first(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(context["timeline"]["touchpoints"])


def _messages(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [it for it in _newest_first(context) if it["type"] in _SPOKEN and it["text"]]


def _four_kilobytes(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    kept, size = [], 0
    for entry in _messages(context):
        size += len(_shown(entry).encode())
        if size > 4096:
            break
        kept.append(entry)
    return kept


def _fourteen_days(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    newest = _newest_first(context)
    if not newest:
        return []
    last = datetime.fromisoformat(newest[0]["occurred_at"])
    return [
        it
        for it in _messages(context)
        if datetime.fromisoformat(it["occurred_at"]) > last - timedelta(days=14)
    ]


def _one_channel(context: Mapping[str, Any]) -> list[dict[str, Any]]:
    handoffs = context.get("handoffs") or []
    channel = handoffs[0]["from"].get("channel") if handoffs else "chat"
    return [it for it in _messages(context) if it["channel"] == channel]


RIVALS: dict[str, Callable[[Mapping[str, Any]], list[dict[str, Any]]]] = {
    "the last 10 messages": lambda it: _messages(it)[:10],
    "the last 100 messages": lambda it: _messages(it)[:100],
    "4 KB of the conversation": _four_kilobytes,
    "500 parts": lambda it: _messages(it)[:500],
    "14 days": _fourteen_days,
    "one channel": _one_channel,
}
"""Documented limits of what is handed over -> which touchpoints they leave."""


def _shown(entry: Mapping[str, Any]) -> str:
    """A message as a transcript has it."""
    who = (
        (entry.get("actor") or {}).get("name")
        or (entry.get("traits") or {}).get("name")
        or entry["direction"]
    )
    files = " ".join(str(one.get("name") or one.get("url")) for one in entry["attachments"])
    return " ".join(part for part in (f"{who}:", entry["subject"], entry["text"], files) if part)
