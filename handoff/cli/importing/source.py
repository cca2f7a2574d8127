"""The imported file: its lines, and a running hash of the content read so far."""

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

LONGEST_KEPT = 16 * 1024 * 1024  # bytes of a line that are held in memory
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GZIP = b"\x1f\x8b"


class SourceLine(Struct, frozen=True, kw_only=True):
    """A line of the file without its line break. `number` counts from 1.

    `end` is the offset of the next line, `sha256` the hash of everything before it. `whole` is False for a
    last line without a line break: its writer may not have finished it.
    """

    number: int
    raw: bytes
    size: int
    end: int
    sha256: hashlib._Hash
    whole: bool


class ImportSource:
    """An open file, plain or gzip-compressed; a context manager. Offsets refer to the uncompressed content.

    HandoffError if the file cannot be imported or another process is importing it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = self.offset = 0
        self.broken: str | None = None
        """Why reading stopped before the end of the file, or None."""
        self._hash = hashlib.sha256()

    def __enter__(self) -> Self:
        if self.path.exists() and not self.path.is_file():
            raise HandoffError(f"{self.path} is not a regular file: an import must be able to read it again")
        self._raw = self.path.open("rb")
        try:
            fcntl.flock(self._raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._raw.close()
            raise HandoffError(f"another process is importing {self.path}") from error
        except OSError:
            pass  # some file systems have no locks
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
        """The current size on disk in bytes."""
        return os.fstat(self._raw.fileno()).st_size

    @property
    def read_bytes(self) -> int:
        """How many bytes on disk were read."""
        return self._raw.tell()

    @property
    def sha256(self) -> str:
        """The hash of everything before `offset`."""
        return self._hash.hexdigest()

    @property
    def packed(self) -> bool:
        return self._file is not self._raw

    def lines(self) -> Iterator[SourceLine]:
        """The remaining lines."""
        while True:
            try:
                line = self._next()
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                self.broken = f"{self.path} is damaged or truncated after line {self.line}: {error}"
                return
            if line is None:
                if not self.packed and self.size < self.offset:
                    self.broken = f"{self.path} was truncated during the import, after line {self.line}"
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
