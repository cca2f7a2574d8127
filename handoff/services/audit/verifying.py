"""Checks audit trails: every byte of every line, every line, and every file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from msgspec import Struct, field

from .anchors import ANCHORS
from .chain import NO_HASH, START, AuditLine, ChainHead, chain_hash, file_number, files_of, parse_line


class Finding(Struct, frozen=True, kw_only=True):
    """Something that is not as it was written. `harmless` is what a crash explains."""

    file: str
    line: int | None
    problem: str
    harmless: bool = False


class CheckedChain(Struct, kw_only=True):
    """The result of the check of one chain."""

    folder: Path
    writer: str = ""
    entries: int = 0
    files: int = 0
    first: str | None = None
    head: ChainHead = START
    hashes: dict[int, str] = field(default_factory=dict)
    """The hashes of lines that anchors or removals name, by line number."""
    removed: dict[int, str] = field(default_factory=dict)
    """The last line of each removed file, by its number."""
    anchors: list[AuditLine] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


class Verification(Struct, kw_only=True):
    """The result of a check. It is `ok` if nothing but crashes explains each finding."""

    chains: list[CheckedChain]
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return all(it.harmless for it in self.findings)


def verify(root: Path, expected: Collection[str] = ()) -> Verification:
    """Check all chains below `root`, their anchors, and that each `expected` hash is in one of them."""
    folders = sorted({it.parent for it in root.glob("*/*.jsonl")})
    anchor_folder = root / ANCHORS
    anchors = _check_chain(anchor_folder, frozenset(), expected) if anchor_folder in folders else None
    wanted = {int(it.members["line"]) for it in anchors.anchors} if anchors is not None else set()
    chains = [_check_chain(it, wanted, expected) for it in folders if it != anchor_folder]
    findings = [finding for it in chains for finding in it.findings]
    if anchors is not None:
        findings += anchors.findings + list(_check_anchors(anchors, chains))
        chains.append(anchors)
    seen = {hash_ for it in chains for hash_ in it.hashes.values()}
    findings += [
        Finding(file=str(root), line=None, problem=f"no line has the expected hash {it}")
        for it in expected
        if it not in seen
    ]
    return Verification(chains=chains, findings=findings)


def _check_chain(folder: Path, wanted: Collection[int], expected: Collection[str]) -> CheckedChain:
    chain = CheckedChain(folder=folder)
    opening: AuditLine | None = None
    previous: ChainHead | None = None
    number: int | None = None
    files = files_of(folder)
    for path in files:
        if number is not None and file_number(path) != number + 1:
            _find(chain, path, None, f"{file_number(path) - number - 1} files before this one are missing")
        number = file_number(path)
        for at, raw in enumerate(_lines(path), 1):
            if not raw.endswith(b"\n"):
                _find(chain, path, at, "incomplete last line", harmless=path == files[-1])
                continue
            line = parse_line(raw[:-1])
            if line is None:
                _find(chain, path, at, "not a line of an audit trail")
                continue
            if previous is None:
                opening, previous = line, ChainHead(line.n - 1, str(line.members.get("previous", NO_HASH)))
            if at == 1 and (line.kind != "file" or line.members.get("file") != number):
                _find(chain, path, at, "the file does not begin with its own first line")
            _check_line(chain, path, at, line, previous)
            previous = ChainHead(line.n, line.stated)
            _note(chain, line, wanted, expected)
        chain.files += 1
    chain.head = previous or START
    _check_beginning(chain, opening, files)
    return chain


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _check_line(chain: CheckedChain, path: Path, at: int, line: AuditLine, previous: ChainHead) -> None:
    if line.n != previous.n + 1:
        gap = line.n - previous.n - 1
        what = f"{gap} lines before this one are missing" if gap > 0 else "a line is repeated or out of order"
        _find(chain, path, at, what)
    if chain_hash(previous.hash, line.payload) != line.stated:
        _find(chain, path, at, "the hash does not match: this line or the one before was changed")
    if line.kind == "file" and line.members.get("previous") != previous.hash:
        _find(chain, path, at, "the file does not continue the one before")


def _note(chain: CheckedChain, line: AuditLine, wanted: Collection[int], expected: Collection[str]) -> None:
    chain.first = chain.first or line.at
    if line.kind == "access":
        chain.entries += 1
    elif line.kind == "file":
        chain.writer = str(line.members.get("writer", ""))
    elif line.kind == "removed" and line.members.get("last") is not None:
        chain.removed[int(line.members["last"])] = str(line.members.get("last_hash"))
    elif line.kind == "anchor":
        chain.anchors.append(line)
    if line.n in wanted or line.stated in expected:
        chain.hashes[line.n] = line.stated


def _check_beginning(chain: CheckedChain, opening: AuditLine | None, files: list[Path]) -> None:
    """Older files may be missing if the chain records that retention removed them."""
    if opening is None or opening.n == 0:
        return
    if chain.removed.get(opening.n - 1) != opening.members.get("previous"):
        _find(chain, files[0], 1, "older files are missing, and the trail has no record of their removal")


def _check_anchors(anchors: CheckedChain, chains: list[CheckedChain]) -> Iterator[Finding]:
    """Each anchored line must still be there, unless it is in a removed file."""
    by_folder = {it.folder.name: it for it in chains}
    missing: dict[str, AuditLine] = {}
    for anchor in anchors.anchors:
        writer, n = str(anchor.members.get("writer")), int(anchor.members["line"])
        chain = by_folder.get(writer.rpartition("/")[2])  # the machine may have had another name
        if chain is not None and (n <= max(chain.removed, default=-1) or chain.hashes.get(n) is not None):
            if chain.hashes.get(n, anchor.members.get("line_hash")) != anchor.members.get("line_hash"):
                problem = f"line {n} of {writer} is not the one that was anchored at {anchor.at}"
                yield Finding(file=str(chain.folder), line=None, problem=problem)
            continue
        missing[writer] = anchor  # the newest one is reported
    for writer, anchor in missing.items():
        problem = (
            f"{writer} ended at line {anchor.members['line']} or later at {anchor.at}: lines are missing"
        )
        yield Finding(file=str(anchors.folder), line=None, problem=problem)


def _find(chain: CheckedChain, path: Path, line: int | None, problem: str, *, harmless: bool = False) -> None:
    chain.findings.append(Finding(file=str(path), line=line, problem=problem, harmless=harmless))
