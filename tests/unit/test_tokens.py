"""Tokens in the configuration have unique names and secrets, different from the server's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from handoff.bootstrap.settings import Settings, load_settings
from handoff.domain.errors import ConfigurationError
from handoff.services.access.access import RESERVED_NAMES, Access, Token, hash_secret
from tests.commands import run_command


def token(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "secret": f"the secret of {name}", "scopes": ["context:read"], **changes}


def written(folder: Path, *tokens: dict[str, Any]) -> Path:
    """A configuration with these tokens."""
    lines = []
    for entry in tokens:
        lines += ["[[tokens]]", *(f"{key} = {value!r}" for key, value in entry.items())]
    path = folder / "handoff.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def load(folder: Path, *tokens: dict[str, Any]) -> Settings:
    return load_settings(written(folder, *tokens), {})


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "policy:vip", "agent:mia", "source:shop"])
def test_a_name_of_the_servers_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="reserved"):
        load(tmp_path, token(name))


@pytest.mark.parametrize(
    "second",
    [
        {"secret": "another secret of desk"},
        {"secret": "another secret of desk", "scopes": ["admin"]},
        {"secret": "another secret of desk", "scopes": ["admin"], "tenant": "other"},
    ],
)
def test_a_name_is_given_once(tmp_path: Path, second: dict[str, Any]) -> None:
    one, other = token("desk"), token("desk", **second)
    for both in ((one, other), (other, one)):
        with pytest.raises(ConfigurationError, match="two tokens are named 'desk'"):
            load(tmp_path, *both)


def test_two_tenants_may_use_the_same_name(tmp_path: Path) -> None:
    other = token("desk", tenant="other", secret="another secret of desk")
    assert len(load(tmp_path, token("desk"), other).tokens) == 2


def test_a_secret_is_given_once(tmp_path: Path) -> None:
    same = {"secret": "the secret of both of them"}
    with pytest.raises(ConfigurationError, match="'desk' and 'bot' have the same secret"):
        load(tmp_path, token("desk", **same), token("bot", **same, tenant="other"))


def test_a_secret_that_reads_as_a_sessions_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must not look like a session token"):
        load(tmp_path, token("desk", secret="hs_default_0123456789"))
    load(tmp_path, token("desk", secret="hs_0123456789abcdef"))


def test_the_admins_secret_is_no_other_tokens() -> None:
    """It comes from the environment, so only the start can see it."""
    both = [
        Token(name=name, tenant="default", scopes=frozenset({name}), secret_hash=hash_secret("one for both"))
        for name in ("admin", "desk")
    ]
    with pytest.raises(ConfigurationError, match="'admin' and 'desk' have the same secret"):
        Access(both, ["default"])


def test_check_config_reports_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, token("admin"))
    assert run_command("check-config", str(path)) == 1
    assert "handoff.toml:2: tokens[0].name: token 'admin': this name is reserved" in capsys.readouterr().err
