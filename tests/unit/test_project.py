"""The project around the code: what is declared, pinned, shipped and described is what is there."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.source_trees import parsed

# These tests read the sources, which tracing would slow down for nothing.
pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {"handoff": ROOT / "handoff", "handoff_adapters": ROOT / "adapters/handoff_adapters"}
"""Each top-level package and its folder."""

ALLOWED = {
    "handoff.domain": {"msgspec", "phonenumbers", "idna"},
    "handoff.codec": {"cryptography", "msgspec", "msgpack", "zstandard"},
    "handoff.store": {"hiredis", "msgspec", "msgpack", "redis", "structlog"},
}
"""The only external packages that the inner layers may import (docs/adr/0001)."""

AT_HOME = {
    "hiredis": ("handoff.store",),
    "redis": ("handoff.store",),
    "zstandard": ("handoff.codec",),
    "phonenumbers": ("handoff.domain",),
    "aiosmtpd": ("handoff_adapters.email",),
    "uvloop": ("handoff.cli",),
    "rich": ("handoff.cli",),
    "segment": ("handoff.cli",),
    "re2": ("handoff.bootstrap",),
    "pytest": ("handoff.testing",),
}
"""Packages that only these modules import."""

HTTP_SERVERS = ("handoff.api", "handoff.bootstrap")
"""The packages that may import aiohttp's server. Every package that sends requests may import its client."""


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages or PACKAGES:
        top, _, rest = package.partition(".")
        parent = PACKAGES[top].parent
        for path in sorted((PACKAGES[top] / rest.replace(".", "/")).rglob("*.py")):
            yield ".".join(path.relative_to(parent).with_suffix("").parts), parsed(path)


@cache
def imported(tree: ast.Module) -> tuple[str, ...]:
    """Every absolute import, as `package.module.name`."""
    return tuple(_imported(tree))


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (it.name for it in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{it.name}" for it in node.names)


def foreign(tree: ast.Module) -> set[str]:
    """Top-level packages from outside that a module imports."""
    roots = {name.partition(".")[0] for name in imported(tree)}
    return roots - set(sys.stdlib_module_names) - set(PACKAGES)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == it or module.startswith(f"{it}.") for it in packages)


@pytest.mark.parametrize("package", ALLOWED)
def test_inner_layers_import_nothing_else_from_outside(package: str) -> None:
    others = {name: foreign(tree) - ALLOWED[package] for name, tree in modules(package)}
    assert not {name: found for name, found in others.items() if found}


def test_each_foreign_package_stays_where_it_belongs() -> None:
    astray = [
        (name, package)
        for name, tree in modules()
        for package in foreign(tree) & set(AT_HOME)
        if not within(name, AT_HOME[package])
    ]
    assert not astray


def test_aiohttps_server_is_imported_only_where_requests_are_answered() -> None:
    astray = [
        name
        for name, tree in modules()
        if any(it.startswith("aiohttp.web") for it in imported(tree)) and not within(name, HTTP_SERVERS)
    ]
    assert not astray


def test_no_type_check_asks_for_a_class_of_the_standard_event_loop() -> None:
    """uvloop's loops, transports, handles and sockets derive from none of them: it is always False."""
    foreign_to_uvloop = re.compile(
        r"\b(asyncio\.\w*(Transport|Server|EventLoop|Handle)|(WriteTransport|Transport)\b|socket\.socket)\b"
    )
    astray = [
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("isinstance", "issubclass")
        and foreign_to_uvloop.search(ast.unparse(node.args[1]))
    ]
    assert not astray


def requirements(*groups: str) -> dict[str, Requirement]:
    """Declared requirements by normal name: of the product, or of `groups` (extras and `dev`)."""
    extras = PROJECT["project"]["optional-dependencies"]
    lines = list(PROJECT["project"]["dependencies"]) if not groups else []
    for group in groups:
        lines += extras[group] if group in extras else PROJECT["dependency-groups"][group]
    return {canonicalize_name(it.name): it for it in map(Requirement, lines)}


