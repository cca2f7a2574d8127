"""The registry of adapters: the built-in ones, and those of other packages.

A server imports only the adapters of its sources, so it starts faster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from handoff.adapter.contract import CONTRACT_VERSION, Adapter
from handoff.adapter.manifest import Manifest
from handoff.domain.errors import ConfigurationError

ENTRY_POINTS = "handoff.adapters"
"""The entry-point group in which other packages name their adapter classes. The name of an entry is the
adapter's."""

BUILT_IN: Mapping[str, str] = {
    # Web self-service
    "web.segment": "handoff_adapters.web.segment:SegmentAdapter",
    # Chat
    "chat.chatwoot": "handoff_adapters.chat.chatwoot:ChatwootAdapter",
    # Phone and callback
    "phone.twilio": "handoff_adapters.phone.twilio:TwilioAdapter",
    # Email
    "email.smtp": "handoff_adapters.email.smtp:SmtpAdapter",
    # Any channel
    "generic.webhook": "handoff_adapters.generic:WebhookAdapter",
    "generic.cloudevents": "handoff_adapters.generic:CloudEventsAdapter",
}

_FORMER = {
    "preflight": "`preflight(request)` to `handshake(request)`",
    "answer": "`answer(request, outcome)` to `reply(request, parsed, outcome)`",
}
"""Methods of version 1 → what to rename them to."""


def names() -> list[str]:
    """The names of all adapters, built in or installed. Nothing is imported."""
    return sorted({*BUILT_IN, *(it.name for it in entry_points(group=ENTRY_POINTS))})


def available() -> dict[str, type[Adapter]]:
    """Every adapter by name.

    ConfigurationError when an adapter cannot be loaded, its name is taken, or it is of an earlier contract.
    """
    return {name: adapter_class(name) for name in names()}


def adapter_class(name: str) -> type[Adapter]:
    """The adapter called `name`. ConfigurationError, listing the known ones, when it is unknown."""
    return adapter_in(name, () if name in BUILT_IN else entry_points(group=ENTRY_POINTS))


def adapter_in(name: str, entries: Iterable[EntryPoint]) -> type[Adapter]:
    """The adapter called `name`, built in or in `entries`."""
    if name in BUILT_IN:
        return _loaded(EntryPoint(name, BUILT_IN[name], ENTRY_POINTS))
    found = list({it.value: it for it in entries if it.name == name}.values())
    if not found:
        raise ConfigurationError(f"unknown adapter {name!r}; known adapters: {', '.join(names())}")
    if len(found) > 1:
        places = " and ".join(sorted(it.value for it in found))
        raise ConfigurationError(f"two packages have an adapter named {name!r}: {places}")
    return _loaded(found[0])


def _loaded(entry: EntryPoint) -> type[Adapter]:
    where = f"adapter {entry.name!r} ({entry.value})"
    try:
        adapter = entry.load()
    except ConfigurationError:
        raise
    except Exception as error:  # the code of another package
        raise ConfigurationError(f"{where} cannot be loaded: {error}") from error
    check_version(adapter, where)
    if adapter.manifest.name != entry.name:
        raise ConfigurationError(f"{where} has a manifest with the name {adapter.manifest.name!r}")
    loaded: type[Adapter] = adapter
    return loaded


def check_version(adapter: Any, where: str) -> None:
    """ConfigurationError, with what to change, for an adapter that was written for an earlier contract."""
    former = [name for name in _FORMER if hasattr(adapter, name)]
    manifest = getattr(adapter, "manifest", None)
    if isinstance(manifest, Manifest) and not former:
        return
    steps = ["derive from handoff.adapter.base.BaseAdapter"]
    steps += [f"rename {_FORMER[name]}" for name in former]
    if not isinstance(manifest, Manifest):
        steps.append("state its name, channel and options in a `manifest` (handoff.adapter.manifest)")
    problem = f"{where} is not written for version {CONTRACT_VERSION} of the adapter contract"
    raise ConfigurationError(f"{problem}: {', '.join(steps)}")
