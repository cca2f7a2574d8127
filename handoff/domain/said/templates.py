"""Templates of sentences, as packs state them, and matching them.

    "{we} {will} * {call}"     lists of the pack, and a gap of up to seven words
    "great ** {trouble}"       a gap of up to fourteen words that commas do not end
    "you|u {will} get [back]"  alternatives, and a word that may be left out
    "^ will {call}"            at the beginning of a part of a sentence

A list may have phrases of several words, with a gap too ("schreibe * gut"). In a template, `_` joins the
words of a phrase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

from msgspec import Struct

from .words import phrase

GAP = 7  # words between two parts of a template
MAX_DEPTH = 3  # lists that name lists
WIDE_GAP = 14
_GAP_MARK, _WIDE_MARK, _START = "*", "**", "^"
_NO_WORDS = frozenset({_GAP_MARK, _WIDE_MARK, _START})
_GAP_ENDS = frozenset({",", ";", "."})

Phrase = tuple[tuple[str, ...], ...]
"""Words; between two groups of words is a gap."""
Places = dict[str, dict[int, list[int]]]
"""Element -> where it begins in a sentence -> where it may end."""


class Template(Struct, frozen=True):
    """One template: its elements, those that may be left out, and those that a match needs."""

    elements: tuple[str, ...]
    optional: frozenset[int]
    needed: frozenset[str]


class Templates(Struct, frozen=True):
    """Some templates of a language, by one element that each of them needs."""

    by_element: dict[str, tuple[Template, ...]]
    triggers: frozenset[str]
    """Every match has one of these words."""

    def span(self, places: Places, count: int) -> tuple[int, int] | None:
        """Where the first template that matches does, in a sentence of `count` words."""
        for template in self._possible(places):
            first = template.elements[0]
            starts = places[first] if 0 not in template.optional and first in places else range(count)
            for start in starts:
                end = _end(template, 0, start, places, count, start)
                if end is not None:
                    return start, end
        return None

    def possible(self, places: Places) -> bool:
        """A quick look: False where no template can match."""
        return next(self._possible(places), None) is not None

    def _possible(self, places: Places) -> Iterator[Template]:
        for element in self.by_element.keys() & places.keys():
            for template in self.by_element[element]:
                if template.needed <= places.keys():
                    yield template

    def match(self, places: Places, count: int) -> bool:
        return self.span(places, count) is not None


def _end(template: Template, at: int, place: int, places: Places, count: int, start: int) -> int | None:
    """Where a match ends whose elements from `at` on begin at `place`."""
    elements = template.elements
    if at == len(elements):
        return place
    element = elements[at]
    if element == _START:
        return _end(template, at + 1, place, places, count, start) if place == 0 else None
    if element in (_GAP_MARK, _WIDE_MARK):
        longest = GAP if element == _GAP_MARK else WIDE_GAP
        for further in range(place, min(place + longest, count) + 1):
            end = _end(template, at + 1, further, places, count, start)
            if end is not None:
                return end
            if element == _GAP_MARK and further < count and places[_GAP_MARK].get(further):
                return None
        return None
    for end in places.get(element, {}).get(place, ()):
        found = _end(template, at + 1, end, places, count, start)
        if found is not None:
            return found
    if at in template.optional:
        return _end(template, at + 1, place, places, count, start)
    return None


class QuickLook(Struct, frozen=True):
    """Whether some templates may match, by the words alone: what most texts fail before they are cut up."""

    by_trigger: dict[str, tuple[tuple[frozenset[str], ...], ...]]
    """A word -> for each template with it, the first words of each of its other elements."""

    def may_match(self, words: frozenset[str]) -> bool:
        """False where no template can match a text of these words."""
        absent = words.isdisjoint
        for trigger in self.by_trigger.keys() & words:
            for needs in self.by_trigger[trigger]:  # loops: generators take twice as long
                for firsts in needs:
                    if absent(firsts):
                        break
                else:
                    return True
        return False


class Vocabulary(Struct, frozen=True):
    """The phrases of a language's templates, with the elements that they belong to."""

    single: dict[str, tuple[str, ...]]
    """Phrases of one word."""
    longer: dict[str, list[tuple[Phrase, tuple[str, ...]]]]
    """First word -> phrases of several."""

    def places(self, words: Sequence[str]) -> Places:
        """Where the elements are in a sentence."""
        found: Places = {_GAP_MARK: {}}
        single, longer = self.single, self.longer
        for start, word in enumerate(words):
            if word in _GAP_ENDS:
                found[_GAP_MARK][start] = [start + 1]
            for element in single.get(word, ()):
                found.setdefault(element, {}).setdefault(start, []).append(start + 1)
            for groups, elements in longer.get(word, ()):
                for end in _phrase_ends(groups, words, start):
                    for element in elements:
                        found.setdefault(element, {}).setdefault(start, []).append(end)
        return found


def _phrase_ends(groups: Phrase, words: Sequence[str], start: int) -> Iterator[int]:
    first = groups[0]
    end = start + len(first)
    if len(first) > 1 and (end > len(words) or words[start + 1] != first[1]):
        return
    if tuple(words[start:end]) != first:
        return
    if len(groups) == 1:
        yield end
        return
    for further in range(end, min(end + GAP, len(words)) + 1):
        yield from _phrase_ends(groups[1:], words, further)
        if further < len(words) and words[further] in _GAP_ENDS:
            return


_LIST = re.compile(r"\{([^{}|]*)\}")


def check_template(template: str, lists: Mapping[str, Sequence[str]]) -> None:
    """ValueError for a template that cannot be compiled."""
    parts = template.split(" ")
    if all(it.startswith("[") or it in _NO_WORDS or not it for it in parts):
        raise ValueError(f"{template!r} needs no word")
    for name in _LIST.findall(template):
        check_list(name, lists)


def check_list(name: str, lists: Mapping[str, Sequence[str]], depth: int = 0) -> None:
    """ValueError for a list that is missing or empty, or names such a list, or too deep a chain of lists."""
    if depth > MAX_DEPTH:
        raise ValueError(f"list {name!r} is named through more than {MAX_DEPTH} lists")
    if not lists.get(name):
        raise ValueError(f"no list named {name!r}, or it is empty")
    for entry in lists[name]:
        for inner in _LIST.findall(entry) if "{" in entry else ():
            check_list(inner, lists, depth + 1)


class TemplateBook:
    """Compiles the templates of a language into one vocabulary."""

    def __init__(self, lists: Mapping[str, Sequence[str]], common: frozenset[str] = frozenset()) -> None:
        """No trigger is one of the `common` words where another will do."""
        self._lists = lists
        self._common = common
        self._elements: dict[str, set[Phrase]] = {}
        self._first_words: dict[str, frozenset[str]] = {}

    def compiled(self, stated: Sequence[str]) -> Templates:
        """These templates. ValueError for a list that the pack lacks."""
        made: dict[str, list[Template]] = {}
        triggers = set[str]()
        for template in stated:
            parts = template.split(" ")
            optional = frozenset(at for at, it in enumerate(parts) if it.startswith("["))
            elements = tuple(it.strip("[]") for it in parts)
            for element in elements:
                if element not in _NO_WORDS:
                    self._add(element)
            needed = [it for at, it in enumerate(elements) if at not in optional and it not in _NO_WORDS]
            rarest, words = self._rarest(needed)
            made.setdefault(rarest, []).append(Template(elements, optional, frozenset(needed)))
            triggers |= words
        return Templates({it: tuple(found) for it, found in made.items()}, frozenset(triggers))

    def quick_look(self, *tables: Templates) -> QuickLook:
        """The quick look at compiled templates."""
        found: dict[str, set[tuple[frozenset[str], ...]]] = {}
        for table in tables:
            for rarest, templates in table.by_element.items():
                needs = {tuple(self._firsts(it) for it in one.needed - {rarest}) for one in templates}
                for spelled in self._elements[rarest]:
                    found.setdefault(_longest(spelled, self._common), set()).update(needs)
        return QuickLook({trigger: tuple(needs) for trigger, needs in found.items()})

    def _firsts(self, element: str) -> frozenset[str]:
        if element not in self._first_words:
            self._first_words[element] = frozenset(it[0][0] for it in self._elements[element])
        return self._first_words[element]

    def vocabulary(self) -> Vocabulary:
        """The phrases of all templates compiled so far."""
        of: dict[Phrase, list[str]] = {}
        for element, phrases in self._elements.items():
            for spelled in phrases:
                of.setdefault(spelled, []).append(element)
        single: dict[str, tuple[str, ...]] = {}
        longer: dict[str, list[tuple[Phrase, tuple[str, ...]]]] = {}
        for groups, elements in of.items():
            if len(groups) == 1 and len(groups[0]) == 1:
                single[groups[0][0]] = tuple(elements)
            else:
                longer.setdefault(groups[0][0], []).append((groups, tuple(elements)))
        return Vocabulary(single, longer)

    def _add(self, element: str) -> None:
        if element not in self._elements:
            self._elements[element] = set(self._alternatives(element))

    def _alternatives(self, element: str, depth: int = 0) -> Iterable[Phrase]:
        for part in element.split("|"):
            if not part.startswith("{"):
                yield from _spelled(part.replace("_", " "))
                continue
            name = part.strip("{}")
            if name not in self._lists or depth > MAX_DEPTH:
                raise ValueError(f"No list named {name!r}")
            for entry in self._lists[name]:
                if entry.startswith("{"):
                    yield from self._alternatives(entry, depth + 1)
                else:
                    yield from _spelled(entry)

    def _rarest(self, needed: Sequence[str]) -> tuple[str, set[str]]:
        """The element that is least common, which is the one with the longest words, and a word of each of
        its phrases."""
        choices = [
            (element, {_longest(it, self._common) for it in self._elements[element]}) for element in needed
        ]
        return max(
            choices, key=lambda it: (it[1].isdisjoint(self._common), min(map(len, it[1])), -len(it[1]))
        )


def _longest(spelled: Phrase, common: frozenset[str] = frozenset()) -> str:
    words = sum(spelled, ())
    return max([it for it in words if it not in common] or words, key=len)


def _spelled(entry: str) -> Iterable[Phrase]:
    groups = [[tuple(it.split(" ")) for it in phrase(part)] for part in entry.split(f" {_GAP_MARK} ")]
    return product(*groups)