def test_what_the_code_imports_is_declared() -> None:
    """A package that is only another package's requirement can disappear without notice."""
    declared = set(requirements()) | set(requirements("embedded", "demo", "testing"))
    distributions = packages_distributions()
    undeclared = {
        (name, package)
        for name, tree in modules()
        for package in foreign(tree)
        if not declared & {canonicalize_name(it) for it in distributions.get(package, (package,))}
    }
    assert not undeclared


def pins() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9_.-]+)==([0-9][A-Za-z0-9.]*)", line)
            assert match, f"constraints.txt: {line!r} is not an exact version"
            assert canonicalize_name(match[1]) not in found, f"constraints.txt: {line} is a duplicate"
            found[canonicalize_name(match[1])] = match[2]
    return found


def test_every_requirement_is_pinned_within_what_it_allows() -> None:
    pinned = pins()
    wanted = requirements() | requirements("embedded", "demo", "testing", "dev")
    assert not set(wanted) - set(pinned)
    assert not {name for name, it in wanted.items() if not it.specifier.contains(pinned[name])}


def test_markers_leave_supported_pythons_alone() -> None:
    """One set of pins serves every interpreter, so no requirement may depend on its version."""
    markers: list[Marker] = [it.marker for it in requirements().values() if it.marker]
    assert not [str(it) for it in markers if "python_version" in str(it)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout; the installed backend needs no network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_ships_both_packages_with_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"handoff/demo.toml", "handoff/py.typed", "handoff_adapters/py.typed"} <= names
    for folder in PACKAGES.values():
        tracked = {
            path.relative_to(folder.parent).as_posix()
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert not tracked - names
    roots = {name.partition("/")[0] for name in names}
    assert {it for it in roots if not it.endswith(".dist-info")} == set(PACKAGES)


def test_the_wheel_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    """Installed and away from the checkout, so that nothing beside the packages is leaned on."""
    place = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(place)
    environment = os.environ | {"PYTHONPATH": str(place)}
    for command, expected in (
        (["adapters"], "web.segment"),
        (["check-config", "handoff/demo.toml"], "4 sources"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "handoff.cli", *command],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def dockerfile() -> list[str]:
    """The Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def test_the_image_is_built_from_what_is_there() -> None:
    taken = (ROOT / ".dockerignore").read_text().splitlines()
    for line in dockerfile():
        if line.startswith("COPY") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
                assert f"!{source}" in taken, f"{source} is kept from the build"


def test_the_image_runs_unprivileged_and_handles_signals() -> None:
    lines = dockerfile()
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users
    assert users[-1].partition(":")[0] not in ("root", "0")
    for line in lines:
        if line.startswith(("ENTRYPOINT", "CMD")):
            json.loads(line.partition(" ")[2])  # the exec form: no shell that swallows SIGTERM


def test_ci_calls_what_people_call() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)$", script.read_text(), re.MULTILINE))
    assert {"lint", "types", "test-strict"} <= called <= targets


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]


@pytest.mark.parametrize("page", documents(), ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_point_at_what_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = [it.partition("#")[0] for it in re.findall(r"\]\(([^)\s]+)\)", text)]
    places = [page.parent / it for it in links if it and "://" not in it]
    named = re.findall(r"`((?:handoff|adapters|tests|bench|config|docs)/[\w./-]+)`", text)
    places += [ROOT / it for it in named]
    assert not [str(it) for it in places if not it.exists()]


def test_decisions_are_numbered_and_whole() -> None:
    pages = sorted((ROOT / "docs/adr").glob("[0-9]*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    overview = (ROOT / "docs/adr/README.md").read_text()
    for page in pages:
        text = page.read_text()
        assert page.name in overview
        assert text.startswith(f"# {page.name[:4]}: ")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE)[:4] == [
            "Context",
            "Decision",
            "Consequence",
            "The figure",
        ], page.name


def test_the_changelog_has_this_version() -> None:
    version = (ROOT / "handoff/__init__.py").read_text().partition('__version__ = "')[2].partition('"')[0]
    assert version in (ROOT / "CHANGELOG.md").read_text()
