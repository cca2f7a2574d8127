"""The command: what is known is checked with the server, what is not yet sent is sent."""

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
from .sending import GO_ON, Answered, ImportSender, RejectedLine
from .source import ImportSource, SourceLine

DONE, SOME_REJECTED, INTERRUPTED = 0, 3, 130
LINES_A_REQUEST = 5_000
BYTES_A_REQUEST = 8 * 1024 * 1024
LONGEST_SENT = 1024 * 1024  # bytes: twice what the server takes, which says what is wrong with shorter ones
CHECKED = 100  # lines sent again before a former run is believed
SAVE_EVERY_S = 0.2
_YIELD_EVERY = 5_000  # lines read without sending any, between two chances to be interrupted


def run(options: argparse.Namespace) -> int:
    """Import a file. 0 when everything is stored, 3 when some lines were rejected; a HandoffError, and 130
    when it was interrupted, where the import is not finished."""

    async def call() -> int:
        async with remote(options.url, options.token) as server:
            console = Console(highlight=False)
            with ImportSource(options.file) as source, Display(console) as display:
                sender = ImportSender(
                    server, announce=options.announce, patience_s=options.patience, say=display.say
                )
                rejected = options.rejected or options.file.with_name(options.file.name + ".rejected.ndjson")
                return await Import(source, sender, display, rejected, restart=options.restart).run()

    try:
        return asyncio.run(call())
    except KeyboardInterrupt:
        print(f"interrupted: what was sent is kept, {GO_ON}")
        return INTERRUPTED
    except OSError as error:
        raise HandoffError(f"{error.filename}: {error.strerror or error}", code="file") from error


class Import:
    """One run."""

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
            self._progress = self._made(target, 0, Prefix(size=0, sha256=self._source.sha256))
            save(self._path, self._progress)
        else:
            self._progress = self._known
            await self._check(self._known, target)
        first = self._source.line
        try:
            await self._send_rest(target)
        finally:
            self._rejects.close()
        return self._tell(first)

    async def _check(self, known: Progress, target: ImportTarget) -> None:
        """Believe a former run only if it was of this store and this content, and the store still has it."""
        was = known.target
        if (was.store, was.tenant) != (target.store, target.tenant):
            raise HandoffError(
                f"{known.line} lines were sent to another store ({was.url}, tenant {was.tenant}); this is "
                f"{target.url}, tenant {target.tenant}: --restart sends the whole file to it"
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
                f"{self._source.path} has changed since {known.line} lines of it were sent; --restart sends "
                "it all again, and what the server has already is recognised"
            )
        await self._check_held(known, [it for it in last if _sendable(it)])

    async def _check_held(self, known: Progress, lines: Sequence[SourceLine]) -> None:
        """The server must know what it acknowledged."""
        fresh = 0
        async for answered in self._sender.send(lines):
            fresh += answered.answer.accepted
        if fresh:
            doubt = f"the server did not have {fresh} of {len(lines)} lines that it had acknowledged"
            save(self._path, msgspec.structs.replace(known, doubt=doubt))
            raise HandoffError(
                f"{doubt}: its store was restored or emptied; --restart sends the whole file again"
            )

    async def _send_rest(self, target: ImportTarget) -> None:
        source, begun = self._source, False
        self._display.begin(source.line, source.read_bytes)
        try:
            for lines in _requests(source):
                if not begun:
                    self._rejects.begin()
                    begun = True
                await self._send(target, lines)
        finally:
            if begun:
                self._save()
        if source.broken:
            raise HandoffError(f"{source.broken}. What came before it is stored")

    async def _send(self, target: ImportTarget, lines: Sequence[SourceLine]) -> None:
        """Send the lines of one request, and note what became of them; blank ones are passed over."""
        last = lines[-1]
        if last.size > LONGEST_SENT:  # it is alone
            detail = f"a line of {last.size} bytes is longer than any touchpoint"
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
        """Everything up to this line is durable. A line without its end may still grow: it is sent again."""
        source = self._source
        self._display.at(line.number, source.read_bytes, source.size)
        if line.whole:
            self._progress = self._made(
                target, line.number, Prefix(size=line.end, sha256=line.sha256.hexdigest())
            )
        if time.monotonic() - self._saved_at > SAVE_EVERY_S:
            self._save()

    def _made(self, target: ImportTarget, line: int, sent: Prefix) -> Progress:
        tally = msgspec.structs.replace(self._tally)
        return Progress(
            format=FORMAT, target=target, line=line, sent=sent, tally=tally, rejects=self._rejects.written()
        )

    def _save(self) -> None:
        self._saved_at = time.monotonic()
        self._rejects.flush()
        save(self._path, self._progress)

    def _tell(self, first: int) -> int:
        """Say what became of the file; the exit status."""
        lines, tally = self._source.line, self._tally
        if lines == first and first:
            self._display.say(
                f"nothing is new: {lines} lines were sent before, and the server has them: {tally}"
            )
        else:
            self._display.say(f"{lines} lines: {tally}")
        if not tally.rejected:
            return DONE
        self._display.say(f"rejected lines: {self._rejects.path}; mend them there, and import that file")
        return SOME_REJECTED


def _sendable(line: SourceLine) -> bool:
    return bool(line.raw) and line.size <= LONGEST_SENT


def _requests(source: ImportSource) -> Iterator[list[SourceLine]]:
    """Lines for one request each. One that is too long, or has no end yet, is alone."""
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
