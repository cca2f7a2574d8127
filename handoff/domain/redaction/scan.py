"""Scanning one text: what is masked in it, and how often."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from handoff.domain.text.cleaning import clean

from .cards import Number, card_numbers
from .codes import card_codes, may_name_code, tracks
from .digits import has_enough
from .view import View, views

CARD_NUMBER, CARD_CODE, TRACK_DATA = "card_number", "card_code", "track_data"
ALL_DIGITS = "digits"
MASK = "*"
DROPPED = "[track data]"

Counts = dict[str, int]
"""Numbers of masked places, by kind."""


class Searching(Protocol):
    """A compiled regular expression whose search takes linear time."""

    def finditer(self, text: str, /) -> Iterator[Any]: ...


class TenantPattern(Struct, frozen=True, kw_only=True):
    """A tenant's own pattern. Its last `keep_last` characters stay readable."""

    name: str
    search: Searching
    keep_last: int = 0


class Edit(Struct, frozen=True, order=True):
    """A place to replace in a text."""

    start: int
    end: int
    replacement: str


class Scan:
    """The edits of one text."""

    def __init__(self, text: str, patterns: Sequence[TenantPattern] = (), *, mail: bool = False) -> None:
        self._spans: dict[str, set[tuple[int, int]]] = {}
        self._masked: set[tuple[int, int]] = set()
        self._dropped: set[tuple[int, int]] = set()
        enough = has_enough(text)
        named = may_name_code(text.encode("utf-8", "surrogatepass"))
        if enough or named:
            for view in views(text, mail=mail):
                self._look(view, enough=enough, named=named)
        for pattern in patterns:
            for match in pattern.search.finditer(clean(text)):
                self._mask_pattern(pattern, *match.span())

    def _look(self, view: View, *, enough: bool, named: bool) -> None:
        numbers = list(card_numbers(view.text)) if enough else []
        for number in numbers:
            self._note(CARD_NUMBER, view, number.places)
            self._masked.update((view.starts[it], view.ends[it]) for it in number.masked)
        if numbers or named:
            for start, end in card_codes(view.text, numbers):
                self._note(CARD_CODE, view, (start, end - 1))
                self._masked.update((view.starts[it], view.ends[it]) for it in range(start, end))
        if numbers:
            for start, end in tracks(view.text):
                self._note(TRACK_DATA, view, (start, end - 1))
                self._dropped.add((view.starts[start], view.ends[end - 1]))

    def _note(self, kind: str, view: View, places: Sequence[int]) -> None:
        self._spans.setdefault(kind, set()).add((view.starts[places[0]], view.ends[places[-1]]))

    def _mask_pattern(self, pattern: TenantPattern, start: int, end: int) -> None:
        if end > start:
            self._spans.setdefault(pattern.name, set()).add((start, end))
            self._masked.update((at, at + 1) for at in range(start, end - pattern.keep_last))

    @property
    def counts(self) -> Counts:
        """How often each kind was found. Readings that overlap count once."""
        return {kind: _separate(spans) for kind, spans in self._spans.items()}

    def edits(self) -> list[Edit]:
        """The edits in order, none of which overlaps another."""
        dropped = [Edit(*span, DROPPED) for span in sorted(self._dropped)]
        wanted = sorted([*dropped, *(Edit(*span, MASK) for span in self._masked)], key=_widest_first)
        edits: list[Edit] = []
        for edit in wanted:
            if not edits or edit.start >= edits[-1].end:
                edits.append(edit)
        return edits


def _widest_first(edit: Edit) -> tuple[int, int]:
    return edit.start, -edit.end


def _separate(spans: Iterable[tuple[int, int]]) -> int:
    count, reached = 0, -1
    for start, end in sorted(spans):
        count += start >= reached
        reached = max(reached, end)
    return count


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with its edits."""
    parts: list[str] = []
    before = 0
    for edit in edits:
        parts += (text[before : edit.start], edit.replacement)
        before = edit.end
    return "".join((*parts, text[before:]))


def add(counts: Counts, more: Counts) -> None:
    """Add the counts of another text."""
    for kind, count in more.items():
        counts[kind] = counts.get(kind, 0) + count


__all__ = ["Counts", "Edit", "Number", "Scan", "TenantPattern", "add", "apply"]
