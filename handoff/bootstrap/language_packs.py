"""The language packs of the rules, read once at start from the files beside them."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from handoff.domain.brief.packs import PackFile, Packs, compile_packs
from handoff.domain.errors import ConfigurationError


def load_packs(folder: Traversable | None = None) -> Packs:
    """Every pack in the installed package, or in `folder`. ConfigurationError for a pack with a mistake."""
    folder = folder or files("handoff.domain.brief.packs")
    found = sorted((it for it in folder.iterdir() if it.name.endswith(".toml")), key=lambda it: it.name)
    return compile_packs(_read(it) for it in found)


def _read(file: Traversable) -> PackFile:
    try:
        return msgspec.convert(tomllib.loads(file.read_text("utf-8")), PackFile)
    except ValueError as error:  # TOML, UTF-8, and msgspec have subclasses of it
        raise ConfigurationError(f"language pack {file.name}: {error}") from error
