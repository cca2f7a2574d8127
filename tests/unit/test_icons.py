"""The panel's icons are shapes without markup, and every icon that it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

import handoff
from handoff.api.pages.icons import ICONS, icons_file

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


def test_the_scripts_name_only_known_icons() -> None:
    used = {name for script in PANEL.rglob("*.js") for name in _USED.findall(script.read_text("utf-8"))}
    assert used
    assert used <= ICONS.keys()
