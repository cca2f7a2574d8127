"""What `[[webhooks]]` in the configuration may say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.services.subscriptions import Configured, Wishes, check
from handoff.services.webhook_signing import Scheme, check_key


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription to outgoing webhooks; the same keys as `POST /v1/webhooks`.

    `types` are event types with `*` as a wildcard. `secret` is `whsec_…` (Standard Webhooks 1.0);
    without one, one is made. `include = "context"` adds the pinned context. `channels` and `queues`
    filter. `allow_insecure` permits http, `allow_networks` the private subnets of platforms on the
    premises; `retry_schedule_s` are the waits between attempts, in seconds.
    """

    url: str
    types: list[str] = field(default_factory=lambda: ["handoff.*"])
    tenant: str = "default"
    name: str | None = None
    secret: str | None = None
    include: Literal["context"] | None = None
    channels: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    rate_per_s: float | None = None
    signatures: list[Scheme] = field(default_factory=lambda: ["v1"])
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)
    retry_schedule_s: list[float] | None = None

    def configured(self) -> Configured:
        """The subscription that this asks for. ConfigurationError says what is wrong with it."""
        wishes = Wishes(
            url=self.url,
            types=tuple(self.types),
            name=self.name,
            include=self.include,
            channels=tuple(self.channels),
            queues=tuple(self.queues),
            headers=self.headers,
            rate_per_s=self.rate_per_s,
            signatures=tuple(self.signatures),
            allow_insecure=self.allow_insecure,
            allow_networks=tuple(self.allow_networks),
            retry_schedule_s=None if self.retry_schedule_s is None else tuple(self.retry_schedule_s),
        )
        try:
            check(wishes)
            if self.secret is not None and check_key(self.secret) not in self.signatures:
                raise Unprocessable("the secret is of a scheme that signatures does not name")
        except Unprocessable as error:
            raise ConfigurationError(f"webhook {self.name or self.url!r}: {error.detail}") from error
        return Configured(tenant=self.tenant, wishes=wishes, secret=self.secret)
