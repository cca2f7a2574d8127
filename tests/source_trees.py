"""The product's modules as syntax trees, parsed once per process."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a module, but those that hold nothing (contexts and operators)."""
    return tuple(it for it in ast.walk(parsed(path)) if it._fields)
