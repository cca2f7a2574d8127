"""The file that is imported: its lines one by one, and a hash of all that was read so far."""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from msgspec import Struct

from handoff.domain.errors import HandoffError

LONGEST_KEPT = 16 * 1024 * 1024  # bytes of a line: of a longer one no more is held in memory
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


class SourceLine(Struct, frozen=True, kw_only=True):
    """A line as it stands in the file, without its end; `number` counts from 1.

    `end` is where the next one begins, `sha256` the hash of everything before that. `whole` is False for a
    last line without a line break: it may still be being written.
    """

    number: int
    raw: bytes
    size: int
    end: int
    sha256: hashlib._Hash
    whole: bool


class ImportSource:
    """An open file, plain or gzip'ed. Enter it; offsets are those of the unpacked content.

    HandoffError where it is no file to import, or is being imported by another process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = self.offset = 0
        self.broken: str | None = None
        """Why reading ended before the end, or None."""
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_file():
            raise HandoffError(f"{self.path} is no file: an import must be able to read it again")
        self._raw = self.path.open("rb")
        try:
            fcntl.flock(self._raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._raw.close()
            raise HandoffError(f"{self.path} is being imported by another process") from error
        except OSError:
            pass  # not every file system has locks
        self._file: IO[bytes] | gzip.GzipFile = self._raw
        magic = self._raw.read(2)
        self._raw.seek(0)
        if magic in _UTF_16:
            self._raw.close()
            raise HandoffError(f"{self.path} is UTF-16: convert it to UTF-8")
        if magic == _GZIP:
            self._file = gzip.open(self._raw)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.close()
        self._raw.close()

    @property
    def size(self) -> int:
        """Bytes on disk, as of now."""
        return os.fstat(self._raw.fileno()).st_size

    @property
    def read_bytes(self) -> int:
        """How many of them were read."""
        return self._raw.tell()

    @property
    def sha256(self) -> str:
        """The hash of everything before `offset`."""
        return self._hash.hexdigest()

    @property
    def packed(self) -> bool:
        return self._file is not self._raw

    def lines(self) -> Iterator[SourceLine]:
        """The lines that come next."""
        while True:
            try:
                line = self._next()
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self.broken = f"{self.path} is damaged or cut off after line {self.line}: {error}"
                return
            if line is None:
                if not self.packed and self.size < self.offset:
                    self.broken = (
                        f"{self.path} became shorter while it was read: line {self.line} was its last"
                    )
                return
            yield line

    def _next(self) -> SourceLine | None:
        raw = self._piece()
        if not raw:
            return None
        size, last = len(raw), raw
        while not last.endswith(b"\n") and (piece := self._piece()):
            size, last = size + len(piece), piece
        self.line += 1
        self.offset += size
        if self.line == 1:
            raw = raw.removeprefix(_BOM)
        return SourceLine(
            number=self.line,
            raw=raw.strip(b"\x1e\r\n\t "),
            size=size,
            end=self.offset,
            sha256=self._hash.copy(),
            whole=last.endswith(b"\n"),
        )

    def _piece(self) -> bytes:
        piece = self._file.readline(LONGEST_KEPT)
        self._hash.update(piece)
        return piece
