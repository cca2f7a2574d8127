"""Stored records that a newer release may extend. They keep fields that this release does not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType


class UnknownFields:
    """The fields of a stored record that this release does not know, unchanged."""

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
    """Base of records that are read, changed and written back.

    `structs.replace` keeps `unknown_fields`, and `handoff.codec.records` writes them back.
    `forbid_unknown_fields` detects records that have some; all others use msgspec's direct decoder.
    """

    unknown_fields: UnknownFields | UnsetType = UNSET
