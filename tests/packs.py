"""The language packs of the package, read once for all tests of a process."""

from __future__ import annotations

from functools import cache

from handoff.bootstrap.language_packs import load_packs

packs = cache(load_packs)
