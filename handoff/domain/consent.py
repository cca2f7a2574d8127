"""Consent: what a customer agreed to, for each purpose. A later statement replaces an earlier one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from .clock import Micros, parse_time
from .identity import Assurance

GIVEN, WITHDRAWN = "consent.given", "consent.withdrawn"
CONSENT_TYPES = frozenset({GIVEN, WITHDRAWN})
MAX_WORD = 200  # characters of `source` and `text_version`
_PURPOSE = re.compile(r"[a-z][a-z0-9_.-]{0,63}")


class Consent(Struct, frozen=True, kw_only=True):
    """One statement about one purpose. `id` is its touchpoint."""

    purpose: str
    given: bool
    at: Micros
    assurance: Assurance
    channel: str
    id: str
    source: str | None = None
    text_version: str | None = None

    @property
    def proven(self) -> bool:
        """Whether a policy may rely on it: given, and by somebody who is surely the customer."""
        return self.given and self.assurance is Assurance.VERIFIED


def is_purpose(text: object) -> bool:
    return isinstance(text, str) and _PURPOSE.fullmatch(text) is not None


def consent_problem(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """The problem with the data of a consent touchpoint, with its JSON pointer; None without one."""
    if not is_purpose(data.get("purpose")):
        return "/data/purpose", "A purpose matches [a-z][a-z0-9_.-]* and has at most 64 characters"
    for name in ("source", "text_version"):
        value = data.get(name)
        if value is not None and (not isinstance(value, str) or not 0 < len(value) <= MAX_WORD):
            return f"/data/{name}", f"It has 1 to {MAX_WORD} characters"
    at = data.get("at")
    if at is not None and stated_time(at) is None:
        return "/data/at", "The time must be RFC 3339 with a zone"
    return None


def stated_time(at: object) -> Micros | None:
    """The time of `data.at`; None without a valid one."""
    try:
        return parse_time(at) if isinstance(at, str) else None
    except ValueError:
        return None


def current_consents(statements: Iterable[Consent]) -> list[Consent]:
    """The statement that counts for each purpose, by purpose.

    The newest counts, whatever its channel. There is one exception: somebody who is not surely the customer
    can withdraw consent, but cannot give it again.
    """
    current: dict[str, Consent] = {}
    for statement in sorted(statements, key=lambda it: it.at):
        before = current.get(statement.purpose)
        doubtful = statement.given and statement.assurance is not Assurance.VERIFIED
        if before is None or not doubtful or (before.given and not before.proven):
            current[statement.purpose] = statement
    return [current[purpose] for purpose in sorted(current)]
