"""The key file: written whole or not at all, refused when others can read it, useless without its master."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.sealing.epochs import STALE_S, Epochs, open_epochs
from handoff.store.sealing.key_file import locked, read_key_file, write_key_file
from handoff.store.sealing.sealing import KEPT, LOG_EVERY_S, Sealing
from handoff.store.sealing.settings import SealingSettings

MASTER = b"a master key of thirty-two characters"
OWNER, OTHER = b"a" * 16, b"b" * 16


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.json"


def test_a_new_file_is_its_owners_only(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    epochs.wrap("acme", OWNER, b"s" * 32)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [it.tenant for it in epochs.content.epochs] == ["acme"]
    assert b"s" * 32 not in path.read_bytes()


def test_a_key_unwraps_for_its_owner_only(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    wrapped = epochs.wrap("acme", OWNER, b"s" * 32)
    assert len(wrapped) == 64
    assert epochs.unwrap(OWNER, wrapped) == b"s" * 32
    assert epochs.unwrap(OTHER, wrapped) is None
    assert epochs.unwrap(OWNER, wrapped[:-1] + bytes((wrapped[-1] ^ 1,))) is None
    assert epochs.tenant_of(wrapped) == "acme"
    assert epochs.tenant_of(b"\0\0\0\0") is None


def test_another_process_reads_the_same_keys(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    other = open_epochs(path, MASTER, expected=epochs.content.id)
    wrapped = epochs.wrap("acme", OWNER, b"s" * 32)
    assert other.unwrap(OWNER, wrapped) == b"s" * 32, "an epoch that another process started is found"
    assert other.wrap("acme", OWNER, b"t" * 32)[:4] == wrapped[:4]


def test_two_processes_begin_one_first_epoch(path: Path) -> None:
    one, other = (open_epochs(path, MASTER, expected=None) for _ in range(2))
    assert one.current("acme") == other.current("acme")
    assert len(one.content.epochs) == 1


def test_a_new_epoch_retires_the_old_one(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    old = epochs.wrap("acme", OWNER, b"s" * 32)
    epochs.wrap("other", OWNER, b"s" * 32)
    epochs.begin("acme")
    assert not epochs.is_current(old)
    assert epochs.is_current(epochs.wrap("acme", OWNER, b"s" * 32))
    assert epochs.unwrap(OWNER, old) == b"s" * 32
    epochs.destroy(old[:4].hex())
    epochs.destroy(old[:4].hex())
    with pytest.raises(StoreUnavailable) as refused:
        epochs.unwrap(OWNER, old)
    assert refused.value.problem_code == "keys_unavailable"
    assert json.loads(path.read_bytes())["epochs"][0].get("wrapped") is None


def test_a_current_or_unknown_epoch_is_not_destroyed(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    with pytest.raises(ConfigurationError, match="in use"):
        epochs.destroy(epochs.current("acme").hex())
    with pytest.raises(ConfigurationError, match="no epoch"):
        epochs.destroy("00000000")


def test_a_wrong_master_key_opens_nothing(path: Path) -> None:
    open_epochs(path, MASTER, expected=None).current("acme")
    with pytest.raises(ConfigurationError, match="not the master key"):
        open_epochs(path, MASTER + b"x", expected=None)


def test_an_epoch_cannot_be_moved_to_another_tenant(path: Path) -> None:
    open_epochs(path, MASTER, expected=None).current("acme")
    path.write_text(path.read_text().replace('"acme"', '"other"'))
    with pytest.raises(ConfigurationError, match="not the master key"):
        open_epochs(path, MASTER, expected=None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"{", "damaged"), (b'{"version": 9, "id": "x", "epochs": []}', "newer release")],
)
def test_a_file_that_cannot_be_read_is_refused(path: Path, content: bytes, reason: str) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=reason):
        open_epochs(path, MASTER, expected=None)


def test_a_file_that_every_user_can_read_is_refused(path: Path) -> None:
    open_epochs(path, MASTER, expected=None)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        open_epochs(path, MASTER, expected=None)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key_file(tmp_path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    inside = tmp_path / "file" / "keys.json"
    with pytest.raises(ConfigurationError, match="cannot be locked"), locked(inside):
        pass
    content = open_epochs(tmp_path / "keys.json", MASTER, expected=None).content
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_key_file(inside, content)


def test_what_a_crash_left_behind_is_replaced(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    path.with_name("keys.json.new").write_bytes(b"half")
    epochs.begin("acme")
    assert open_epochs(path, MASTER, expected=None).content == epochs.content
    assert not path.with_name("keys.json.new").exists()


def test_another_stores_file_is_refused(path: Path) -> None:
    open_epochs(path, MASTER, expected=None)
    with pytest.raises(ConfigurationError, match="another store's"):
        open_epochs(path, MASTER, expected="0" * 32)
    with pytest.raises(ConfigurationError, match="missing"):
        open_epochs(path.with_name("other.json"), MASTER, expected="0" * 32)


def test_a_file_made_by_another_process_meanwhile_is_used(path: Path) -> None:
    first = open_epochs(path, MASTER, expected=None)
    assert open_epochs(path, MASTER, expected=None).content.id == first.content.id


def lost(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    other = open_epochs(path.with_name("other.json"), MASTER, expected=None)
    other.path.replace(path)


def at(path: Path, now: list[float]) -> Epochs:
    """The epochs of a process with a clock of the test's."""
    content = open_epochs(path, MASTER, expected=None).content
    return Epochs(path, MASTER, content, monotonic=lambda: now[0])


