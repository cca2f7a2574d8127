"""A source takes exactly the options its adapter reads; any unknown one is an error that names all three."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from handoff.adapter.contract import SourceOptions
from handoff.bootstrap.settings import Settings
from handoff.bootstrap.sources import build_sources, source_rules
from handoff.domain.errors import ConfigurationError
from handoff.services.sources.inbound import Source
from handoff_adapters import registry
from handoff_adapters.chat.chatwoot import ChatwootAdapter, ChatwootOptions
from handoff_adapters.registry import adapter_class
from tests.source_trees import nodes

ROOT = Path(__file__).parents[2]
REQUIRED: dict[str, dict[str, Any]] = {
    "web.segment": {"secrets": ["s3cret"]},
    "chat.chatwoot": {"secrets": ["s3cret"]},
    "phone.twilio": {"secrets": ["s3cret"]},
    "email.smtp": {"recipients": ["support@shop.example"]},
}
FOREIGN: dict[str, Any] = {
    "secrets": ["s3cret"],
    "trust": "server",
    "verified_traits": ["email"],
    "user_space": "crm",
    "default_region": "FI",
    "allow_unsigned": True,
    "url_token": True,
    "shared_keys": {"SK1": "key"},
    "recipients": ["support@shop.example"],
    "listen": "127.0.0.1:2525",
    "misspelt": 1,
}
"""Options of one adapter or another, each with a value that its owner accepts."""


def configured(adapter: str, **options: Any) -> list[str]:
    """Builds a source; the options that are ignored."""
    table = {"name": "shop", "adapter": adapter, **REQUIRED[adapter], **options}
    ignored: list[str] = []
    build_sources(msgspec.convert({"sources": [table]}, Settings), lambda _name, it: ignored.append(it))
    return ignored


def fields_of(adapter: str) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(adapter_class(adapter).options)}


@pytest.mark.parametrize("adapter", REQUIRED)
@pytest.mark.parametrize("option", FOREIGN)
def test_an_option_of_another_adapter_is_an_error(adapter: str, option: str) -> None:
    if option in fields_of(adapter) | adapter_class(adapter).options.former:
        return
    with pytest.raises(ConfigurationError) as refused:
        configured(adapter, **{option: FOREIGN[option]})
    for name in (f"'{option}'", "'shop'", adapter):
        assert name in refused.value.detail


FORMER = [
    (adapter, option) for adapter in REQUIRED for option in sorted(adapter_class(adapter).options.former)
]


@pytest.mark.parametrize(("adapter", "option"), FORMER)
def test_an_option_that_earlier_releases_ignored_is_ignored_with_a_warning(adapter: str, option: str) -> None:
    (ignored,) = configured(adapter, **{option: FOREIGN[option]})
    assert f"`{option}`" in ignored
    with capture_logs() as logs:
        table = {"name": "shop", "adapter": adapter, **REQUIRED[adapter], option: FOREIGN[option]}
        build_sources(msgspec.convert({"sources": [table]}, Settings))
    assert [(it["event"], it["source"]) for it in logs] == [("source_option_ignored", "shop")]


@pytest.mark.parametrize(
    ("adapter", "options", "named"),
    [
        ("web.segment", {"verified_traits": ["email"]}, "verified_traits"),
        ("web.segment", {"verified_traits": ["email"], "trust": "public"}, "verified_traits"),
        ("web.segment", {"verified_traits": ["emial"], "trust": "server"}, "emial"),
        ("web.segment", {"identity_proof_secret": ["key"], "trust": "server"}, "identity_proof_secret"),
        ("web.segment", {"allow_unsigned": True}, "allow_unsigned"),
        ("web.segment", {"trust": "vendor"}, "vendor"),
        ("chat.chatwoot", {"secrets": [], "allow_unsigned": True, "url_token": True}, "url_token"),
        ("phone.twilio", {"allow_unsigned": True}, "allow_unsigned"),
        (
            "phone.twilio",
            {"secrets": [], "shared_keys": {"SK1": "key"}, "allow_unsigned": True},
            "allow_unsigned",
        ),
    ],
)
def test_an_option_without_effect_is_ignored(adapter: str, options: dict[str, Any], named: str) -> None:
    (ignored,) = configured(adapter, **options)
    assert named in ignored


@pytest.mark.parametrize(
    ("adapter", "options", "named"),
    [
        ("web.segment", {"trust": "anyone"}, "trust"),
        ("web.segment", {"secrets": []}, "secrets"),
        ("chat.chatwoot", {"secrets": []}, "secrets"),
        ("phone.twilio", {"secrets": []}, "secrets"),
        ("email.smtp", {"recipients": []}, "recipients"),
        ("email.smtp", {"tls_cert": "cert.pem"}, "tls_key"),
        ("email.smtp", {"listen": "2525"}, "listen"),
        ("email.smtp", {"listen": "127.0.0.1:99999"}, "listen"),
    ],
)
def test_a_missing_or_invalid_option_is_an_error(adapter: str, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configured(adapter, **options)
    for name in (named, "'shop'"):
        assert name in refused.value.detail


@pytest.mark.parametrize(
    ("adapter", "options"),
    [
        ("web.segment", {"verified_traits": ["email", "phone"], "trust": "server"}),
        ("web.segment", {"identity_proof_secret": ["key"], "trust": "public", "default_region": "FI"}),
        ("web.segment", {"secrets": [], "allow_unsigned": True}),
        ("chat.chatwoot", {"default_region": "FI", "url_token": True, "own": ["support@shop.example"]}),
        ("chat.chatwoot", {"allow_unsigned": True}),
        ("phone.twilio", {"default_region": "FI", "own": ["+358942454000"], "expected_every_s": 60}),
        ("phone.twilio", {"secrets": [], "shared_keys": {"SK1": "key"}}),
        ("email.smtp", {"own": ["mia@staff.example"], "listen": "[::1]:2525", "id_space": "archive"}),
        ("email.smtp", {"tls_cert": "cert.pem", "tls_key": "key.pem", "protocol": "lmtp"}),
    ],
)
def test_an_option_that_is_used_is_accepted(adapter: str, options: dict[str, Any]) -> None:
    assert configured(adapter, **options) == []


class _BotsAdapter(ChatwootAdapter):
    """A platform where a bot writes."""

    manifest = msgspec.structs.replace(ChatwootAdapter.manifest, outbound="bot")


def test_the_adapter_states_who_writes_unless_the_source_does() -> None:
    for stated, expected in ((None, "bot"), ("person", "person")):
        options = ChatwootOptions(
            name="chat", adapter="chat.chatwoot", allow_unsigned=True, outbound=cast("Any", stated)
        )
        rules = source_rules({"chat": Source(options=options, adapter=_BotsAdapter(options))})
        assert rules["chat"].outbound == expected
    assert source_rules({"chat": Source(options=options, adapter=ChatwootAdapter(options))})
    plain = msgspec.structs.replace(options, outbound=None)
    assert source_rules({"chat": Source(options=plain, adapter=ChatwootAdapter(plain))}) == {}


@pytest.mark.parametrize("adapter", REQUIRED)
def test_every_declared_option_is_read(adapter: str) -> None:
    """An option that no module of the adapter's packages or of the flow reads has no effect."""
    module = ROOT / "adapters" / registry.BUILT_IN[adapter].partition(":")[0].replace(".", "/")
    read = {
        node.attr
        for path in [*module.rglob("*.py"), *(ROOT / "handoff/bootstrap").glob("sources.py")]
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
    }
    by_the_flow = {field.encode_name for field in msgspec.structs.fields(SourceOptions)}
    assert fields_of(adapter) - by_the_flow <= read


def sources_in(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["sources"]
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.toml")), ids=lambda it: it.name)
def test_the_configurations_we_ship_are_accepted(path: Path) -> None:
    assert build_sources(msgspec.convert({"sources": sources_in(path)}, Settings))
