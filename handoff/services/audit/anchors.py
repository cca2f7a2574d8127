"""Anchors: once a minute, the head of each chain is written to a chain of its own, shared by a machine.

A chain alone does not show that its newest lines were cut off. The anchors do, for all but the last minute.
Copies of anchors that are kept elsewhere also show whether all files were rewritten.
"""

from __future__ import annotations

import os
from pathlib import Path

from .chain import AuditChain, ChainHead, try_lock

ANCHORS = "anchors"
MAX_BYTES = 16 * 1024 * 1024


def write_anchor(root: Path, machine: str, writer: str, head: ChainHead) -> ChainHead:
    """Anchor a chain's head. Waits for other processes, which take a moment each; run it in a thread."""
    folder = root / ANCHORS
    lock = try_lock(folder, wait=True)
    assert lock is not None
    try:
        chain = AuditChain(folder, f"{machine}/{ANCHORS}", max_bytes=MAX_BYTES, lock=lock)
    except BaseException:
        os.close(lock)
        raise
    try:
        chain.note(kind="anchor", writer=writer, line=head.n, line_hash=head.hash)
        return chain.head
    finally:
        chain.close()
