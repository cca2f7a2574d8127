"""The files of an audit trail: chains, crashes, rotation, full disks, and every kind of tampering."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.domain.errors import AuditUnavailable, ConfigurationError
from handoff.domain.identity import identity
from handoff.services.audit.chain import AuditChain, claim_chain, files_of, open_chain
from handoff.services.audit.cursors import SHIPPING, ShipCursor, write_cursor
from handoff.services.audit.entry import AuditEntry, masked
from handoff.services.audit.retention import remove_old_files
from handoff.services.audit.search import AuditQuery, decode_place, encode_place, search
from handoff.services.audit.settings import AuditSettings
from handoff.services.audit.trail import AuditTrail
from handoff.services.audit.verifying import Verification, verify
from tests.examples import examples

MB = 1024 * 1024


def chain_in(root: Path, *, max_bytes: int = MB) -> AuditChain:
    return claim_chain(root, "host", max_bytes=max_bytes)


def fill(chain: AuditChain, count: int, **members: Any) -> None:
    for number in range(count):
        body = {"tenant": "default", "action": "lookUp", "outcome": "ok", "number": number, **members}
        chain.append([msgspec.json.encode(body)[1:-1]])


def written(root: Path, count: int = 20, *, max_bytes: int = MB) -> list[Path]:
    chain = chain_in(root, max_bytes=max_bytes)
    fill(chain, count)
    chain.close()
    return files_of(root / "w0")


def problems(found: Verification) -> list[str]:
    return [it.problem for it in found.findings if not it.harmless]


def trail_in(root: Path, **more: Any) -> AuditTrail:
    return AuditTrail(msgspec.convert(more, AuditSettings), root, machine="host")


def entry(action: str = "readHandoff", **more: Any) -> AuditEntry:
    return AuditEntry(tenant="default", action=action, outcome="ok", **more)


def query(**more: Any) -> AuditQuery:
    return AuditQuery(tenant="default", **more)


def age(path: Path, days: float) -> None:
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


# --- Chains


def test_an_untouched_trail_has_no_findings(tmp_path: Path) -> None:
    written(tmp_path)
    found = verify(tmp_path)
    assert found.ok
    assert not found.findings
    assert found.chains[0].entries == 20


def test_a_chain_continues_over_restarts(tmp_path: Path) -> None:
    for _ in range(3):
        written(tmp_path, 5)
    assert len(files_of(tmp_path / "w0")) == 1
    found = verify(tmp_path)
    assert (found.findings, found.chains[0].entries) == ([], 15)


def test_two_processes_write_two_chains(tmp_path: Path) -> None:
    one, other = chain_in(tmp_path), chain_in(tmp_path)
    assert (one.name, other.name) == ("host/w0", "host/w1")
    assert open_chain(tmp_path / "w0", "host/w0", max_bytes=MB) is None
    one.close()
    again = chain_in(tmp_path)
    assert again.name == "host/w0"


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"audit\.dir"):
        chain_in(tmp_path / "file" / "audit")


@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.floats(0, 0.999), change=st.integers(1, 255))
def test_any_changed_byte_is_found(tmp_path: Path, place: float, change: int) -> None:
    root = tmp_path / "any"
    if not root.exists():
        written(root, 6)
    path = files_of(root / "w0")[0]
    whole = path.read_bytes()
    at = int(place * len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
    found = verify(root)
    path.write_bytes(whole)
    # Without the very last line break, the last line looks like one that a crash cut off.
    assert not found.ok or at == len(whole) - 1


def test_any_removed_line_is_found(tmp_path: Path) -> None:
    path = written(tmp_path, 8)[0]
    rows = path.read_bytes().splitlines(keepends=True)
    for at in range(len(rows) - 1):
        path.write_bytes(b"".join(rows[:at] + rows[at + 1 :]))
        assert problems(verify(tmp_path)), at


def test_swapped_repeated_and_inserted_lines_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, 8)[0]
    rows = path.read_bytes().splitlines(keepends=True)
    for forged in (
        [*rows[:3], rows[4], rows[3], *rows[5:]],
        [*rows[:4], rows[3], *rows[4:]],
        [*rows[:4], b'{"n":4,"at":"2026-01-01T00:00:00.000000Z"}\n', *rows[4:]],
    ):
        path.write_bytes(b"".join(forged))
        assert problems(verify(tmp_path))


def test_any_removed_file_is_found(tmp_path: Path) -> None:
    files = written(tmp_path, 60, max_bytes=2_000)
    assert len(files) > 4
    assert verify(tmp_path).ok
    for path in files[:-1]:
        whole = path.read_bytes()
        path.unlink()
        assert problems(verify(tmp_path)), path.name
        path.write_bytes(whole)


# --- Anchors


async def test_lines_that_are_cut_off_after_an_anchor_are_found(tmp_path: Path) -> None:
    trail = trail_in(tmp_path)
    for _ in range(5):
        await trail.record(entry())
    await trail.close()
    assert verify(tmp_path).ok
    path = files_of(tmp_path / "w0")[-1]
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(rows[:-1]))
    assert "lines are missing" in problems(verify(tmp_path))[0]
    path.unlink()
    assert problems(verify(tmp_path))


async def test_a_trail_that_was_rewritten_is_found_by_a_hash_kept_elsewhere(tmp_path: Path) -> None:
    trail = trail_in(tmp_path / "a")
    await trail.record(entry())
    anchor = await trail.anchor()
    await trail.close()
    assert anchor is not None
    assert verify(tmp_path / "a", [anchor.hash]).ok
    other = trail_in(tmp_path / "b")
    await other.record(entry("exportCustomer"))
    await other.close()
    assert verify(tmp_path / "b").ok
    assert "expected hash" in problems(verify(tmp_path / "b", [anchor.hash]))[0]


async def test_an_anchor_is_written_only_after_changes(tmp_path: Path) -> None:
    trail = trail_in(tmp_path)
    await trail.record(entry())
    assert await trail.anchor() is not None
    assert await trail.anchor() is None
    await trail.close()


async def test_a_machine_with_a_new_name_keeps_its_chains(tmp_path: Path) -> None:
    for machine in ("one", "two"):
        trail = AuditTrail(AuditSettings(), tmp_path, machine=machine)
        await trail.record(entry())
        await trail.close()
    assert verify(tmp_path).findings == []


# --- Crashes


@pytest.mark.parametrize("cut", [1, 40, 100])
def test_an_incomplete_last_line_is_removed_and_recorded(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path, 5)[0]
    path.write_bytes(path.read_bytes()[:-cut])
    found = verify(tmp_path)
    assert found.ok
    assert [it.problem for it in found.findings] == ["incomplete last line"]
    trail = trail_in(tmp_path)
    asyncio.run(trail.close())
    assert b'"kind":"repaired","dropped_bytes":' in path.read_bytes()
    assert verify(tmp_path).findings == []


def test_a_crash_while_a_file_is_created_is_repaired(tmp_path: Path) -> None:
    written(tmp_path, 5)
    (tmp_path / "w0" / "000002-20300101.jsonl").write_bytes(b'{"n":6,"at')
    written(tmp_path, 5)
    assert verify(tmp_path).findings == []


def test_a_damaged_last_line_is_left_to_be_found(tmp_path: Path) -> None:
    path = written(tmp_path, 5)[0]
    rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*rows[:-1], b"rubbish\n"]))
    written(tmp_path, 5)
    assert len(files_of(tmp_path / "w0")) == 2
    assert any("not a line" in it for it in problems(verify(tmp_path)))


def test_a_killed_writer_loses_nothing_that_it_had_written(tmp_path: Path) -> None:
    code = f"""
