"""The server refuses secrets that others can read or guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.bootstrap.settings import load_settings
from handoff.domain.errors import ConfigurationError

TOKEN = '[[tokens]]\nname = "desk"\nscopes = ["operate"]\nsecret = "{}"\n'


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    secret = folder / "secret"
    secret.write_text("8f2c51d0a7b94e63b1d5c0f2a9e87d34")
    secret.chmod(mode)
    path = folder / "handoff.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o666])
def test_a_secret_file_that_everyone_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, TOKEN.format("file:secret"), mode)
    with pytest.raises(ConfigurationError, match="everyone on this machine can read"):
        load_settings(path, {})


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o400])
def test_owner_and_group_may_read_it(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, TOKEN.format("file:secret"), mode)
    assert load_settings(path, {}).tokens[0].secret.startswith("8f2c")


def test_the_check_of_files_can_be_switched_off(tmp_path: Path) -> None:
    text = "[security]\nallow_readable_secrets = true\n" + TOKEN.format("file:secret")
    assert load_settings(written(tmp_path, text, 0o644), {}).tokens


@pytest.mark.parametrize("secret", ["changeme-changeme", "demo-token-of-the-desk", "aaaaaaaaaaaaaaaaaaaa"])
def test_a_guessable_secret_is_refused_where_others_reach_the_server(tmp_path: Path, secret: str) -> None:
    outside = written(tmp_path, '[server]\nhost = "0.0.0.0"\n' + TOKEN.format(secret))
    with pytest.raises(ConfigurationError, match="anyone can guess"):
        load_settings(outside, {})
    inside = written(tmp_path, TOKEN.format(secret))
    assert load_settings(inside, {}).tokens
    allowed = "[security]\nallow_default_secrets = true\n" + TOKEN.format(secret)
    assert load_settings(written(tmp_path, '[server]\nhost = "0.0.0.0"\n' + allowed), {}).tokens


def test_the_admin_token_and_secrets_of_sources_are_checked_too(tmp_path: Path) -> None:
    outside = written(tmp_path, '[server]\nhost = "0.0.0.0"\n')
    with pytest.raises(ConfigurationError, match="HANDOFF_ADMIN_TOKEN has a secret that anyone can guess"):
        load_settings(outside, {"HANDOFF_ADMIN_TOKEN": "changeme-changeme"})
    source = '[[sources]]\nname = "shop"\nadapter = "web.segment"\nsecrets = ["demo-write-key-of-the-shop"]\n'
    with pytest.raises(ConfigurationError, match="source 'shop'"):
        load_settings(written(tmp_path, '[server]\nhost = "0.0.0.0"\n' + source), {})
