"""Reading a person's handles from senders' fields, without the business's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from handoff.domain.errors import InvalidIdentity
from handoff.domain.identity import Assurance, Handle, Identity, identity, parse_identity

from .fields import text

StatedText = str | None
HandleReader = Callable[..., tuple[Handle, ...]]
"""(stated field, …) → the handles of the person that the fields name."""


def handle(
    type: str, value: object, assurance: Assurance, *, space: str = "", region: str | None = None
) -> Handle | None:
    """The handle in `value`, or None when it is empty or cannot be normalised."""
    stated = text(value)
    if stated is None:
        return None
    try:
        return Handle(identity(type, stated, space=space, region=region), assurance)
    except InvalidIdentity:
        return None


def own_identities(entries: Iterable[str], region: str | None = None) -> frozenset[tuple[str, str]]:
    """(type, value) of every reading of the `own` entries: `type:value`, an address, a number, a name."""
    found: set[tuple[str, str]] = set()
    for entry in entries:
        readings: list[Identity | None] = []
        for type_ in ("email", "phone", "user"):
            made = handle(type_, entry, Assurance.VERIFIED, region=region)
            readings.append(made.identity if made else None)
        with suppress(InvalidIdentity):
            readings.append(parse_identity(entry, region=region))
        found.update((reading.type, reading.value) for reading in readings if reading)
    return frozenset(found)


def of_customer(handles: Iterable[Handle | None], own: frozenset[tuple[str, str]]) -> tuple[Handle, ...]:
    """The handles in order, each identity once, without those of the business."""
    kept: dict[Identity, Handle] = {}
    for stated in handles:
        if stated is None:
            continue
        known = stated.identity
        if not own or (known.type, known.value) not in own:
            kept.setdefault(known, stated)
    return tuple(kept.values())
