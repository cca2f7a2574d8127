"""The panel's messages: the next call repeats a failed request."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PANEL = Path(__file__).resolve().parents[2] / "handoff" / "panel"
CALLS = """
const asked = [], statuses = [503, 200, 200];
globalThis.fetch = async (url) => {
  asked.push(String(url).split("/panel/")[1]);
  const status = statuses.shift();
  return { ok: status < 300, status, json: async () => ({ hello: String(status) }) };
};
const panel = { language: "fi", tag: "fi-FI" };
const failed = await opsWords(panel).then(() => false, () => true);
const [one, again] = [await opsWords(panel), await opsWords(panel)];
const messages = await messagesIn("fi");
const texts = [one.text("hello"), again.text("hello"), messages.hello];
console.log(JSON.stringify({ failed, texts, asked }));
"""


def test_messages_are_asked_for_once_and_again_after_a_failure() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing")
    ours, shared = (json.dumps((PANEL / it / "words.js").as_uri()) for it in ("ops", "text"))
    script = f"import {{ opsWords }} from {ours}; import {{ messagesIn }} from {shared};{CALLS}"
    done = subprocess.run(
        [node, "--input-type=module", "-e", script], capture_output=True, check=True, timeout=60, text=True
    )
    assert json.loads(done.stdout) == {
        "failed": True,
        "texts": ["200", "200", "200"],
        "asked": ["ops/messages/fi.json", "ops/messages/fi.json", "text/messages/fi.json"],
    }
