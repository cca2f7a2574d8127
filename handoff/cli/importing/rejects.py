"""FILE.rejected.ndjson: every rejected line, whole, with why; it can be imported again after mending.

    {"rejected": {"line": 7, "code": "…", "detail": "…"}, "touchpoint": {…}}
    {"rejected": {"line": 9, "code": "invalid_json", "detail": "…"}, "text": "{\\"id\\": …"}

`touchpoint` is the line as it came; `text` holds what is no JSON, bytes that are no UTF-8 as surrogates.
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

from .progress import Prefix
from .source import LONGEST_KEPT, SourceLine

_PIECE = 1024 * 1024


class _Wrapped(Struct, forbid_unknown_fields=True):
    """A line that this module wrote."""

    rejected: dict[str, Any]
    touchpoint: Raw


def touchpoint_of(raw: bytes) -> bytes:
    """The touchpoint in a line: what a line of a file of rejects was about, or the line itself."""
    if b'"rejected"' not in raw:
        return raw
    try:
        return bytes(msgspec.json.decode(raw, type=_Wrapped).touchpoint)
    except (ValueError, RecursionError):
        pass
    try:
        found = json.loads(raw)  # which takes lone surrogates
        if isinstance(found, dict) and found.keys() == {"rejected", "text"}:
            return str(found["text"]).replace("\n", " ").encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError):  # no JSON, or text that is none: the server says what is wrong
        pass
    return raw


class Rejects:
    """The file of rejected lines; made with the first of them.

    `known` is what the progress says of it, None where there is no progress: then whatever stands there is
    somebody's. A file that was changed since is refused and left alone. `begin` drops what a run that was
    cut off wrote after its progress.
    """

    def __init__(self, path: Path, known: Prefix | None, *, restart: bool) -> None:
        self.path = path
        self._restart = restart
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: IO[bytes] | None = None
        if not restart and path.exists() and not self._is_ours(known):
            raise HandoffError(
                f"{path} is not as this import left it: move it away, or name another file with --rejected"
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
        """From now on lines are sent."""
        if not self.path.exists():
            return
        if self._restart:
            self.path.unlink()
        else:
            os.truncate(self.path, self._size)

    def written(self) -> Prefix:
        return Prefix(size=self._size, sha256=self._hash.hexdigest())

    def add(self, line: SourceLine, code: str, detail: str, errors: list[dict[str, str]] | None) -> None:
        said: dict[str, Any] = {"line": line.number, "code": code, "detail": detail}
        if errors:
            said["errors"] = errors
        if line.size > LONGEST_KEPT:
            said["cut"] = f"only the first {len(line.raw)} of {line.size} bytes are here"
        name, content = _content(touchpoint_of(line.raw))
        entry = msgspec.json.encode({"rejected": said, name: Raw(content)}) + b"\n"
        self._open().write(entry)
        self._hash.update(entry)
        self._size += len(entry)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self._file = self.path.open("ab")
        return self._file

    def flush(self) -> None:
        """On disk, before the progress says so."""
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
