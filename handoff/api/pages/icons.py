"""Icons for the panel: shapes of Lucide's SVG files, taken from an installed package.

The panel may not turn text into markup, so it gets each icon as tags with their attributes. Only the
package's files are used; no code of it is imported. The panel draws a dot in place of an icon that is not
there: when the package is missing or damaged, or a release of it has renamed the file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

import msgspec

PACKAGE = "lucide"
ICONS: Mapping[str, str] = {
    "web": "globe",
    "chat": "message-square",
    "phone": "phone",
    "email": "mail",
    "handoff": "arrow-right-left",
    "note": "sticky-note",
    "promise": "flag",
    "alert": "triangle-alert",
    "clock": "clock",
    "agent": "headset",
    "file": "paperclip",
    "wrong": "circle-x",
}
"""The panel's name of each icon, and the package's."""
_TAGS = frozenset({"path", "circle", "rect", "line", "polyline", "polygon", "ellipse"})
_ATTRIBUTES = frozenset(
    {"d", "cx", "cy", "r", "x", "y", "width", "height", "rx", "ry", "x1", "x2", "y1", "y2", "points"}
)
_SHAPE = re.compile(r"[-+.,\d\sA-Za-z]*")

Shape = tuple[str, dict[str, str]]


def icons_file() -> bytes:
    """`icons.json`: the shapes of every icon that the package has, in a square of 24."""
    archive = _archive()
    return msgspec.json.encode(read_icons(archive) if archive else {})


def read_icons(archive: Path) -> dict[str, list[Shape]]:
    """Those of the icons that the archive has and that can be read: no icon is a reason not to start."""
    try:
        with ZipFile(archive) as files:
            found = {name: _read(files, f"{theirs}.svg") for name, theirs in ICONS.items()}
    except (OSError, BadZipFile):
        return {}
    return {name: shapes for name, shapes in found.items() if shapes}


def _read(files: ZipFile, name: str) -> list[Shape]:
    try:
        return _shapes(files.read(name))
    except (KeyError, BadZipFile, zlib.error, ElementTree.ParseError):
        return []


def _archive() -> Path | None:
    spec = find_spec(PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    archive = Path(places[0]) / "lucide.zip" if places else None
    return archive if archive and archive.is_file() else None


def _shapes(svg: bytes) -> list[Shape]:
    """The shapes of a file, and nothing else that it may contain."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - a file of an installed package, not from outside
    found = [(it.tag.rpartition("}")[2], it.attrib) for it in root.iter()]
    return [(tag, _drawn(given)) for tag, given in found if tag in _TAGS]


def _drawn(given: Mapping[str, str]) -> dict[str, str]:
    return {name: it for name, it in given.items() if name in _ATTRIBUTES and _SHAPE.fullmatch(it)}
