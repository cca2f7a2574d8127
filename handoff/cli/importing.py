"""`handoff import FILE`: years of history, as NDJSON, resumable."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from handoff.domain.errors import HandoffError

from .client import Remote, read_answer, remote

LINES_A_REQUEST = 5_000
"""Lines of one request: a cut connection repeats at most these, which the server recognises."""
_GO_ON = "run the same again to go on"
SHOWN = 20  # rejected lines printed; all are counted and written to FILE.rejected


def run(options: argparse.Namespace) -> int:
    """Import a file; 1 when lines were rejected."""

    async def call() -> int:
        async with remote(options.url, options.token) as server:
            return await import_file(server, options.file, restart=options.restart)

    try:
        return asyncio.run(call())
    except OSError as error:
        raise HandoffError(f"{error.filename}: {error.strerror or error}", code="file") from error


class Tally:
    """What became of the lines so far."""

    def __init__(self) -> None:
        self.accepted = self.duplicates = self.rejected = self.expired = 0

    def add(self, answer: dict[str, Any]) -> None:
        self.accepted += answer["accepted"]
        self.duplicates += answer["duplicates"]
        self.rejected += len(answer["rejected"])
        self.expired += answer["expired"]

    def __str__(self) -> str:
        return f"{self.accepted} accepted, {self.duplicates} known already, {self.rejected} rejected"


async def import_file(server: Remote, file: Path, *, restart: bool) -> int:
    """Send a file's lines; what is durable is remembered beside it, so that a second run goes on.

    1 when lines were rejected: they are in FILE.rejected with their reasons, and can be mended and
    sent again.
    """
    console = Console(highlight=False)
    mark = _Mark(file, restart=restart)
    line, offset = mark.line, mark.offset
    tally = Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, file.open("rb") as source:
        task = progress.add_task("importing", total=source.seek(0, 2), completed=offset)
        source.seek(offset)
        with mark.rejected.open("ab") as rejected:
            rejected.truncate(mark.rejected_bytes)  # what a run that was cut off wrote beyond its mark
            while True:
                lines = [text for _ in range(LINES_A_REQUEST) if (text := source.readline())]
                if not lines:
                    break
                async for answer in _send(server, lines):
                    tally.add(answer)
                    for it in answer["rejected"]:
                        entry = {**it, "line": line + it["index"] + 1}
                        rejected.write(json.dumps(entry).encode() + b"\n")
                        if tally.rejected <= SHOWN:
                            console.print(f"line {entry['line']}: {it['code']}: {it['detail']}", markup=False)
                line, offset = line + len(lines), source.tell()
                rejected.flush()
                mark.write(line, offset, rejected.tell())
                progress.update(task, completed=offset)
    if not mark.rejected.stat().st_size:
        mark.rejected.unlink()
    console.print(f"{line} lines: {tally}")
    return 1 if tally.rejected else 0


class _Mark:
    """FILE.progress: how far the import got, and how much of FILE.rejected belongs to that."""

    def __init__(self, file: Path, *, restart: bool) -> None:
        self.rejected = file.with_name(file.name + ".rejected")
        self._path = file.with_name(file.name + ".progress")
        self.line = self.offset = self.rejected_bytes = 0
        with suppress(OSError, ValueError, KeyError):
            found = {} if restart else json.loads(self._path.read_text())
            read = int(found["line"]), int(found["offset"]), int(found["rejected_bytes"])
            self.line, self.offset, self.rejected_bytes = read

    def write(self, line: int, offset: int, rejected_bytes: int) -> None:
        """Whole or not at all: a run that is killed meanwhile leaves the mark before."""
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text(json.dumps({"line": line, "offset": offset, "rejected_bytes": rejected_bytes}))
        fresh.replace(self._path)


async def _send(server: Remote, lines: list[bytes]) -> AsyncIterator[dict[str, Any]]:
    """One request's answers, as they come."""
    if not any(line.strip() for line in lines):
        return
    headers = {"Content-Type": "application/x-ndjson"}
    url = f"{server.url}/v1/touchpoints"
    try:
        async with server.session.post(url, data=b"".join(lines), headers=headers) as response:
            if response.status >= 400:
                await read_answer(response)
            async for raw in response.content:
                answer = json.loads(raw)
                if "error" in answer:
                    raise HandoffError(f"the server stopped: {answer['error']}; {_GO_ON}")
                yield answer
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise HandoffError(
            f"{server.url} does not answer any more: {error or 'too slow'}; {_GO_ON}"
        ) from error
