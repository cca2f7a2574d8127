"""An append-only chain of lines in files: each line has a hash over itself and the line before.

A line is a JSON object. Its last member is `hash`: the SHA-256, in hexadecimal, of the previous line's hash
followed by everything in the line before `,"hash"`. Lines are numbered by `n` without gaps. Each file begins
with a line of the kind `file`, which repeats the hash of the line before it: files can be checked after older
ones were removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.clock import format_time, parse_time
from handoff.domain.errors import ConfigurationError

from .entry import micros_now

SUFFIX = ".jsonl"
LOCK = "lock"
FORMAT = 1
NO_HASH = "0" * 64
HASH_MARK = b',"hash":"'
HASH_SIZE = len(HASH_MARK) + len(NO_HASH) + len(b'"}')
MAX_WRITERS = 256
TAIL = 64 * 1024  # bytes: more than most entries have
_encode = msgspec.json.Encoder().encode


class ChainHead(Struct, frozen=True):
    """The newest line of a chain: its number and hash."""

    n: int
    hash: str


START = ChainHead(-1, NO_HASH)


class AuditLine(Struct, frozen=True):
    """A line as read. `stated` is the hash that it states; `payload` is what the hash covers."""

    n: int
    at: str
    stated: str
    payload: bytes
    members: dict[str, Any]

    @property
    def kind(self) -> str:
        """`access`, or a note of the trail: `file`, `repaired`, `resumed`, `removed`, `anchor`."""
        return str(self.members.get("kind", "access"))


def parse_line(raw: bytes) -> AuditLine | None:
    """A complete line without its line break; None if it is not one of a chain."""
    payload, tail = raw[:-HASH_SIZE], raw[-HASH_SIZE:]
    if not tail.startswith(HASH_MARK) or not tail.endswith(b'"}'):
        return None
    try:
        members = msgspec.json.decode(payload + b"}")
        n, at = members["n"], members["at"]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError):
        return None
    if not isinstance(n, int) or not isinstance(at, str):
        return None
    stated = tail[len(HASH_MARK) : -2].decode("ascii", "replace")
    return AuditLine(n=n, at=at, stated=stated, payload=payload, members=members)


def chain_hash(previous: str, payload: bytes) -> str:
    return sha256(previous.encode() + payload).hexdigest()


def files_of(folder: Path) -> list[Path]:
    """The files of a chain, oldest first."""
    return sorted(it for it in folder.glob(f"*{SUFFIX}") if it.stem[:6].isdigit())


def file_number(path: Path) -> int:
    return int(path.stem.partition("-")[0])


class AuditChain:
    """A chain that this process appends to. It holds the lock of its folder.

    A failed write leaves the files and the chain as they were, and raises OSError.
    """

    def __init__(self, folder: Path, name: str, *, max_bytes: int, lock: int) -> None:
        self.folder = folder
        self.name = name
        self.head = START
        self.dropped = 0
        """Bytes of an incomplete last line that opening the chain removed."""
        self._max_bytes = max_bytes
        self._lock = lock
        self._fd = -1
        self._day = ""
        self._number = 0
        self._size = 0
        self._last_at = 0
        self._recover()

    def append(self, bodies: Sequence[bytes]) -> None:
        """Append lines, each from the members of its JSON object without braces."""
        now = max(micros_now(), self._last_at)  # a clock that is set back must not reorder a chain
        at = format_time(now)
        if self._fd < 0 or self._size >= self._max_bytes or at[:10] != self._day:
            self._start_file(at)
        block, head = self._lines(self.head, at, bodies)
        self._write(block)
        self.head, self._last_at = head, now

    def note(self, **members: Any) -> None:
        """Append a line about the trail itself."""
        self.append([_encode(members)[1:-1]])

    def sync(self) -> None:
        if self._fd >= 0:
            os.fsync(self._fd)

    def descriptor(self) -> int:
        """A copy of the file's descriptor, for a thread; -1 if there is none."""
        return os.dup(self._fd) if self._fd >= 0 else -1

    def close(self) -> None:
        self._close_file()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _close_file(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    @staticmethod
    def _lines(head: ChainHead, at: str, bodies: Sequence[bytes]) -> tuple[bytes, ChainHead]:
        n, previous, parts = head.n, head.hash, []
        for body in bodies:
            n += 1
            payload = b'{"n":%d,"at":"%b",%b' % (n, at.encode(), body)
            previous = chain_hash(previous, payload)
            parts.append(b'%b%b%b"}\n' % (payload, HASH_MARK, previous.encode()))
        return b"".join(parts), ChainHead(n, previous)

    def _start_file(self, at: str) -> None:
        number = self._number + 1
        path = self.folder / f"{number:06d}-{at[:10].replace('-', '')}{SUFFIX}"
        members = {
            "kind": "file",
            "format": FORMAT,
            "writer": self.name,
            "file": number,
            "previous": self.head.hash,
        }
        block, head = self._lines(self.head, at, [_encode(members)[1:-1]])
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            _write_all(fd, block, 0)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._close_file()
        self._fd, self._size, self._number, self._day, self.head = fd, len(block), number, at[:10], head
        sync_folder(self.folder)

    def _write(self, block: bytes) -> None:
        try:
            _write_all(self._fd, block, self._size)
        except OSError:
            if os.fstat(self._fd).st_size != self._size:  # reads the end of the file again
                self._close_file()
                self._recover()
            raise
        self._size += len(block)

    def _recover(self) -> None:
        """Continue where the files end, without an incomplete last line."""
        files = files_of(self.folder)
        self._number = file_number(files[-1]) if files else 0
        while files:
            path = files[-1]
            size, complete, last = read_tail(path)
            self.dropped += size - complete
            if complete:
                self._continue(path, complete, last, shorten=complete < size)
                return
            path.unlink()  # a crash while it was created
            files.pop()
            self._number -= 1

    def _continue(self, path: Path, size: int, raw: bytes, *, shorten: bool) -> None:
        last = parse_line(raw)
        if last is None:  # damaged: leave it to be found, and begin a file after it
            lines = path.read_bytes().split(b"\n")
            known = [line for it in lines if (line := parse_line(it)) is not None]
            self.head = ChainHead(known[-1].n, known[-1].stated) if known else START
            return
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        if shorten:
            os.ftruncate(fd, size)
            os.fsync(fd)
        self._fd, self._size, self._day = fd, size, last.at[:10]
        with contextlib.suppress(ValueError):
            self._last_at = parse_time(last.at)
        self.head = ChainHead(last.n, last.stated)


def read_tail(path: Path) -> tuple[int, int, bytes]:
    """The size of a file, the size of its complete lines, and the last complete line without its break."""
    with path.open("rb") as file:
        size, window = file.seek(0, os.SEEK_END), TAIL
        while True:
            start = max(0, size - window)
            file.seek(start)
            raw = file.read()
            end = raw.rfind(b"\n") + 1
            begin = raw.rfind(b"\n", 0, max(0, end - 1)) + 1
            if start == 0 or (end and begin):
                return size, start + end if end else 0, raw[begin : max(0, end - 1)]
            window *= 4


def _write_all(fd: int, block: bytes, size: int) -> None:
    """Write a block at the end of a file that has `size` bytes; all of it, or OSError and nothing."""
    try:
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        raise


def sync_folder(folder: Path) -> None:
    """Make new and removed names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def try_lock(folder: Path, *, wait: bool = False) -> int | None:
    """Lock a chain's folder, which is created; None if another process has the lock."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def open_chain(folder: Path, name: str, *, max_bytes: int) -> AuditChain | None:
    """The chain in a folder, for appending; None if another process has it."""
    lock = try_lock(folder)
    if lock is None:
        return None
    try:
        return AuditChain(folder, name, max_bytes=max_bytes, lock=lock)
    except BaseException:
        os.close(lock)
        raise


def claim_chain(root: Path, machine: str, *, max_bytes: int) -> AuditChain:
    """The first chain below `root` that no other process has. ConfigurationError if it cannot be opened."""
    try:
        for number in range(MAX_WRITERS):
            chain = open_chain(root / f"w{number}", f"{machine}/w{number}", max_bytes=max_bytes)
            if chain is not None:
                return chain
    except OSError as error:
        raise ConfigurationError(
            f"the audit trail in {root} cannot be opened: {error.strerror or error}. Set audit.dir to a "
            "writable directory, or audit.enabled = false"
        ) from error
    raise ConfigurationError(f"{MAX_WRITERS} processes write the audit trail in {root}")
