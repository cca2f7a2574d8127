"""FILE.progress: how far an import got, and what that is true of."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, UnsetType

from handoff.domain.errors import HandoffError

FORMAT = 2
"""Of the progress file. The first had a line and an offset and said of no server and no content."""


class ImportTarget(Struct, frozen=True, kw_only=True):
    """Where touchpoints went: the store and tenant count, the URL is for people."""

    url: str
    store: str
    tenant: str


class ImportTally(Struct, kw_only=True):
    """What became of the lines."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    expired: int = 0

    def __str__(self) -> str:
        expired = f", {self.expired} older than they are kept" if self.expired else ""
        return f"{self.accepted} accepted, {self.duplicates} known already, {self.rejected} rejected{expired}"


class Prefix(Struct, frozen=True, kw_only=True):
    """The beginning of a file: its length and its SHA-256."""

    size: int
    sha256: str


class Progress(Struct, kw_only=True, frozen=True):
    """What the file holds. `sent` is the part that the store has, `rejects` what was written of rejected
    lines by then. `doubt` says why none of it is to be believed any more."""

    format: int
    target: ImportTarget
    line: int
    sent: Prefix
    tally: ImportTally
    rejects: Prefix
    doubt: str | None = None


class _Known(Struct):
    """What every release's file is told apart by."""

    format: int | UnsetType = UNSET
    offset: int | UnsetType = UNSET


def load(path: Path) -> Progress | None:
    """What is known; None where nothing is. HandoffError for what must not be believed."""
    again = "--restart sends the whole file again, and what the server has already is recognised"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        known = msgspec.json.decode(raw, type=_Known)
        if known.format is UNSET and known.offset is not UNSET:
            raise HandoffError(
                f"{path} was written by an earlier release and does not say for which server; {again}"
            )
        if known.format is not UNSET and known.format > FORMAT:
            raise HandoffError(f"{path} was written by a later release; use that one, or --restart")
        found = msgspec.json.decode(raw, type=Progress)
    except msgspec.DecodeError as error:
        raise HandoffError(f"{path} cannot be read; {again}") from error
    if found.doubt:
        raise HandoffError(f"{found.doubt}; {again}")
    return found


def save(path: Path, progress: Progress) -> None:
    """Whole or not at all, and on disk: whoever is killed leaves the one before."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode(progress) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
