"""The list of modules whose coverage must be complete names existing files and every module of its kind."""

from __future__ import annotations

from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

from tests.unit.test_project import PACKAGES

ROOT = Path(__file__).parents[2]
LIST = ROOT / "tests" / "strict_coverage.ini"
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


def settings() -> ConfigParser:
    parser = ConfigParser()
    parser.read(LIST, encoding="utf-8")
    return parser


def patterns() -> list[str]:
    return settings()["run"]["include"].split()


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


def test_the_report_includes_every_listed_module() -> None:
    """Coverage reports only what was imported: a module that no other test imports would pass at 0 %."""
    for package, folder in PACKAGES.items():
        for pattern in patterns():
            for path in ROOT.glob(pattern):
                if path.is_relative_to(folder):
                    name = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
                    assert import_module(name.removesuffix(".__init__")).__file__ == str(path)


def test_the_suite_enforces_the_list() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--cov --cov-config=tests/strict_coverage.ini" in makefile
    assert "make test-strict" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert settings()["report"]["fail_under"] == "100"
