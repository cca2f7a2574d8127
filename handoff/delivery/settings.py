"""What `[[webhooks]]` in the configuration, and `POST /v1/webhooks`, may say."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field


class WebhookSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A subscription to outgoing webhooks.

    `types` are event types with `*` as a wildcard. `secret` is `whsec_…` (Standard Webhooks 1.0);
    without one, one is made. `allow_insecure` permits http, `allow_networks` the private subnets of
    platforms on the premises; `retry_schedule_s` are the waits between attempts, in seconds.
    """

    url: str
    types: list[str] = field(default_factory=lambda: ["handoff.*"])
    tenant: str = "default"
    name: str | None = None
    secret: str | None = None
    include: Literal["context"] | None = None
    allow_insecure: bool = False
    allow_networks: list[str] = field(default_factory=list)
    retry_schedule_s: list[float] | None = None
