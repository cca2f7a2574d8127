"""What a `phone.twilio` source may say in the configuration."""

from __future__ import annotations

import msgspec

from handoff.adapter.contract import SourceOptions

DEFAULT_SPACE = "twilio"


class TwilioOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secrets` are the account's auth tokens (two while one is rotated).

    `shared_keys` holds the keys of HMAC_SHA256 signatures by the id that their header names.
    `own` are the business's numbers and other ends (`client:anna`, `sip:desk@…`). `allow_unsigned`
    takes anything.
    """

    allow_unsigned: bool = False
    shared_keys: dict[str, str] = msgspec.field(default_factory=dict)

    def event_space(self, account: str) -> str:
        """The id space of events, threads and Twilio's own handles."""
        return f"{self.id_space or DEFAULT_SPACE}/{account}"
