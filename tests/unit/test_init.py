"""`handoff init` writes a configuration that a start accepts, and never overwrites one unasked."""

from __future__ import annotations

import os
import resource
import signal
import stat
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs

from handoff.bootstrap.checking.checking import check_file
from handoff.bootstrap.settings import Settings, load_settings
from handoff.bootstrap.sources import build_sources
from handoff.cli.arguments import parser
from handoff.cli.setup.answers import Interview
from handoff.cli.setup.init import _write
from handoff.cli.setup.written import SetupPlan
from handoff.domain.errors import ConfigurationError
from tests.commands import run_command

PLANNED = SetupPlan(text="[server]\nport = 8080\nhost = '127.0.0.1'\n", secrets={"bot": "short"}, sources=[])
OUTSIDE = {"HOME": "/nonexistent"}
"""An environment without variables that override keys."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(*arguments: str, file: str = "handoff.toml") -> Settings:
    """Run the command without questions, check what it wrote, and read it."""
    assert run_command("init", file, "--yes", *arguments) == 0
    assert check_file(Path(file), OUTSIDE).faults == []
    return load_settings(Path(file), OUTSIDE)


def test_the_defaults_are_valid_and_only_the_owner_can_read_them(folder: Path) -> None:
    settings = made()
    assert [it["adapter"] for it in settings.sources] == ["web.segment", "chat.chatwoot", "phone.twilio"]
    assert [it.name for it in settings.tokens] == ["bot", "desk"]
    assert (settings.store.url, settings.server.host) == (None, "127.0.0.1")
    for path in folder.rglob("*"):
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
    secrets = {it.secret for it in settings.tokens} | {it["secrets"][0] for it in settings.sources}
    assert len(secrets) == 5
    assert min(map(len, secrets)) >= 40


def test_a_loose_umask_opens_nothing(folder: Path) -> None:
    before = os.umask(0)
    try:
        made()
    finally:
        os.umask(before)
    assert not [it for it in folder.rglob("*") if stat.S_IMODE(it.stat().st_mode) & 0o077]


def test_tokens_are_printed_once_and_the_file_has_none_of_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = made("--webhook", "https://desk.example.com/hook")
    printed, text = capsys.readouterr().out, (folder / "handoff.toml").read_text()
    for token in settings.tokens:
        assert printed.count(token.secret) == 1
        assert token.secret not in text
    (webhook,) = settings.webhooks
    assert webhook.secret
    assert webhook.secret not in text
    assert "put the auth token of your Twilio account into handoff-secrets/phone" in printed


@pytest.mark.parametrize(
    ("arguments", "sources"),
    [
        (["--channel", "email", "--recipient", "@outlet.example"], {"email": "email.smtp"}),
        (["--vendor", "phone.twilio", "--vendor", "chat.chatwoot"], {"phone": "", "chat": ""}),
        (["--tenant", "shop", "--tenant", "outlet", "--channel", "web"], {"shop-web": "", "outlet-web": ""}),
        (["--tenant", "outlet", "--channel", "chat", "--channel", "chat"], {"chat": ""}),
        (["--recipient", "a@shop.example", "--tenant", "a", "--tenant", "b", "--host", "::1"], None),
        (["--store", "redis://u:p@store.internal/2", "--port", "9000"], None),
        (["--public-url", "https://h.example/handoff", "--data", "state/here"], None),
        (["--host", "0.0.0.0"], None),
    ],
)
def test_every_choice_of_flags_is_valid(arguments: list[str], sources: dict[str, str] | None) -> None:
    settings = made(*arguments)
    assert build_sources(settings)
    assert sources is None or [it["name"] for it in settings.sources] == list(sources)


def test_each_tenant_has_tokens_and_sources_of_its_own() -> None:
    settings = made("--tenant", "north", "--tenant", "south", "--recipient", "help@shop.example")
    assert {(it.tenant, it.name) for it in settings.tokens} == {
        (tenant, name) for tenant in ("north", "south") for name in ("bot", "desk")
    }
    assert {it["tenant"] for it in settings.sources} == {"north", "south"}
    assert len({it["listen"] for it in settings.sources if "listen" in it}) == 2


def test_a_stores_password_is_kept_out_of_the_configuration(folder: Path) -> None:
    settings = made("--store", "rediss://app:hush@store.internal:6380")
    assert settings.store.url == "rediss://app:hush@store.internal:6380"
    assert "hush" not in (folder / "handoff.toml").read_text()


def test_nothing_is_overwritten_without_the_flag(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = made()
    before = contents(folder)
    assert run_command("init", "handoff.toml", "--yes") == 1
    assert "overwrite with --force" in capsys.readouterr().err
    assert contents(folder) == before
    assert made("--force").tokens != first.tokens


@pytest.mark.parametrize("there", ["handoff.toml", "handoff-secrets"])
def test_either_of_both_is_enough_to_refuse(folder: Path, there: str) -> None:
    (folder / there).symlink_to("nowhere")
    assert run_command("init", "--yes") == 1
    assert [it.name for it in folder.iterdir()] == [there]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--channel", "email"], "use --recipient"),
        (["--vendor", "chat.chatwot"], "known adapters: chat.chatwoot"),
        (["--tenant", "My Shop"], "is not a tenant"),
        (["--store", "store.internal"], "store.url: has no scheme"),
        (["--public-url", "shop.example"], "write https://shop.example"),
        (["--webhook", "http://desk.example/"], "must be https"),
        (["--recipient", "nobody"], "recipients"),
        (["--port", "99999"], "between 0 and 65535"),
    ],
)
def test_a_wrong_flag_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run_command("init", "--yes", *arguments) == 1
    assert words in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_secrets_are_not_written_through_a_link(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "elsewhere").mkdir(mode=0o755)
    (folder / "handoff-secrets").symlink_to("elsewhere")
    assert run_command("init", "--yes", "--force") == 1
    assert "is a link" in capsys.readouterr().err
    assert not (folder / "handoff.toml").exists()
    assert not list((folder / "elsewhere").iterdir())
    assert stat.S_IMODE((folder / "elsewhere").stat().st_mode) == 0o755


def test_addresses_of_sources_can_be_used_as_printed(capsys: pytest.CaptureFixture[str]) -> None:
    made(
        "--host", "::1", "--vendor", "web.segment", "--vendor", "email.smtp", "--recipient", "a@shop.example"
    )
    printed = capsys.readouterr().out
    assert "smtp://[::1]:2525" in printed
    assert "http://[::1]:8080/in/web" in printed
    made("--public-url", "https://shop.example/handoff/", file="other.toml")
    assert "https://shop.example/handoff/in/web\n" in capsys.readouterr().out


@contextmanager
def small_files(size: int) -> Iterator[None]:
    """Files that would grow beyond `size` bytes fail, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(it.relative_to(folder)): it.read_bytes() for it in folder.rglob("*") if it.is_file()}


