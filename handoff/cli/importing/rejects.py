"""FILE.rejected.ndjson: every rejected line with its reason. It can be corrected and imported.

    {"rejected": {"line": 7, "code": "…", "detail": "…"}, "touchpoint": {…}}
    {"rejected": {"line": 9, "code": "invalid_json", "detail": "…"}, "text": "{\\"id\\": …"}

`touchpoint` is the original line, with card numbers and the like masked. `text` holds a line that is not
JSON; surrogates replace bytes that are not UTF-8.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import IO, Any

import msgspec
from msgspec import Raw, Struct

from handoff.domain.errors import HandoffError
from handoff.domain.redaction.documents import masked_document

from .progress import Prefix
from .source import LONGEST_KEPT, SourceLine

_PIECE = 1024 * 1024


class _Wrapped(Struct, forbid_unknown_fields=True):
    """A line written by this module."""

    rejected: dict[str, Any]
    touchpoint: Raw


def touchpoint_of(raw: bytes) -> bytes:
    """The touchpoint of a line: the line itself, or the wrapped touchpoint in a file of rejected lines."""
    if b'"rejected"' not in raw:
        return raw
    try:
        return bytes(msgspec.json.decode(raw, type=_Wrapped).touchpoint)
    except (ValueError, RecursionError):
        pass
    try:
        found = json.loads(raw)  # json accepts lone surrogates
        if isinstance(found, dict) and found.keys() == {"rejected", "text"}:
            return str(found["text"]).replace("\n", " ").encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError):  # not JSON, or invalid text: the server reports the error
        pass
    return raw


class Rejects:
    """The file of rejected lines, created when the first line is rejected.

    `known` is its state in the saved progress, or None without one. A file in any other state may contain a
    user's changes, so it is refused and not touched. `begin` removes what an interrupted run wrote after its
    last saved progress.
    """

    def __init__(self, path: Path, known: Prefix | None, *, restart: bool) -> None:
        self.path = path
        self._restart = restart
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] | None = None
        if not restart and path.exists() and not self._is_ours(known):
            raise HandoffError(
                f"{path} has changed since this import wrote it: move it, or choose another with --rejected"
            )

    def _is_ours(self, known: Prefix | None) -> bool:
        if known is None:
            return self.path.stat().st_size == 0
        with self.path.open("rb") as file:
            while self._size < known.size and (piece := file.read(min(_PIECE, known.size - self._size))):
                self._hash.update(piece)
                self._size += len(piece)
        return self.written() == known

    def begin(self) -> None:
        """Prepare the file before the first line is sent."""
        if not self.path.exists():
            return
        if self._restart:
            self.path.unlink()
        else:
            os.truncate(self.path, self._size)

    def written(self) -> Prefix:
        return Prefix(size=self._size, sha256=self._hash.hexdigest())

    def add(self, line: SourceLine, code: str, detail: str, errors: list[dict[str, str]] | None) -> None:
        reason: dict[str, Any] = {"line": line.number, "code": code, "detail": detail}
        if errors:
            reason["errors"] = errors
        if line.size > LONGEST_KEPT:
            reason["cut"] = f"only the first {len(line.raw)} of {line.size} bytes are here"
        name, content = _content(masked_document(touchpoint_of(line.raw))[0])
        entry = msgspec.json.encode({"rejected": reason, name: Raw(content)}) + b"\n"
        self._open().write(entry)
        self._hash.update(entry)
        self._size += len(entry)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._file = self.path.open("ab")
        return self._file

    def flush(self) -> None:
        """Sync to disk; the progress that refers to it is saved afterwards."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _content(raw: bytes) -> tuple[str, bytes]:
    try:
        msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return "text", json.dumps(raw.decode("utf-8", "surrogateescape")).encode()
    return "touchpoint", raw
