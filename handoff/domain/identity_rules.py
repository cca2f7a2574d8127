"""What an organisation says of identities: how many a customer has, and which values mean nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from functools import lru_cache

from msgspec import Struct, field

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


class IdentityRules(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
        return _compiled((*BLOCKED, *self.blocked)).match(f"{it.type}:{it.value}".lower()) is not None


@lru_cache(maxsize=16)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns))
