"""The configuration and URLs as operators see them: without secrets, and without what may name a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from handoff.bootstrap.settings import Settings
from handoff.bootstrap.shown_settings import OF_TENANTS, SET, SHOWN, shown_settings
from handoff.services.sources.hiding import MAX_URL, shown_url
from handoff_adapters.registry import BUILT_IN, adapter_class

SECRET = "sekrit-of-the-configuration-1"
SIGNED = "whsec_" + "c2Vrcml0c2Vrcml0c2Vrcml0c2Vrcml0"


def settings() -> Settings:
    """A configuration with a secret in every place that may hold one."""
    url = f"https://user:{SECRET}@hooks.example.com/{SECRET}?key={SECRET}"
    table: dict[str, Any] = {
        "server": {"port": 0, "public_url": url},
        "store": {"url": f"rediss://user:{SECRET}@one:6379,two:6379/0", "secret_keys": [SECRET * 2]},
        "sources": [
            {
                "name": "shop-phone",
                "adapter": "phone.twilio",
                "tenant": "shop",
                "secrets": [SECRET],
                "shared_keys": {"name": SECRET, "tenant": SECRET},
                "own": ["+358401234567"],
            },
            {
                "name": "bank-web",
                "adapter": "web.segment",
                "tenant": "bank",
                "identity_proof_secret": [SECRET],
            },
            {
                "name": "plugin",
                "adapter": "chat.plugin",
                "api_password": SECRET,
                "nested": {"deep": [SECRET]},
            },
        ],
        "tokens": [{"name": "desk", "tenant": "shop", "scopes": ["operate"], "secret": SECRET}],
        "webhooks": [
            {"url": url, "tenant": "shop", "secret": SIGNED, "headers": {"name": SECRET, "types": SECRET}}
        ],
        "connectors": [
            {
                "name": "desk",
                "kind": "zendesk.comment",
                "url": url,
                "token": SECRET,
                "user": SECRET,
                "source": "x",
            },
        ],
        "audit": {"ship_url": url, "ship_token": SECRET},
        "redaction": [{"name": "member", "pattern": SECRET}],
        "identity": {"blocked": [f"email:{SECRET}@example.com"]},
        "retention": [{"days": 30}, {"days": 60, "tenant": "bank"}],
    }
    return msgspec.convert(table, Settings)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for part in value.values():
            yield from texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts(part)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("tenant", [None, "shop", "bank", "default"])
def test_no_secret_is_shown(tenant: str | None) -> None:
    shown = shown_settings(settings(), tenant)
    assert not [it for it in texts(shown) if SECRET in it or SIGNED in it]


def test_what_is_no_secret_is_shown_with_the_names_of_the_configuration() -> None:
    shown = shown_settings(settings(), None)
    assert set(shown) == {it.encode_name for it in msgspec.structs.fields(Settings)}
    phone = shown["sources"][0]
    assert (phone["name"], phone["own"], phone["secrets"]) == ("shop-phone", ["+358401234567"], [SET])
    assert shown["store"]["url"] == "rediss://one:6379,two:6379/…"
    assert shown["server"]["public_url"] == "https://hooks.example.com/…"
    assert shown["server"]["port"] == 0
    assert shown["webhooks"][0]["headers"] == {"name": SET, "types": SET}
    json.dumps(shown)


def test_an_unknown_option_is_hidden_until_it_is_listed() -> None:
    (plugin,) = (it for it in shown_settings(settings(), None)["sources"] if it["name"] == "plugin")
    assert plugin == {
        "name": "plugin",
        "adapter": "chat.plugin",
        "api_password": SET,
        "nested": {"deep": [SET]},
    }


def test_a_tenant_sees_its_own_entries_and_nothing_of_the_server() -> None:
    shown = shown_settings(settings(), "shop")
    assert set(shown) == set(OF_TENANTS)
    assert [it["name"] for it in shown["sources"]] == ["shop-phone"]
    assert len(shown["webhooks"]) == 1
    assert shown["connectors"] == []
    assert [it["days"] for it in shown["retention"]] == [30]
    assert [it["days"] for it in shown_settings(settings(), "bank")["retention"]] == [30, 60]


def test_every_section_and_only_known_options_are_listed() -> None:
    assert set(SHOWN) == {it.encode_name for it in msgspec.structs.fields(Settings)}
    options = {
        it.encode_name for name in BUILT_IN for it in msgspec.structs.fields(adapter_class(name).options)
    }
    assert not {it for it in SHOWN["sources"] - options if it not in SHOWN["retention"]}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("https://a.example/in/phone/status", "https://a.example/in/phone/status"),
        ("http://10.0.0.7:8080/in/phone", "http://10.0.0.7:8080/in/phone"),
        ("https://user:sekrit@a.example/in/phone", "https://a.example/in/phone"),
        ("https://a.example/in/x?From=%2B358401234567&step=2", "https://a.example/in/x?From=…&step=…"),
        ("https://a.example/in/x?anna@example.com", "https://a.example/in/x?…=…"),
        ("https://a.example/in/x/anna@example.com/y", "https://a.example/in/x/…/y"),
        ("https://a.example/in/x/anna%40example.com", "https://a.example/in/x/…"),
        ("https://a.example/in/x/0401234567", "https://a.example/in/x/…"),
        ("https://a.example/in/x/040-123-4567", "https://a.example/in/x/…"),
        ("https://a.example/in/x/a1b2c3d4e5f6g7", "https://a.example/in/x/…"),
        ("https://a.example/in/x/040/123/4567/y", "https://a.example/in/x/…/y"),
        ("https://a.example/in/x?0401234567=1&step=2", "https://a.example/in/x?…=…&step=…"),
        ("https://a.example/in/x?tel.040-12-34-567=", "https://a.example/in/x?…=…"),
        ("https://a.example/in/x?sekrit-without-a-name", "https://a.example/in/x?…=…"),
        ("https://[::1", "…"),
    ],
)
def test_a_signed_url_is_shown_without_what_may_name_a_person(given: str, shown: str) -> None:
    assert shown_url(given) == shown


def test_a_signed_url_has_a_limit() -> None:
    assert len(shown_url("https://a.example/in" + "/x" * 5000)) == MAX_URL
