"""The tools for adapters: listing, trying, and a package of its own that is installed, tested, and found."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from handoff.cli.adapters import listing, starting, trying
from handoff.cli.arguments import parser
from handoff.domain.errors import HandoffError
from handoff_adapters.registry import BUILT_IN, adapter_class

ROOT = Path(__file__).parents[2]
CALL = (
    b"CallSid=CA1&AccountSid=AC1&From=%2B358401234567&To=%2B358931578000&Direction=inbound&CallStatus=ringing"
)
FORM = "content-type: application/x-www-form-urlencoded"


RUN = {
    "adapters.listing:list_all": listing.list_all,
    "adapters.listing:show": listing.show,
    "adapters.trying:try_delivery": trying.try_delivery,
    "adapters.starting:start": starting.start,
}


def main(arguments: list[str]) -> int:
    """The command, without the logging and the garbage collection of a process of its own."""
    options = parser().parse_args(arguments)
    try:
        return RUN[options.run](options)
    except HandoffError as error:
        print(error.detail, file=sys.stderr)
        return 1


def tried(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """The exit status and the JSON of `handoff adapters try`."""
    status = main(["adapters", "try", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture
def call(tmp_path: Path) -> str:
    path = tmp_path / "call.form"
    path.write_bytes(CALL)
    return str(path)


def test_the_list_has_every_adapter_with_its_manifest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adapters"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == sorted(BUILT_IN)
    assert all(adapter_class(line.split()[0]).manifest.title in line for line in lines)


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_adapter_is_described_by_its_manifest(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = adapter_class(name).manifest
    assert main(["adapters", "show", name]) == 0
    text = capsys.readouterr().out
    for event in manifest.events:
        assert event.name in text
        assert event.becomes in text
    for word in (manifest.verified_against, "content-type", *manifest.kept_headers, "own"):
        assert word in text
    assert main(["adapters", "show", name, "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert len(described["events"]) == len(manifest.events)
    assert described["on_outage"] == manifest.on_outage


def test_a_trial_shows_the_touchpoint_and_the_reply(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = tried(capsys, "phone.twilio", call, "--header", FORM)
    (touchpoint,) = found["touchpoints"]
    assert (status, touchpoint["type"], touchpoint["thread"]) == (0, "call.started", "CA1")
    assert touchpoint["identities"] == ["phone:+358401234567 claimed"]
    assert (found["reply"]["status"], found["signature"]) == (200, "not checked")
    assert main(["adapters", "try", "phone.twilio", call]) == 0
    text = capsys.readouterr().out
    assert "call.started" in text
    assert "customer: phone:+358401234567 claimed" in text


def test_a_trial_checks_the_signature_if_it_has_the_secret(
    call: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = tried(capsys, "phone.twilio", call, "--option", "secrets=s3cret")
    assert (status, found["signature"]) == (1, "refused: The request is not signed")
    assert len(found["touchpoints"]) == 1  # what it would be is shown all the same


def test_a_whole_captured_request_is_taken_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "captured.http"
    path.write_bytes(
        b"GET /in/shop/v1/pixel/page?anonymousId=v1&messageId=m1 HTTP/1.1\r\nHost: x\r\nOrigin: y\r\n\r\n"
    )
    status, found = tried(capsys, "web.segment", str(path))
    assert (status, found["touchpoints"][0]["event_id"]) == (0, "m1")
    assert found["reply"]["content_type"] == "image/gif"
    path.write_bytes(b"OPTIONS /in/shop/v1/t HTTP/1.1\nOrigin: y\n\n")
    assert tried(capsys, "web.segment", str(path))[1]["handshake"] is True


MAPPED = """\
[[tokens]]
name = "desk"
secret = "env:NOT_SET_HERE"
scopes = []

[[sources]]
name = "orders"
adapter = "generic.webhook"
channel = "web"
secrets = ["8c5f1e90d2"]
signature = { scheme = "bearer" }

