"""The shape of the house: no package is crowded, no function is long, and a name means one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.source_trees import parsed
from tests.unit.test_project import PACKAGES

# These tests read the sources, which tracing would slow down for nothing.
pytestmark = pytest.mark.no_cover

SIBLINGS = 14
FUNCTION_LINES = 50

CROWDED: dict[str, str] = {}
"""Packages that may have more modules than `SIBLINGS`, each with its reason."""

SHARED_STEMS = {"__init__", "__main__", "adapter", "manifest", "options", "settings"}
"""Module names that mean the same in every package: a vendor's adapter and its manifest, the options of a
vendor or of commands, a part's settings."""


def sources() -> Iterator[tuple[str, Path, ast.Module]]:
    for folder in PACKAGES.values():
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(folder.parent).as_posix(), path, parsed(path)


def test_no_package_is_crowded() -> None:
    modules: defaultdict[str, set[str]] = defaultdict(set)
    for name, path, _ in sources():
        if path.name != "__init__.py":
            modules[name.rpartition("/")[0]].add(path.stem)
    crowded = {package: len(found) for package, found in modules.items() if len(found) > SIBLINGS}
    assert set(crowded) == set(CROWDED), crowded


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{name}:{node.name}": lines
        for name, _, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert not long


def test_no_two_types_share_a_name() -> None:
    types: defaultdict[str, list[str]] = defaultdict(list)
    for name, _, tree in sources():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                types[node.name].append(name)
    assert not {name: places for name, places in types.items() if len(places) > 1}


def test_no_module_name_is_used_in_four_packages() -> None:
    stems: defaultdict[str, list[str]] = defaultdict(list)
    for name, path, _ in sources():
        if path.stem not in SHARED_STEMS:
            stems[path.stem].append(name)
    assert not {stem: places for stem, places in stems.items() if len(places) > 3}


SENDING = {"call", "call_durable", "on_primaries", "ask_server", "execute_command"}
"""Methods of the store's connection that take a command's words one by one."""


def _is_command(node: ast.expr | None) -> bool:
    word = node.value if isinstance(node, ast.Constant) else None
    text = word.decode(errors="replace") if isinstance(word, bytes) else word
    return isinstance(text, str) and re.fullmatch("[A-Z]{2,}", text) is not None


def redis_commands(tree: ast.Module) -> Iterator[int]:
    """The lines that spell out a Redis command: sent over a connection, or at the head of a tuple or list."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr in SENDING and _is_command(node.args[0]):
                yield node.lineno
        elif isinstance(node, (ast.Tuple, ast.List)) and len(node.elts) > 1:
            head = node.elts[0]
            if _is_command(head) and isinstance(head, ast.Constant) and isinstance(head.value, bytes):
                yield node.lineno


def test_redis_commands_are_found() -> None:
    spelled = """
store.connection.call("PING")
await connection.call(b"GET", key, key=key)
commands = [(b"ZCARD", key) for key in keys]
command = [b"XREAD", b"COUNT", 1]
"""
    assert sorted(redis_commands(ast.parse(spelled))) == [2, 3, 4, 5]
    others = 'await self._call("GET", path)\nmethods = ("GET", "POST")\nrequest(method="GET")\ncall("once")'
    assert not list(redis_commands(ast.parse(others)))


def control_uses(tree: ast.Module) -> Iterator[int]:
    """The lines that reach around a tenant's repositories: to its control partition, or to its keys."""
    private = {"Control", "ControlReads", "ControlKeys", "count_lists"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "control":
            # A consumer of the relay has a flag of this name.
            if not (isinstance(node.value, ast.Name) and node.value.id in {"self", "it", "consumer"}):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and private & {it.name for it in node.names}:
            yield node.lineno


def test_uses_of_control_records_are_found() -> None:
    spelled = """
from handoff.store.repositories.control import Change, Control
from handoff.store.keys import ControlKeys
store.control(tenant).keys.outbox()
self._store.control(tenant)
site.store.of(tenant).control.read([])
"""
    assert sorted(control_uses(ast.parse(spelled))) == [2, 3, 4, 5, 6]
    others = "if self.control or it.control: store.of(tenant).handoffs.read([])"
    assert not list(control_uses(ast.parse(others)))


def test_control_records_are_reached_through_repositories_only() -> None:
    assert not {
        f"{name}:{line}"
        for name, _, tree in sources()
        if not name.startswith("handoff/store/")
        for line in control_uses(tree)
    }


def test_redis_commands_are_in_the_store_only() -> None:
    assert not {
        f"{name}:{line}"
        for name, _, tree in sources()
        if not name.startswith("handoff/store/")
        for line in redis_commands(tree)
    }
