"""The import command: checks the saved progress with the server, then sends the remaining lines."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from handoff.cli.client import remote
from handoff.domain.errors import HandoffError

from .display import Display
from .progress import FORMAT, ImportTally, ImportTarget, Prefix, Progress, load, save
from .rejects import Rejects
from .sending import CONTINUE, Answered, ImportSender, RejectedLine
from .source import ImportSource, SourceLine

DONE, SOME_REJECTED, INTERRUPTED = 0, 3, 130
LINES_A_REQUEST = 5_000
BYTES_A_REQUEST = 8 * 1024 * 1024
LONGEST_SENT = (
    1024 * 1024
)  # bytes: twice the server's limit, so that the server reports lines slightly over it
CHECKED = 100  # lines sent again to check that the server still has them
SAVE_EVERY_S = 0.2
_YIELD_EVERY = 5_000  # lines read without sending before the loop can be interrupted


def run(options: argparse.Namespace) -> int:
    """Import a file. Returns 0 if everything is stored, 3 if some lines were rejected, 130 if interrupted.

    HandoffError if the import could not finish.
    """

    async def call() -> int:
        async with remote(options.url, options.token) as server:
            console = Console(highlight=False)
            with ImportSource(options.file) as source, Display(console) as display:
                sender = ImportSender(
                    server, announce=options.announce, patience_s=options.patience, report=display.print
                )
                rejected = options.rejected or options.file.with_name(options.file.name + ".rejected.ndjson")
                return await Import(source, sender, display, rejected, restart=options.restart).run()

    try:
        return asyncio.run(call())
    except KeyboardInterrupt:
        print(f"interrupted: lines already sent are stored; {CONTINUE}")
        return INTERRUPTED
    except OSError as error:
        raise HandoffError(f"{error.filename}: {error.strerror or error}", code="file") from error


class Import:
    """One run of the command."""

    def __init__(
        self, source: ImportSource, sender: ImportSender, display: Display, rejected: Path, *, restart: bool
    ) -> None:
        self._source = source
        self._sender = sender
        self._display = display
        self._path = source.path.with_name(source.path.name + ".progress")
        self._known = None if restart else load(self._path)
        self._rejects = Rejects(rejected, self._known.rejects if self._known else None, restart=restart)
        self._tally = self._known.tally if self._known else ImportTally()
        self._progress: Progress
        self._saved_at = time.monotonic()

    async def run(self) -> int:
        target = await self._sender.target()
        if self._known is None:
            self._progress = self._progress_at(target, 0, Prefix(size=0, sha256=self._source.sha256))
            save(self._path, self._progress)
        else:
            self._progress = self._known
            await self._check(self._known, target)
        first = self._source.line
        try:
            await self._send_rest(target)
        finally:
            self._rejects.close()
        return self._summarise(first)

    async def _check(self, known: Progress, target: ImportTarget) -> None:
        """Check that an earlier run sent this content to this store, and that the store still has it."""
        was = known.target
        if (was.store, was.tenant) != (target.store, target.tenant):
            raise HandoffError(
                f"an earlier run sent {known.line} lines to another store ({was.url}, tenant {was.tenant}), "
                f"not to {target.url}, tenant {target.tenant}; use --restart to send the whole file here"
            )
        last: deque[SourceLine] = deque(maxlen=CHECKED)
        lines = self._source.lines()
        while self._source.offset < known.sent.size and (line := next(lines, None)):
            last.append(line)
            if line.number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if self._source.broken:
            raise HandoffError(self._source.broken)
        if (self._source.offset, self._source.sha256) != (known.sent.size, known.sent.sha256):
            raise HandoffError(
                f"{self._source.path} has changed since {known.line} lines were sent; use --restart to send "
                "the whole file again; the server skips what it already has"
            )
        await self._check_held(known, [it for it in last if _sendable(it)])

    async def _check_held(self, known: Progress, lines: Sequence[SourceLine]) -> None:
        """Check that the server still has lines that it acknowledged."""
        fresh = 0
        async for answered in self._sender.send(lines):
            fresh += answered.answer.accepted
        if fresh:
            doubt = f"the server has lost {fresh} of {len(lines)} acknowledged lines"
            save(self._path, msgspec.structs.replace(known, doubt=doubt))
            raise HandoffError(
                f"{doubt}: its store was restored or emptied; use --restart to send the whole file again"
            )

    async def _send_rest(self, target: ImportTarget) -> None:
        source, started = self._source, False
        self._display.begin(source.line, source.read_bytes)
        try:
            for lines in _requests(source):
                if not started:
                    self._rejects.begin()
                    started = True
                await self._send(target, lines)
        finally:
            if started:
                self._save()
        if source.broken:
            raise HandoffError(f"{source.broken}. The lines before are stored")

    async def _send(self, target: ImportTarget, lines: Sequence[SourceLine]) -> None:
        """Send the lines of one request and record the results; blank lines are skipped."""
        last = lines[-1]
        if last.size > LONGEST_SENT:  # such a line is alone in its request
            detail = f"the line has {last.size} bytes, more than any touchpoint may have"
            self._reject(last, RejectedLine(0, "payload_too_large", detail))
            self._tally.rejected += 1
        else:
            async for answered in self._sender.send([it for it in lines if it.raw]):
                self._count(answered)
                self._note(target, answered.lines[-1])
        self._note(target, last)

    def _count(self, answered: Answered) -> None:
        answer, tally = answered.answer, self._tally
        tally.accepted += answer.accepted
        tally.duplicates += answer.duplicates
        tally.expired += answer.expired
        tally.rejected += len(answered.rejected)
        for line, rejected in answered.rejected:
            self._reject(line, rejected)

    def _reject(self, line: SourceLine, rejected: RejectedLine) -> None:
        self._rejects.add(line, rejected.code, rejected.detail, rejected.errors)
        self._display.reject(line.number, rejected.code, rejected.detail)

    def _note(self, target: ImportTarget, line: SourceLine) -> None:
        """Record that everything up to this line is stored. A line without a line break is sent again."""
        source = self._source
        self._display.at(line.number, source.read_bytes, source.size)
        if line.whole:
            self._progress = self._progress_at(
                target, line.number, Prefix(size=line.end, sha256=line.sha256.hexdigest())
            )
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._save()

    def _progress_at(self, target: ImportTarget, line: int, sent: Prefix) -> Progress:
        tally = msgspec.structs.replace(self._tally)
        return Progress(
            format=FORMAT, target=target, line=line, sent=sent, tally=tally, rejects=self._rejects.written()
        )

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self._rejects.flush()
        save(self._path, self._progress)

    def _summarise(self, first: int) -> int:
        """Print the totals; returns the exit status."""
        lines, tally = self._source.line, self._tally
        if lines == first and first:
            self._display.print(
                f"nothing new: all {lines} lines were sent earlier, and the server has them: {tally}"
            )
        else:
            self._display.print(f"{lines} lines: {tally}")
        if not tally.rejected:
            return DONE
        self._display.print(f"rejected lines: {self._rejects.path}; correct them there and import that file")
        return SOME_REJECTED


def _sendable(line: SourceLine) -> bool:
    return bool(line.raw) and line.size <= LONGEST_SENT


def _requests(source: ImportSource) -> Iterator[list[SourceLine]]:
    """Group lines into requests. A line that is too long or has no line break is alone in its group."""
    lines: list[SourceLine] = []
    size = 0
    for line in source.lines():
        alone = line.size > LONGEST_SENT or not line.whole
        if lines and (alone or len(lines) == LINES_A_REQUEST or size + line.size > BYTES_A_REQUEST):
            yield lines
            lines, size = [], 0
        lines.append(line)
        size += line.size
        if alone:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines
