"""Touchpoints in columns.

A column holds one field of all touchpoints. It takes less room than a row each, and a few calls in C make a
thousand touchpoints of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import add
from typing import Any, TypeVar

from msgspec import Struct

from handoff.domain.clock import Micros

from .shapes import TimelineItem
from .steps import Steps

_NONE: dict[Any, Any] = {}
T = TypeVar("T")

Sparse = dict[int, T]
"""Values by the number of their touchpoint, for fields that few have."""


class KeptItems(Struct, frozen=True, array_like=True):
    """Touchpoints. `words` are the different values of the fields that have few, by number."""

    words: list[str | None]
    ids: list[str]
    types: list[int]
    channels: list[int]
    directions: list[int]
    visibilities: list[int]
    assurances: list[int]
    occurred: list[Micros]
    recorded: list[Micros]
    """Less the time of the event."""
    conversations: list[int]
    subjects: list[int]
    texts: list[str | None]
    actors: list[int]
    names: list[int]
    data: Sparse[dict[str, Any]]
    traits: Sparse[dict[str, Any]]
    deleted: list[bool]
    late: list[bool]
    sources: list[int]
    languages: list[int]
    attachments: Sparse[tuple[dict[str, Any], ...]]
    identities: list[int]
    claims: Sparse[tuple[str, ...]]


_CODED = (
    *("type", "channel", "direction", "visibility", "assurance", "conversation", "subject", "by", "name"),
    *("source", "language", "identity"),
)


def keeping_items(items: Sequence[TimelineItem]) -> Steps[KeptItems]:
    words: dict[str | None, int] = {}
    coded: dict[str, list[int]] = {}
    for name in _CODED:
        coded[name] = [words.setdefault(getattr(it, name), len(words)) for it in items]
        yield
    return KeptItems(
        [None if it is None else str(it) for it in words],
        [it.id for it in items],
        coded["type"],
        coded["channel"],
        coded["direction"],
        coded["visibility"],
        coded["assurance"],
        [it.occurred_at for it in items],
        [it.recorded_at - it.occurred_at for it in items],
        coded["conversation"],
        coded["subject"],
        [it.text for it in items],
        coded["by"],
        coded["name"],
        _sparse(items, lambda it: it.data),
        _sparse(items, lambda it: it.traits),
        [it.deleted for it in items],
        [it.late for it in items],
        coded["source"],
        coded["language"],
        _sparse(items, lambda it: it.attachments),
        coded["identity"],
        _sparse(items, lambda it: it.claims),
    )


def _sparse(items: Sequence[TimelineItem], read: Callable[[TimelineItem], T]) -> Sparse[T]:
    return {number: value for number, it in enumerate(items) if (value := read(it))}


def restored_items(kept: KeptItems) -> list[TimelineItem]:
    words = kept.words

    def coded(numbers: list[int]) -> list[Any]:
        return [words[number] for number in numbers]

    count = len(kept.ids)
    return list(
        map(
            TimelineItem,
            kept.ids,
            coded(kept.types),
            coded(kept.channels),
            coded(kept.directions),
            coded(kept.visibilities),
            coded(kept.assurances),
            kept.occurred,
            coded(kept.conversations),
            coded(kept.subjects),
            kept.texts,
            coded(kept.actors),
            coded(kept.names),
            _dense(kept.data, _NONE, count),
            _dense(kept.traits, _NONE, count),
            kept.deleted,
            map(add, kept.recorded, kept.occurred),
            kept.late,
            coded(kept.sources),
            coded(kept.languages),
            _dense(kept.attachments, (), count),
            coded(kept.identities),
            _dense(kept.claims, (), count),
            [{} for _ in range(count)],
        )
    )


def _dense(values: Sparse[T], absent: T, count: int) -> Iterable[T]:
    if not values:
        return repeat(absent, count)
    found = [absent] * count
    for number, value in values.items():
        found[number] = value
    return found
