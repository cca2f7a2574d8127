"""Compares a configuration with the types of its settings, and continues after each fault."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from .faults import FaultList, KeyPath

_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}
_REPEATED = (list, tuple)


class ShapeCheck:
    """The check of one file.

    `choices` has the possible strings by path, with `*` for positions in lists. Values at the places in
    `secret` are not shown.
    """

    def __init__(
        self,
        faults: FaultList,
        choices: Mapping[tuple[str, ...], Collection[str]],
        secret: Collection[KeyPath] = (),
    ) -> None:
        self._faults = faults
        self._choices = choices
        self._secret = secret

    def table(
        self, value: Any, type_: type[Struct], path: KeyPath, ignored: Collection[str] = ()
    ) -> Struct | None:
        """The settings in a table; None if it has a fault. Keys in `ignored` are neither known nor wrong."""
        if not isinstance(value, dict):
            self._faults.add(path, f"must be a table, not {_kind(value)}")
            return None
        known = {it.encode_name: it for it in fields(type_)}
        hints = get_type_hints(type_)
        for key, inner in value.items():
            if key in known:
                self.value(inner, hints[known[key].name], (*path, key))
            elif key not in ignored:
                self._faults.add((*path, key), "unknown key", given=key, allowed=known, unknown=True)
        for key, one in known.items():
            if key not in value and _is_required(one):
                self._faults.add((*path, key), "this key is required")
        if self._faults.within(path):
            return None
        return self._converted({key: it for key, it in value.items() if key in known}, type_, path)

    def value(self, value: Any, type_: Any, path: KeyPath) -> None:
        """Check any value against its type."""
        origin, arguments = get_origin(type_), get_args(type_)
        if origin in (Union, UnionType):
            self.value(value, next(it for it in arguments if it is not type(None)), path)
        elif origin is Literal:
            self._choice(value, arguments, path)
        elif origin in _REPEATED:
            self._list(value, arguments[0], path)
        elif origin is dict:
            if not isinstance(value, dict):
                self._faults.add(path, f"must be a table, not {_kind(value)}")
                return
            for key, inner in value.items():
                self.value(inner, arguments[1], (*path, key))
        elif isinstance(type_, type) and issubclass(type_, Struct):
            self.table(value, type_, path)
        elif isinstance(type_, type) and issubclass(type_, StrEnum):
            self._choice(value, tuple(it.value for it in type_), path)
        else:
            self._plain(value, type_, path)

    def _list(self, value: Any, of: Any, path: KeyPath) -> None:
        if not isinstance(value, list):
            tables = isinstance(of, type) and issubclass(of, Struct)
            hint = f": write [[{path[-1]}]]" if tables and isinstance(value, dict) else ""
            self._faults.add(path, f"must be a list, not {_kind(value)}{hint}")
            return
        for at, inner in enumerate(value):
            self.value(inner, of, (*path, at))

    def _plain(self, value: Any, type_: Any, path: KeyPath) -> None:
        if type_ not in _NAMES:
            return  # Any, or a type that the conversion of its table checks
        fits = isinstance(value, type_) and (type_ in (bool, str) or not isinstance(value, bool))
        if type_ is float:
            fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits:
            self._faults.add(path, f"must be {_NAMES[type_]}, not {_kind(value)}")
            return
        allowed = self._choices.get(tuple("*" if isinstance(it, int) else it for it in path))
        if allowed is not None:
            self._choice(value, tuple(allowed), path)

    def _choice(self, value: Any, allowed: tuple[Any, ...], path: KeyPath) -> None:
        if value in allowed:
            return
        if path in self._secret:
            self._faults.add(path, "unknown value", allowed=map(str, allowed))
        else:
            self._faults.add(path, f"unknown value {value!r}", given=value, allowed=map(str, allowed))

    def _converted(self, table: Mapping[str, Any], type_: type[Struct], path: KeyPath) -> Struct | None:
        try:
            return msgspec.convert(self._faults.without_unknown(table, path), type_)
        except msgspec.ValidationError as error:
            problem = str(error).partition(" - at `$")[0]
            self._faults.add(_guilty(problem, table, path), problem)
            return None


def _guilty(problem: str, table: Mapping[str, Any], path: KeyPath) -> KeyPath:
    """The key that a table's own check complains about: the first one that the text names or quotes."""
    words = re.findall(r"\w+", problem.partition(": ")[2] or problem)
    quoting = (key for key, value in table.items() if any(repr(it) in problem for it in _texts(value)))
    found = next((it for it in words if it in table), None) or next(quoting, None)
    return path if found is None else (*path, found)


def _texts(value: Any) -> list[str]:
    return [it for it in (value if isinstance(value, list) else [value]) if isinstance(it, str)]


def _is_required(field: FieldInfo) -> bool:
    return field.default is NODEFAULT and field.default_factory is NODEFAULT


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return _NAMES.get(type(value), f"a {type(value).__name__}")
