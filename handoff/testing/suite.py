"""The contract suite: the tests that every adapter passes.

A test module derives one class from `AdapterContract`, or from `SignedContract` if the vendor signs with a
secret, and states how to build the adapter, which requests it accepts, and where its fixtures are.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from handoff.adapter.contract import Adapter, InboundRequest, Outcome, Reply, SourceOptions
from handoff.adapter.manifest import Manifest
from handoff.adapter.trial import shown
from handoff.domain.clock import HOUR, SECOND
from handoff.domain.errors import ConfigurationError, SignatureRefused

from .fixtures import ExpectedReply, fixture_files, fixture_request, read_fixture
from .hostile import damaged, survive, with_odd_headers

HOSTILE = 40  # damaged bodies for each fixture
IGNORED = "ignored"


class AdapterContract:
    """The tests of every adapter. Derive as `class TestContract(AdapterContract)`."""

    folder: ClassVar[Path]
    """The folder of the fixtures, see `handoff.testing.fixtures`."""

    def build(self, **options: Any) -> Adapter:
        """The adapter of a configured source, with further options."""
        raise NotImplementedError

    def good(self) -> InboundRequest:
        """A well-formed delivery, not yet signed where the vendor signs."""
        raise NotImplementedError

    def accepted(self) -> InboundRequest:
        """A delivery that `verify` accepts."""
        return self.good()

    def refused(self) -> Mapping[str, InboundRequest]:
        """Deliveries that `verify` refuses, by what is wrong with them."""
        raise NotImplementedError

    def built_for(self, path: Path) -> Adapter:
        """The adapter with the options of a fixture."""
        return self.build(**read_fixture(path).options)

    def deliveries(self) -> list[Path]:
        """The fixtures, except those of handshakes."""
        return [it for it in fixture_files(self.folder) if not read_fixture(it).handshake]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "fixture_path" in metafunc.fixturenames:
            files = self.deliveries()
            metafunc.parametrize("fixture_path", files, ids=[it.stem for it in files])

    # Who sends

    def test_a_genuine_delivery_is_accepted(self) -> None:
        adapter, one = self.build(), self.accepted()
        head = msgspec.structs.replace(one, raw=b"", body=b"")
        assert adapter.handshake(head) is None
        adapter.check_head(head)
        assert adapter.handshake(one) is None
        adapter.verify(one)

    def test_any_other_delivery_is_refused(self) -> None:
        refused = self.refused()
        assert refused, "state at least one delivery that is refused"
        assert [wrong for wrong, one in refused.items() if self.accepts(one)] == []

    def accepts(self, one: InboundRequest) -> bool:
        try:
            self.build().verify(one)
        except SignatureRefused:
            return False
        return True

    # The manifest

    def test_the_manifest_describes_the_adapter(self) -> None:
        adapter = self.build()
        manifest = adapter.manifest
        assert isinstance(manifest, Manifest)
        assert (adapter.name, type(adapter).channel) == (manifest.name, manifest.channel)
        assert issubclass(manifest.options, SourceOptions)
        assert manifest.events, "the manifest lists the vendor's events"

    def test_every_declared_event_has_a_fixture_and_no_other_is_made(self) -> None:
        declared = {
            (it.name, IGNORED if it.is_ignored else it.becomes) for it in self.build().manifest.events
        }
        names = {name for name, _ in declared}
        seen: set[tuple[str, str]] = set()
        for path in self.deliveries():
            fixture = read_fixture(path)
            made = self.made_by(path)
            assert fixture.events or not made, f"{path.name} does not state its event"
            assert set(fixture.events) <= names, f"{path.name} states an event that the manifest lacks"
            shows = {(event, becomes) for event in fixture.events for becomes in made} & declared
            undeclared = made - {becomes for _, becomes in shows}
            assert not undeclared, f"{path.name}: {fixture.event} is not declared to become {undeclared}"
            seen |= shows
        assert declared - seen == set(), "declared, and in no fixture"

    def made_by(self, path: Path) -> set[str]:
        parsed = self.built_for(path).parse(fixture_request(path))
        made = [*parsed.touchpoints, *(it.passed_on for it in parsed.legs)]
        return {it.type for it in made} | ({IGNORED} if parsed.ignored else set())

    def test_every_file_beside_the_fixtures_belongs_to_one(self) -> None:
        stated = {read_fixture(path).request.file for path in fixture_files(self.folder)}
        others = {path.name for path in self.folder.iterdir() if path.suffix != ".json"}
        assert others == stated - {None}

    # What becomes of a delivery

    def test_each_fixture_gives_its_touchpoints(self, fixture_path: Path) -> None:
        fixture, one = read_fixture(fixture_path), fixture_request(fixture_path)
        adapter = self.built_for(fixture_path)
        assert adapter.handshake(one) is None
        parsed = adapter.parse(one)
        found = [shown(it) for it in parsed.touchpoints]
        compared = [
            {key: it.get(key) for key in wanted}
            for it, wanted in zip(found, fixture.touchpoints, strict=False)
        ]
        assert compared == fixture.touchpoints
        assert len(found) == len(fixture.touchpoints)
        assert dict(parsed.ignored) == fixture.ignored
        assert [it.code for it in parsed.malformed] == fixture.malformed

    def test_the_vendor_gets_the_reply_that_it_needs(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        parsed = adapter.parse(one)
        reply = adapter.reply(one, parsed, Outcome(accepted=1))
        expect_reply(reply, read_fixture(fixture_path).reply)
        assert adapter.reply(one, parsed, Outcome(duplicates=1)) == reply, "a retry gets the same reply"
        assert adapter.reply(one, None, Outcome(quarantined=1)).status < 500

    def test_each_handshake_gets_its_reply(self) -> None:
        for path in fixture_files(self.folder):
            fixture = read_fixture(path)
            if fixture.handshake:
                reply = self.built_for(path).handshake(fixture_request(path))
                assert reply is not None, f"{path.name}: the adapter takes it for a delivery"
                expect_reply(reply, fixture.reply)

    def test_parsing_is_pure(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        parsed = adapter.parse(one)
        assert parsed == self.built_for(fixture_path).parse(one) == adapter.parse(one)
        assert pickle.loads(pickle.dumps(parsed)) == parsed, "another process parses large deliveries"  # noqa: S301

    def test_a_delivery_that_is_sent_again_is_the_same(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        later = msgspec.structs.replace(one, received_at=one.received_at + HOUR)
        first, second = adapter.parse(one).touchpoints, adapter.parse(later).touchpoints
        assert [it.event_id for it in first] == [it.event_id for it in second]
        assert [it.home for it in first] == [it.home for it in second]
        assert [it.data for it in first] == [it.data for it in second]

    def test_the_order_of_deliveries_changes_nothing(self) -> None:
        adapter = self.build()
        requests = [fixture_request(it) for it in self.deliveries() if not read_fixture(it).options]
        in_order = [adapter.parse(it) for it in requests]
        in_reverse = [adapter.parse(it) for it in reversed(requests)]
        assert in_order == in_reverse[::-1], "parsing depends on earlier deliveries"

    # Quarantine

    def test_a_quarantined_delivery_reads_the_same(self, fixture_path: Path) -> None:
        """With the headers that the manifest keeps, and without the URL."""
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        names = ("content-type", *adapter.manifest.kept_headers)
        headers = {name: one.headers[name] for name in names if name in one.headers}
        kept = msgspec.structs.replace(one, url="", raw=one.body, headers=headers)
        assert adapter.parse(kept) == adapter.parse(one)

    def test_a_quarantined_item_reads_the_same_alone(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        for bad in adapter.parse(one).malformed:
            alone = msgspec.structs.replace(one, raw=bad.item, body=bad.item, query=())
            assert [it.code for it in adapter.parse(alone).malformed] == [bad.code]

    def test_the_customer_is_named_also_without_parsing(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        named = adapter.mentions(one)
        for made in adapter.parse(one).touchpoints:
            thread = (made.thread_space or made.id_space, made.thread)
            assert made.home.identity in named.identities or thread in named.threads or not named.complete

    # Strangers

    def test_damaged_deliveries_are_read_or_refused(self, fixture_path: Path) -> None:
        adapter, one = self.built_for(fixture_path), fixture_request(fixture_path)
        for body in damaged(one.body, HOSTILE):
            survive(adapter, msgspec.structs.replace(one, raw=body, body=body))

    def test_odd_headers_are_read_or_refused(self) -> None:
        adapter = self.build()
        for one in with_odd_headers(self.accepted(), HOSTILE):
            survive(adapter, one)


class SignedContract(AdapterContract):
    """The tests of adapters whose vendor signs with a shared secret, or sends it."""

    tolerance_s: ClassVar[float | None] = None
    """How old a signature may be, if the vendor signs the time. `sign` signs `received_at` then."""
    signs_body: ClassVar[bool] = True
    """Whether the signature covers the body: not if the vendor only sends the secret."""

    def build(self, *, secrets: tuple[str, ...] = ("s3cret",), **options: Any) -> Adapter:
        """The adapter of a source that has `secrets`."""
        raise NotImplementedError

    def sign(self, one: InboundRequest, secret: str) -> InboundRequest:
        """`one` as the vendor signs it."""
        raise NotImplementedError

    def accepted(self) -> InboundRequest:
        return self.sign(self.good(), "s3cret")

    def refused(self) -> Mapping[str, InboundRequest]:
        return {
            "the key is another": self.sign(self.good(), "another"),
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

    def test_a_signature_is_good_for_no_other_body(self) -> None:
        if not self.signs_body:
            pytest.skip("the vendor's signature does not cover the body")
        one = self.accepted()
        for body in (one.raw + b" ", one.raw[:-1], b""):
            assert not self.accepts(msgspec.structs.replace(one, raw=body, body=body))

    def test_a_signature_expires(self) -> None:
        if self.tolerance_s is None:
            pytest.skip("the vendor does not sign the time")
        one, margin = self.accepted(), SECOND
        within = round(self.tolerance_s * SECOND)
        for shift in (within - margin, margin - within):
            assert self.accepts(msgspec.structs.replace(one, received_at=one.received_at + shift))
        for shift in (within + margin, -within - margin):
            replayed = msgspec.structs.replace(one, received_at=one.received_at + shift)
            assert not self.accepts(replayed), "an old delivery can be replayed"

    def test_unusual_signatures_are_refused(self) -> None:
        """Every header that signing adds, emptied and changed."""
        plain, signed = self.good(), self.accepted()
        for name in signed.headers.keys() - plain.headers.keys():
            value = signed.headers[name]
            for odd in ("", " ", "\ufffd", f"{value}x", value[:-1], value.swapcase() + "0"):
                headers = {**signed.headers, name: odd}
                assert not self.accepts(msgspec.structs.replace(signed, headers=headers)), (name, odd)


def expect_reply(reply: Reply, expected: ExpectedReply | None) -> None:
    """A success, and what the fixture states about it."""
    assert 200 <= reply.status < 300
    if expected is not None:
        assert expected.status in (None, reply.status)
        assert expected.content_type in (None, reply.content_type)
        assert expected.body in (None, reply.body.decode())
