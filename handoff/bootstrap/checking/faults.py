"""Faults of a configuration, each with its key, its line, and what would be right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Literal

from msgspec import Struct

KeyPath = tuple[str | int, ...]
"""The place of a value: keys of tables, and positions in lists, from 0."""

Severity = Literal["error", "warning"]


class ConfigurationFault(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong. An `error` is refused; a `warning` is probably not what was meant.

    `key` is the place in the file, or the environment variable that sets the value. `allowed` lists the
    values that are possible there.
    """

    key: str
    problem: str
    severity: Severity = "error"
    line: int | None = None
    did_you_mean: str | None = None
    allowed: tuple[str, ...] = ()

    def __str__(self) -> str:
        similar = [f"did you mean {self.did_you_mean!r}?"] if self.did_you_mean is not None else []
        listed = [f"allowed: {', '.join(self.allowed)}"] if self.allowed else []
        hint = " ".join(similar + listed)
        place = f"{self.key}: " if self.key else ""
        return place + self.problem + (f" ({hint})" if hint else "")


class FaultList:
    """Collects the faults of one file. `lines` has the lines of its keys, `variables` the keys that the
    environment sets."""

    def __init__(self, lines: Mapping[KeyPath, int], variables: Mapping[KeyPath, str]) -> None:
        self._lines = lines
        self._variables = variables
        self.found: list[ConfigurationFault] = []
        self._places: set[KeyPath] = set()
        self._unknown: set[KeyPath] = set()

    def add(
        self,
        path: KeyPath,
        problem: str,
        *,
        severity: Severity = "error",
        given: object = None,
        allowed: Iterable[str] = (),
        unknown: bool = False,
    ) -> None:
        """Add a fault of the value at `path`. `given` is compared with the allowed values.

        An `unknown` key does not prevent that the rest of its table is checked as a whole.
        """
        values = tuple(sorted(allowed))
        similar = get_close_matches(given, values, n=1) if isinstance(given, str) else []
        if unknown:
            self._unknown.add(path)
        elif severity == "error":
            self._places.add(path)
        self.found.append(
            ConfigurationFault(
                key=self._variables.get(path) or shown(path),
                problem=problem,
                severity=severity,
                line=None if path in self._variables else self._line(path),
                did_you_mean=similar[0] if similar else None,
                allowed=values,
            )
        )

    def within(self, path: KeyPath) -> bool:
        """Whether the value at `path`, or a part of it, has an error other than an unknown key."""
        return any(it[: len(path)] == path for it in self._places)

    def without_unknown(self, value: Any, path: KeyPath) -> Any:
        """The value at `path` without the unknown keys in it."""
        if isinstance(value, dict):
            return {
                key: self.without_unknown(it, (*path, key))
                for key, it in value.items()
                if (*path, key) not in self._unknown
            }
        if isinstance(value, list):
            return [self.without_unknown(it, (*path, at)) for at, it in enumerate(value)]
        return value

    def _line(self, path: KeyPath) -> int | None:
        """The line of a value, or of the nearest table that has it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._lines:
                return self._lines[path[:end]]
        return None


def shown(path: KeyPath) -> str:
    """A path as in `tokens[0].scopes`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        plain = part.replace("_", "").replace("-", "").isalnum() and part.isascii()
        text += ("." if text else "") + (part if plain else json.dumps(part))
    return text
