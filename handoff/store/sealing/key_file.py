"""The key file: a store's key epochs, each wrapped by the master key. It is never in the store.

It is replaced as a whole (a new file, fsync, rename), under a lock, so that a crash leaves the old or the new
one. A destroyed epoch stays listed without its key.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field

from handoff.domain.errors import ConfigurationError

VERSION = 1
OTHERS = 0o007  # permissions of everybody


class Epoch(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key of a tenant, with the times (Unix, s) of its life. A destroyed one has no key.

    A `prepared` one is not used yet: all servers learn it first. `emptied_at` is when a retired one was found
    to wrap nothing any more.
    """

    id: str
    tenant: str
    created_at: int
    wrapped: str = ""
    retired_at: int | None = None
    destroyed_at: int | None = None
    prepared: bool = False
    emptied_at: int | None = None

    @property
    def current(self) -> bool:
        return self.retired_at is None and not self.prepared

    @property
    def settled(self) -> bool:
        """Whether nothing is left to wrap again."""
        return self.destroyed_at is not None or self.emptied_at is not None


class KeySet(Struct, frozen=True, kw_only=True):
    """The content of a key file. `id` is in the store's `handoff:meta` too."""

    version: int
    id: str
    epochs: list[Epoch] = field(default_factory=list)


def new_key_set() -> KeySet:
    return KeySet(version=VERSION, id=secrets.token_hex(16))


def stamp(path: Path) -> tuple[int, int, int]:
    """Changes whenever the file is replaced. OSError if there is none."""
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_key_file(path: Path) -> KeySet | None:
    """The key set; None if there is no file. ConfigurationError if it must not or cannot be used."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be read: {error.strerror}") from error
    if mode & OTHERS:
        raise ConfigurationError(f"the key file {path} is open to every user: chmod 600 {path}")
    try:
        found = msgspec.json.decode(raw, type=KeySet)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"the key file {path} is damaged: restore it from a backup") from error
    if found.version > VERSION:
        raise ConfigurationError(f"the key file {path} is written by a newer release")
    return found


def write_key_file(path: Path, content: KeySet) -> None:
    """Replace the file; durable when this returns. Call it under `locked`."""
    new = path.with_name(f"{path.name}.new")
    try:
        with suppress(FileNotFoundError):
            new.unlink()  # of a process that ended while it wrote
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(content), indent=2))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be written: {error.strerror}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Only one process at a time changes the file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"the key file {path} cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