[sources.mapping]
text = "note"
identities = [{ type = "email", value = "mail" }]
"""


def test_a_mapping_is_tried_from_a_configuration_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the secrets of this source only, although another one is missing."""
    config, file = tmp_path / "handoff.toml", tmp_path / "order"
    config.write_text(MAPPED)
    body = b'{"mail": "anna@example.com", "note": "Please ring twice"}'
    file.write_bytes(body)
    arguments = ["generic.webhook", str(file), "--config", str(config), "--source", "orders"]
    status, found = tried(capsys, *arguments)
    (made,) = found["touchpoints"]
    assert (status, found["signature"], made["channel"]) == (0, "not checked", "web")
    assert (made["text"], made["source"]) == ("Please ring twice", "orders")
    head = b"POST /in/orders HTTP/1.1\r\nauthorization: Bearer %s\r\n\r\n"
    for secret, status, signature in ((b"8c5f1e90d2", 0, "accepted"), (b"guess", 1, "refused")):
        file.write_bytes(head % secret + body)
        ended, found = tried(capsys, *arguments)
        assert (ended, found["signature"].partition(":")[0]) == (status, signature)
    status, found = tried(capsys, *arguments, "--option", "channel=chat")
    assert found["touchpoints"][0]["channel"] == "chat"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["generic.webhook", "--source", "orders"], "go together"),
        (["generic.webhook", "--source", "order", "--config"], "no source is named 'order'"),
        (["generic.cloudevents", "--source", "orders", "--config"], "is of generic.webhook"),
    ],
)
def test_a_trial_states_what_is_wrong_with_its_source(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    config = tmp_path / "handoff.toml"
    config.write_text(MAPPED)
    name, *more = arguments
    more += [str(config)] if more[-1] == "--config" else []
    assert main(["adapters", "try", name, str(config), *more]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("body", "arguments", "part", "code"),
    [
        (b"not a form of theirs", (), "refused", "invalid_payload"),
        (b"CallSid=CA1&CallStatus=ringing", (), "malformed", "no_account"),
    ],
)
def test_a_trial_states_why_a_delivery_cannot_be_read(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    body: bytes,
    arguments: tuple[str, ...],
    part: str,
    code: str,
) -> None:
    path = tmp_path / "body"
    path.write_bytes(body)
    status, found = tried(capsys, "phone.twilio", str(path), *arguments)
    assert status == 1
    problem = found[part][0] if part == "malformed" else found[part]
    assert problem["code"] == code


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--option", "nonsense"], "KEY=VALUE"),
        (["--header", "nonsense"], "NAME:VALUE"),
        (["--option", "colour=red"], "colour"),
        (["--received-at", "soon"], "soon"),
    ],
)
def test_wrong_arguments_of_a_trial_are_named(
    call: str, capsys: pytest.CaptureFixture[str], arguments: list[str], word: str
) -> None:
    assert main(["adapters", "try", "phone.twilio", call, *arguments]) == 1
    assert word in capsys.readouterr().err


def installed(package: Path, place: Path) -> dict[str, str]:
    """Build a package's wheel, install it into an empty folder, and return the environment that sees it."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(command, cwd=package, check=True, capture_output=True, timeout=60)
    (wheel,) = place.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(place / "site")
    return os.environ | {"PYTHONPATH": str(place / "site"), "PYTEST_ADDOPTS": ""}


def run(folder: Path, environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_package_passes_the_suite_and_is_found_when_it_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "package"
    assert main(["adapters", "new", "chat.acme-desk", "--folder", str(package)]) == 0
    assert str(package) in capsys.readouterr().out
    adapter = package / "handoff_chat_acme_desk/adapter.py"
    assert len(adapter.read_text().splitlines()) <= 60
    assert not [it for it in package.rglob("*.*") if re.search("@[A-Z]+@", it.read_text())]
    environment = installed(package, tmp_path)
    tests = tmp_path / "tests"
    (package / "tests").rename(tests)
    passed = run(tests, environment, "pytest", "-q", "-p", "no:cacheprovider", ".")
    assert "passed" in passed
    assert "failed" not in passed
    assert "chat.acme-desk" in run(tests, environment, "handoff.cli", "adapters")
    body = tests / "body.json"
    fixture = json.loads((tests / "fixtures/message-created.json").read_text())
    body.write_text(json.dumps(fixture["request"]["json"]))
    found = run(tests, environment, "handoff.cli", "adapters", "try", "chat.acme-desk", str(body), "--json")
    assert json.loads(found)["touchpoints"][0]["text"] == "Where is order 1007?"


def test_the_guide_shows_the_adapter_of_a_new_package(tmp_path: Path) -> None:
    assert main(["adapters", "new", "chat.acme", "--folder", str(tmp_path / "new")]) == 0
    guide = (ROOT / "docs/adding-a-source.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- test: skeleton -->\n```python\n(.*?)```", guide, re.DOTALL)
    assert shown == (tmp_path / "new/handoff_chat_acme/adapter.py").read_text()


@pytest.mark.parametrize("name", ["acme", "chat.Acme", "chat.", "chat.chatwoot", "../chat.acme"])
def test_a_package_needs_a_free_and_plain_name(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    assert main(["adapters", "new", name, "--folder", str(folder)]) == 1
    assert name in capsys.readouterr().err
    assert not folder.exists()


def test_a_package_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["adapters", "new", "chat.acme", "--folder", str(tmp_path)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert [it.name for it in tmp_path.iterdir()] == ["notes.txt"]
