"""Identity rules of an organisation: limits per customer, and placeholder values."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import cached_property, lru_cache

from msgspec import Struct, field

from handoff.domain.text.memo import CACHE_SIZE, personal

from .identity import Handle, Identity

BLOCKED = (
    "email:noreply@*",
    "email:no-reply@*",
    "email:no_reply@*",
    "email:donotreply@*",
    "email:do-not-reply@*",
    "email:mailer-daemon@*",
    "email:postmaster@*",
    "*:null",
    "*:none",
    "*:nil",
    "*:undefined",
    "*:unknown",
    "*:anonymous",
    "*:guest",
    "*:n/a",
    "*:-",
    "user:0",
    "user:-1",
)
"""Placeholders that senders use for an unknown person. They identify no one."""
DEFAULT_LIMITS: Mapping[str, int] = {"user": 1}


class IdentityRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """`[identity]` in the configuration.

    `limits`: how many identities of a type one customer may have in one space. `blocked`: patterns
    (`type:value` with `*`, in any case) of further placeholder values.
    """

    limits: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    blocked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if any(count < 1 for count in self.limits.values()):
            raise ValueError("identity.limits must be at least 1")
        if any(":" not in pattern for pattern in self.blocked):
            raise ValueError("identity.blocked takes patterns of type:value")

    def is_placeholder(self, identity: Identity) -> bool:
        """Whether the value is a placeholder for an unknown person."""
        return self._cached_match(identity)

    @cached_property
    def has_placeholder(self) -> Callable[[tuple[Handle, ...]], bool]:
        """Whether one of the identities is a placeholder."""

        def search(handles: tuple[Handle, ...]) -> bool:
            return any(self._matches(it.identity) for it in handles)

        return personal(lru_cache(maxsize=CACHE_SIZE)(search))

    @cached_property
    def _cached_match(self) -> Callable[[Identity], bool]:
        return personal(lru_cache(maxsize=CACHE_SIZE)(self._matches))

    def _matches(self, identity: Identity) -> bool:
        words, pattern = self._placeholders
        value = identity.value.lower()
        return value in words or pattern.match(f"{identity.type}:{value}".lower()) is not None

    @cached_property
    def _placeholders(self) -> tuple[frozenset[str], re.Pattern[str]]:
        """The placeholder values of any type, and a pattern for all others."""
        patterns = [pattern.lower() for pattern in (*BLOCKED, *self.blocked)]
        words = [it for it in patterns if it.startswith("*:") and not set(it[2:]) & set("*?[]")]
        others = [it for it in patterns if it not in words]
        return frozenset(it[2:] for it in words), re.compile("|".join(map(translate, others)))