@pytest.mark.parametrize("happens", [lost, replaced])
def test_a_file_that_is_lost_makes_the_server_unready_and_no_new_keys(
    path: Path, happens: Callable[[Path], None]
) -> None:
    now = [0.0]
    epochs = at(path, now)
    sealing = Sealing(epochs)
    wrapped = sealing.candidate("acme", OWNER).wrapped
    assert sealing.ready() is None
    happens(path)
    epochs.refresh()
    epochs.refresh()
    assert sealing.ready() == "keys_unavailable"
    assert sealing.candidate("acme", OWNER), "for some seconds the known epoch is used"
    assert sealing.key(OWNER, wrapped)
    now[0] = STALE_S + 1
    with pytest.raises(StoreUnavailable):
        sealing.candidate("acme", OWNER)
    with pytest.raises(StoreUnavailable):
        sealing.candidate("another tenant", OWNER)
    with pytest.raises(ConfigurationError, match="missing or another"):
        epochs.begin("acme")


def test_a_first_epoch_that_cannot_be_written_is_unavailable(path: Path) -> None:
    epochs = open_epochs(path, MASTER, expected=None)
    path.unlink()
    with pytest.raises(StoreUnavailable) as refused:
        epochs.current("acme")
    assert refused.value.problem_code == "keys_unavailable"


def test_a_stale_file_is_read_again(path: Path) -> None:
    now = [0.0]
    epochs = at(path, now)
    old = epochs.current("acme")
    open_epochs(path, MASTER, expected=None).begin("acme")
    assert epochs.current("acme") == old
    now[0] = STALE_S + 1
    assert epochs.current("acme") != old


def test_the_master_key_is_a_secret_or_a_command(tmp_path: Path) -> None:
    literal = SealingSettings(keys="x" * 32)
    assert (literal.on, literal.master()) == (True, b"x" * 32)
    assert not SealingSettings().on
    assert "x" * 32 not in repr(literal)
    assert literal.path("data") == Path("data/sealing-keys.json")
    script = tmp_path / "kms"
    script.write_text("#!/bin/sh\necho 'printed by a program, 32 characters'\n")
    script.chmod(0o700)
    assert SealingSettings(keys=f"command:{script}").master() == b"printed by a program, 32 characters"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("false", "status 1"),
        ("/no/such/program", "cannot be run"),
        ("echo short", "fewer than 32"),
        ("'", "cannot be run"),
        ("", "cannot be run"),
    ],
)
def test_a_command_that_prints_no_key_is_refused(command: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        SealingSettings(keys=f"command:{command}").master()


def test_a_short_master_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32"):
        SealingSettings(keys="short")


def test_only_the_latest_keys_are_kept(path: Path) -> None:
    sealing = Sealing(open_epochs(path, MASTER, expected=None))
    homes = [number.to_bytes(16, "big") for number in range(KEPT + 1)]
    for home in homes:
        sealing.learn(sealing.candidate("acme", home))
    assert sealing.known(homes[0]) is None
    assert sealing.known(homes[1]) is not None


def test_unreadable_values_are_counted_and_logged_once_a_minute(path: Path) -> None:
    now = [0.0]
    sealing = Sealing(open_epochs(path, MASTER, expected=None), clock=lambda: now[0])
    counted: list[str] = []
    sealing.counted = counted.append
    for _ in range(2):
        assert sealing.key(OWNER, b"not a key") is None
    now[0] = LOG_EVERY_S + 1
    assert sealing.key(OTHER, sealing.candidate("acme", OWNER).wrapped) is None
    assert counted == ["key"] * 3
    assert sealing.unreadable == {"key": 3}
    with pytest.raises(StoreUnavailable):
        sealing.standing(OWNER, b"not a key")
    with pytest.raises(StoreUnavailable):
        sealing.tenant_key("acme")


def test_epochs_of_one_tenant_do_not_become_another_tenants(path: Path) -> None:
    epochs: Epochs = open_epochs(path, MASTER, expected=None)
    assert epochs.current("acme") != epochs.current("other")
