"""The page about generic sources: each example gives what the page shows, and its tables have every key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.adapter.contract import InboundRequest
from handoff.adapter.trial import shown
from handoff.bootstrap.checking.checking import check_file
from handoff.domain.clock import SECOND
from handoff.domain.errors import SignatureRefused
from handoff.services.sources.inbound import Source
from handoff_adapters.generic.mapping import FieldMapping
from handoff_adapters.generic.schemes import SignatureScheme
from tests.adapters.contract import RECEIVED_AT, request

PAGE = (Path(__file__).parents[3] / "docs/vendors/generic.md").read_text(encoding="utf-8")
SECRET = "a-secret-of-sixteen-characters"
NAMES = re.findall(r"<!-- source: ([a-z-]+) -->", PAGE)


def part(name: str) -> str:
    """The page from the example's table to the next one's."""
    return PAGE.partition(f"<!-- source: {name} -->")[2].partition("<!-- source: ")[0]


def block(name: str, mark: str) -> Any:
    found = re.search(rf"<!-- {mark} -->\n```json\n(.*?)```", part(name), re.DOTALL)
    assert found, f"{name} shows no {mark}"
    return json.loads(found[1])


def built(name: str, folder: Path) -> Source:
    """The source as check-config builds it."""
    found = re.search(r"```toml\n(.*?)```", part(name), re.DOTALL)
    assert found
    path = folder / "handoff.toml"
    path.write_text(f'[store]\ndata_dir = "{folder}/data"\n' + found[1], encoding="utf-8")
    result = check_file(path, dict.fromkeys(re.findall(r"env:(\w+)", found[1]), SECRET))
    assert result.faults == []
    (source,) = result.sources
    return source


def authenticated(name: str, secret: str) -> InboundRequest:
    """The delivery of an example, with what its sender adds."""
    body = json.dumps(block(name, "delivery")).encode()
    digest = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()
    headers = {
        "shop-orders": {"x-shopify-hmac-sha256": digest},
        "tickets": {"authorization": "Basic " + base64.b64encode(f"handoff:{secret}".encode()).decode()},
    }.get(name, {"authorization": f"Bearer {secret}"})
    return request("", body=body, headers={"content-type": "application/json", **headers})


def test_the_page_has_three_webhooks_and_cloudevents() -> None:
    assert NAMES == ["shop-orders", "tickets", "bot", "callbacks"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_gives_what_the_page_shows(name: str, tmp_path: Path) -> None:
    source = built(name, tmp_path)
    one = authenticated(name, SECRET)
    source.adapter.verify(one)
    parsed = source.adapter.parse(one)
    assert not parsed.malformed
    expected = block(name, "touchpoints")
    made = [msgspec.to_builtins(shown(it)) for it in parsed.touchpoints]
    for touchpoint in made:
        touchpoint["occurred_at"] = touchpoint["occurred_at"].replace(".000000Z", "Z")
    stated = [{key: one[key] for key in wanted} for one, wanted in zip(made, expected, strict=True)]
    assert stated == expected
    assert all(RECEIVED_AT - it.occurred_at < 30 * 86_400 * SECOND for it in parsed.touchpoints)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_refuses_another_secret(name: str, tmp_path: Path) -> None:
    with pytest.raises(SignatureRefused):
        built(name, tmp_path).adapter.verify(authenticated(name, "another secret"))


@pytest.mark.parametrize(("heading", "type_"), [("signature", SignatureScheme), ("mapping", FieldMapping)])
def test_the_tables_have_every_key(heading: str, type_: type[msgspec.Struct]) -> None:
    table = PAGE.partition(f"## Keys of `{heading}`\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(type_.__struct_fields__)
