"""Bank account and national numbers are stored, and no answer, stream, message, or export shows them.

The walk covers the table of operations, so that a new operation cannot forget it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.api.operations import OPERATIONS
from handoff.api.operations.operation import NO_PERSONAL_DATA, Audited, Operation
from handoff.bootstrap.redaction import masked_kinds
from handoff.delivery.connectors.zendesk import TICKET
from handoff.domain.errors import ConfigurationError
from handoff.services.privacy.settings import MaskingRule, PrivacySettings, check_masking
from tests import serving
from tests.access.conftest import WORK, Callers, stream_of
from tests.access.test_walk import LIVE, body_of, path_of, planted
from tests.api.conftest import secret
from tests.audit.conftest import entries
from tests.conftest import fresh_tenant
from tests.delivery.subscribers import until
from tests.delivery.vendors import AGENT, TOKEN, zendesk
from tests.redaction.test_canaries import Subscriber, subscriber

__all__ = ["subscriber"]

NUMBERS = ("DE89370400440532013000", "131052-308T", "811228-9874", "12345678Z")
TRACES = (*NUMBERS, "DE89 3704 0044 0532 0130 00")
WORDS = f"IBAN DE89 3704 0044 0532 0130 00, hetu {NUMBERS[1]}, {NUMBERS[2]}"

MASKED = "DE** **** **** **** **30 00"


def read(raw: bytes) -> list[str]:
    """The numbers in an answer."""
    return [it for it in TRACES if it.encode() in raw]


def settings(url: str, tenant: str, other: str, root: Path | None, **sections: Any) -> Any:
    tokens = [
        serving.token("desk", tenant, *WORK),
        serving.token("bank", tenant, "context:read", "privacy:reveal", agent="mia"),
        serving.token("bank-sales", tenant, "context:read", "privacy:reveal", queues=["sales"]),
        serving.token("bot", tenant, *WORK, audience="customer"),
        serving.token("bank-bot", tenant, "context:read", "privacy:reveal", audience="customer"),
        {**serving.token("elsewhere", tenant, *WORK), "tenant": other},
    ]
    audit = {"audit": {"dir": str(root)}} if root is not None else {}
    privacy = {"privacy": {"masking": [{"tenant": tenant}]}}
    return serving.settings_for(url, tokens, **audit, **{**privacy, **sections})


@pytest.fixture
async def masked(valkey: str, tmp_path: Path) -> AsyncIterator[tuple[Callers, Path]]:
    tenant, other, root = fresh_tenant(), fresh_tenant(), tmp_path / "audit"
    async with serving.in_process(settings(valkey, tenant, other, root)) as (server, session):
        yield Callers(server, session, tenant, other), root


async def written_everywhere(callers: Callers) -> dict[str, str]:
    """Numbers wherever somebody can write something; the resources, by kind."""
    ids = await planted(callers)
    await callers.record("subject", subject=WORDS, text=WORDS, actor={"name": NUMBERS[3]})
    await callers.record("data", data={"iban": NUMBERS[0], "deep": [{"note": WORDS}]})
    await callers.record(
        "file", attachments=[{"name": f"{NUMBERS[1]}.pdf", "url": f"https://x/{NUMBERS[0]}"}]
    )
    await callers.record("refund", text=f"I was promised a refund to {NUMBERS[0]} by Friday. Why is it late?")
    guest = {"type": "email", "value": "guest@example.com", "role": "cc"}
    await callers.record("cc", identities=["user:otto"], text=WORDS, participants=[guest])
    pending = await callers.ok("GET", f"/v1/handoffs/{ids['handoffs']}")
    await callers.move(pending, "accept", agent="victim", reason=WORDS)
    handoff = await callers.hand_over("user:otto", "hr", WORDS, context={"note": WORDS})
    await callers.ok(
        "POST", "/v1/callbacks", {"phone": "+358401234567", "identity": "user:anna", "reason": WORDS}
    )
    link = {"identity": "email:b@example.com", "reason": WORDS}
    await callers.ok("POST", f"/v1/customers/{ids['customers']}/links", link)
    return {**ids, "handoffs": handoff["id"], "conversations": handoff["conversation_id"]}


def reading() -> list[Operation]:
    looks = {"lookUp", "lookUpByQuery"}
    return [
        it for it in OPERATIONS if not it.public and (it.method == "GET" or it.id in looks) and it.tag != LIVE
    ]


async def test_no_answer_shows_a_number(masked: tuple[Callers, Path]) -> None:
    callers, _root = masked
    ids = await written_everywhere(callers)
    shown = {}
    for operation in reading():
        assert isinstance(operation.audit, Audited) or operation.audit is NO_PERSONAL_DATA
        for token in ("admin", "bot"):
            headers = {"Handoff-Tenant": callers.tenant} if token == "admin" else {}
            for path in variants(operation, ids):
                body = body_of(operation, ids)
                answer = await callers.call(operation.method, path, body, token=token, headers=headers)
                assert read(answer.raw) == [], (operation.id, path, token)
                shown.setdefault((operation.id, token), answer)
    whole = shown["exportCustomer", "admin"].raw
    assert whole.count(b"DE** **** **** **** **30 00") >= 3
    assert whole.count(b"******-****") >= 3
    context = shown["lookUp", "admin"].json
    assert "refund to DE****************3000" in str(context["brief"])


def variants(operation: Operation, ids: dict[str, str]) -> list[str]:
    path = path_of(operation, ids)
    if operation.id == "exportCustomer":
        return [path, path.replace("json", "vcon")]
    return [path]


async def test_no_stream_shows_a_number(masked: tuple[Callers, Path]) -> None:
    callers, _root = masked
    ids = await planted(callers)
    bearer = secret("desk", callers.tenant)
    topics = [f"customer:{ids['customers']}", "queue:hr", "agent:victim", "pending"]
    async with (
        asyncio.timeout(60),
        stream_of(callers, f"/v1/customers/{ids['customers']}/events", bearer) as customer,
        stream_of(callers, "/v1/queues/hr/events", bearer) as queue,
        stream_of(callers, "/v1/agents/victim/events", bearer) as agent,
        stream_of(callers, "/v1/events", bearer, {"topics": [{"topic": it} for it in topics]}) as shared,
    ):
        while (event := await shared.get())[0] != "ready":
            pass
        positions = event[1]["topics"]
        for events in (customer, queue, agent):
            assert (await events.get())[0] == "ready"
        pending = await callers.ok("GET", f"/v1/handoffs/{ids['handoffs']}")
        await callers.move(pending, "accept", agent="victim", reason=WORDS)
        await callers.record("live", text=WORDS)
        seen: list[tuple[str, Any]] = []
        while "touchpoint" not in {name for name, it in seen if "30 00" in str(it)}:
            seen.append(await customer.get())
        while "handoff.accepted" not in {name for name, _ in seen}:
            seen.append(await queue.get())
        while "context.changed" not in {name for name, _ in seen}:
            seen.append(await agent.get())
        together: dict[tuple[str, str], Any] = {}
        wanted = {("touchpoint", topics[0]), *(("handoff.accepted", it) for it in topics[1:3])}
        while not wanted <= {which for which, it in together.items() if MASKED in str(it)}:
            name, event = await shared.get()
            seen.append((name, event))
            together[name, event.get("topic", "")] = event.get("data")
        async with stream_of(callers, "/v1/events", bearer, {"topics": positions}) as resumed:
            while (event := await resumed.get())[0] != "touchpoint" or MASKED not in str(event):
                seen.append(event)
            seen.append(event)
        async with stream_of(callers, "/v1/agents/victim/events", bearer) as again:
            seen.append(await again.get())
    assert seen[-1][1]["handoffs"][0]["history"][-1]["reason"].endswith("******-****")
    assert read(msgspec.json.encode(seen)) == []
    assert "DE** **** **** **** **30 00" in str(seen)


async def test_no_message_to_subscribers_shows_a_number(
    valkey: str, subscriber: tuple[str, Subscriber]
) -> None:
    hook, receiver = subscriber
    tenant, other = fresh_tenant(), fresh_tenant()
    local = {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
    webhooks = [
        {"url": hook, "tenant": tenant, "types": ["handoff.*", "message.*"], "include": "context", **local}
    ]
    chat = {"name": "zendesk", "adapter": "chat.chatwoot", "allow_unsigned": True, "tenant": tenant}
    async with zendesk() as desktop:
        notes = {
            "name": "notes",
            "kind": "zendesk.comment",
            "source": "zendesk",
            "user": AGENT,
            "token": TOKEN,
        }
        connectors = [{**notes, "tenant": tenant, "url": desktop.url, **local}]
        chosen = settings(
            valkey, tenant, other, None, webhooks=webhooks, connectors=connectors, sources=[chat]
        )
        async with serving.in_process(chosen) as (server, session):
            callers = Callers(server, session, tenant, other)
            await callers.record("m1", text=f"Please refund me to {NUMBERS[0]}: {WORDS}")
            await callers.hand_over("user:anna", "hr", WORDS, context={"note": WORDS, TICKET: 5})
            await until(lambda: desktop.notes)
            bodies = receiver.bodies
            await until(lambda: any(b"handoff.requested" in it and b'"included"' in it for it in bodies))
            await until(lambda: any(b"message.received" in it for it in bodies))
    (note,) = desktop.notes
    assert read(str(note).encode()) == []
    assert "DE****************3000" in note["body"]
    sent = b"\n".join(receiver.bodies)
    assert read(sent) == []
    assert sent.count(b"DE** **** **** **** **30 00") >= 4


async def test_revealing_is_a_call_with_a_reason_in_the_audit_trail(masked: tuple[Callers, Path]) -> None:
    callers, root = masked
    (id_,) = (await callers.record("m1", text=WORDS))["ids"]
    plain = await callers.ok("GET", f"/v1/touchpoints/{id_}", token="bank")
    assert read(plain["text"].encode()) == []
    path = f"/v1/touchpoints/{id_}/reveal"
    answer = await callers.post(path, {"reason": "refund, ticket 4711"}, token="bank")
    assert (answer.status, answer.json["text"]) == (200, WORDS)
    entry = entries(root)[-1]
    assert (entry["action"], entry["resource"], entry["outcome"]) == (
        "revealTouchpoint",
        f"touchpoint:{id_}",
        "ok",
    )
    assert (entry["reason"], entry["agent"], len(entry["customers"])) == ("refund, ticket 4711", "mia", 1)
    again = await callers.ok("GET", f"/v1/touchpoints/{id_}", token="bank")
    assert again == plain


@pytest.mark.parametrize(
    ("token", "body", "status", "code"),
    [
        ("desk", {"reason": "x"}, 403, "missing_scope"),
        ("bank-bot", {"reason": "x"}, 403, "limited_token"),
        ("bank-sales", {"reason": "x"}, 404, "not_found"),
        ("elsewhere", {"reason": "x"}, 403, "missing_scope"),
        ("bank", {"reason": " "}, 422, "invalid"),
        ("bank", {"reason": "x" * 201}, 422, "invalid"),
        ("bank", {"reason": "two\nlines"}, 422, "invalid"),
        ("bank", {}, 422, "invalid"),
    ],
)
async def test_revealing_is_refused(
    masked: tuple[Callers, Path], token: str, body: Any, status: int, code: str
) -> None:
    callers, root = masked
    (id_,) = (await callers.record("m1", text=WORDS))["ids"]
    answer = await callers.post(f"/v1/touchpoints/{id_}/reveal", body, token=token)
    assert (answer.status, answer.code) == (status, code), answer.raw
    assert read(answer.raw) == []
    assert entries(root)[-1]["outcome"] == code


@pytest.mark.parametrize("format_", ["json", "vcon"])
async def test_an_export_for_the_customer_reveals_with_a_reason(
    masked: tuple[Callers, Path], format_: str
) -> None:
    callers, root = masked
    await callers.record("m1", text=WORDS)
    customer = (await callers.context())["customer"]["id"]
    path = f"/v1/customers/{customer}/export?format={format_}"
    assert read((await callers.get(path, token="bank")).raw) == []
    reason = {"Handoff-Reason": "access request 12"}
    answer = await callers.get(f"{path}&reveal=true", token="bank", headers=reason)
    assert WORDS in str(answer.json)
    entry = entries(root)[-1]
    assert (entry["action"], entry["outcome"]) == ("exportCustomer", "revealed")
    assert (entry["reason"], entry["customers"]) == ("access request 12", [customer])
    for token, headers, code in (
        ("bank", {}, "invalid_parameter"),
        ("desk", reason, "missing_scope"),
        ("bank-bot", reason, "limited_token"),
    ):
        refused = await callers.get(f"{path}&reveal=true", token=token, headers=headers)
        assert refused.code == code
        assert entries(root)[-1]["outcome"] == code


async def test_without_an_audit_trail_nothing_is_revealed(valkey: str) -> None:
    tenant, other = fresh_tenant(), fresh_tenant()
    async with serving.in_process(settings(valkey, tenant, other, None)) as (server, session):
        callers = Callers(server, session, tenant, other)
        (id_,) = (await callers.record("m1", text=WORDS))["ids"]
        customer = (await callers.context())["customer"]["id"]
        reason = {"Handoff-Reason": "x"}
        answers = [
            await callers.post(f"/v1/touchpoints/{id_}/reveal", {"reason": "x"}, token="bank"),
            await callers.get(f"/v1/customers/{customer}/export?reveal=true", token="bank", headers=reason),
        ]
    assert [(it.status, it.code) for it in answers] == [(409, "audit_off")] * 2


async def test_a_pinned_context_with_a_number_comes_without_its_hash(
    masked: tuple[Callers, Path],
) -> None:
    callers, _root = masked
    await callers.record("m1", text="nothing")
    plain = await callers.hand_over("user:anna", "hr", "x")
    answer = await callers.get(f"/v1/handoffs/{plain['id']}/snapshot")
    assert answer.headers["Handoff-Sha256"] == plain["snapshots"][0]["sha256"]
    await callers.record("m2", identities=["user:otto"], text=WORDS)
    masking = await callers.hand_over("user:otto", "hr", "x")
    answer = await callers.get(f"/v1/handoffs/{masking['id']}/snapshot")
    assert "Handoff-Sha256" not in answer.headers
    assert "Etag" not in answer.headers
    assert read(answer.raw) == []


async def test_a_cached_context_does_not_outlive_the_configuration(masked: tuple[Callers, Path]) -> None:
    callers, _root = masked
    await callers.record("m1", text=WORDS)
    path = "/v1/context?identity=user:anna"
    first = await callers.get(path)
    store = callers.server.store
    store.masking.replace({})
    shown = await callers.get(path, headers={"If-None-Match": first.headers["Etag"]})
    assert (shown.status, read(shown.raw) != []) == (200, True)
    store.masking.replace(masked_kinds(settings("", callers.tenant, "x", None).privacy.masking))
    again = await callers.get(path, headers={"If-None-Match": shown.headers["Etag"]})
    assert (again.status, again.raw) == (200, first.raw)
    assert (await callers.get(path, headers={"If-None-Match": first.headers["Etag"]})).status == 304


async def test_a_conflict_shows_the_current_state_without_numbers(masked: tuple[Callers, Path]) -> None:
    callers, _root = masked
    await callers.record("m1")
    handoff = await callers.hand_over("user:anna", "hr", WORDS, context={"note": WORDS})
    body = {"version": 9, "agent": "mia"}
    stale = await callers.post(f"/v1/handoffs/{handoff['id']}/accept", body)
    again = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "another"}
    pending = await callers.post("/v1/handoffs", again)
    assert [stale.code, pending.code] == ["stale_version", "handoff_pending"]
    for answer in (stale, pending):
        assert "30 00" in answer.json["current"]["reason"]
        assert read(answer.raw) == []


def test_a_misspelt_tenant_or_kind_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="unknown tenant 'shopp'"):
        check_masking([MaskingRule(tenant="shopp")], ["shop"])
    for wrong in ([{"kinds": ["ibans"]}], [{"kinds": []}], [{}, {"kinds": ["iban"]}], [{"kind": "iban"}]):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"masking": wrong}, PrivacySettings)


async def test_a_stored_answer_is_masked_when_it_is_repeated(masked: tuple[Callers, Path]) -> None:
    callers, _root = masked
    await callers.record("m1")
    body = {"identity": "user:anna", "to": {"queue": "hr"}, "reason": WORDS}
    for _ in range(2):
        answer = await callers.post("/v1/handoffs", body, headers={"Idempotency-Key": "k"})
        assert answer.status == 201
        assert read(answer.raw) == []
