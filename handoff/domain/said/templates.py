"""Templates of sentences, as packs state them, and the patterns that match them.

"{we} {will} * {call}"     lists of the pack, and a gap of up to six words
"you|u {will} get [back]"  alternatives, and a word that may be left out
"^ will {call}"            at the beginning of a clause
"hyvite~"                  every word that begins like this
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from msgspec import Struct

from .words import phrase

GAP = 7  # words between two parts of a template
MAX_DEPTH = 3  # lists that name lists
_WORD_GAP = rf"(?:[^ ,;]+ ){{0,{GAP}}}?"
_GAP_MARK = "*"
_NEVER = re.compile(r"(?!)")


class Templates(Struct, frozen=True):
    """Templates ready to be matched. `triggers` are words of which one is in every match, with `begun`
    for those that are only stated by how they begin."""

    pattern: re.Pattern[str]
    triggers: frozenset[str]
    begun: tuple[str, ...] = ()

    def search(self, joined: str) -> re.Match[str] | None:
        """The first match in words joined as `Words.joined` does."""
        return self.pattern.search(joined)


NONE = Templates(_NEVER, frozenset())


def compiled(templates: Sequence[str], lists: Mapping[str, Sequence[str]]) -> Templates:
    """These templates with the lists that they name. ValueError for a list that the pack lacks."""
    if not templates:
        return NONE
    patterns, triggers, begun = [], set[str](), set[str]()
    for template in templates:
        elements = template.split(" ")
        patterns.append("".join(_element(it, lists) for it in elements))
        rarest = _rarest([it for it in elements if it not in ("*", "^", "") and it[0] != "["], lists)
        begun.update(it[:-1] for it in rarest if it.endswith("~"))
        triggers.update(it for it in rarest if not it.endswith("~"))
    joined = "|".join(sorted(patterns, key=len, reverse=True))
    return Templates(re.compile(f"(?<= )(?:{joined})"), frozenset(triggers), tuple(sorted(begun)))


def _element(element: str, lists: Mapping[str, Sequence[str]]) -> str:
    if element == _GAP_MARK:
        return _WORD_GAP
    if element == "^":
        return r"(?<=\A )"
    optional = element.startswith("[") and element.endswith("]")
    if optional:
        element = element[1:-1]
    alternatives = sorted(set(_alternatives(element, lists)), key=len, reverse=True)
    pattern = "|".join(_literal(it) for it in alternatives)
    return f"(?:{pattern})?" if optional else f"(?:{pattern})"


def _literal(words: str) -> str:
    parts = [re.escape(it).replace("\\ ", " ") for it in words.removesuffix("~").split(f" {_GAP_MARK} ")]
    return f" {_WORD_GAP}".join(parts) + ("[^ ]* " if words.endswith("~") else " ")


def _alternatives(element: str, lists: Mapping[str, Sequence[str]], depth: int = 0) -> Iterable[str]:
    for part in element.split("|"):
        if part.startswith("{"):
            name = part.strip("{}")
            if name not in lists or depth > MAX_DEPTH:
                raise ValueError(f"No list named {name!r}")
            for entry in lists[name]:
                if entry.startswith("{"):
                    yield from _alternatives(entry, lists, depth + 1)
                else:
                    yield from _spelled(entry)
        else:
            yield from _spelled(part.replace("_", " "))


def _spelled(entry: str) -> Iterable[str]:
    if entry.endswith("~"):
        return [f"{it}~" for it in phrase(entry[:-1])]
    parts = [list(phrase(it)) for it in entry.split(f" {_GAP_MARK} ")]
    return [f" {_GAP_MARK} ".join(it) for it in product(*parts)]


def _rarest(elements: Sequence[str], lists: Mapping[str, Sequence[str]]) -> set[str]:
    """One word of each alternative of the element that is least common: the one with the longest words."""
    choices = [sorted(set(_alternatives(it, lists))) for it in elements]
    best = max(choices, key=lambda it: min(map(len, it)))
    return {max(it.split(" "), key=len) if not it.endswith("~") else it.split(" ")[-1] for it in best}
