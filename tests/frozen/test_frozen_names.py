"""Stored and public names do not change: `names.json` holds every one, and a change here is a decision.

A stored name that changes makes a store unreadable to the release beside; a public one breaks clients,
dashboards and alarms. New names are frozen with `make freeze`, and the difference is reviewed.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest

from handoff.domain.open_record import OpenRecord
from tests.frozen import where
from tests.frozen.names import added, collect, frozen, removed

# These tests read the sources, which tracing would slow down for nothing.
pytestmark = pytest.mark.no_cover

GONE = """
Stored or public names were removed or changed:
  {names}

A changed stored name needs an ADR (docs/adr) and a new store format (docs/upgrading.md): the product reads
both names and writes the new one once every worker understands it. A changed public name needs an ADR and a
period in which both work. If only a module moved, update tests/frozen/where.py."""
NEW = """
Names that are not frozen yet:
  {names}

Run `make freeze` and have the change to tests/frozen/names.json reviewed. A new stored field, value or
code needs an ADR and a new format (docs/upgrading.md)."""


def test_no_name_was_removed_or_changed() -> None:
    gone = removed(frozen(), collect())
    assert not gone, GONE.format(names="\n  ".join(gone))


def test_every_name_is_frozen() -> None:
    new = added(frozen(), collect())
    assert not new, NEW.format(names="\n  ".join(new))


def test_each_section_finds_something() -> None:
    for section, names in collect().items():
        assert names, f"no names for {section!r}: tests/frozen/where.py looks in the wrong place"


@pytest.mark.parametrize("section", list(frozen()))
def test_a_rename_is_noticed(section: str) -> None:
    before, now = frozen(), copy.deepcopy(frozen())
    name = next(iter(now[section]))
    now[section]["renamed"] = now[section].pop(name)
    assert [it for it in removed(before, now) if repr(name) in it]
    assert added(before, now) == [f"{section}: 'renamed'"]


def test_codes_that_change_places_are_noticed() -> None:
    before, now = frozen(), copy.deepcopy(frozen())
    codes = now["stored codes"]
    codes["touchpoint type: 0"], codes["touchpoint type: 1"] = (
        codes["touchpoint type: 1"],
        codes["touchpoint type: 0"],
    )
    assert len(removed(before, now)) == 2


def test_every_record_that_is_written_again_is_frozen() -> None:
    listed = set(where.STORED_RECORDS.values())
    missing = [it.__name__ for it in _subclasses(OpenRecord) if it not in listed]
    assert not missing, f"add to STORED_RECORDS in tests/frozen/where.py: {missing}"


def _subclasses(type_: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for subclass in type_.__subclasses__():
        if subclass.__module__.startswith(("handoff.", "handoff_adapters.")):
            yield subclass
        yield from _subclasses(subclass)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["adapters"], 0), (["check-config", "/nowhere.toml"], 1), (["no-such-command"], 2)],
)
def test_exit_statuses(arguments: list[str], status: int) -> None:
    command = [sys.executable, "-m", "handoff.cli", *arguments]
    assert subprocess.run(command, capture_output=True, check=False).returncode == status
