"""What a `web.segment` source may say in the configuration."""

from __future__ import annotations

import msgspec

from handoff.adapter.contract import SourceOptions

ARTICLE_CATEGORIES = ("help", "article", "support article", "faq", "kb")
ARTICLE_PATHS = ("/help/", "/articles/", "/kb/", "/faq/", "/support/articles/")
DEFAULT_SPACE = "segment"


class SegmentOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secrets` are the write keys.

    `trust` left out is "public": write keys are in every browser. `allow_unsigned` takes events
    without a write key. `allowed_origins` are what browsers may call from; left out, any for a
    public source and none for one of servers. `identity_proof_secret` holds the keys with which the
    business signs user ids (HMAC-SHA256, hexadecimal). `article_categories` and `article_paths`
    tell a help article from another page; `events` maps further track events to touchpoint types.
    """

    allow_unsigned: bool = False
    allowed_origins: tuple[str, ...] | None = None
    identity_proof_secret: tuple[str, ...] = ()
    article_categories: tuple[str, ...] = ARTICLE_CATEGORIES
    article_paths: tuple[str, ...] = ARTICLE_PATHS
    events: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def from_server(self) -> bool:
        """Whether what the sender states about who somebody is can be believed."""
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
