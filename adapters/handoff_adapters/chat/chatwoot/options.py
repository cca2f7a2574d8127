"""The options of a `chat.chatwoot` source."""

from __future__ import annotations

from typing import ClassVar

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError

DEFAULT_SPACE = "chatwoot"


class ChatwootOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secrets` are the webhook secrets that Chatwoot generates: one per webhook, inbox or bot.

    Chatwoot signs webhooks since February 2026. For older servers, `url_token` accepts one of the
    secrets as the last part of the URL (`/in/{source}/{token}` or `?token=`) instead.
    `allow_unsigned` accepts requests without a signature. `account` is the account id for
    conversation events that leave it out. `own` lists the business's own addresses and numbers.
    """

    former: ClassVar[frozenset[str]] = frozenset({"trust", "verified_traits"})

    secrets: tuple[str, ...] = ()
    allow_unsigned: bool = False
    url_token: bool = False
    account: str | None = None
    id_space: str | None = None
    user_space: str = ""
    default_region: str | None = None
    own: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.secrets)

    def event_space(self, account: str) -> str:
        """The id space of events and threads."""
        return f"{self.id_space or DEFAULT_SPACE}/{account}"

    def contact_space(self, account: str) -> str:
        """The space of `chatwoot.contact` identities."""
        return f"{self.id_space}/{account}" if self.id_space else account

    def check(self) -> None:
        """ConfigurationError for a missing secret."""
        if not self.secrets and not self.allow_unsigned:
            raise ConfigurationError(
                f"source {self.name!r}: chat.chatwoot needs the webhook secret in `secrets`"
            )

    def without_effect(self) -> list[str]:
        if self.url_token and not self.secrets:
            return ["`url_token` of chat.chatwoot has no effect without `secrets`"]
        return []
