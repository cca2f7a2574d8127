"""Stored records that a newer release may extend: fields this release does not know stay with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class UnknownFields:
    """Fields of a stored record that this release does not know, as they were read."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownFields) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(frozenset(self.fields))

    def __repr__(self) -> str:
        return f"UnknownFields({self.fields!r})"


class OpenRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of records that are read, changed and written again.

    `structs.replace` carries `unknown_fields` along, and `handoff.codec.records` writes them back. A
    record that has none takes msgspec's direct way: `forbid_unknown_fields` is how one that has some
    is noticed.
    """

    unknown_fields: UnknownFields | UnsetType = UNSET
