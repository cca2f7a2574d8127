"""The panel's icons are shapes without markup, and every icon that it names is there."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZipFile

import msgspec

import handoff
from handoff.api.pages.icons import ICONS, icons_file, read_icons

PANEL = Path(handoff.__file__).parent / "panel"
_USED = re.compile(r"""(?:icon|badge)\((?:[\w.]+, )?"(\w+)"\)""")


def test_every_icon_has_shapes_and_nothing_that_runs() -> None:
    icons = msgspec.json.decode(icons_file(), type=dict[str, list[tuple[str, dict[str, str]]]])
    assert icons.keys() == ICONS.keys()
    for name, shapes in icons.items():
        assert shapes, name
        for tag, attributes in shapes:
            assert tag in {"path", "circle", "rect", "line", "polyline", "polygon", "ellipse"}
            assert attributes
            assert all(not it.startswith("on") and ":" not in value for it, value in attributes.items())


def test_a_missing_or_damaged_icon_leaves_the_others(tmp_path: Path) -> None:
    archive = tmp_path / "lucide.zip"
    archive.write_bytes(b"no archive")
    assert read_icons(archive) == {}
    with ZipFile(archive, "w") as files:
        files.writestr("globe.svg", '<svg><circle cx="12" cy="12" r="10" onload="run()"/></svg>')
        files.writestr("phone.svg", "<svg><path")
        files.writestr("mail.svg", '<svg><path d="m2 4"/></svg>')
    assert read_icons(archive) == {
        "web": [("circle", {"cx": "12", "cy": "12", "r": "10"})],
        "email": [("path", {"d": "m2 4"})],
    }


def test_the_scripts_name_only_known_icons() -> None:
    used = {name for script in PANEL.rglob("*.js") for name in _USED.findall(script.read_text("utf-8"))}
    assert used
    assert used <= ICONS.keys()
