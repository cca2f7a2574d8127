"""The manifest of an adapter: what it reads, what becomes of each event, and how far it was verified."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from handoff.domain.errors import ConfigurationError
from handoff.domain.touchpoint import TYPE_SET

from .contract import SourceOptions

IGNORED = "ignored: "
CHANNEL_OF_SOURCE = "generic"
"""The channel of an adapter whose sources state theirs in the option `channel`."""
_NAME = re.compile(r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_.-]*")
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_CREDENTIAL = re.compile(r"authorization|cookie|secret|token|password|api-?key|signature|credential")


class VendorEvent(Struct, frozen=True):
    """One event of the vendor, under the vendor's name for it.

    `becomes` is a touchpoint type, or `ignored: REASON`. An event that becomes different things has one entry
    for each; `note` states when.
    """

    name: str
    becomes: str
    note: str = ""

    @property
    def is_ignored(self) -> bool:
        return self.becomes.startswith(IGNORED)


class Manifest(Struct, frozen=True, kw_only=True):
    """The facts about an adapter. ConfigurationError where they contradict each other.

    `name` is `<channel>.<vendor>`. Of a delivery in quarantine, the headers in `kept_headers` (lower case)
    are stored beside `content-type`, so that a replay reads it as it came. Headers with credentials cannot
    be kept. `on_outage` is what the vendor needs while the store is down: `refuse` if it sends again what
    was refused, `spool` if it does not. `outbound` is who usually writes the business's messages there; a
    source's own option overrides it. `verified_against` names what the adapter was tested with.
    """

    name: str
    channel: str
    title: str
    verified_against: str
    options: type[SourceOptions] = SourceOptions
    events: tuple[VendorEvent, ...] = ()
    kept_headers: tuple[str, ...] = ()
    on_outage: Literal["refuse", "spool"] = "refuse"
    outbound: Literal["bot", "person"] | None = None
    maturity: Literal["stable", "beta"] = "beta"

    def __post_init__(self) -> None:
        fault = self._fault()
        if fault:
            raise ConfigurationError(f"the manifest of adapter {self.name!r} is invalid: {fault}")

    def _fault(self) -> str | None:
        if not _NAME.fullmatch(self.name) or not self.name.startswith(f"{self.channel}."):
            return f"the name must begin with the channel, as in '{self.channel}.vendor'"
        unknown = [it.becomes for it in self.events if not it.is_ignored and it.becomes not in TYPE_SET]
        if unknown:
            return f"{unknown[0]!r} is neither a touchpoint type nor '{IGNORED}REASON'"
        pairs = [(it.name, it.becomes) for it in self.events]
        twice = next((it for it in pairs if pairs.count(it) > 1), None)
        if twice is not None:
            return f"the event {twice[0]!r} becomes {twice[1]!r} twice"
        for name in self.kept_headers:
            if not _HEADER.fullmatch(name):
                return f"{name!r} is not the name of a header in lower case"
            if _CREDENTIAL.search(name):
                return f"the header {name!r} may carry a credential and is never stored"
        return None

    @property
    def types(self) -> frozenset[str]:
        """The touchpoint types that the events become."""
        return frozenset(it.becomes for it in self.events if not it.is_ignored)
