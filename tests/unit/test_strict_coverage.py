"""The list of modules whose coverage must be complete names existing files and every module of its kind."""

from __future__ import annotations

from pathlib import Path

from tests.unit.test_project import PACKAGES

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "strict_coverage.txt"
STRICT_STEMS = {
    "access",
    "data_key",
    "destinations",
    "guard",
    "sealing",
    "signature",
    "signatures",
    "signing",
}
"""Module names of authentication, signatures, sealing and the guard of outgoing requests."""


def patterns() -> list[str]:
    lines = LIST.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_pattern_names_a_file() -> None:
    assert [pattern for pattern in patterns() if not list(ROOT.glob(pattern))] == []


def test_every_module_of_this_kind_is_listed() -> None:
    listed = {path for pattern in patterns() for path in ROOT.glob(pattern)}
    found = {
        path
        for folder in PACKAGES.values()
        for path in folder.rglob("*.py")
        if path.stem in STRICT_STEMS or path.parent.as_posix().endswith("store/sealing")
    }
    assert found == listed


def test_the_suite_enforces_the_list() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "tests/strict_coverage.txt" in makefile
    assert "--fail-under=100" in makefile
