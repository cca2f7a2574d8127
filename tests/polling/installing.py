"""The example adapter as an installed package."""

from __future__ import annotations

from pathlib import Path


def install(where: Path) -> None:
    """Declare the adapter in a folder, as an installer does for a package."""
    info = where / "folio-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: folio\nVersion: 1.0\n")
    entry = "[handoff.adapters]\nchat.folio = tests.polling.example:FolioAdapter\n"
    (info / "entry_points.txt").write_text(entry)
