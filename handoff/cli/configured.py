"""Commands that read a configuration: `serve`, `demo`, `check-config`; and `adapters`."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from handoff.bootstrap.settings import Settings, load_settings
from handoff.domain.errors import HandoffError


def serve(options: argparse.Namespace) -> int:
    """Run the server."""
    from .serve import serve

    def load() -> Settings:
        return _overridden(load_settings(options.config), options)

    return serve(load(), load if options.config is not None else None)


def demo(options: argparse.Namespace) -> int:
    """Run the server and a customer's journey through it."""
    from .demo import demo  # a server does not need the modules that render in a terminal

    return demo(
        _overridden(load_settings(options.config or demo_configuration()), options), once=options.once
    )


def check(options: argparse.Namespace) -> int:
    """Check a configuration file and summarise it."""
    from handoff.bootstrap.sources import build_sources, tenants
    from handoff.delivery.settings import subscriptions_of
    from handoff.domain.retention.rules import check_rules

    settings = load_settings(options.file)
    ignored: list[tuple[str, str]] = []
    sources = build_sources(settings, lambda source, option: ignored.append((source, option)))
    subscriptions_of(settings.webhooks, settings.connectors)
    check_rules(settings.retention, tenants(settings, sources), settings.channel_names)
    print(
        f"{options.file} is valid: {len(sources)} sources, {len(settings.tokens)} tokens, "
        f"{len(settings.webhooks)} webhooks, {len(settings.connectors)} connectors"
    )
    for source in sources.values():
        print(f"  {source.name}: {source.options.adapter}, tenant {source.tenant}")
    for name, option in ignored:
        print(f"  {name}: ignored: {option}")
    return 0


def list_adapters(_options: argparse.Namespace) -> int:
    """List the installed adapters with the first line of their description."""
    from handoff_adapters.registry import available

    for name, kind in sorted(available().items()):
        words = (kind.__doc__ or "").strip().splitlines()
        print(f"{name:16} {words[0] if words else ''}")
    return 0


def demo_configuration() -> Path:
    """The demo's configuration, from the wheel or from the checkout."""
    package = Path(__file__).parent.parent
    inside = package / "demo.toml"
    return inside if inside.exists() else package.parent / "config" / "demo.toml"


def _overridden(settings: Settings, options: argparse.Namespace) -> Settings:
    """Settings with the command line's options applied: they override the environment and the file."""
    server = {"host": options.host, "port": options.port, "workers": getattr(options, "workers", None)}
    given = {key: value for key, value in server.items() if value is not None}
    try:
        changed = msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, **given))
    except ValueError as error:
        raise HandoffError(str(error), code="configuration") from error
    if options.data is None:
        return changed
    return msgspec.structs.replace(
        changed, store=msgspec.structs.replace(changed.store, data_dir=options.data)
    )
