"""Commands that start from a configuration: `serve` and `demo`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import msgspec

from handoff.bootstrap.settings import Settings, load_settings
from handoff.domain.errors import ConfigurationError, HandoffError


def serve(options: argparse.Namespace) -> int:
    """Run the server."""
    from .serve import serve

    def load() -> Settings:
        return _overridden(load_settings(options.config), options)

    try:
        return serve(load(), load if options.config is not None else None)
    except ConfigurationError as error:
        raise _with_every_fault(options.config, error) from error


def demo(options: argparse.Namespace) -> int:
    """Run the server and a customer's journey through it."""
    from .demo import demo  # a server does not need the modules that render in a terminal

    return demo(
        _overridden(load_settings(options.config or demo_configuration()), options), once=options.once
    )


def _with_every_fault(file: Path | None, error: ConfigurationError) -> ConfigurationError:
    """The error of a start; if the file is the reason, with every fault of it and not only the first one."""
    # Imported after a failure, since a start does not need these modules.
    from handoff.bootstrap.checking.checking import check_file
    from handoff.bootstrap.sources import build_sources

    from .setup.checked import fault_lines

    if file is None:
        return error
    try:
        build_sources(load_settings(file), lambda _source, _option: None)
        return error
    except ConfigurationError:
        found = [it for it in check_file(file, os.environ).faults if it.severity == "error"]
    lines = "\n".join(fault_lines(file, found))
    return ConfigurationError(f"the configuration is invalid\n{lines}") if found else error


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
