"""The options of a `web.segment` source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError

from .names import comparable, matches

ARTICLE_CATEGORIES = ("help", "article", "support article", "faq", "kb")
ARTICLE_PATHS = ("/help/", "/articles/", "/kb/", "/faq/", "/support/articles/")
DEFAULT_SPACE = "segment"
VERIFIABLE_TRAITS = ("email", "phone")


class SegmentOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secrets` are the write keys.

    `trust` defaults to "public", because a browser's write key is visible to everyone ("vendor", of
    earlier releases, means the same). With "server", user ids and `verified_traits` are verified.
    `identity_proof_secret` holds the keys with which the business signs user ids of a public source
    (HMAC-SHA256, hexadecimal).
    `allow_unsigned` accepts events without a write key. `allowed_origins` are the origins that
    browsers may call from; the default is any for a public source and none for a server.
    `article_categories` and `article_paths` distinguish help articles from other pages. `events`
    maps further track events to touchpoint types. `ignore` names track events and paths of pages that are
    not recorded. `own` lists the business's own addresses,
    numbers and user ids.
    """

    secrets: tuple[str, ...] = ()
    allow_unsigned: bool = False
    trust: Literal["server", "public", "vendor"] | None = None
    verified_traits: tuple[str, ...] = ()
    identity_proof_secret: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] | None = None
    article_categories: tuple[str, ...] = ARTICLE_CATEGORIES
    article_paths: tuple[str, ...] = ARTICLE_PATHS
    events: dict[str, str] = msgspec.field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    id_space: str | None = None
    user_space: str = ""
    default_region: str | None = None
    own: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.secrets) and self.trust != "public"

    @property
    def from_server(self) -> bool:
        """Whether the sender's statements about a person's identity are believed."""
        return self.trust == "server"

    @property
    def space(self) -> str:
        """The id space of the source's events and of its anonymous visitors."""
        return self.id_space or DEFAULT_SPACE

    @property
    def origins(self) -> tuple[str, ...]:
        if self.allowed_origins is not None:
            return self.allowed_origins
        return () if self.from_server else ("*",)

    def check(self) -> None:
        """ConfigurationError for a missing write key."""
        if not self.secrets and not self.allow_unsigned:
            raise ConfigurationError(f"source {self.name!r}: web.segment needs a write key in `secrets`")

    def without_effect(self) -> list[str]:
        unknown = ", ".join(sorted(set(self.verified_traits) - set(VERIFIABLE_TRAITS)))
        twice = ", ".join(_alike(self.events))
        ignored = ", ".join(it for it in self.events if _is_ignored(it, self.ignore))
        checks = {
            "`allow_unsigned` of web.segment has no effect with `secrets`: every event needs a write key": (
                self.secrets and self.allow_unsigned
            ),
            '`trust = "vendor"` of web.segment has no effect': self.trust == "vendor",
            '`verified_traits` of web.segment has no effect without trust = "server"': (
                self.verified_traits and not self.from_server
            ),
            f"`verified_traits` of web.segment takes email and phone, not {unknown}": unknown,
            f"`events` of web.segment names {twice} more than once (case, spaces, _ and - do not matter), "
            "and the first one has no effect": twice,
            f"`events` of web.segment has no effect on {ignored}: `ignore` leaves it out": ignored,
            '`identity_proof_secret` of web.segment has no effect with trust = "server": '
            "its user ids are verified already": self.identity_proof_secret and self.from_server,
        }
        return [problem for problem, found in checks.items() if found]


def _alike(names: Iterable[str]) -> list[str]:
    """The names that are written in more than one way."""
    counted = Counter(map(comparable, names))
    return sorted(it for it in names if counted[comparable(it)] > 1)


def _is_ignored(name: str, rules: Iterable[str]) -> bool:
    return any(matches(comparable(it), comparable(name)) for it in rules if not it.startswith("/"))
