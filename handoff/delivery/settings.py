"""The settings `[[webhooks]]` and `[[connectors]]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.handoff import EVENTS
from handoff.services.conversations.vendor_threads import Desktop, Kind
from handoff.services.webhooks.configured import Configured
from handoff.services.webhooks.signing import Scheme, check_key
from handoff.services.webhooks.spec import SubscriptionSpec, check

from .connectors import CONNECTORS
from .connectors.shapes import whole_number

NOTED = frozenset({"handoff.requested", *EVENTS.values()}) - {"handoff.viewed"}
"""Events that a connector can write a note for. `handoff.viewed` would be noise."""


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription to outgoing webhooks, with the same keys as `POST /v1/webhooks`.

    `types` are event types, with `*` as a wildcard. `secret` is `whsec_…` (Standard Webhooks 1.0); if it
    is missing, one is generated. `include = "context"` adds the snapshot of the context. `channels` and
    `queues` filter. `allow_insecure` permits http, and `allow_networks` the private subnets of on-premises
    platforms. `retry_schedule_s` lists the waits between attempts, in seconds.
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
        """The subscription. Raises ConfigurationError with the reason if it is invalid."""
        spec = SubscriptionSpec(
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
            check(spec)
            if self.secret is not None and check_key(self.secret) not in self.signatures:
                raise Unprocessable("signatures does not include the secret's scheme")
        except Unprocessable as error:
            raise ConfigurationError(f"webhook {self.name or self.url!r}: {error.detail}") from error
        return Configured(tenant=self.tenant, wishes=spec, secret=self.secret)


class ConnectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A connector: it writes the brief as a note in the desktop that agents already use.

    `url` is the vendor's server without a path. `token` authorizes, with `user` for a Zendesk agent.
    `source` is the source of the conversations' touchpoints, and `account` the Chatwoot account. `on` lists
    the handoff events that write a note. The other keys are the same as for webhooks.
    """

    name: str
    kind: Kind
    url: str
    token: str
    source: str
    account: str | None = None
    user: str | None = None
    tenant: str = "default"
    on: list[str] = field(default_factory=lambda: ["handoff.requested"])
    channels: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    rate_per_s: float | None = None
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)
    retry_schedule_s: list[float] | None = None

    def configured(self) -> Configured:
        """The subscription. Raises ConfigurationError with the reason if it is invalid."""
        try:
            spec = self._spec()
            check(spec)
        except Unprocessable as error:
            raise ConfigurationError(f"connector {self.name!r}: {error.detail}") from error
        return Configured(tenant=self.tenant, wishes=spec)

    def _spec(self) -> SubscriptionSpec:
        unknown = [it for it in self.on if it not in NOTED]
        if unknown or not self.on:
            raise Unprocessable(f"on must list some of: {', '.join(sorted(NOTED))}")
        if not self.source:
            raise Unprocessable("source is empty")
        if (self.kind == "chatwoot.note") != (self.account is not None):
            raise Unprocessable("account is required for chatwoot.note, and allowed for no other kind")
        if self.account is not None and whole_number(self.account) != self.account:
            raise Unprocessable("account must be a number in quotes, as in Chatwoot's URLs")
        return SubscriptionSpec(
            url=self.url,
            types=tuple(self.on),
            name=self.name,
            channels=tuple(self.channels),
            queues=tuple(self.queues),
            headers=CONNECTORS[self.kind].credentials(self.token, self.user),
            rate_per_s=self.rate_per_s,
            signatures=(),
            allow_insecure=self.allow_insecure,
            allow_networks=tuple(self.allow_networks),
            retry_schedule_s=None if self.retry_schedule_s is None else tuple(self.retry_schedule_s),
            desktop=Desktop(kind=self.kind, source=self.source, account=self.account),
        )


def subscriptions_of(
    webhooks: Iterable[WebhookSettings], connectors: Iterable[ConnectorSettings]
) -> list[Configured]:
    """The configured subscriptions. Raises ConfigurationError for an invalid or duplicate entry."""
    found: dict[bytes, Configured] = {}
    entries: list[WebhookSettings | ConnectorSettings] = [*webhooks, *connectors]
    for entry in entries:
        configured = entry.configured()
        if configured.id in found:
            kind = "connector" if configured.wishes.desktop else "webhook"
            raise ConfigurationError(
                f"{kind} {entry.name or entry.url!r}: duplicate URL: give each entry a different name"
            )
        found[configured.id] = configured
    return list(found.values())