def test_a_full_disk_leaves_nothing(folder: Path) -> None:
    with small_files(20), pytest.raises(ConfigurationError, match=r"handoff\.toml: File too large"):
        _write(folder / "handoff.toml", folder / "handoff-secrets", PLANNED, force=False)
    assert list(folder.iterdir()) == []


def test_a_full_disk_keeps_the_old_secrets_with_the_old_configuration(folder: Path) -> None:
    """The secrets are small enough to be written; the configuration is not."""
    made()
    planned = structs.replace(PLANNED, secrets={"bot-token": "new"})
    before = contents(folder)
    with small_files(20), pytest.raises(ConfigurationError, match="File too large"):
        _write(folder / "handoff.toml", folder / "handoff-secrets", planned, force=True)
    assert contents(folder) == before


@pytest.mark.parametrize("place", ["handoff.toml", "handoff-secrets/desk-token", "handoff-secrets/chat"])
def test_a_directory_in_place_of_a_file_replaces_no_secret(
    folder: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    made()
    (folder / place).unlink()
    (folder / place).mkdir()
    before = contents(folder)
    assert run_command("init", "--yes", "--force") == 1
    assert f"{place} is a directory" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_file_in_place_of_the_secrets_directory_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "handoff-secrets").write_text("notes")
    assert run_command("init", "--yes", "--force") == 1
    assert "handoff-secrets is not a directory" in capsys.readouterr().err
    assert contents(folder) == {"handoff-secrets": b"notes"}


def test_a_missing_directory_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("init", "not/there/handoff.toml", "--yes") == 1
    assert "the directory not/there does not exist" in capsys.readouterr().err


def flags(*arguments: str) -> Namespace:
    return parser().parse_args(["init", *arguments])


def interview(*lines: str) -> tuple[Interview, list[str]]:
    """An interview that gets these answers, and the questions that it asked."""
    answers: Iterator[str] = iter(lines)
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    return Interview(ask, ask), asked


def test_it_asks_for_what_the_flags_leave_open() -> None:
    talk, asked = interview("chat, email", "", "", "https://h.example", "@shop.example", "", "from-chatwoot")
    answers = talk.complete(flags())
    assert answers.adapters == ["chat.chatwoot", "email.smtp"]
    assert (answers.tenants, answers.store) == (["default"], None)
    assert answers.public_url == "https://h.example"
    assert answers.recipients == ["@shop.example"]
    assert answers.vendor_secrets == {"chat.chatwoot": "from-chatwoot"}
    assert len(asked) == 7


def test_it_asks_again_after_a_wrong_answer_with_the_possible_ones() -> None:
    talk, asked = interview("chat fone", "web", "My Shop", "shop", "", "", "")
    answers = talk.complete(flags())
    assert (answers.adapters, answers.tenants) == (["web.segment"], ["shop"])
    assert "unknown channel 'fone': choose from web, chat, phone, email" in asked[1]


def test_it_does_not_ask_for_what_is_given() -> None:
    given = [
        "--channel",
        "web",
        "--tenant",
        "shop",
        "--store",
        "embedded",
        "--public-url",
        "https://h.example",
    ]
    talk, asked = interview()
    assert talk.complete(flags(*given, "--webhook", "https://desk.example/")).tenants == ["shop"]
    assert asked == []
