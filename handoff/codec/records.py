"""Control records as msgpack maps, tolerant of what a newer release wrote.

Unknown fields of an `OpenRecord` survive reading and writing. An unknown value of an enumeration is
kept as a member without a name in the code: it is shown and written back as it is, equals none of the
known ones, and no table of transitions has it.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum
from functools import cache
from hashlib import blake2b
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handoff.domain.open_record import OpenRecord, UnknownFields

T = TypeVar("T")
_KEPT = "unknown_fields"


class _HasUnknownFields(Exception):
    """A record carries unknown fields, which the direct encoder cannot merge in."""


def _refuse(_value: object) -> None:
    raise _HasUnknownFields


_DIRECT = msgspec.msgpack.Encoder(enc_hook=_refuse)
_PLAIN = msgspec.msgpack.Encoder()


_SORTED = msgspec.msgpack.Encoder(order="deterministic")


def digest_of(value: Any) -> bytes:
    """16 bytes that differ between two values, the same in every process."""
    return blake2b(_SORTED.encode(value), digest_size=16).digest()


@cache
def _decoder(type_: Hashable) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(cast(Any, type_))


def encode_record(value: Any) -> bytes:
    """The value as it is stored, with the unknown fields it was read with."""
    try:
        return _DIRECT.encode(value)
    except _HasUnknownFields:
        return _PLAIN.encode(_flat(value))


def decode_as(raw: bytes | msgspec.Raw, type_: type[T]) -> T:
    """The value of a stored record. msgspec.ValidationError if it is not such a record."""
    try:
        return cast(T, _decoder(cast(Hashable, type_)).decode(raw))
    except msgspec.ValidationError:
        return cast(T, _tolerant(msgspec.msgpack.decode(raw), type_))


def _flat(value: Any) -> Any:
    """The value as msgpack can hold it, unknown fields beside the known ones."""
    if isinstance(value, Struct):
        flat: dict[str, Any] = {}
        for field in msgspec.structs.fields(value):
            found = getattr(value, field.name)
            if found is UNSET or (value.__struct_config__.omit_defaults and found == field.default):
                continue
            if field.name != _KEPT:
                flat[field.encode_name] = _flat(found)
            else:
                flat |= found.fields
        return flat
    if isinstance(value, dict):
        return {key: _flat(it) for key, it in value.items()}
    if isinstance(value, list | tuple):
        return [_flat(it) for it in value]
    return value


def _tolerant(value: Any, type_: Any) -> Any:
    origin, arguments = get_origin(type_), get_args(type_)
    if origin in (Union, UnionType):
        return _of_union(value, type_, arguments)
    if origin is Literal and isinstance(value, str):
        return value
    if origin in (tuple, list) and isinstance(value, list) and arguments[1:] in ((), (...,)):
        return origin(_tolerant(it, arguments[0]) for it in value)
    if isinstance(type_, type) and issubclass(type_, Enum) and isinstance(value, str | int):
        return _member(value, type_)
    if isinstance(type_, type) and issubclass(type_, Struct) and isinstance(value, dict):
        return _struct(value, type_)
    return msgspec.convert(value, type_)


def _of_union(value: Any, type_: Any, arguments: tuple[Any, ...]) -> Any:
    if value is None and NoneType in arguments:
        return None
    others = [it for it in arguments if it not in (NoneType, UnsetType)]
    return _tolerant(value, others[0]) if len(others) == 1 else msgspec.convert(value, type_)


def _struct(value: dict[str, Any], type_: type[Struct]) -> Struct:
    known: dict[str, Any] = {}
    rest = dict(value)
    for field in msgspec.structs.fields(type_):
        if field.name == _KEPT:
            continue
        if field.encode_name in rest:
            known[field.name] = _tolerant(rest.pop(field.encode_name), field.type)
        elif field.required:
            raise msgspec.ValidationError(f"Object missing required field `{field.encode_name}`")
    if rest and issubclass(type_, OpenRecord):
        known[_KEPT] = UnknownFields(rest)
    return type_(**known)


def _member(value: str | int, type_: type[Enum]) -> Enum:
    """The member with this value; one outside the enumeration where it has none."""
    try:
        return type_(value)
    except ValueError:
        base = str if issubclass(type_, str) else int
        if not isinstance(value, base) or not issubclass(type_, base):
            raise msgspec.ValidationError(f"Invalid enum value {value!r}") from None
        member = cast(Enum, base.__new__(type_, value))
        member._name_, member._value_ = str(value), value
        return member
