"""The settings `[[webhooks]]`, `[[connectors]]` and `[[transcribers]]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct, field

from handoff.domain.consent import is_purpose
from handoff.domain.errors import ConfigurationError, Unprocessable
from handoff.domain.handoff import EVENTS
from handoff.services.conversations.vendor_threads import TRANSCRIBER, Desktop, Kind
from handoff.services.webhooks.configured import Configured
from handoff.services.webhooks.destinations import check_url
from handoff.services.webhooks.signing import Scheme, check_key
from handoff.services.webhooks.spec import SubscriptionSpec, check

from .connectors import CONNECTORS
from .connectors.shapes import whole_number

NOTED = frozenset({"handoff.requested", *EVENTS.values()}) - {"handoff.viewed"}
"""Events that a connector can write a note for. `handoff.viewed` would be noise."""


TRANSCRIBED = frozenset({"message.received", "message.sent", "email.received", "note.added"})
"""Touchpoints whose attachments a transcriber can read."""
MAX_TRANSCRIPTION_S = 20.0  # with the download, an attempt stays below a delivery's lease
MAX_MEDIA = 25_000_000  # bytes, held in memory


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


class TranscriberSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A transcriber: it turns attachments of messages into text, with a plug-in of another package.

    `plugin` is its entry point, which gets `options`. `urls` are the beginnings of the URLs that may be
    fetched, with `headers`; `content_types` are patterns. `types` lists the touchpoints whose attachments are
    read. `requires_consent` is the purpose that the customer must have agreed to.
    """

    name: str
    plugin: str
    urls: list[str]
    tenant: str = "default"
    types: list[str] = field(default_factory=lambda: ["message.received"])
    channels: list[str] = field(default_factory=list)
    content_types: list[str] = field(default_factory=lambda: ["audio/*"])
    headers: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    requires_consent: str | None = None
    timeout_s: float = 15.0
    max_bytes: int = 10_000_000
    rate_per_s: float | None = None
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)
    retry_schedule_s: list[float] | None = None

    def configured(self) -> Configured:
        """The subscription. Raises ConfigurationError with the reason if it is invalid."""
        try:
            spec = self._spec()
            check(spec)
            for url in self.urls:
                check_url(url, spec.policy)
        except Unprocessable as error:
            raise ConfigurationError(f"transcriber {self.name!r}: {error.detail}") from error
        return Configured(tenant=self.tenant, wishes=spec)

    def _spec(self) -> SubscriptionSpec:
        if not self.urls:
            raise Unprocessable("urls must list what may be fetched")
        unknown = sorted(set(self.types) - TRANSCRIBED)
        if unknown or not self.types:
            raise Unprocessable(f"types must list some of: {', '.join(sorted(TRANSCRIBED))}")
        if not 0 < self.timeout_s <= MAX_TRANSCRIPTION_S:
            raise Unprocessable(f"timeout_s must be above 0 and at most {MAX_TRANSCRIPTION_S:g}")
        if not 0 < self.max_bytes <= MAX_MEDIA:
            raise Unprocessable(f"max_bytes must be 1 to {MAX_MEDIA}")
        if self.requires_consent is not None and not is_purpose(self.requires_consent):
            raise Unprocessable("requires_consent is not a purpose such as transcription")
        return SubscriptionSpec(
            url=self.urls[0],
            types=tuple(self.types),
            name=self.name,
            channels=tuple(self.channels),
            headers=self.headers,
            rate_per_s=self.rate_per_s,
            signatures=(),
            allow_insecure=self.allow_insecure,
            allow_networks=tuple(self.allow_networks),
            retry_schedule_s=None if self.retry_schedule_s is None else tuple(self.retry_schedule_s),
            desktop=Desktop(kind=TRANSCRIBER, source=self.name),
        )


SubscriptionSettings = WebhookSettings | ConnectorSettings | TranscriberSettings


def subscriptions_of(
    webhooks: Iterable[WebhookSettings],
    connectors: Iterable[ConnectorSettings],
    transcribers: Iterable[TranscriberSettings] = (),
) -> list[Configured]:
    """The configured subscriptions. Raises ConfigurationError for an invalid or duplicate entry."""
    found: dict[bytes, Configured] = {}
    entries: list[SubscriptionSettings] = [*webhooks, *connectors, *transcribers]
    for entry in entries:
        configured = entry.configured()
        if configured.id in found:
            kind = type(entry).__name__.removesuffix("Settings").lower()
            name = entry.name or configured.wishes.url
            raise ConfigurationError(f"{kind} {name!r}: duplicate URL: give each entry a different name")
        found[configured.id] = configured
    return list(found.values())
