"""Checks `[[sources]]`, whose keys depend on the adapter."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from handoff.adapter.contract import SourceOptions
from handoff.adapter.poller import Poller
from handoff.bootstrap.sources import foreign_channel
from handoff.delivery.polling.client import check_poller
from handoff.domain.errors import ConfigurationError
from handoff.services.sources.inbound import Source
from handoff_adapters import registry
from handoff_adapters.registry import BUILT_IN, adapter_class

from .faults import FaultList, KeyPath
from .shape import ShapeCheck


def check_sources(
    faults: FaultList, shape: ShapeCheck, tables: Any, channels: Collection[str]
) -> dict[int, Source]:
    """The sources without a fault, by position."""
    if not isinstance(tables, list):
        faults.add(("sources",), "must be a list of tables: write [[sources]]")
        return {}
    sources: dict[int, Source] = {}
    names: set[str] = set()
    for at, table in enumerate(tables):
        path: KeyPath = ("sources", at)
        if not isinstance(table, dict):
            faults.add(path, "must be a table")
            continue
        source = _source(faults, shape, table, path)
        name = table.get("name")
        if isinstance(name, str) and name in names:
            faults.add((*path, "name"), f"another source is named {name!r}: names are unique across tenants")
        elif source is not None:
            if (channel := foreign_channel(source, channels)) is not None:
                problem = f"unknown channel {channel!r}: declare further ones in [[channels]]"
                faults.add((*path, "channel"), problem, given=channel, allowed=channels)
            sources[at] = source
        names.add(str(name))
    return sources


def _source(faults: FaultList, shape: ShapeCheck, table: dict[str, Any], path: KeyPath) -> Source | None:
    adapter = _adapter(faults, table, path)
    if adapter is None:
        return None
    former = adapter.options.former
    options = shape.table(table, adapter.options, path, ignored=former)
    for key in table:
        if key in former:
            problem = f"{table['adapter']} has no such option any more: it is ignored"
            faults.add((*path, key), problem, severity="warning")
    if not isinstance(options, SourceOptions):
        return None
    try:
        source = Source(options=options, adapter=adapter(options))
        if isinstance(source.adapter, Poller):
            check_poller(source.adapter)
    except ConfigurationError as error:
        faults.add((*path, *_guilty(error.detail, adapter.options, table)), error.detail)
        return None
    for problem in options.without_effect():
        faults.add((*path, *_guilty(problem, adapter.options, table)), problem, severity="warning")
    return source


def _adapter(faults: FaultList, table: dict[str, Any], path: KeyPath) -> Any:
    """The class of the adapter; None if it is missing or unknown."""
    name = table.get("adapter")
    if "name" not in table:
        faults.add((*path, "name"), "this key is required")
    if name is None:
        faults.add((*path, "adapter"), "this key is required", allowed=BUILT_IN)
        return None
    if not isinstance(name, str):
        faults.add((*path, "adapter"), "must be a string", allowed=BUILT_IN)
        return None
    try:
        return adapter_class(name)
    except ConfigurationError as error:
        if "unknown adapter" not in error.detail:
            faults.add((*path, "adapter"), error.detail)
            return None
        faults.add((*path, "adapter"), f"unknown adapter {name!r}", given=name, allowed=registry.names())
        return None


def _guilty(problem: str, options: type[SourceOptions], table: dict[str, Any]) -> KeyPath:
    """The key that a problem names first in backquotes, as in `mapping.identities[0].value`."""
    for name, rest in re.findall(r"`(\w+)([.\[][^`]*)?", problem):
        if name in options.__struct_fields__:
            return (name, *_place(rest.removeprefix("."), table.get(name)))
    return ()


def _place(rest: str, value: Any) -> KeyPath:
    """The path that the rest of a key's name means in a value. Names may have dots of their own."""
    if isinstance(value, list) and (found := re.match(r"\[(\d+)\]\.?", rest)):
        at = int(found[1])
        return (at, *_place(rest[found.end() :], value[at])) if at < len(value) else ()
    if not rest or not isinstance(value, dict):
        return ()
    for key in sorted(value, key=len, reverse=True):
        after = rest.removeprefix(key)
        if rest.startswith(key) and after[:1] in ("", ".", "["):
            return (key, *_place(after.removeprefix("."), value[key]))
    return (rest,)  # it is missing
