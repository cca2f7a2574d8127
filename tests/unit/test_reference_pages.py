"""The reference pages list every configuration key and every touchpoint type, with valid examples."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from handoff.bootstrap.settings import load_settings
from handoff.bootstrap.sources import build_sources
from handoff.domain.touchpoint import CHANNELS, TYPES
from handoff.services.sources.native import Caller, read_native
from handoff_adapters.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
TYPES_PAGE = (ROOT / "docs/touchpoint-types.md").read_text(encoding="utf-8")
VENDORS = ROOT / "docs/vendors"
VARIABLE = re.compile(r"\bHANDOFF_[A-Z_]*[A-Z]\b")
INTERNAL = {"HANDOFF_WORKER"}
"""Variables that the server sets for its own worker processes."""
CALLER = Caller(name="reference", channels=frozenset(CHANNELS))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("configuration", ROOT / "docs/configuration.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONFIGURATION = generator()
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


def test_the_configuration_page_matches_the_settings() -> None:
    assert CONFIGURATION.generated(CONFIGURATION.texts()) == PAGE, "make config-docs writes the page"


def test_every_configuration_example_is_valid() -> None:
    assert CONFIGURATION.check_examples() == []


def test_a_key_without_a_description_is_an_error() -> None:
    texts = CONFIGURATION.texts()
    del texts["sections"]["store"]["durability"]
    texts["sections"]["store"]["colour"] = {"about": "unknown"}
    with pytest.raises(ValueError, match=r"missing \['durability'\], unused \['colour'\]"):
        CONFIGURATION.generated(texts)


def test_every_variable_of_the_product_is_on_the_page() -> None:
    used = {it for path in (ROOT / "handoff").rglob("*.py") for it in VARIABLE.findall(path.read_text())}
    used = {it for it in used if not it.endswith(("SERVER", "STORE"))}
    assert used - set(VARIABLE.findall(PAGE)) == INTERNAL & used


def sections() -> dict[str, list[Any]]:
    """The page's JSON examples by the type in the heading above them."""
    found: dict[str, list[Any]] = {}
    for part in re.split(r"^### ", TYPES_PAGE, flags=re.MULTILINE)[1:]:
        heading, _, rest = part.partition("\n")
        blocks = re.findall(r"```json\n(.*?)```", rest, re.DOTALL)
        found[heading.strip("`")] = [json.loads(it) for it in blocks]
    return found


EXAMPLES = sections()


def test_every_touchpoint_type_is_on_the_page() -> None:
    assert sorted(EXAMPLES) == sorted(TYPES)


@pytest.mark.parametrize("type_", TYPES)
def test_the_example_of_a_type_is_accepted(type_: str) -> None:
    assert EXAMPLES[type_], f"{type_} has no example"
    for example in EXAMPLES[type_]:
        assert example["type"] == type_
        assert read_native(json.dumps(example).encode(), CALLER).type == type_


def test_every_example_has_an_id_of_its_own() -> None:
    ids = [it["id"] for examples in EXAMPLES.values() for it in examples]
    assert len(ids) == len(set(ids))


def vendor_examples() -> list[tuple[str, str]]:
    pages = sorted(VENDORS.glob("*.md"))
    return [
        (page.stem, block)
        for page in pages
        for block in re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]


def test_every_adapter_has_a_vendor_page_with_a_configuration() -> None:
    shown = {it for _, block in vendor_examples() for it in re.findall(r'adapter = "([^"]+)"', block)}
    assert shown == set(BUILT_IN)


@pytest.mark.parametrize(("page", "block"), vendor_examples())
def test_a_vendor_page_shows_a_valid_configuration(page: str, block: str, tmp_path: Path) -> None:
    path = tmp_path / "handoff.toml"
    path.write_text(block, encoding="utf-8")
    secrets = dict.fromkeys(re.findall(r"env:(\w+)", block), "a-secret-of-sixteen-characters")
    sources = build_sources(load_settings(path, secrets))
    assert sources, page
