"""Every stored and every public name, read from the code; and the file that freezes them."""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from tests.frozen import where
from tests.source_trees import nodes

FROZEN = Path(__file__).with_name("names.json")
Names = dict[str, dict[str, Any]]
"""By section: names and what belongs to each (an empty text where nothing does)."""
LEVELS = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_EVENT = re.compile(r"[a-z]+(?:_[a-z0-9]+)*")
_VARIABLE = re.compile(r"HANDOFF_[A-Z_]+")
_HASH_CALL = re.compile(r"redis\.call\('H[A-Z]+',[^()]*(?:\([^()]*\)[^()]*)*\)")
_QUOTED = re.compile(r"'([^']*)'")


@cache
def collect() -> Names:
    """All of them, as of now."""
    sections: dict[str, dict[str, Any]] = {
        "stored record fields": {
            f"{record}: {field.encode_name}": ""
            for record, type_ in where.STORED_RECORDS.items()
            for field in msgspec.structs.fields(type_)
            if field.name != "unknown_fields"
        },
        "stored positions": {
            f"{row}: {at}": field.encode_name
            for row, type_ in where.STORED_ROWS.items()
            for at, field in enumerate(msgspec.structs.fields(type_))
        },
        "stored codes": {
            f"{kind}: {code}": str(name)
            for kind, names in where.CODES.items()
            for code, name in enumerate(names)
        },
        "enumeration values": {
            f"{kind}: {member.value}": "" for kind, type_ in where.ENUMERATIONS.items() for member in type_
        },
        "stored values": dict(where.VALUES),
        "dictionaries": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in where.ROOT.glob("handoff/**/*.zdict")
        },
        "key letters": dict.fromkeys(_key_prefixes(), ""),
        "control keys": dict.fromkeys(_first_arguments(where.KEY_CALLS, *where.TREES), ""),
        "hash fields of functions": dict.fromkeys(_function_fields(), ""),
        "brief codes": dict.fromkeys(_brief_codes(), ""),
        "problem codes": dict.fromkeys(where.PROBLEMS, ""),
        "metrics": _metrics(),
        "log events": dict.fromkeys(_log_events(), ""),
        "webhook events": {kind.name: "" for kind in where.EVENT_KINDS},
        "live events": dict.fromkeys(_first_arguments(where.STREAM_CALLS, where.STREAMS), ""),
        "scopes": dict.fromkeys(where.TOKEN_SCOPES, ""),
        "configuration": dict.fromkeys(_settings(), ""),
        "environment": dict.fromkeys(_variables(), ""),
        "commands": dict.fromkeys(_commands(where.COMMANDS()), ""),
        "routes": {f"{it.method} {it.path}": "" for it in where.ROUTES},
        "api members": dict.fromkeys(_members(where.api_document()), ""),
    }
    return {name: dict(sorted(found.items())) for name, found in sections.items()}


def frozen() -> Names:
    return dict(json.loads(FROZEN.read_text(encoding="utf-8")))


def removed(before: Names, now: Names) -> list[str]:
    """Frozen names that were removed or changed."""
    return [
        f"{section}: {name!r}" + (f" was {value!r}" if value != "" else "")
        for section, names in before.items()
        for name, value in names.items()
        if now.get(section, {}).get(name) != value
    ]


def added(before: Names, now: Names) -> list[str]:
    """Names that are not frozen yet."""
    return [
        f"{section}: {name!r}"
        for section, names in now.items()
        for name in names
        if name not in before.get(section, {})
    ]


# --- By reading the source --------------------------------------------------------------------------


def _nodes(*roots: Path) -> Iterator[ast.AST]:
    for root in roots:
        for path in sorted(root.rglob("*.py")) if root.is_dir() else [root]:
            yield from nodes(path)


def _calls(*roots: Path) -> Iterator[tuple[str, ast.Call]]:
    """Calls with at least one argument, by the last part of what is called."""
    for node in _nodes(*roots):
        if isinstance(node, ast.Call) and node.args:
            called = node.func
            if isinstance(called, ast.Attribute):
                yield called.attr, node
            elif isinstance(called, ast.Name):
                yield called.id, node


