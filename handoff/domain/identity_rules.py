"""What an organisation says of identities: how many a customer has, and which values mean nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import translate
from functools import cached_property, lru_cache

from msgspec import Struct, field

from handoff.domain.text.memo import REMEMBERED

from .identity import Identity

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
"""What senders write when they know nobody: everybody's, so nobody's."""
DEFAULT_LIMITS: Mapping[str, int] = {"user": 1}


class IdentityRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """`[identity]` in the configuration.

    `limits`: how many identities of a type one customer may have in one space. `blocked`: patterns
    (`type:value` with `*`, in any case) of values that mean nobody, beside the built-in ones.
    """

    limits: dict[str, int] = field(default_factory=lambda: dict(DEFAULT_LIMITS))
    blocked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if any(count < 1 for count in self.limits.values()):
            raise ValueError("identity.limits are at least 1")
        if any(":" not in pattern for pattern in self.blocked):
            raise ValueError("identity.blocked are patterns of type:value")

    def means_nobody(self, it: Identity) -> bool:
        """Whether the value is one that senders write when they know nobody."""
        return self._judge(it)

    @cached_property
    def _judge(self) -> Callable[[Identity], bool]:
        return lru_cache(maxsize=REMEMBERED)(self._is_nobody)

    def _is_nobody(self, it: Identity) -> bool:
        plain = f"{it.type}:{it.value}".lower()
        words, pattern = self._nobody
        return plain.partition(":")[2] in words or pattern.match(plain) is not None

    @cached_property
    def _nobody(self) -> tuple[frozenset[str], re.Pattern[str]]:
        """The values that mean nobody whatever their type, and what matches all other patterns."""
        patterns = [pattern.lower() for pattern in (*BLOCKED, *self.blocked)]
        words = [it for it in patterns if it.startswith("*:") and not set(it[2:]) & set("*?[]")]
        others = [it for it in patterns if it not in words]
        return frozenset(it[2:] for it in words), re.compile("|".join(map(translate, others)))
