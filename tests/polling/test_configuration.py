"""`check-config` and `/v1/sources` know fetched sources."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from handoff.bootstrap.checking.checking import check_file
from handoff.cli.operating.output import print_sources
from tests import serving
from tests.conftest import fresh_tenant
from tests.delivery.subscribers import until_async

from .installing import install
from .vendor import folio

ROOT = Path(__file__).parents[2]
SOURCE = '[[sources]]\nname = "folio"\nadapter = "chat.folio"\n'
BASE = 'base_url = "https://api.folio.example"\n'
TOKEN = 'token_url = "https://folio.example/token", client_id = "handoff"'


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = tmp_path / "packages"
    where.mkdir()
    install(where)
    monkeypatch.syspath_prepend(str(where))


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ("", "base_url", "required"),
        ('base_url = "http://api.folio.example"\n', "base_url", "https"),
        ('base_url = "https://10.0.0.1/api"\n', "base_url", "neither public"),
        ('base_url = "https://169.254.1.1/"\nallow_networks = ["169.254.0.0/16"]\n', "base_url", "metadata"),
        (BASE + 'allow_networks = ["10.0.0.1/8"]\n', "allow_networks", "not a network"),
        (BASE + "every_s = 0.1\n", "every_s", "at least 1"),
        (BASE + 'since = "yesterday"\n', "since", "2026-01-31T00:00:00Z"),
        (BASE + "timeout_s = 90\n", "timeout_s", "at most 20"),
        (BASE + f'oauth = {{ {TOKEN}, grant = "refresh_token" }}\n', "oauth", "refresh_token"),
        (BASE + f'oauth = {{ {TOKEN}, refresh_token = "x" }}\n', "oauth", "only with grant"),
        (BASE + f'oauth = {{ {TOKEN}, grant = "password" }}\n', "oauth.grant", "unknown value"),
        (
            BASE + 'oauth = { token_url = "https://127.0.0.1/t", client_id = "x" }\n',
            "oauth",
            "neither public",
        ),
        (BASE + 'oauth = { token_url = "https://folio.example/t" }\n', "oauth.client_id", "required"),
    ],
)
def test_a_fault_of_a_fetched_source_names_its_option(
    tmp_path: Path, lines: str, key: str, words: str
) -> None:
    file = tmp_path / "handoff.toml"
    file.write_text(f'[store]\ndata_dir = "{tmp_path}/data"\n{SOURCE}{lines}')
    (fault,) = check_file(file, {}).faults
    assert fault.key.endswith(f".{key}")
    assert words in str(fault)


def test_a_fetched_source_without_faults(tmp_path: Path) -> None:
    file = tmp_path / "handoff.toml"
    grant = 'client_secret = "env:FOLIO", grant = "refresh_token", refresh_token = "env:FOLIO"'
    options = f'{BASE}since = "2026-01-01T00:00:00Z"\noauth = {{ {TOKEN}, {grant} }}\n'
    file.write_text(f'[store]\ndata_dir = "{tmp_path}/data"\n{SOURCE}{options}')
    assert not check_file(file, {"FOLIO": "8c5f1e90d2"}).faults


def test_the_guide_shows_this_adapter() -> None:
    guide = (ROOT / "docs/adding-a-source.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- test: poller -->\n```python\n(.*?)```", guide, re.DOTALL)
    code = (ROOT / "tests/polling/example.py").read_text(encoding="utf-8")
    assert shown == code.replace(" docs/adding-a-source.md shows it.", "")


async def test_operators_see_why_a_source_is_out_of_reach(valkey: str) -> None:
    tenant = fresh_tenant()
    async with folio() as vendor:
        vendor.failures = [(500, {})] * 99
        source = {"name": "folio", "adapter": "chat.folio", "base_url": vendor.url, "tenant": tenant}
        source |= {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
        settings = serving.settings_for(valkey, [serving.token("desk", tenant, "operate")], sources=[source])
        async with serving.in_process(settings) as (server, session):
            headers = {"Authorization": f"Bearer {serving.secret_of('desk', tenant)}"}

            async def unreachable() -> bool:
                async with session.get(f"{server.url}/v1/sources", headers=headers) as response:
                    answer = await response.json()
                (shown,) = answer["sources"]
                if shown["unreachable_since"] is None:
                    return False
                assert shown["unreachable_reason"] == "status_500"
                assert shown["url"] is None
                printed = io.StringIO()
                with redirect_stdout(printed):
                    print_sources(answer)
                assert "unreachable (status_500)" in printed.getvalue()
                return True

            await until_async(unreachable)
            async with session.get(f"{server.url}/readyz") as ready:
                assert ready.status == 200
            async with session.post(f"{server.url}/in/folio", data=b"{}") as pushed:
                assert pushed.status == 401
