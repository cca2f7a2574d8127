"""The lines of an NDJSON request, in bounded groups."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from msgspec import Struct, field

from handoff.api.http.exchange import BOM

MAX_LINE = 512 * 1024  # bytes: the limit of a touchpoint, plus room for JSON escapes
LINES_AT_ONCE = 200  # lines recorded and answered as one group
PIECE = 16 * 1024  # bytes split into lines at once
BYTES_AT_ONCE = 4 * 1024 * 1024  # a group of long lines ends here


class LineGroup(Struct):
    """Lines with their places in the request, from 0. Empty lines count, and are left out.

    `through` is the place after the last line read.
    """

    places: list[int] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    through: int = 0


class _Grouping:
    """Collects lines into groups."""

    def __init__(self) -> None:
        self._group = LineGroup()
        self._place = self._count = self._size = 0

    def add(self, line: bytes) -> LineGroup | None:
        """Add a line; the group if it is complete."""
        group = self._group
        if line and line.removeprefix(BOM).strip():
            group.places.append(self._place)
            group.lines.append(line)
            self._size += len(line)
        self._place += 1
        self._count += 1
        group.through = self._place
        if len(group.lines) < LINES_AT_ONCE and self._size < BYTES_AT_ONCE:
            return None
        self._group, self._count, self._size = LineGroup(), 0, 0
        return group

    def rest(self) -> LineGroup | None:
        """The last group, which may consist of empty lines only; None without any line."""
        return self._group if self._count else None


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    """The body in small pieces: one that arrives at once may have a million lines."""
    async for chunk in request.content.iter_any():
        for at in range(0, len(chunk), PIECE):
            yield chunk[at : at + PIECE]
            if at:
                await asyncio.sleep(0)


async def groups(request: web.Request) -> AsyncIterator[LineGroup]:
    """Lines in bounded groups. A line above the limit is cut there; its reader rejects it."""
    rest = b""
    grouping = _Grouping()
    skipping = False
    async for chunk in _pieces(request):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            if skipping:
                skipping = False
                continue
            if (group := grouping.add(part)) is not None:
                yield group
        if len(rest) > MAX_LINE:
            if not skipping and (group := grouping.add(rest)) is not None:
                yield group
            rest, skipping = b"", True
    if rest.strip() and not skipping and (group := grouping.add(rest)) is not None:
        yield group
    if (group := grouping.rest()) is not None:
        yield group
