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
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
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


WITHOUT_CHILDREN = frozenset(
    kind
    for parent in (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)
    for kind in parent.__subclasses__()
)
"""Nodes that a tree is full of and that hold nothing; passing over them halves the time."""


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


@dataclass
class PythonSource:
    """The nodes of a module that matter here, by kind, from one walk over its tree."""

    strings: list[ast.Constant] = field(default_factory=list)
    f_strings: list[ast.JoinedStr] = field(default_factory=list)
    definitions: list[tuple[int, str, bool]] = field(default_factory=list)
    """Every defined name: line, name, and whether a statement or an argument binds it."""

    @classmethod
    def parse(cls, source: str) -> PythonSource:
        found, free = cls(), set[int]()
        pending: list[Any] = [ast.parse(source)]
        while pending:
            node = pending.pop()
            kind = type(node)
            if kind is ast.Constant:
                if isinstance(node.value, str):
                    found.strings.append(node)
            elif kind is ast.JoinedStr:
                found.f_strings.append(node)
                pending += [part for part in node.values if not isinstance(part, ast.Constant)]
            elif kind not in WITHOUT_CHILDREN:
                if kind is ast.comprehension:
                    free |= {id(part) for part in ast.walk(node.target)}
                elif kind is ast.Lambda:
                    free |= {id(argument) for argument in ast.walk(node.args)}
                elif id(node) not in free:
                    found._note_definition(node)
                pending += ast.iter_child_nodes(node)
        return found

    def _note_definition(self, node: Any) -> None:
        kind = type(node)
        if kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
            self.definitions.append((node.lineno, node.name, False))
        elif kind is ast.arg:
            self.definitions.append((node.lineno, node.arg, True))
        elif kind is ast.Name and type(node.ctx) is ast.Store:
            self.definitions.append((node.lineno, node.id, True))
        elif kind is ast.Attribute and type(node.ctx) is ast.Store:
            self.definitions.append((node.lineno, node.attr, False))


def comments(source: str, python: PythonSource) -> Iterator[tuple[int, str]]:
    """Comments with their lines.

    Outside a string, `#` starts a comment. The slow tokenizer reads only those files where a `#` is
    within the span of a string of several lines: the span of implicitly joined strings may hold comments.
    """
    spans = defaultdict(list)
    several_lines = set[int]()
    for node in (*python.strings, *python.f_strings):
        if node.lineno == node.end_lineno:
            spans[node.lineno].append((node.col_offset, node.end_col_offset or 0))
        else:
            several_lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    found = []
    for number, line in enumerate(source.split("\n"), 1):
        if "#" not in line:
            continue
        if number in several_lines:
            yield from tokenized_comments(source)
            return
        encoded = line.encode()
        for place in (it.start() for it in re.finditer(b"#", encoded)):
            if not any(start <= place < end for start, end in spans[number]):
                found.append((number, encoded[place:].decode().lstrip("# ")))
                break
    yield from found


def tokenized_comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def python_prose(source: str, python: PythonSource) -> Iterator[tuple[int, str]]:
    """Comments, docstrings, and strings that read as sentences, with their lines."""
    yield from comments(source, python)
    for f_string in python.f_strings:
        pieces = [part.value if isinstance(part, ast.Constant) else "X" for part in f_string.values]
        text = "".join(str(piece) for piece in pieces)
        if not PLAIN_STRING.match(text):
            yield f_string.lineno, text
    for string in python.strings:
        if not PLAIN_STRING.match(str(string.value)):
            yield string.lineno, str(string.value)


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


def banned_in(text: str) -> Iterator[tuple[str, str]]:
    """Banned wording in one text, with its replacement; inline code does not count."""
    flat = re.sub(r"`[^`]*`", "X", re.sub(r"\s+", " ", text)).strip()
    for rule in rules()[0]:
        kept = rule.exempt.sub("", flat) if rule.exempt else flat
        for match in rule.pattern.finditer(kept):
            yield match[0][:70], rule.instead


@cache
def banned_name(name: str, bound: bool) -> tuple[str, ...]:
    """The replacements for a name, one for each rule that bans it."""
    words = set(words_of(name))
    return tuple(
        entry["instead"]
        for entry in rules()[1]
        if (bound or not entry.get("bound"))
        and (name in entry.get("exact", ()) or words & set(entry.get("words", ())))
    )


def found_in(path: Path, area: str, root: Path = ROOT) -> Iterator[Finding]:
    source = path.read_text()
    name = str(path.relative_to(root))
    python = PythonSource.parse(source) if path.suffix == ".py" else None
    if python:
        texts = python_prose(source, python)
    else:
        texts = page_prose(source) if path.suffix == ".md" else other_prose(source)
    for line, text in texts:
        for found, instead in banned_in(text):
            yield Finding(area, name, line, found, instead)
    for line, defined, bound in python.definitions if python else ():
        for instead in banned_name(defined, bound):
            yield Finding(area, name, line, defined, instead)


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


def report(areas: list[str], paths: list[str], as_json: bool) -> dict[str, int]:
    """Print the findings below the paths, or all of them; the count of every area."""
    now = dict[str, int]()
    for area in areas:
        everything = findings(area)
        now[area] = len(everything)
        for found in everything:
            if not paths or found.path.startswith(tuple(paths)):
                if as_json:
                    print(json.dumps(found.__dict__))
                else:
                    print(f"{found.path}:{found.line}: {found.text!r} → {found.instead}")
    return now


def summary(now: dict[str, int]) -> str:
    before = ceilings()
    rows = [f"{area:10} {now[area]:5} (ceiling {before[area]})" for area in AREAS]
    return "\n".join(rows)
