"""A delivery in quarantine keeps the headers that its adapter needs, and none that carries a secret."""

from __future__ import annotations

from typing import Any

import msgspec

from handoff.adapter.contract import InboundRequest, Outcome, Parsed, Reply, SourceOptions
from handoff.adapter.trial import inbound_request
from handoff.domain.errors import InvalidPayload
from handoff.services.sources import quarantine
from handoff.services.sources.hiding import kept_headers
from handoff.services.sources.inbound import Received, Source
from handoff.services.sources.quarantine import Quarantined
from handoff_adapters.email.smtp import SmtpAdapter, SmtpOptions
from handoff_adapters.phone.twilio import TwilioAdapter, TwilioOptions
from tests.api.conftest import Api

CARD = "4111 1111 1111 1111"
MAIL = (
    b"From: Anna <anna@example.com>\r\nTo: support@shop.example\r\nSubject: Away\r\n"
    b"Date: Sat, 21 Nov 2026 20:00:00 +0200\r\nMessage-ID: <away@example.com>\r\n\r\nBack on Monday."
)


class _MendedSmtp(SmtpAdapter):
    """Fails until it is mended."""

    broken = True

    def parse(self, request: InboundRequest) -> Parsed:
        if self.broken:
            raise InvalidPayload("not yet")
        return super().parse(request)


class _EasyTwilio(TwilioAdapter):
    """Acknowledges what is in quarantine."""

    def reply(self, request: InboundRequest, parsed: Parsed | None, outcome: Outcome) -> Reply:
        if parsed is None:
            return Reply(status=202, body=str(outcome.quarantined).encode())
        return super().reply(request, parsed, outcome)


def mail_source(api: Api, **more: Any) -> Source:
    options = SmtpOptions(
        name="mail", adapter="email.smtp", tenant=api.tenant, recipients=("support@shop.example",), **more
    )
    return Source(options=options, adapter=_MendedSmtp(options))


def phone_source(api: Api, made: type[TwilioAdapter]) -> Source:
    options = TwilioOptions(name="calls", adapter="phone.twilio", tenant=api.tenant, allow_unsigned=True)
    return Source(options=options, adapter=made(options))


async def kept_in(api: Api) -> Quarantined:
    (item,) = (await api.ok("GET", "/v1/quarantine"))["items"]
    return await quarantine.read(api.server.store.of(api.tenant).quarantine, item["id"])


async def test_a_replayed_mail_has_its_envelope(api: Api) -> None:
    source, inbound = mail_source(api), api.server.site.inbound
    envelope = {"mail-from": "", "rcpt-to": "support@shop.example", "peer": "192.0.2.1", "cookie": "s3cret"}
    one = inbound_request(method="SMTP", body=MAIL, headers=envelope)
    reply = await inbound.handle(Received(source=source, request=one))
    assert reply.kept
    item = await kept_in(api)
    assert dict(item.headers) == {"mail-from": "", "rcpt-to": "support@shop.example"}
    _MendedSmtp.broken = False
    assert (await inbound.replay(source, item)).accepted == 1
    (entry,) = (await api.context("email:anna@example.com"))["timeline"]["touchpoints"]
    assert entry["type"] == "email.auto_replied"  # by the null sender of the envelope


def test_an_item_of_an_earlier_build_has_no_headers() -> None:
    item = Quarantined(
        id="a" * 32, source="mail", received_at=1, code="c", detail="d", method="SMTP", path="", query=(),
        content_type="text/plain", codec=0, item=b"x", size=1,
    )  # fmt: skip
    stored = msgspec.to_builtins(item)
    del stored["headers"]
    read = msgspec.convert(stored, Quarantined)
    assert read.request().headers == {"content-type": "text/plain"}


def test_no_kept_header_has_a_secret_of_the_source_or_a_card_number() -> None:
    class Options(SourceOptions, frozen=True, kw_only=True):
        secrets: tuple[str, ...] = ()

    manifest = msgspec.structs.replace(
        SmtpAdapter.manifest, kept_headers=("x-topic", "x-note", "x-long", "x-absent")
    )
    headers = {
        "x-topic": "orders of hush-hush-1",
        "x-note": f"card {CARD}",
        "x-long": "x" * 20_000,
        "authorization": "Bearer hush-hush-1",
    }
    options = Options(name="s", adapter="chat.x", secrets=("hush-hush-1",))
    kept = dict(kept_headers(manifest, headers, options))
    assert kept["x-topic"] == "orders of …"
    assert set(kept) == {"x-topic", "x-note"}
    assert CARD not in kept["x-note"]


async def test_an_adapter_may_acknowledge_what_is_in_quarantine(api: Api) -> None:
    inbound = api.server.site.inbound
    for made, status, refused in ((_EasyTwilio, 202, False), (TwilioAdapter, 400, True)):
        one = Received(source=phone_source(api, made), request=inbound_request(body=b"nonsense"))
        reply = await inbound.handle(one)
        assert (reply.status, reply.error is not None, reply.kept) == (status, refused, True)
    assert (await api.ok("GET", "/v1/quarantine"))["total"] == 2


async def test_a_reply_knows_the_delivery_also_after_a_look_at_the_store(api: Api) -> None:
    """The leg of a call is looked up before it is recorded; Twilio still gets its instructions."""
    leg = (
        b"CallSid=CA2&ParentCallSid=CA1&AccountSid=AC1&From=%2B358931578000&To=%2B358401234567"
        b"&Direction=outbound-dial&CallStatus=ringing"
    )
    source = phone_source(api, TwilioAdapter)
    source = Source(options=source.options, adapter=_own(source, "+358931578000"))
    reply = await api.server.site.inbound.handle(Received(source=source, request=inbound_request(body=leg)))
    assert (reply.status, reply.content_type) == (200, "text/xml")


def _own(source: Source, number: str) -> TwilioAdapter:
    return TwilioAdapter(msgspec.structs.replace(source.options, own=(number,)))  # type: ignore[arg-type]
