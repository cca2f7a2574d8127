"""Plain tables: no value is cut, so that ids can be copied, and none can send commands to the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any


def printable(text: str, keep: str = "") -> str:
    """The text with control characters spelled out, except those in `keep`."""
    return "".join(it if it.isprintable() or it in keep else f"\\x{ord(it):02x}" for it in text)


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def short_time(text: str | None) -> str:
    return (text or "")[:19].replace("T", " ")


def print_rows(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A line for each row, with columns as wide as their longest value."""
    lines = [list(headings), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip_longest(*lines, fillvalue="")]
    for line in lines:
        padded = (value.ljust(width) for value, width in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def print_fields(fields: Sequence[tuple[str, Any]]) -> None:
    """A line for each field that has a value."""
    width = max(len(name) for name, _value in fields)
    for name, value in fields:
        if value not in (None, "", []):
            print(f"{name.ljust(width)}  {cell(value)}")


def print_more(next_: str | None, shown: int, total: int | None) -> None:
    """The number of entries that a page leaves out, and how to continue."""
    if next_ is not None:
        of = f" of {total}" if total is not None else ""
        print(f"{shown}{of} shown; continue with --cursor {next_}")
