"""`handoff import` reads files, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handoff.cli.importing.rejects import touchpoint_of
from handoff.cli.importing.source import ImportSource
from handoff.domain.errors import HandoffError


def test_a_file_truncated_during_the_import_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    path.write_bytes(b"one line\n" * 100_000)
    with ImportSource(path) as source:
        lines = source.lines()
        assert next(lines).raw == b"one line"
        with path.open("r+b") as file:
            file.truncate(9)
        assert sum(1 for _ in lines) < 99_999
        assert "truncated during the import" in str(source.broken)


def test_offsets_and_hashes_match_the_content(tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    path.write_bytes(b"\xef\xbb\xbfone\r\n\n  \nfour")
    with ImportSource(path) as source:
        lines = list(source.lines())
        assert (source.offset, source.broken) == (path.stat().st_size, None)
        assert lines[-1].sha256.hexdigest() == source.sha256
    assert [(it.number, it.raw, it.whole) for it in lines] == [
        (1, b"one", True),
        (2, b"", True),
        (3, b"", True),
        (4, b"four", False),
    ]
    assert lines[0].end == 8


def test_unsupported_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.ndjson"
    path.write_text('{"id": 1}', encoding="utf-16")
    with pytest.raises(HandoffError, match="UTF-16"), ImportSource(path):
        pass
    with pytest.raises(HandoffError, match="not a regular file"), ImportSource(tmp_path):
        pass


@pytest.mark.parametrize(
    ("line", "touchpoint"),
    [
        ({"rejected": {"code": "x"}, "touchpoint": {"id": "a", "n": 1e300}}, b'{"id": "a", "n": 1e+300}'),
        ({"touchpoint": {"id": "a"}, "rejected": {}}, b'{"id": "a"}'),
        ({"rejected": {}, "text": "{\udcff\n}"}, b"{\xff }"),
        ({"id": "a", "text": "rejected"}, None),
        ({"id": "a", "rejected": {}, "touchpoint": {}}, None),
        ({"rejected": {}}, None),
        ({"rejected": {}, "text": "\ud800"}, None),
        ([{"rejected": {}}], None),
    ],
)
def test_a_corrected_line_is_unwrapped(line: object, touchpoint: bytes | None) -> None:
    raw = json.dumps(line).encode()
    assert touchpoint_of(raw) == (raw if touchpoint is None else touchpoint)
