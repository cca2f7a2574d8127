"""Masking values of a document: texts and numbers at any depth, and numbers that are split over several."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from .codes import CODE, NAMES, TRACK_NAMES
from .digits import LEAF, NUMBER, has_enough
from .scan import CARD_CODE, DROPPED, MASK, TRACK_DATA, Counts, Edit, Scan, TenantPattern, add, apply


def masked_texts(
    texts: Sequence[str],
    patterns: Sequence[TenantPattern] = (),
    *,
    separators: Sequence[str] | None = None,
    mail: bool = False,
) -> tuple[list[str], Counts]:
    """The texts with everything masked that is in one of them, or split over several, and the counts.

    `separators` are between a text and the next one: `LEAF` (the default) or `NUMBER`.
    """
    between = separators or [LEAF] * (len(texts) - 1)
    joined = "".join(it for pair in zip(texts, [*between, ""], strict=True) for it in pair)
    scan = Scan(joined, patterns, mail=mail)
    edits = scan.edits()
    if not edits:
        return list(texts), {}
    starts: list[int] = []
    at = 0
    for text in texts:
        starts.append(at)
        at += len(text) + 1
    by_text: dict[int, list[Edit]] = {}
    for edit in edits:
        place = bisect_right(starts, edit.start) - 1
        start = starts[place]
        end = min(edit.end - start, len(texts[place]))
        by_text.setdefault(place, []).append(Edit(edit.start - start, end, edit.replacement))
    masked = [apply(text, by_text.get(place, ())) for place, text in enumerate(texts)]
    return masked, scan.counts


def masked_value(
    value: Any, patterns: Sequence[TenantPattern] = (), *, skip: Collection[str] = ()
) -> tuple[Any, Counts]:
    """A value of JSON's types with everything masked, and the counts. Unchanged, it is the same object.

    Members of the outermost object named in `skip` are left as they are. A masked number becomes a text.
    """
    return Masking(patterns, skip).of(value)


class Masking:
    """Masks one value. Every text and number in it is a leaf, in the order in which it is written."""

    def __init__(self, patterns: Sequence[TenantPattern] = (), skip: Collection[str] = ()) -> None:
        self._patterns = patterns
        self._skip = skip
        self._counts: Counts = {}
        self._texts: list[str] = []
        self._numbers: list[bool] = []
        self._forced: dict[int, str] = {}

    def of(self, value: Any) -> tuple[Any, Counts]:
        self._collect(value, "", skip=self._skip)
        if not self._texts and not isinstance(value, dict):
            return value, {}
        separators = [
            NUMBER if one or other else LEAF
            for one, other in zip(self._numbers, self._numbers[1:], strict=False)
        ]
        texts = [self._forced.get(at, text) for at, text in enumerate(self._texts)]
        masked, counts = masked_texts(texts, self._patterns, separators=separators) if texts else ([], {})
        add(self._counts, counts)
        if not self._counts and masked == self._texts:
            names = list(_names(value))
            if not any(has_enough(name) for name in names):
                return value, {}
        rebuilt = self._rebuild(value, iter(zip(self._texts, masked, strict=True)), skip=self._skip)
        return rebuilt, self._counts

    def _collect(self, value: object, name: str, skip: Collection[str] = ()) -> None:
        if isinstance(value, dict):
            outer = name if _forces(name) else ""  # `{"cvv": {"value": "123"}}`
            for key, inner in value.items():
                if key not in skip:
                    own = key if isinstance(key, str) else ""
                    self._collect(inner, own if not outer or _forces(own) else outer)
        elif isinstance(value, list | tuple):
            for inner in value:
                self._collect(inner, name)
        elif _is_leaf(value):
            text = _text(value)
            self._force(text, name)
            self._texts.append(text)
            self._numbers.append(not isinstance(value, str))

    def _force(self, text: str, name: str) -> None:
        """Drop a value by the name of its member."""
        if NAMES.fullmatch(name) and CODE.fullmatch(text):
            self._forced[len(self._texts)] = MASK * len(text)
            add(self._counts, {CARD_CODE: 1})
        elif TRACK_NAMES.fullmatch(name) and has_enough(text):
            self._forced[len(self._texts)] = DROPPED
            add(self._counts, {TRACK_DATA: 1})

    def _rebuild(self, value: Any, masked: Iterator[tuple[str, str]], skip: Collection[str] = ()) -> Any:
        if isinstance(value, dict):
            return {
                self._name(key): inner if key in skip else self._rebuild(inner, masked)
                for key, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return type(value)([self._rebuild(inner, masked) for inner in value])
        if not _is_leaf(value):
            return value
        before, after = next(masked)
        return value if before == after else after

    def _name(self, name: Any) -> Any:
        if not isinstance(name, str) or not has_enough(name):
            return name
        (masked,), counts = masked_texts([name], self._patterns)
        add(self._counts, counts)
        return masked


def _forces(name: str) -> bool:
    """Whether a member's name decides what is in it, at any depth."""
    return NAMES.fullmatch(name) is not None or TRACK_NAMES.fullmatch(name) is not None


def _is_leaf(value: object) -> bool:
    return isinstance(value, str) or type(value) in (int, float)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e19 else repr(value)
    return str(value)


def _names(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield key
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)
