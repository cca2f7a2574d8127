"""Removes old files of audit trails. The chain that loses a file records it."""

from __future__ import annotations

from pathlib import Path

from .chain import LOCK, AuditChain, file_number, files_of, open_chain, parse_line, read_tail, sync_folder
from .cursors import read_cursor

MAX_BYTES = 16 * 1024 * 1024


def remove_old_files(root: Path, own: AuditChain, before: float, *, shipped_only: bool) -> int:
    """Remove files whose last line is older than `before` (seconds since 1970); returns how many.

    `own` is the calling process's chain. Chains that other processes are writing are theirs to clean; those
    that no process writes are cleaned as well. `shipped_only` keeps files that were not shipped yet.
    """
    removed = 0
    for lock in sorted(root.glob(f"*/{LOCK}")):
        folder = lock.parent
        if not _is_due(folder, before):
            continue
        if folder == own.folder:
            removed += _clean(root, own, before, shipped_only=shipped_only)
            continue
        machine = own.name.partition("/")[0]
        other = open_chain(folder, f"{machine}/{folder.name}", max_bytes=MAX_BYTES)
        if other is not None:
            try:
                removed += _clean(root, other, before, shipped_only=shipped_only)
            finally:
                other.close()
    return removed


def _is_due(folder: Path, before: float) -> bool:
    files = files_of(folder)
    return bool(files) and files[0].stat().st_mtime < before


def _clean(root: Path, chain: AuditChain, before: float, *, shipped_only: bool) -> int:
    """Removes the oldest files, oldest first. The file that is being written stays."""
    removed = 0
    for path in files_of(chain.folder)[:-1]:
        if path.stat().st_mtime >= before:
            break
        if shipped_only and read_cursor(root, chain.folder.name).file <= file_number(path):
            break
        last = parse_line(read_tail(path)[2])
        chain.note(
            kind="removed",
            file=file_number(path),
            last=last.n if last is not None else None,
            last_hash=last.stated if last is not None else None,
        )
        chain.sync()
        path.unlink()
        removed += 1
    if removed:
        sync_folder(chain.folder)
    return removed
