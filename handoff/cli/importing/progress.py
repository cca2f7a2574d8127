"""FILE.progress: how much of a file the server has stored, and which store and content that refers to."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handoff.domain.errors import HandoffError

FORMAT = 2
"""The progress file's format. Format 1 had only a line and an offset, without a server or content hash."""


class ImportTarget(Struct, frozen=True, kw_only=True):
    """The store and tenant that received the touchpoints. The URL is informational."""

    url: str
    store: str
    tenant: str


class ImportTally(Struct, kw_only=True):
    """Counts of lines by result."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    expired: int = 0

    def __str__(self) -> str:
        expired = f", {self.expired} past retention" if self.expired else ""
        return (
            f"{self.accepted} accepted, {self.duplicates} already stored, {self.rejected} rejected{expired}"
        )


class Prefix(Struct, frozen=True, kw_only=True):
    """The beginning of a file: its length and its SHA-256."""

    size: int
    sha256: str


class Progress(Struct, kw_only=True, frozen=True):
    """The file's content. `sent` is the part that the store has, `rejects` the file of rejected lines at
    that point. `doubt` is the reason why the progress is no longer valid."""

    format: int
    target: ImportTarget
    line: int
    sent: Prefix
    tally: ImportTally
    rejects: Prefix
    doubt: str | None = None


class _Known(Struct):
    """The members that distinguish the formats of all releases."""

    format: int | UnsetType = UNSET
    offset: int | UnsetType = UNSET


def load(path: Path) -> Progress | None:
    """The saved progress, or None without a file. HandoffError if it cannot be used."""
    again = "use --restart to send the whole file again; the server skips what it already has"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        known = msgspec.json.decode(raw, type=_Known)
        if known.format is UNSET and known.offset is not UNSET:
            raise HandoffError(
                f"{path} was written by an earlier release and does not name its server; {again}"
            )
        if known.format is not UNSET and known.format > FORMAT:
            raise HandoffError(f"{path} was written by a later release; use that release, or --restart")
        found = msgspec.json.decode(raw, type=Progress)
    except msgspec.DecodeError as error:
        raise HandoffError(f"{path} cannot be read; {again}") from error
    if found.doubt:
        raise HandoffError(f"{found.doubt}; {again}")
    return found


def save(path: Path, progress: Progress) -> None:
    """Save atomically and durably: if the process is killed, the earlier progress remains."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(progress) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
