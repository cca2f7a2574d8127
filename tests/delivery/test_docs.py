"""The examples in docs/webhooks.md work, with the real libraries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from handoff.delivery.settings import WebhookSettings
from handoff.services.webhooks.signing import make_key, sign

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
BODY = json.dumps(
    {"id": "ev_1", "type": "handoff.requested", "data": {"reason": "Grüße"}}, ensure_ascii=False
)


def example(name: str) -> str:
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", PAGE, re.S)
    assert found, f"docs/webhooks.md has no example for {name}"
    return found[1]


def headers(secret: str, body: str = BODY) -> dict[str, str]:
    now = int(time.time())
    return {
        "webhook-id": "ev_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign([make_key("v1a"), secret, make_key("v1")], "ev_1", now, body.encode()),
    }


def test_the_python_example_accepts_only_valid_signatures() -> None:
    names: dict[str, Any] = {}
    exec(compile(example("python"), "docs/webhooks.md", "exec"), names)
    secret = make_key("v1")
    assert names["take"](secret, headers(secret), BODY.encode())["id"] == "ev_1"
    for given, body in ((headers(make_key("v1")), BODY), (headers(secret), BODY + " ")):
        with pytest.raises(WebhookVerificationError):
            names["take"](secret, given, body.encode())
    with pytest.raises(WebhookVerificationError):
        names["take"](secret, headers(secret) | {"webhook-signature": "v1,a,b"}, BODY.encode())


NODE = """
import { readFileSync } from "node:fs";
import { take } from "./take.mjs";
for (const { secret, headers, body } of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    console.log(take(secret, headers, body).id);
  } catch (error) {
    console.log(error.constructor.name);
  }
}
"""


def test_the_node_example_accepts_only_valid_signatures(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (ROOT / "node_modules" / "standardwebhooks").exists():
        pytest.skip("node, or its standardwebhooks (npm install), is not installed")
    (tmp_path / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    (tmp_path / "take.mjs").write_text(example("node"), encoding="utf-8")
    (tmp_path / "run.mjs").write_text(NODE, encoding="utf-8")
    secret = make_key("v1")
    cases = [
        {"secret": secret, "headers": headers(secret), "body": BODY},
        {"secret": secret, "headers": headers(make_key("v1")), "body": BODY},
        {"secret": secret, "headers": headers(secret), "body": BODY + " "},
    ]
    ran = subprocess.run(
        [node, "run.mjs"], input=json.dumps(cases).encode(), cwd=tmp_path, capture_output=True, timeout=30
    )
    assert ran.stdout.decode().split() == ["ev_1"] + ["WebhookVerificationError"] * 2, ran.stderr.decode()


def test_the_configuration_example_is_valid() -> None:
    found = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert found
    (table,) = tomllib.loads(found[1])["webhooks"]
    table["secret"] = make_key("v1")
    commented = re.findall(r"^# (.*?)(?:  +#.*)?$", found[1], re.M)
    for line in commented:
        for pair in re.split(r", (?=\w+ = )", line.partition("   #")[0].strip()):
            table |= tomllib.loads(pair)
    table["headers"] = {"X-Api-Key": "k"}
    assert WebhookSettings(**table).configured().wishes.queues == ("billing",)
