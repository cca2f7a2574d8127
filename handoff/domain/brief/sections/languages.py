"""The languages that the customer writes, the newest first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..lines import line, same, word
from ..packs import tokens_of
from ..shapes import BriefLine
from ..signals import Acts, Signal
from ..state import GUESSED, MIN_GUESSED
from ..story import Story

MAX_WRITTEN = 6  # messages, the newest, whose languages are named


def written_in(story: Story, facts: Sequence[BriefLine]) -> list[BriefLine]:
    """The language that the customer writes, where nobody has stated one."""
    if any(same(word(it.params.get("name"))) in ("language", "locale") for it in facts):
        return []
    newest = _newest(story, claimed=False) or _newest(story, claimed=True)
    if not newest:
        return []
    found = list(dict.fromkeys([_language_of(story, it) for it in newest]))
    packs = story.rules.packs.by_language
    language, *others = found
    params: dict[str, Any] = {"language": language} | ({"others": others} if others else {})
    names = [packs[it].name if it in packs else it for it in found]
    text = f"Writes in {names[0]}" + (f", also in {' and '.join(names[1:])}" if others else "")
    return [line("writes_in", params, [story.by_id[newest[0].id]], text)]


def _newest(story: Story, *, claimed: bool) -> list[Signal]:
    """Their newest messages whose conversation has a language, the newest first."""
    found = (
        it
        for it in map(story.signals.__getitem__, reversed(story.signals))
        if it.acts & Acts.ASK and it.claimed == claimed and it.conversation in story.languages
    )
    return list(islice(found, MAX_WRITTEN))


def _language_of(story: Story, signal: Signal) -> str:
    """The language of one message; a short one is in that of its conversation."""
    text = story.by_id[signal.id].text or ""
    guessed = story.rules.packs.guess(tokens_of(text[:GUESSED])) if len(text) >= MIN_GUESSED else None
    return guessed or story.languages[signal.conversation]