import os, asyncio
from pathlib import Path
from tests.unit.test_audit_files import entry, trail_in
trail = trail_in(Path({str(tmp_path)!r}))
async def main():
    for number in range(50):
        await trail.record(entry(resource=f"handoff:{{number}}"))
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == -9
    assert len(search([tmp_path], query(limit=100)).entries) == 50
    assert verify(tmp_path).ok


# --- Full disks


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Files cannot grow above a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_and_leaves_no_half_line(tmp_path: Path) -> None:
    trail, kept = trail_in(tmp_path), []
    trail.failed = kept.append
    for _ in range(600):  # larger than the output of the tests, which must not fail
        await trail.record(entry(resource="x" * 400))
    size = files_of(tmp_path / "w0")[0].stat().st_size
    with largest_file(size + 50):
        for _ in range(3):
            with pytest.raises(AuditUnavailable):
                await trail.record(entry())
        with pytest.raises(AuditUnavailable):
            trail.require_writable()
        assert files_of(tmp_path / "w0")[0].stat().st_size == size
    assert kept == ["refused"] * 3
    trail.require_writable()
    await trail.record(entry())
    await trail.close()
    assert b'"kind":"resumed","missing":3' in files_of(tmp_path / "w0")[0].read_bytes()
    assert verify(tmp_path).findings == []


async def test_a_journal_takes_what_the_trail_cannot(tmp_path: Path) -> None:
    root, journal, kept = tmp_path / "audit", tmp_path / "journal", []
    trail = trail_in(root, on_failure="journal", journal_dir=str(journal))
    trail.failed = kept.append
    for _ in range(600):
        await trail.record(entry("before", resource="x" * 400))
    with largest_file(files_of(root / "w0")[0].stat().st_size):
        trail.require_writable()
        await trail.record(entry("meanwhile"))
        await trail.record(entry("meanwhile"))
    await trail.record(entry("after"))
    await trail.close()
    assert kept == ["journal"] * 2
    found = search([root, journal], query(limit=10)).entries
    assert [it.line.members["action"] for it in found[:3]] == ["after", "meanwhile", "meanwhile"]
    assert found[1].writer == "host/journal/w0"
    assert verify(root).findings == verify(journal).findings == []


