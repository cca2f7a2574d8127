"""The lines of the keys in a TOML file, which `tomllib` does not keep."""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress

from .faults import KeyPath

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'')
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_PLAIN = re.compile(r"[^,\]}\n#]+")
_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line of each table, key, and list entry of a valid TOML file, from 1."""
    scanner = _KeyScanner(text)
    with suppress(IndexError, ValueError):  # a notation that we do not know: some lines are missing
        scanner.scan()
    return scanner.lines


class _KeyScanner:
    """Reads the structure of a file that is known to be valid, not its values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counts: dict[KeyPath, int] = {}
        self.lines: dict[KeyPath, int] = {}

    def scan(self) -> None:
        base: KeyPath = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self._at] == "[":
                base = self._header()
            else:
                self._pair(base)

    def _header(self) -> KeyPath:
        line, repeated = self._line, self._text.startswith("[[", self._at)
        self._forward(2 if repeated else 1)
        parts = self._dotted()
        self._forward(2 if repeated else 1)
        path: KeyPath = ()
        for number, part in enumerate(parts):
            path = (*path, part)
            if repeated and number == len(parts) - 1:
                self._counts[path] = self._counts.get(path, -1) + 1
            self._note(path, line)
            if path in self._counts:
                path = (*path, self._counts[path])
        self._note(path, line)
        return path

    def _pair(self, base: KeyPath) -> None:
        line = self._line
        path = base
        for part in self._dotted():
            path = (*path, part)
            self._note(path, line)
        self._forward(1)  # the equals sign
        self._value(path)

    def _dotted(self) -> list[str]:
        parts = []
        while True:
            self._skip(_SPACE)
            quoted = _QUOTED.match(self._text, self._at)
            found = quoted or _BARE.match(self._text, self._at)
            if found is None:
                raise ValueError("no key")
            self._at = found.end()
            parts.append(tomllib.loads(f"key = {found[0]}")["key"] if quoted else found[0])
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return parts
            self._forward(1)

    def _value(self, path: KeyPath) -> None:
        self._skip(_SPACE)
        opening = self._text[self._at]
        if opening == "[":
            self._entries(path)
        elif opening == "{":
            self._inline(path)
        else:
            self._skip(_STRING if opening in "\"'" else _PLAIN)

    def _entries(self, path: KeyPath) -> None:
        self._forward(1)
        number = 0
        while self._text[self._skip(_BLANK)] != "]":
            self._note((*path, number), self._line)
            self._value((*path, number))
            number += 1
            if self._text[self._skip(_BLANK)] == ",":
                self._forward(1)
        self._forward(1)

    def _inline(self, path: KeyPath) -> None:
        self._forward(1)
        while self._text[self._skip(_BLANK)] != "}":
            self._pair(path)
            if self._text[self._skip(_BLANK)] == ",":
                self._forward(1)
        self._forward(1)

    def _note(self, path: KeyPath, line: int) -> None:
        self.lines.setdefault(path, line)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._forward(found.end() - self._at)
        return self._at

    def _forward(self, count: int) -> None:
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count
