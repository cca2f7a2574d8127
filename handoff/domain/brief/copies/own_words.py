"""The words that a sender wrote themselves: without quoted text and signature."""

from __future__ import annotations

import re
from collections import Counter

from ..lines import same

MAX_COMPARED = 20_000  # characters of a text that are compared
MAX_ATTRIBUTION = 300  # characters of "On …, … wrote:"
SHARED_OF_SHORTER, SHARED_OF_LONGER = 0.8, 0.6
"""Parts of the words that two renderings of one message share: platforms drop footers and convert HTML."""

_SIGNATURE = re.compile(r"--\s?|_{20,}\s*")
_ORIGINAL = re.compile(r"\s*\*?-{3,}.{3,60}-{3,}\*?\s*")


def own_words(text: str) -> str:
    """The text without lines that quote, what follows a separator of quoted text, and a signature."""
    kept: list[str] = []
    for line in text[:MAX_COMPARED].splitlines():
        if _SIGNATURE.fullmatch(line) or _ORIGINAL.fullmatch(line):
            break
        if line.lstrip().startswith(">"):
            while kept and not kept[-1].strip():
                kept.pop()
            if kept and kept[-1].rstrip().endswith((":", "：")) and len(kept[-1]) <= MAX_ATTRIBUTION:
                kept.pop()
            continue
        kept.append(line)
    return "\n".join(kept).strip()


def compared(text: str | None) -> str:
    """The sender's own words as they are compared: without case, punctuation, and spaces."""
    return same(own_words(text)) if text else ""


def is_rendering_of(one: str | None, other: str | None) -> bool:
    """Whether two texts may be one message as two programs render it. An absent text contradicts nothing."""
    if not one or not other or one == other:
        return True
    mine, theirs = own_words(one), own_words(other)
    if same(mine) == same(theirs):
        return True
    words, others = Counter(mine.casefold().split()), Counter(theirs.casefold().split())
    shorter, longer = sorted((words.total(), others.total()))
    shared = (words & others).total()
    return shared >= SHARED_OF_SHORTER * shorter and shared >= SHARED_OF_LONGER * longer
