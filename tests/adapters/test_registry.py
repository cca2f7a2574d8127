"""The registry names every adapter once, takes in those of other packages, and imports what is asked for."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from handoff.adapter.base import BaseAdapter, ReadOnce
from handoff.adapter.contract import InboundRequest, Parsed, SourceOptions
from handoff.adapter.manifest import Manifest, VendorEvent
from handoff.domain.errors import ConfigurationError, SignatureRefused
from handoff.testing import inbound_request
from handoff_adapters.registry import BUILT_IN, ENTRY_POINTS, adapter_class, adapter_in, available, names


def test_each_adapter_stands_under_its_own_name() -> None:
    for name, made in available().items():
        assert made.name == made.manifest.name == name
        assert name.startswith(f"{made.channel}.")
        assert issubclass(made.options, SourceOptions)
    assert set(BUILT_IN) <= set(available()) == set(names())


def test_an_unknown_adapter_is_a_configuration_error_that_lists_the_known() -> None:
    assert adapter_class("web.segment").name == "web.segment"
    with pytest.raises(ConfigurationError, match=r"chat\.chatwoot"):
        adapter_class("web.nobody")


def manifest(**changes: object) -> Manifest:
    stated: dict[str, object] = {
        "name": "chat.example",
        "channel": "chat",
        "title": "An example",
        "verified_against": "nothing",
    }
    return Manifest(**{**stated, **changes})  # type: ignore[arg-type]


class ExampleAdapter(BaseAdapter):
    manifest = manifest()

    def parse(self, request: InboundRequest) -> Parsed:
        return Parsed()


class FormerAdapter:
    """As it was written for version 1."""

    name = "chat.former"
    channel = "chat"
    options = SourceOptions

    def preflight(self, request: InboundRequest) -> None: ...

    def parse(self, request: InboundRequest) -> Parsed:
        return Parsed()

    def answer(self, request: InboundRequest, outcome: object) -> None: ...


class HalfMovedAdapter(ExampleAdapter):
    """Its `answer` would never be called."""

    def answer(self, request: InboundRequest, outcome: object) -> None: ...


def entry(name: str, class_: str = "ExampleAdapter", module: str = __name__) -> EntryPoint:
    return EntryPoint(name, f"{module}:{class_}", ENTRY_POINTS)


def test_an_adapter_of_another_package_is_found_by_its_entry_point() -> None:
    others = entry("chat.broken", module="no_such_package")
    assert adapter_in("chat.example", [others, entry("chat.example")]) is ExampleAdapter
    assert (ExampleAdapter.name, ExampleAdapter.channel) == ("chat.example", "chat")


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([entry("chat.x", "FormerAdapter")], ("preflight", "handshake", "answer", "reply", "manifest", "2")),
        ([entry("chat.x", "HalfMovedAdapter")], ("`answer(request, outcome)` to `reply(",)),
        ([entry("chat.x", module="no_such_package")], ("no_such_package", "cannot be loaded")),
        ([entry("chat.x", "Nobody")], ("Nobody", "cannot be loaded")),
        ([entry("chat.x")], ("'chat.example'",)),
        ([entry("chat.x"), entry("chat.x", "FormerAdapter")], ("two packages", "FormerAdapter")),
    ],
)
def test_an_adapter_that_cannot_be_used_is_a_configuration_error_with_the_reason(
    entries: list[EntryPoint], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        adapter_in("chat.x", entries)
    for word in ("chat.x", *words):
        assert word in refused.value.detail


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"channel": "web"}, "channel"),
        ({"name": "chat"}, "channel"),
        ({"events": (VendorEvent("a", "message.shouted"),)}, "message.shouted"),
        ({"events": (VendorEvent("a", "message.sent"), VendorEvent("a", "message.sent", "b"))}, "twice"),
        ({"kept_headers": ("X-Shop",)}, "lower case"),
        *(
            ({"kept_headers": (name,)}, "credential")
            for name in ("authorization", "cookie", "x-api-key", "x-hub-signature-256", "x-gitlab-token")
        ),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(changes: dict[str, object], word: str) -> None:
    with pytest.raises(ConfigurationError, match=word):
        manifest(**changes)


def test_the_defaults_accept_nothing_unsigned_and_name_no_customer() -> None:
    adapter = ExampleAdapter(SourceOptions(name="x", adapter="chat.example"))
    one = inbound_request()
    with pytest.raises(SignatureRefused):
        adapter.verify(one)
    assert adapter.handshake(one) is None
    assert not adapter.mentions(one).complete


def test_a_body_is_read_once_for_one_request() -> None:
    read: list[bytes] = []

    def length(request: InboundRequest) -> int:
        read.append(request.body)
        return len(request.body)

    once = ReadOnce(length)
    one, same, large = (inbound_request(body=it) for it in (b"one", b"one", b"x" * 100_000))
    assert [once.of(one), once.of(one)] == [3, 3]
    assert read == [b"one"]
    assert [once.of(same), once.of(large), once.of(large)] == [3, 100_000, 100_000]
    assert len(read) == 4  # another request is read again, and large bodies are not kept
