"""Finds entries in the audit trails that this machine can read, newest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from handoff.domain.clock import Micros, format_time, parse_time

from .anchors import ANCHORS
from .chain import AuditLine, files_of, parse_line, read_tail

MAX_SCANNED = 64 * 1024 * 1024  # bytes of files that one search reads


class AuditQuery(Struct, frozen=True, kw_only=True):
    """The entries wanted. `customers` are all ids of one customer; `before` is a cursor."""

    tenant: str
    customers: frozenset[str] = frozenset()
    agent: str | None = None
    token: str | None = None
    action: str | None = None
    since: Micros | None = None
    until: Micros | None = None
    limit: int = 50
    before: tuple[str, str, int] | None = None

    def wants(self, line: AuditLine) -> bool:
        found = line.members
        return (
            line.kind == "access"
            and found.get("tenant") == self.tenant
            and (self.action is None or found.get("action") == self.action)
            and (self.agent is None or found.get("agent") == self.agent)
            and (self.token is None or self.token in (found.get("token"), found.get("via")))
            and (not self.customers or bool(self.customers & _ids(found)))
        )


class FoundEntry(Struct, frozen=True):
    """An entry, and the chain that it is in."""

    writer: str
    line: AuditLine

    @property
    def place(self) -> tuple[str, str, int]:
        return (self.line.at, self.writer, self.line.n)


class SearchedWriter(Struct, frozen=True, kw_only=True):
    """A chain that was searched."""

    writer: str
    first: str | None
    last: str | None


class AuditPage(Struct, kw_only=True):
    """The result of a search. `next` is the place to continue from; `scanned_to` is set if it ended early."""

    entries: list[FoundEntry] = field(default_factory=list)
    writers: list[SearchedWriter] = field(default_factory=list)
    next: tuple[str, str, int] | None = None
    scanned_to: str | None = None


def _ids(members: dict[str, Any]) -> set[str]:
    resource = str(members.get("resource", ""))
    ids = {*members.get("customers", ()), *(it["id"] for it in members.get("identities", ()))}
    return ids | {resource.partition(":")[2]} if resource.startswith("customer:") else ids


def chains_below(roots: Sequence[Path]) -> list[Path]:
    """The folders of all chains of entries, in the trail's own layout or copied from other machines."""
    found = {it.parent for root in roots for it in root.glob("**/*.jsonl") if it.parent.name != ANCHORS}
    return sorted(found)


def search(roots: Sequence[Path], query: AuditQuery) -> AuditPage:
    """One page of entries. Reads files, so run it in a thread."""
    page, budget = AuditPage(), Budget(MAX_SCANNED)
    streams = []
    for folder in chains_below(roots):
        reader = ChainReader(folder, query, budget)
        page.writers.append(reader.searched)
        streams.append(reader.entries())
    merged = heapq.merge(*streams, key=lambda it: it.place, reverse=True)
    for found in merged:
        if found.line.kind == "scanned":
            page.next, page.scanned_to = found.place, found.line.at
            break
        if len(page.entries) == query.limit:
            page.next = page.entries[-1].place
            break
        page.entries.append(found)
    return page


class Budget(Struct):
    """How many bytes a search may still read."""

    left: int


class ChainReader:
    """Reads one chain backwards, file by file."""

    def __init__(self, folder: Path, query: AuditQuery, budget: Budget) -> None:
        self._query = query
        self._budget = budget
        self._files = files_of(folder)
        self._firsts = [_first_line(it) for it in self._files]
        self._writer = next((str(it.members.get("writer")) for it in self._firsts if it), folder.name)
        self._since = format_time(query.since) if query.since is not None else ""
        self._until = format_time(query.until) if query.until is not None else None

    @property
    def searched(self) -> SearchedWriter:
        first = next((it.at for it in self._firsts if it), None)
        newest = parse_line(read_tail(self._files[-1])[2]) if self._files else None
        return SearchedWriter(writer=self._writer, first=first, last=newest.at if newest else None)

    def entries(self) -> Iterator[FoundEntry]:
        """Wanted entries, newest first. After the budget, one of the kind `scanned` with the last place."""
        end = self._query.before
        newest = end[0] if end is not None else self._until
        for at in range(len(self._files) - 1, -1, -1):
            first = self._firsts[at]
            if newest is not None and first is not None and first.at > newest:
                continue
            if self._budget.left <= 0:
                place = self._firsts[at + 1] if at + 1 < len(self._firsts) else None
                if place is not None:
                    yield self._scanned(place)
                return
            raw = self._files[at].read_bytes()
            self._budget.left -= len(raw)
            yield from self._in_file(raw)
            if first is not None and first.at < self._since:
                return

    def _in_file(self, raw: bytes) -> Iterator[FoundEntry]:
        needles = [it.encode() for it in self._query.customers]
        for line_bytes in reversed(raw.split(b"\n")):
            if needles and not any(it in line_bytes for it in needles):
                continue
            line = parse_line(line_bytes)
            if line is None or (self._until is not None and line.at >= self._until):
                continue
            if line.at < self._since:
                return
            found = FoundEntry(self._writer, line)
            before = self._query.before
            if (before is None or found.place < before) and self._query.wants(line):
                yield found

    def _scanned(self, place: AuditLine) -> FoundEntry:
        mark = AuditLine(place.n, place.at, "", b"", {"kind": "scanned"})
        return FoundEntry(self._writer, mark)


def _first_line(path: Path) -> AuditLine | None:
    with path.open("rb") as file:
        return parse_line(file.readline().rstrip(b"\n"))


def encode_place(place: tuple[str, str, int] | None) -> str | None:
    """A place as a URL-safe cursor."""
    if place is None:
        return None
    at, writer, n = place
    return f"{parse_time(at)}-{n}-{writer.encode().hex()}"


def decode_place(cursor: str) -> tuple[str, str, int]:
    """The place of a cursor. ValueError if it is not one."""
    at, n, writer = cursor.split("-")
    return (format_time(int(at)), bytes.fromhex(writer).decode(), int(n))
