"""The suite that every adapter's test module inherits.

A subclass states how to build the adapter, which requests it accepts, and where its fixtures are. A
fixture is a JSON file written by hand:

    {"request": {"method"?, "path"?, "query"?, "headers"?, "json" | "form" | "file"?}, "options"?: {…},
     "touchpoints"?: [{"type", …}], "ignored"?: {…}, "malformed"?: ["code", …]}

`file` names a file beside it with the body; a mail (`.eml`) gets the line ends of SMTP. Each listed
touchpoint is compared on the keys that it states; `identities` are written
`type@space:value assurance`, `participants` `role type@space:value`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.adapter.contract import Adapter, InboundRequest, MentionReader, Outcome, Parsed
from handoff.domain.clock import format_time, parse_time
from handoff.domain.errors import (
    ConfigurationError,
    HandoffError,
    InvalidPayload,
    NotFound,
    PayloadTooLarge,
    SignatureRefused,
)
from handoff.domain.touchpoint import EARLIEST, LATEST, MAX_TOUCHPOINT_BYTES, Touchpoint
from tests.examples import examples

RECEIVED_AT = parse_time("2026-11-21T21:10:00Z")
PUBLIC_URL = "https://handoff.example.com"
REFUSALS = (InvalidPayload, NotFound, PayloadTooLarge)
SLOW = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)  # the machine may be loaded; only the input matters here


def request(
    path: str = "",
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    query: Sequence[tuple[str, str]] = (),
    received_at: int = RECEIVED_AT,
    source: str = "src",
) -> InboundRequest:
    """An inbound request as adapters receive it."""
    search = f"?{urlencode(query)}" if query else ""
    return InboundRequest(
        method=method,
        path=path,
        url=f"{PUBLIC_URL}/in/{source}{path}{search}",
        query=tuple(query),
        headers={name.lower(): value for name, value in (headers or {}).items()},
        raw=body,
        body=body,
        received_at=received_at,
    )


def shared(*parts: str) -> Path:
    """A file of the collected real payloads; the test is skipped where they are missing."""
    root = os.environ.get("HANDOFF_SHARED")
    base = Path(root) if root else Path(__file__).resolve().parents[3] / "shared"
    place = base.joinpath("payloads", *parts)
    if not place.exists():
        pytest.skip("the collected payloads are missing (HANDOFF_SHARED)")
    return place


def shown(touchpoint: Touchpoint) -> dict[str, Any]:
    """A touchpoint as fixtures write it."""
    plain: dict[str, Any] = msgspec.to_builtins(touchpoint)
    plain["identities"] = [f"{one.identity} {one.assurance}" for one in touchpoint.identities]
    plain["occurred_at"] = format_time(touchpoint.occurred_at)
    plain["attachments"] = list(plain["attachments"])
    plain["participants"] = [f"{one.role} {one.identity}" for one in touchpoint.participants]
    return plain


def read_fixture(path: Path) -> dict[str, Any]:
    fixture: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return fixture


def fixture_request(path: Path) -> InboundRequest:
    """The request that a fixture file describes."""
    stated = read_fixture(path)["request"]
    body = b""
    headers = dict(stated.get("headers", {}))
    if "json" in stated:
        body = msgspec.json.encode(stated["json"])
        headers.setdefault("content-type", "application/json")
    if "form" in stated:
        body = urlencode(stated["form"]).encode()
        headers.setdefault("content-type", "application/x-www-form-urlencoded")
    if "file" in stated:
        body = path.with_name(stated["file"]).read_bytes()
        if stated["file"].endswith(".eml"):
            body = body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return request(
        stated.get("path", ""),
        method=stated.get("method", "POST"),
        body=body,
        headers=headers,
        query=[(name, value) for name, value in stated.get("query", {}).items()],
    )


def fixtures(folder: Path) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(folder.glob("*.json"))]


class AdapterContract:
    """The tests of every adapter. Inherit as `class TestContract(AdapterContract)`."""

    folder: ClassVar[Path]
    declared: ClassVar[frozenset[str]]
    """Every touchpoint type that the adapter makes."""
    paths: ClassVar[tuple[str, ...]] = ("",)

    def build(self, **options: Any) -> Adapter:
        """The adapter of a configured source."""
        raise NotImplementedError

    def good(self) -> InboundRequest:
        """A well-formed request, not yet signed where the vendor signs."""
        raise NotImplementedError

    def accepted(self) -> InboundRequest:
        """A request that `verify` accepts."""
        raise NotImplementedError

    def refused(self) -> Mapping[str, InboundRequest]:
        """Requests that `verify` refuses, by what is wrong with them."""
        raise NotImplementedError

    def built_for(self, path: Path) -> Adapter:
        """The adapter with the options of a fixture."""
        return self.build(**read_fixture(path).get("options", {}))

    def test_a_genuine_request_is_accepted(self) -> None:
        self.build().verify(self.accepted())

    def test_any_other_request_is_refused(self) -> None:
        refused = self.refused()
        assert refused
        assert [wrong for wrong, one in refused.items() if self._accepts(one)] == []

    def _accepts(self, one: InboundRequest) -> bool:
        try:
            self.build().verify(one)
        except SignatureRefused:
            return False
        return True

    def test_its_name_begins_with_its_channel(self) -> None:
        adapter = self.build()
        assert adapter.name.startswith(f"{adapter.channel}.")

    def test_each_fixture_gives_its_touchpoints(self, fixture_path: Path) -> None:
        fixture, adapter = read_fixture(fixture_path), self.built_for(fixture_path)
        made = adapter.parse(fixture_request(fixture_path))
        expected = fixture.get("touchpoints", [])
        found = [shown(one) for one in made.touchpoints]
        compared = [
            {key: one.get(key) for key in wanted} for one, wanted in zip(found, expected, strict=False)
        ]
        assert compared == expected
        assert len(found) == len(expected)
        assert dict(made.ignored) == fixture.get("ignored", {})
        assert [one.code for one in made.malformed] == fixture.get("malformed", [])

    def test_parsing_is_pure(self, fixture_path: Path) -> None:
        adapter = self.built_for(fixture_path)
        one = fixture_request(fixture_path)
        assert adapter.parse(one) == self.built_for(fixture_path).parse(one) == adapter.parse(one)

    def test_a_retry_is_the_same_event(self, fixture_path: Path) -> None:
        adapter = self.built_for(fixture_path)
        one = fixture_request(fixture_path)
        later = msgspec.structs.replace(one, received_at=one.received_at + 3_600_000_000)
        first, second = adapter.parse(one), adapter.parse(later)
        assert [t.event_id for t in first.touchpoints] == [t.event_id for t in second.touchpoints]
        assert [t.home for t in first.touchpoints] == [t.home for t in second.touchpoints]
        assert [t.data for t in first.touchpoints] == [t.data for t in second.touchpoints]

    def test_a_quarantined_item_reads_the_same_when_sent_again(self, fixture_path: Path) -> None:
        adapter = self.built_for(fixture_path)
        one = fixture_request(fixture_path)
        for bad in adapter.parse(one).malformed:
            again = msgspec.structs.replace(one, raw=bad.item, body=bad.item, query=())
            assert [other.code for other in adapter.parse(again).malformed] == [bad.code]

    def test_the_customer_is_named_also_without_parsing(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        assert isinstance(adapter, MentionReader)
        named = adapter.mentions(one)
        for made in adapter.parse(one).touchpoints:
            thread = (made.thread_space or made.id_space, made.thread)
            assert made.home.identity in named.identities or thread in named.threads or not named.complete

    def test_an_answer_is_a_success(self, fixture_path: Path) -> None:
        adapter = self.built_for(fixture_path)
        assert 200 <= adapter.answer(fixture_request(fixture_path), Outcome(accepted=1)).status < 300

    def test_every_declared_type_has_a_fixture_and_no_other(self) -> None:
        made: set[str] = set()
        for parameter in fixtures(self.folder):
            path = parameter.values[0]
            made |= {one.type for one in self.built_for(path).parse(fixture_request(path)).touchpoints}
        assert made == self.declared

    def test_every_file_beside_the_fixtures_belongs_to_one(self) -> None:
        stated = {
            json.loads(path.read_text(encoding="utf-8"))["request"].get("file")
            for path in self.folder.glob("*.json")
        }
        assert {path.name for path in self.folder.iterdir() if path.suffix != ".json"} == stated - {None}

    @SLOW
    @given(body=st.binary(max_size=300), data=st.data())
    def test_hostile_bytes_are_refused(self, body: bytes, data: st.DataObject) -> None:
        survive(self.build(), request(data.draw(st.sampled_from(self.paths)), body=body))


class SignedContract(AdapterContract):
    """The tests of adapters whose vendor signs with a shared secret."""

    def build(self, *, secrets: tuple[str, ...] = ("s3cret",), **options: Any) -> Adapter:
        """The adapter of a source that has `secrets`."""
        raise NotImplementedError

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        """`one` as the vendor signs it."""
        raise NotImplementedError

    def corrupted(self, one: InboundRequest) -> InboundRequest:
        """`one`, signed, then changed so that its signature is wrong."""
        return self.sign(one, "not the secret")

    def accepted(self) -> InboundRequest:
        return self.sign(self.good(), "s3cret")

    def refused(self) -> Mapping[str, InboundRequest]:
        return {
            "the key is another": self.sign(self.good(), "another"),
            "the signature is wrong": self.corrupted(self.good()),
            "there is no signature": self.good(),
        }

    def test_both_secrets_are_accepted_during_a_rotation(self) -> None:
        adapter = self.build(secrets=("new", "old"))
        adapter.verify(self.sign(self.good(), "old"))
        adapter.verify(self.sign(self.good(), "new"))
        with pytest.raises(SignatureRefused):
            adapter.verify(self.sign(self.good(), "older"))

    def test_a_source_without_a_secret_is_a_configuration_error(self) -> None:
        with pytest.raises(ConfigurationError):
            self.build(secrets=())
        self.build(secrets=(), allow_unsigned=True).verify(self.good())


def survive(adapter: Adapter, one: InboundRequest) -> Parsed | None:
    """The adapter's result for `one`; any error except a refusal fails the test."""
    try:
        made = adapter.parse(one)
    except REFUSALS:
        made = None
    with suppress(SignatureRefused):
        adapter.verify(one)
    if isinstance(adapter, MentionReader):
        with suppress(HandoffError):
            adapter.mentions(one)
    adapter.answer(one, Outcome())
    for touchpoint in made.touchpoints if made else ():
        assert len(msgspec.msgpack.encode(touchpoint)) <= MAX_TOUCHPOINT_BYTES
        assert EARLIEST <= touchpoint.occurred_at <= LATEST
        assert touchpoint.occurred_at <= one.received_at
    for bad in made.malformed if made else ():
        bad.detail.encode("utf-8")
    return made


# JSON as faulty senders write it: any type anywhere, half an emoji, numbers that fit nowhere.
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**60, max_value=2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(alphabet=st.characters(), max_size=12),
    st.sampled_from(["", " ", "\ud83d", "\x00", "+358401234567", "a@b.fi", "2026-11-21T21:00:00Z", "0"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def mutated(template: Any) -> st.SearchStrategy[Any]:
    """`template` with any of its values replaced or left out."""
    if isinstance(template, dict):
        return st.one_of(
            *[st.fixed_dictionaries({}, optional={key: mutated(value) for key, value in template.items()})]
            * 4,
            anything,
        )
    if isinstance(template, list) and template:
        return st.one_of(st.lists(mutated(template[0]), max_size=2), anything)
    return st.one_of(st.just(template), anything)
