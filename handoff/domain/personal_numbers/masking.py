"""Masking numbers in what readers get: the answers, streams, messages, and exports made of stored data."""

from __future__ import annotations

import json as stdlib_json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from handoff.domain.redaction.scan import Edit, apply

from .formats import IBAN, KINDS, naming, numbers
from .readings import readings
from .suspicion import Compile, Suspicion

MASK = "*"
KEPT = {IBAN: (2, 4)}
"""Characters that stay at the beginning and at the end: the country, and what a statement shows."""
SHORTEST = 8  # characters of a number
SMALLEST = 10**7  # of the numbers that have digits enough
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_HANDLE = re.compile(r"[a-z][a-z0-9_]*(?:@[^:]*)?:")
_IDENTITY = frozenset({"type", "space", "value"})
_TOUCHPOINT = frozenset({"id", "conversation_id", "occurred_at", "recorded_at", "assurance"})


def masked_text(text: str, kinds: Sequence[str] = KINDS) -> str:
    """The text with every number masked; the same object if there is none."""
    places: set[tuple[int, int]] = set()
    for view in readings(text):
        for kind, start, end in numbers(view.text, kinds):
            first, last = KEPT.get(kind, (0, 0))
            found = [at for at in range(start, end) if view.text[at].isalnum()]
            places.update((view.starts[at], view.ends[at]) for at in found[first : len(found) - last])
    return apply(text, _edits(places)) if places else text


def _edits(places: Iterable[tuple[int, int]]) -> Iterator[Edit]:
    """One for each place, and for places in one another."""
    reached = -1
    for start, end in sorted(places, key=_widest_first):
        if start >= reached:
            yield Edit(start, end, MASK)
            reached = end


def _widest_first(place: tuple[int, int]) -> tuple[int, int]:
    return place[0], -place[1]


class NumberMasking:
    """The numbers that readers of each tenant get masked. Without `compile_`, no tenant has any."""

    def __init__(
        self, compile_: Compile | None = None, tenants: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        self._compile = compile_
        self._kinds: dict[str, tuple[str, ...]] = {}
        self._suspicions: dict[tuple[str, ...], Suspicion] = {}
        self.replace(tenants or {})

    def replace(self, tenants: Mapping[str, Sequence[str]]) -> None:
        """Use other kinds from now on."""
        if self._compile is None:
            return
        chosen = {tenant: tuple(it for it in KINDS if it in kinds) for tenant, kinds in tenants.items()}
        for kinds in chosen.values():
            if kinds and kinds not in self._suspicions:
                self._suspicions[kinds] = Suspicion(self._compile, kinds)
        self._kinds = {tenant: kinds for tenant, kinds in chosen.items() if kinds}

    def kinds(self, tenant: str) -> tuple[str, ...]:
        """The kinds that the tenant's readers get masked. They are part of the key of every cached view."""
        return self._kinds.get(tenant, ())

    def suspects(self, tenant: str, raw: bytes) -> bool:
        """Whether a JSON document needs a closer look."""
        kinds = self._kinds.get(tenant)
        return kinds is not None and self._suspicions[kinds].of_json(raw)

    def json(self, tenant: str, raw: bytes) -> bytes:
        """A JSON document with every number masked; the same object if there is none.

        Searches over all of it decide that there is nothing, which is so nearly always.
        """
        kinds = self._kinds.get(tenant)
        if kinds is None or not self.suspects(tenant, raw):
            return raw
        value = msgspec.json.decode(raw)
        masked = _Document(kinds, self._suspicions[kinds]).of(value, "")
        return raw if masked is value else _encode(masked)

    def value(self, tenant: str, value: Any) -> Any:
        """A value of JSON's types with every number masked; the same object if there is none."""
        kinds = self._kinds.get(tenant)
        return value if kinds is None else _Document(kinds, self._suspicions[kinds]).of(value, "")


class _Document:
    """Masks the values of one document. A value without a number stays the same object."""

    def __init__(self, kinds: Sequence[str], suspicion: Suspicion) -> None:
        self._kinds = kinds
        self._suspicion = suspicion

    def of(self, value: Any, name: str) -> Any:
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, dict):
            return self._members(value, name)
        if isinstance(value, list | tuple):
            items = [self.of(it, name) for it in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        if type(value) is int and value >= SMALLEST:
            plain = str(value)
            masked = self._text(plain, name)
            return value if masked == plain else masked
        return value

    def _members(self, value: dict[str, Any], outer: str) -> dict[str, Any]:
        handle, same = value.keys() >= _IDENTITY, True
        named = bool(_naming(outer))  # `{"ssn": {"value": "…"}}`
        rebuilt: dict[str, Any] = {}
        alike: dict[str, int] = {}
        for name, content in value.items():
            shown = name if len(name) < SHORTEST else self._text(name, "")
            if shown is not name:
                masked, number = shown, alike.get(shown, 1)
                while shown in value or shown in rebuilt:
                    number += 1
                    shown = f"{masked} ({number})"
                alike[masked] = number  # where the next one begins: a thousand alike take linear time
            known = outer if named and not _naming(name) else name
            rebuilt[shown] = inner = content if handle and name == "value" else self.of(content, known)
            same = same and shown is name and inner is content
        if same:
            return value
        if value.keys() >= _TOUCHPOINT:
            rebuilt["masked"] = True  # a reader sees where a reveal shows more
        return rebuilt

    def _text(self, text: str, name: str) -> str:
        """The text, masked. The name of its member, or of one around it, counts as the words before it."""
        if name == "identity" and _HANDLE.match(text):
            return text  # callers look up and link by it
        if len(text) < SHORTEST:
            return text
        before = _naming(name)[-30:] + ": "
        if not self._suspicion.of_text(before, text):
            return text
        return masked_text(before + text, self._kinds)[len(before) :]


@lru_cache(maxsize=1024)
def _naming(member: str) -> str:
    return naming(_CAMEL.sub("_", member))


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except OverflowError:  # a sender's integer of more than 64 bits
        return stdlib_json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
