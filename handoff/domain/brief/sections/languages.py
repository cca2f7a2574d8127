"""The customer's language: the stated one, else those that they write, the newest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any

from ..lines import line, same, word
from ..packs import tokens_of
from ..shapes import BriefLine, CustomerLanguage
from ..signals import Acts, Signal
from ..state import GUESSED, MIN_GUESSED
from ..story import Story

STATED = frozenset({"language", "locale", "preferredlanguage", "languagecode", "lang"})
"""Names of traits that state a language, as they are compared."""
_TAG = re.compile(r"([a-z]{2,3})(?:[-_].*)?")  # BCP 47: the primary subtag
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


def customer_language(story: Story) -> CustomerLanguage | None:
    """The language that a verified touchpoint's trait states, the newest first; else the one they write."""
    for item in reversed(story.items):
        for name, value in item.traits.items() if item.traits and item.assurance == "verified" else ():
            if same(name) in STATED and (stated := _tag(story, word(value))):
                return CustomerLanguage(language=stated, source="stated")
    newest = _newest(story, claimed=False) or _newest(story, claimed=True)
    if not newest:
        return None
    return CustomerLanguage(language=_language_of(story, newest[0]), source="recognised")


def _tag(story: Story, stated: str) -> str | None:
    """`fi` for "fi", "fi-FI" or "Finnish"."""
    plain = stated.casefold()
    for pack in story.rules.packs.by_language.values():
        if pack.name.casefold() == plain:
            return pack.language
    match = _TAG.fullmatch(plain)
    return match[1] if match else None
