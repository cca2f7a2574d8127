"""A private directory, the lock of the process that uses it, and files in it that must not be overwritten."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from handoff.domain.errors import ConfigurationError

EMPTY_BASE = 1024  # bytes: the file of an empty store is shorter by far


def private_directory(path: Path) -> None:
    """Create a directory that only we may read (0700). An existing private one keeps its mode.

    ConfigurationError when it cannot be made, or when others could write into it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"store.data_dir: {path} cannot be used: {error.strerror}") from error
    if mode & 0o022:
        raise ConfigurationError(
            f"store.data_dir: others may write to {path}: chmod 700 it or choose another"
        )


def set_aside_unlisted(folder: Path) -> Path | None:
    """Rename a folder of append-only files that has no manifest; its new name, None if it is in order.

    Valkey would start with an empty store there and overwrite the files. Empty files, which a killed first
    start leaves behind, stay.
    """
    files = [it for it in folder.iterdir() if it.is_file()] if folder.is_dir() else []
    if any(it.name.endswith(".manifest") for it in files):
        return None
    if all(it.stat().st_size <= (EMPTY_BASE if it.name.endswith(".rdb") else 0) for it in files):
        return None
    aside = folder.with_name(f"{folder.name}.unlisted-{time.time_ns() // 1_000_000_000}")
    folder.rename(aside)
    return aside


class DirectoryLock:
    """An flock on a file that holds our process id. Ends with the process that holds it, however it ends."""

    def __init__(self, path: Path, holder: str = "another handoff server") -> None:
        self._path = path
        self._holder = holder
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file, for a child process to inherit."""
        assert self._descriptor is not None, "not acquired"
        return self._descriptor

    def acquire(self) -> None:
        """ConfigurationError naming the holder when the lock is held."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigurationError(f"store.data_dir: {self._path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigurationError(
                f"{self._holder} (pid {holder}) uses this data directory: {self._path.parent}; "
                "stop it, or give this one its own store.data_dir"
            ) from error
        self._descriptor = descriptor
        with contextlib.suppress(OSError):  # a full disk: the id is only for the error message
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)

    def hand_over(self) -> None:
        """Close our copy without unlocking: the process that inherited the file now holds the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def release(self) -> None:
        """Give the lock up. The file stays: removing it would race with the next holder."""
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            self.hand_over()

    def held(self) -> bool:
        """Whether any process holds the lock now."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False
