"""`handoff adapters new`: writes a package for a new adapter."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from handoff.domain.errors import HandoffError
from handoff_adapters.registry import names

_NAME = re.compile(r"([a-z][a-z0-9]*)\.([a-z][a-z0-9]*(?:[-_][a-z0-9]+)*)")
FIXTURES = ("message-created.json", "reply-created.json", "unknown.json", "no-customer.json")


def start(options: argparse.Namespace) -> int:
    """Write the package, and say what comes next."""
    found = _NAME.fullmatch(options.name)
    if found is None:
        problem = (
            f"{options.name!r} is not the name of an adapter: write <channel>.<vendor>, such as chat.acme"
        )
        raise HandoffError(problem, code="usage")
    if options.name in names():
        raise HandoffError(f"there is an adapter {options.name!r} already", code="usage")
    words = _words(found[1], found[2])
    folder: Path = options.folder or Path(words["PROJECT"])
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HandoffError(f"{folder} exists already, and is not empty", code="usage")
    write(folder, words)
    print(f"{folder} has a package with the adapter {options.name}. Next:")
    print(f"  cd {folder} && pip install -e '.[test]' && pytest")
    print(f"  handoff adapters show {options.name}")
    return 0


def _words(channel: str, vendor: str) -> dict[str, str]:
    """The words that the skeleton leaves open."""
    parts = re.split("[-_]", vendor)
    return {
        "NAME": f"{channel}.{vendor}",
        "CHANNEL": channel,
        "VENDOR": vendor,
        "TITLE": " ".join(it.capitalize() for it in parts),
        "CLASS": "".join(it.capitalize() for it in parts) + "Adapter",
        "MODULE": "_".join(("handoff", channel, *parts)),
        "PROJECT": "-".join(("handoff", channel, *parts)),
    }


def write(folder: Path, words: Mapping[str, str]) -> None:
    """The skeleton's files, with `words` filled in."""
    module = words["MODULE"]
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "init.py": f"{module}/__init__.py",
        "adapter.py": f"{module}/adapter.py",
        "test_adapter.py": "tests/test_adapter.py",
        **{name: f"tests/fixtures/{name}" for name in FIXTURES},
    }
    skeleton = files("handoff.cli.adapters") / "skeleton"
    for name, place in places.items():
        text = (skeleton / f"{name}.txt").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
