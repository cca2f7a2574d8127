"""Count banned words (banned.toml) in identifiers, docstrings, comments, messages, and pages.

The count per area may only fall: `ceilings.toml` holds the last count, and a test compares. `make words`
prints every finding with its place and what to write instead; `make words ARGS=--lower` stores lower counts.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
CEILINGS = HERE / "ceilings.toml"

AREAS: dict[str, tuple[str, ...]] = {
    "handoff": ("handoff/**/*.py", "handoff/**/*.lua"),
    "adapters": ("adapters/**/*.py",),
    "panel": ("handoff/panel/**/*.js", "handoff/panel/**/*.html", "handoff/panel/**/*.json"),
    "docs": ("README.md", "CHANGELOG.md", "docs/*.md", "docs/vendors/*.md", "bench/README.md", "config/*"),
    "decisions": ("docs/adr/*.md",),
    "tests": ("tests/**/*.py", "bench/**/*.py", "docs/*.py"),
}
"""What is counted together. Files under `tests/words` are this rule itself and are left out."""

SUFFIXES = {".py", ".lua", ".js", ".html", ".json", ".md", ".toml", ".conf"}

PLAIN_STRING = re.compile(r"[a-z0-9_.:/{}*-]*$")
"""A string without a space or capital is a key or a path, not prose."""


@dataclass(frozen=True)
class Finding:
    area: str
    path: str
    line: int
    text: str
    instead: str


@dataclass(frozen=True)
class Rule:
    pattern: re.Pattern[str]
    exempt: re.Pattern[str] | None
    instead: str


@cache
def rules() -> tuple[list[Rule], list[dict[str, Any]]]:
    """The rules for prose, compiled, and those for names as they are written."""
    read = tomllib.loads((HERE / "banned.toml").read_text())
    prose = [
        Rule(
            re.compile(rule["pattern"], 0 if rule.get("case") else re.IGNORECASE),
            re.compile(rule["except"], re.IGNORECASE) if "except" in rule else None,
            rule["instead"],
        )
        for rule in read["prose"]
    ]
    return prose, read["names"]


def words_of(name: str) -> list[str]:
    """`_readTheRest` and `read_the_rest` → read, the, rest."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).split("_")
    return [part.lower() for part in parts if part]


def python_prose(source: str, nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """Comments, docstrings, and strings that read as sentences, with their lines."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    parts_of_f_strings = {
        id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            pieces = [part.value if isinstance(part, ast.Constant) else "X" for part in node.values]
            text = "".join(str(piece) for piece in pieces)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) in parts_of_f_strings:
                continue
            text = node.value
        else:
            continue
        if not PLAIN_STRING.match(text):
            yield node.lineno, text


def python_names(nodes: list[ast.AST]) -> Iterator[tuple[int, str, bool]]:
    """Every name that is defined: line, name, and whether it is bound by a statement or an argument."""
    free: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.comprehension):
            free |= {id(part) for part in ast.walk(node.target)}
        elif isinstance(node, ast.Lambda):
            free |= {id(argument) for argument in ast.walk(node.args)}
    for node in nodes:
        if id(node) in free:
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name, False
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg, True
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id, True
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr, False


def page_prose(source: str) -> Iterator[tuple[int, str]]:
    """A page's paragraphs and list items, without its code; a paragraph's lines are joined."""
    source = re.sub(r"^```.*?^```", lambda it: "\n" * it[0].count("\n"), source, flags=re.M | re.S)
    source = re.sub(r"`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", "X", source)
    start, lines = 1, list[str]()
    for number, line in enumerate([*source.split("\n"), ""], 1):
        if not line.strip() or re.match(r"\s*(?:[-*#|]|\d+\.)\s?", line):
            if lines:
                yield start, " ".join(lines)
            start, lines = number, []
        if line.strip():
            lines.append(re.sub(r"^[\s#>*|-]+|^\s*\d+\.\s", "", line).strip())


def other_prose(source: str) -> Iterator[tuple[int, str]]:
    """Scripts, styles, markup, and configuration, line by line; inline code is left out."""
    for number, line in enumerate(source.split("\n"), 1):
        yield number, re.sub(r"`[^`]*`", "X", line).strip(" /*#-")


def found_in(path: Path, area: str, root: Path = ROOT) -> Iterator[Finding]:
    prose, names = rules()
    source = path.read_text()
    name = str(path.relative_to(root))
    nodes = list(ast.walk(ast.parse(source))) if path.suffix == ".py" else []
    if nodes:
        texts = python_prose(source, nodes)
    else:
        texts = page_prose(source) if path.suffix == ".md" else other_prose(source)
    for line, text in texts:
        flat = re.sub(r"`[^`]*`", "X", re.sub(r"\s+", " ", text)).strip()
        for rule in prose:
            kept = rule.exempt.sub("", flat) if rule.exempt else flat
            for match in rule.pattern.finditer(kept):
                yield Finding(area, name, line, match[0][:70], rule.instead)
    for line, defined, bound in python_names(nodes):
        for entry in names:
            hit = defined in entry.get("exact", ()) or set(words_of(defined)) & set(entry.get("words", ()))
            if hit and (bound or not entry.get("bound")):
                yield Finding(area, name, line, defined, entry["instead"])


def files_of(area: str) -> Iterator[Path]:
    for pattern in AREAS[area]:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and path.suffix in SUFFIXES and HERE not in path.parents:
                yield path


def findings(area: str) -> list[Finding]:
    return [found for path in files_of(area) for found in found_in(path, area)]


def counts() -> dict[str, int]:
    return {area: len(findings(area)) for area in AREAS}


def ceilings() -> dict[str, int]:
    return tomllib.loads(CEILINGS.read_text())


def lower(now: dict[str, int]) -> None:
    """Store counts that fell; one that rose stays red."""
    before = ceilings() if CEILINGS.exists() else now
    lines = [f"{area} = {min(count, before.get(area, count))}\n" for area, count in now.items()]
    CEILINGS.write_text("# Banned words left per area; they may only fall.\n" + "".join(lines))


def report(areas: list[str], paths: list[str], as_json: bool) -> None:
    for area in areas:
        for found in findings(area):
            if not paths or found.path.startswith(tuple(paths)):
                if as_json:
                    print(json.dumps(found.__dict__))
                else:
                    print(f"{found.path}:{found.line}: {found.text!r} → {found.instead}")


def summary() -> str:
    now, before = counts(), ceilings()
    rows = [f"{area:10} {now[area]:5} (ceiling {before[area]})" for area in AREAS]
    return "\n".join(rows)
