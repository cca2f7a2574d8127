"""The language packs of the rules, read once at start from the files beside them."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

from handoff.domain.brief.packs import PackFile, Packs, compile_packs


def load_packs() -> Packs:
    """Every pack in the installed package."""
    folder = files("handoff.domain.brief.packs")
    found = sorted(it.name for it in folder.iterdir() if it.name.endswith(".toml"))
    stated = (tomllib.loads((folder / name).read_text("utf-8")) for name in found)
    return compile_packs(msgspec.convert(it, PackFile) for it in stated)
