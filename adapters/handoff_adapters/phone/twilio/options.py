"""The options of a `phone.twilio` source."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError

DEFAULT_SPACE = "twilio"


class TwilioOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secrets` are the account's auth tokens (two during a rotation).

    `shared_keys` holds the keys of HMAC_SHA256 signatures, by the id that their header names.
    `own` lists the business's numbers and other ends (`client:anna`, `sip:desk@…`).
    `allow_unsigned` turns the signature check off.
    """

    former: ClassVar[frozenset[str]] = frozenset({"trust", "verified_traits", "user_space"})

    secrets: tuple[str, ...] = ()
    shared_keys: dict[str, str] = msgspec.field(default_factory=dict)
    allow_unsigned: bool = False
    id_space: str | None = None
    default_region: str | None = None
    own: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.secrets)

    @property
    def is_signed(self) -> bool:
        """Whether every webhook carries Twilio's signature."""
        return bool(self.secrets or self.shared_keys)

    def event_space(self, account: str) -> str:
        """The id space of events, threads and Twilio's own handles."""
        return f"{self.id_space or DEFAULT_SPACE}/{account}"

    def check(self) -> None:
        """ConfigurationError for a missing secret."""
        if not self.is_signed and not self.allow_unsigned:
            raise ConfigurationError(f"source {self.name!r}: phone.twilio needs the auth token in `secrets`")

    def without_effect(self) -> list[str]:
        if self.is_signed and self.allow_unsigned:
            return [
                "`allow_unsigned` of phone.twilio has no effect with a secret: every request must be signed"
            ]
        return []
