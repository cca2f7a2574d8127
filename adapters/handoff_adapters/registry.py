"""The registry of adapters: the built-in ones, and those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from handoff.adapter.contract import Adapter
from handoff.domain.errors import ConfigurationError

ENTRY_POINTS = "handoff.adapters"
"""The entry-point group in which other packages name their adapter classes."""

BUILT_IN: Mapping[str, str] = {
    # Web self-service
    "web.segment": "handoff_adapters.web.segment:SegmentAdapter",
    # Chat
    "chat.chatwoot": "handoff_adapters.chat.chatwoot:ChatwootAdapter",
    # Phone and callback
    "phone.twilio": "handoff_adapters.phone.twilio:TwilioAdapter",
    # Email
    "email.smtp": "handoff_adapters.email.smtp:SmtpAdapter",
}
"""As entry points: a server imports only the adapters of its sources, so it starts faster."""


def available() -> dict[str, type[Adapter]]:
    """Every adapter by name, built in or installed.

    ConfigurationError when an adapter cannot be loaded or its name is taken.
    """
    found = {name: _built_in(name) for name in BUILT_IN}
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            loaded: Any = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"adapter {entry.value} cannot be loaded: {error}") from error
        if found.setdefault(loaded.name, loaded) is not loaded:
            raise ConfigurationError(f"two adapters are named {loaded.name}")
    return found


def adapter_class(name: str) -> type[Adapter]:
    """The adapter called `name`. ConfigurationError, listing the known ones, when it is unknown."""
    if name in BUILT_IN:
        return _built_in(name)
    found = available()
    if name not in found:
        raise ConfigurationError(f"unknown adapter {name!r}; known adapters: {', '.join(sorted(found))}")
    return found[name]


def _built_in(name: str) -> type[Adapter]:
    adapter: type[Adapter] = EntryPoint(name, BUILT_IN[name], ENTRY_POINTS).load()
    return adapter