async def test_every_entry_is_on_disk_with_fsync_always(tmp_path: Path) -> None:
    trail = trail_in(tmp_path, fsync="always")
    await asyncio.gather(*(trail.record(entry()) for _ in range(30)))
    await trail.close()
    assert verify(tmp_path).chains[0].entries == 30


# --- Rotation and retention


async def test_rotation_under_load_loses_nothing(tmp_path: Path) -> None:
    chain = chain_in(tmp_path, max_bytes=3_000)
    trail = trail_in(tmp_path / "other")
    trail._chain = chain

    async def client(name: str) -> None:
        for number in range(40):
            await trail.record(entry(resource=f"{name}:{number}"))
            await asyncio.sleep(0)

    await asyncio.gather(*(client(f"c{it}") for it in range(5)))
    chain.close()
    assert len(files_of(tmp_path / "w0")) > 10
    found = verify(tmp_path)
    assert (problems(found), found.chains[0].entries) == ([], 200)


def test_old_files_are_removed_and_the_trail_records_it(tmp_path: Path) -> None:
    files = written(tmp_path, 60, max_bytes=2_000)
    for path in files[:4]:
        age(path, 500)
    chain = chain_in(tmp_path)
    before = chain.folder.stat().st_mtime - 400 * 86_400
    assert remove_old_files(tmp_path, chain, before, shipped_only=False) == 4
    fill(chain, 3)
    chain.close()
    assert files_of(tmp_path / "w0")[0] == files[4]
    assert verify(tmp_path).findings == []


def test_retention_hides_no_file_that_it_did_not_remove(tmp_path: Path) -> None:
    files = written(tmp_path, 60, max_bytes=2_000)
    for path in files[:4]:
        age(path, 500)
    chain = chain_in(tmp_path)
    before = chain.folder.stat().st_mtime - 400 * 86_400
    remove_old_files(tmp_path, chain, before, shipped_only=False)
    chain.close()
    files[4].unlink()
    assert "older files are missing" in problems(verify(tmp_path))[0]


def test_files_that_were_not_shipped_stay(tmp_path: Path) -> None:
    files = written(tmp_path, 60, max_bytes=2_000)
    for path in files[:4]:
        age(path, 500)
    (tmp_path / SHIPPING).mkdir()
    write_cursor(tmp_path, "w0", ShipCursor(3, 0))
    chain = chain_in(tmp_path)
    before = chain.folder.stat().st_mtime - 400 * 86_400
    assert remove_old_files(tmp_path, chain, before, shipped_only=True) == 2
    chain.close()


# --- Search


async def test_a_search_reads_all_pages_newest_first(tmp_path: Path) -> None:
    trails = [trail_in(tmp_path), trail_in(tmp_path)]
    for number in range(30):
        await trails[number % 2].record(entry(resource=f"handoff:{number}", customers=("cu_anna",)))
        await trails[number % 2].record(entry(customers=("cu_other",)))
    seen, before = [], None
    while True:
        page = search([tmp_path], query(customers=frozenset({"cu_anna"}), limit=7, before=before))
        seen += [it.line.members["resource"] for it in page.entries]
        if page.next is None:
            break
        before = decode_place(encode_place(page.next) or "")
    assert seen == [f"handoff:{it}" for it in reversed(range(30))]
    for trail in trails:
        await trail.close()


async def test_a_search_filters(tmp_path: Path) -> None:
    trail = trail_in(tmp_path)
    await trail.record(entry("lookUp", token="desk", agent="ville", resource="customer:cu_a"))
    await trail.record(entry("exportCustomer", token="tool", via="key:abc"))
    await trail.record(AuditEntry(tenant="other", action="lookUp", outcome="ok"))

    def actions(**more: Any) -> list[str]:
        return [it.line.members["action"] for it in search([tmp_path], query(**more)).entries]

    assert actions() == ["exportCustomer", "lookUp"]
    assert actions(agent="ville") == ["lookUp"]
    assert actions(token="tool") == actions(token="key:abc") == ["exportCustomer"]
    assert actions(action="lookUp") == ["lookUp"]
    assert actions(customers=frozenset({"cu_a"})) == ["lookUp"]
    assert actions(until=1) == actions(since=2**53) == []
    await trail.close()


def test_masked_identities_cannot_be_used() -> None:
    assert masked(identity("email", "anna.virtanen@example.com")) == "email:a…@example.com"
    assert masked(identity("phone", "+358401234567")) == "phone:…567"
    assert masked(identity("user", "anna")) == "user:a…"
