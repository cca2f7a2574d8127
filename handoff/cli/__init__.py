"""The command line: `handoff serve`, `handoff demo` and the operator's tools."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
