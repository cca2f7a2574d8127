"""The lines of an NDJSON request, in bounded groups."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

MAX_LINE = 512 * 1024  # bytes: the limit of a touchpoint, plus room for JSON escapes
LINES_AT_ONCE = 200  # lines recorded and answered as one group


async def groups(request: web.Request) -> AsyncIterator[list[bytes]]:
    """Lines in bounded groups. A line above the limit is cut there; its reader rejects it."""
    rest = b""
    lines: list[bytes] = []
    skipping = False
    async for chunk in request.content.iter_any():
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            if skipping:
                skipping = False
                continue
            lines.append(part)
        if len(rest) > MAX_LINE:
            if not skipping:
                lines.append(rest)
            rest, skipping = b"", True
        while len(lines) >= LINES_AT_ONCE:
            yield lines[:LINES_AT_ONCE]
            lines = lines[LINES_AT_ONCE:]
    if rest.strip() and not skipping:
        lines.append(rest)
    if lines:
        yield lines
