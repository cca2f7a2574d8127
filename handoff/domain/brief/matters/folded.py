"""The result of folding signals: matters, and the indexes that find them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from handoff.domain.clock import Micros

from ..signals.signal import NamedReference, Signal
from .matter import Matter


class Folded(Struct, kw_only=True):
    """The matters of a customer, in the order in which they were opened, and what belongs to none."""

    matters: list[Matter] = field(default_factory=list)
    unclear: list[Signal] = field(default_factory=list)
    """Messages from our people that could be about several matters."""
    steps: list[Signal] = field(default_factory=list)
    """Self-service that belongs to no matter yet."""
    talks: list[Signal] = field(default_factory=list)
    loose_nudges: list[Signal] = field(default_factory=list)
    by_reference: dict[str, list[Matter]] = field(default_factory=dict)
    """Matters that have or had a reference, by its value."""
    by_key: dict[str, list[Matter]] = field(default_factory=dict)
    """Matters in their order, by the words of their asks."""
    by_conversation: dict[str, list[Matter]] = field(default_factory=dict)
    segments: dict[tuple[str, bool], list[Matter]] = field(default_factory=dict)
    last_in: dict[tuple[str, bool], Micros] = field(default_factory=dict)


def by_reference(folded: Folded, references: Iterable[NamedReference]) -> list[Matter]:
    """The matters of any conversation that have one of these references, in their order."""
    found = {
        one.number: one
        for ref in references
        for one in folded.by_reference.get(ref.value, ())
        if one.knows(ref)
    }
    return [found[number] for number in sorted(found)]
