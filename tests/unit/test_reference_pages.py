"""The reference pages list every configuration key and every touchpoint type, with valid examples."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from handoff.adapter.contract import InboundRequest
from handoff.bootstrap.settings import load_settings
from handoff.bootstrap.sources import build_sources
from handoff.domain.clock import parse_time
from handoff.domain.touchpoint import CHANNELS, TYPES
from handoff.services.sources.inbound import Source
from handoff.services.sources.native import Caller, read_native
from handoff_adapters.registry import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
TYPES_PAGE = (ROOT / "docs/touchpoint-types.md").read_text(encoding="utf-8")
VENDORS = ROOT / "docs/vendors"
VARIABLE = re.compile(r"\bHANDOFF_[A-Z_]*[A-Z]\b")
INTERNAL = {"HANDOFF_WORKER"}
"""Variables that the server sets for its own worker processes."""
NOW = parse_time("2026-11-21T10:00:00Z")
CALLER = Caller(name="reference", channels=frozenset(CHANNELS))


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CONFIGURATION = generator("configuration")
PAGE = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


def test_the_configuration_page_matches_the_settings() -> None:
    assert CONFIGURATION.generated(CONFIGURATION.texts()) == PAGE, "make config-docs writes the page"


def test_the_page_of_sources_matches_the_manifests() -> None:
    written = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
    assert generator("sources").generated() == written, "make config-docs writes the page"
    assert all(f"## {name}\n" in written for name in BUILT_IN)


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


def source_of(page: str, name: str, tmp_path: Path) -> Source:
    """The source of that name in a vendor page's configuration."""
    block = next(block for stem, block in vendor_examples() if stem == page and f'"{name}"' in block)
    path = tmp_path / "handoff.toml"
    path.write_text(block, encoding="utf-8")
    secrets = dict.fromkeys(re.findall(r"env:(\w+)", block), "a-secret-of-sixteen-characters")
    return build_sources(load_settings(path, secrets))[name]


def request(body: bytes, **more: Any) -> InboundRequest:
    empty: dict[str, Any] = {"path": "", "url": "", "query": (), "headers": {}, "received_at": NOW}
    return InboundRequest(**empty | {"method": "POST", "raw": body, "body": body} | more)


@pytest.mark.parametrize(
    ("page", "recipient"),
    [
        ("postfix", "copy@handoff.internal"),
        ("exim", "support@example.com"),
        ("exim", "copy@handoff.internal"),
        ("microsoft-365", "copy@handoff.example.com"),
    ],
)
@pytest.mark.parametrize(
    ("sender", "to", "expected"),
    [
        ("anna@customer.example", "support@example.com", "email.received"),
        ("support@example.com", "anna@customer.example", "email.sent"),
    ],
)
def test_copied_mail_is_filed_under_the_customer(
    page: str, recipient: str, sender: str, to: str, expected: str, tmp_path: Path
) -> None:
    mail = f"From: {sender}\r\nTo: {to}\r\nSubject: Refund\r\nMessage-ID: <1@x.example>\r\n\r\nHello\r\n"
    copied = request(mail.encode(), method="SMTP", headers={"mail-from": sender, "rcpt-to": recipient})
    adapter = source_of(page, "shop-mail", tmp_path).adapter
    adapter.verify(copied)
    (touchpoint,) = adapter.parse(copied).touchpoints
    assert touchpoint.type == expected
    assert str(touchpoint.home.identity) == "email:anna@customer.example"


def test_the_segment_page_sends_an_event_that_is_recorded(tmp_path: Path) -> None:
    page = (VENDORS / "segment.md").read_text(encoding="utf-8")
    found = re.search(r"--json '(.*)'", page)
    assert found
    adapter = source_of("segment", "shop-web", tmp_path).adapter
    (touchpoint,) = adapter.parse(request(found[1].encode(), path="/v1/track")).touchpoints
    assert touchpoint.type == "form.failed"
    assert str(touchpoint.home.identity) == "anonymous@segment:test"


def test_every_package_is_on_the_map() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    roots = [ROOT / "handoff", *(ROOT / "handoff" / it for it in ("api", "services", "store"))]
    packages = {it.parent for root in roots for it in root.glob("*/__init__.py")}
    rooms = packages - {it.parent for it in packages}
    assert not {it.relative_to(ROOT).as_posix() for it in rooms if f"`{it.relative_to(ROOT)}`" not in page}