def _text(node: ast.AST) -> list[str]:
    """The texts that an argument may be; a part that is filled in later shows as `{}`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(it.value if isinstance(it, ast.Constant) else "{}" for it in node.values)]  # type: ignore[misc]
    if isinstance(node, ast.IfExp):
        return [*_text(node.body), *_text(node.orelse)]
    return []


def _first_arguments(names: tuple[str, ...], *roots: Path) -> Iterator[str]:
    for name, call in _calls(*roots):
        if name in names:
            yield from _text(call.args[0])


def _log_events() -> Iterator[str]:
    for name, call in _calls(*where.TREES):
        if name in LEVELS:
            yield from (it for it in _text(call.args[0]) if _EVENT.fullmatch(it))


def _metrics() -> dict[str, list[str]]:
    """The labels of every metric."""
    found: dict[str, list[str]] = {}
    for _name, call in _calls(*where.TREES):
        for text in _text(call.args[0]):
            if text.startswith("handoff_") and len(call.args) > 1 and text not in where.BRIEF_CODES:
                given = [*call.args[1:], *(it.value for it in call.keywords)]
                lists = [it for it in given if isinstance(it, ast.List | ast.Tuple)]
                found[text] = [label for it in lists for each in it.elts for label in _text(each)]
    return found


def _brief_codes() -> Iterator[str]:
    yield from where.BRIEF_CODES
    yield from _first_arguments(where.BRIEF_CALLS, where.BRIEF)
    for node in _nodes(where.BRIEF):
        if isinstance(node, ast.Compare) and getattr(node.left, "id", "") in where.BRIEF_NAMES:
            yield from (text for it in node.comparators for text in _text(it))
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names, values = _paired(target, node.value)
                for name, value in zip(names, values, strict=False):
                    if getattr(name, "id", "") in where.BRIEF_NAMES:
                        yield from _text(value)


def _paired(target: ast.expr, value: ast.expr) -> tuple[list[ast.expr], list[ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return target.elts, value.elts
    return [target], [value]


def _key_prefixes() -> Iterator[str]:
    for node in _nodes(where.KEYS):
        if isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value:
            yield node.value.decode()


def _variables() -> Iterator[str]:
    for node in _nodes(*where.TREES):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _VARIABLE.fullmatch(node.value):
            yield node.value


def _function_fields() -> Iterator[str]:
    """Names of fields, and of keys, that the store's functions write."""
    for path in sorted(where.FUNCTIONS.glob("*.lua")):
        source = path.read_text(encoding="utf-8")
        for call in _HASH_CALL.findall(source):
            yield from (f"{it}" for it in _QUOTED.findall(call)[1:] if it)
        yield from (f"key {it}" for it in re.findall(r"'(d[a-zA-Z])'", source))


# --- By asking the code -----------------------------------------------------------------------------


def _settings() -> Iterator[str]:
    yield from _keys_of(where.SETTINGS, "")
    for name, options in where.adapters().items():
        yield from _keys_of(options, f"sources ({name})")
        yield from (f"sources ({name}).{former}" for former in options.former)


def _keys_of(type_: Any, prefix: str) -> Iterator[str]:
    for field in msgspec.structs.fields(type_):
        name = f"{prefix}.{field.encode_name}".lstrip(".")
        yield name
        for inner in _structs(field.type):
            yield from _keys_of(inner, name)


def _structs(type_: Any) -> Iterator[Any]:
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        yield type_
    elif get_origin(type_) is not None or isinstance(type_, types.UnionType):
        for argument in get_args(type_):
            yield from _structs(argument)


def _commands(parser: argparse.ArgumentParser, prefix: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield f"{prefix} {name}".strip()
                yield from _commands(inner, f"{prefix} {name}".strip())
        else:
            yield from (f"{prefix} {option}".strip() for option in action.option_strings or [action.dest])


def _members(node: Any) -> Iterator[str]:
    """Names of members in the bodies of the API, whatever the shapes are called."""
    if isinstance(node, dict):
        properties = node.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in node.values():
            yield from _members(value)
    elif isinstance(node, list):
        for value in node:
            yield from _members(value)
