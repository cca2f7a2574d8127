"""`handoff adapters` and `handoff adapters show`: what the manifests state."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import msgspec

from handoff.adapter.contract import Adapter
from handoff.adapter.manifest import Manifest
from handoff.cli.operating.tables import print_fields, print_rows
from handoff.cli.terminal import print_json
from handoff.domain.errors import ConfigurationError
from handoff_adapters.registry import adapter_class, names

ON_OUTAGE: Mapping[str, str] = {
    "refuse": "the vendor sends again what was refused",
    "spool": "the vendor does not send again what was refused",
}


def list_all(options: argparse.Namespace) -> int:
    """Every adapter, and those that cannot be used, with the reason."""
    found: list[Manifest] = []
    unusable: dict[str, str] = {}
    for name in names():
        try:
            found.append(adapter_class(name).manifest)
        except ConfigurationError as error:
            unusable[name] = error.detail
    if options.json:
        broken = [{"name": name, "problem": problem} for name, problem in unusable.items()]
        print_json({"adapters": [_summary(it) for it in found], "unusable": broken})
    else:
        rows = [(it.name, it.channel, it.maturity, it.title) for it in found]
        print_rows(("Adapter", "Channel", "Maturity", "Title"), rows)
        for problem in unusable.values():
            print(problem)
    return 1 if unusable else 0


def _summary(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "channel": manifest.channel,
        "title": manifest.title,
        "maturity": manifest.maturity,
    }


def show(options: argparse.Namespace) -> int:
    """Describe one adapter."""
    adapter = adapter_class(options.name)
    described = describe(adapter)
    if options.json:
        print_json(described)
        return 0
    manifest = adapter.manifest
    print_fields(
        [
            ("adapter", manifest.name),
            ("title", manifest.title),
            ("channel", manifest.channel),
            ("maturity", manifest.maturity),
            ("verified against", manifest.verified_against),
            ("after an outage", ON_OUTAGE[manifest.on_outage]),
            ("outbound", manifest.outbound),
            ("kept headers", ", ".join(("content-type", *manifest.kept_headers))),
        ]
    )
    print()
    print_rows(("Event", "Becomes", ""), [(it.name, it.becomes, it.note) for it in manifest.events])
    print()
    print_rows(("Option", "Default"), [(it["name"], it["default"]) for it in described["options"]])
    return 0


def describe(adapter: type[Adapter]) -> dict[str, Any]:
    """The manifest as plain JSON."""
    manifest = adapter.manifest
    return {
        **_summary(manifest),
        "verified_against": manifest.verified_against,
        "on_outage": manifest.on_outage,
        "outbound": manifest.outbound,
        "kept_headers": ["content-type", *manifest.kept_headers],
        "events": [msgspec.to_builtins(it) for it in manifest.events],
        "options": [
            {"name": it.encode_name, "default": _default(it)}
            for it in msgspec.structs.fields(manifest.options)
            if it.encode_name not in ("name", "adapter")
        ],
    }


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return "" if value is None else msgspec.json.encode(value).decode()
