"""What `[[webhooks]]` and `[[connectors]]` in the configuration may say."""

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
"""Events that a note can be written for; a note per look at the context would be noise."""


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
        wishes = SubscriptionSpec(
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


class ConnectorSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A note with the brief in the desktop that agents use already.

    `url` is the vendor's server without a path, `token` (and `user`, Zendesk's agent) what authorises;
    `source` is the name that the touchpoints of its conversations carry, `account` Chatwoot's. `on` are
    the hand-off events that bring a note. The rest is as with webhooks.
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
        """The subscription that this asks for. ConfigurationError says what is wrong with it."""
        try:
            wishes = self._wishes()
            check(wishes)
        except Unprocessable as error:
            raise ConfigurationError(f"connector {self.name!r}: {error.detail}") from error
        return Configured(tenant=self.tenant, wishes=wishes)

    def _wishes(self) -> SubscriptionSpec:
        unknown = [it for it in self.on if it not in NOTED]
        if unknown or not self.on:
            raise Unprocessable(f"on names hand-off events of {', '.join(sorted(NOTED))}")
        if not self.source:
            raise Unprocessable("source is empty")
        if (self.kind == "chatwoot.note") != (self.account is not None):
            raise Unprocessable("account is Chatwoot's account id: needed there, and only there")
        if self.account is not None and whole_number(self.account) != self.account:
            raise Unprocessable("account is a number in quotes, as in Chatwoot's own URLs")
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
    """What the configuration asks for. ConfigurationError names the entry that is wrong or stands twice."""
    wanted: dict[bytes, Configured] = {}
    entries: list[WebhookSettings | ConnectorSettings] = [*webhooks, *connectors]
    for it in entries:
        made = it.configured()
        if made.id in wanted:
            kind = "connector" if made.wishes.desktop else "webhook"
            raise ConfigurationError(
                f"{kind} {it.name or it.url!r} stands twice with this url: "
                "entries with one url need a name each, and different ones"
            )
        wanted[made.id] = made
    return list(wanted.values())
