"""An erased customer is gone from everywhere, and nothing brings them back."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.adapter.trial import inbound_request
from handoff.domain.identity import parse_identity
from handoff.services.admission.limits import LimitSettings
from handoff.services.privacy.settings import PrivacySettings
from handoff.services.sources.quarantine import Quarantine, Rejected
from tests import serving
from tests.api.conftest import Api, settings_for
from tests.api.test_inbound import send, track
from tests.conftest import fresh_tenant

from .conftest import erase, everything

EMAIL = "canary.karlsson@example.org"
PHONE = "+358401239876"
CLAIMED = "+358408887766"
WORDS = "my canary sings in the kitchen"


async def customer_of(api: Api, identity: str) -> str:
    found = await api.context(identity)
    return str(found["customer"]["id"])


async def live(api: Api) -> str:
    """A customer with something of every kind; returns the id."""
    who: list[Any] = [
        {"type": "email", "value": EMAIL, "assurance": "verified"},
        {"type": "phone", "value": PHONE, "assurance": "verified"},
        {"type": "phone", "value": CLAIMED},
    ]
    await api.record("m1", identities=who, text=WORDS, thread="one", channel="chat")
    mail = {"channel": "email", "type": "email.received", "text": f"call me at {PHONE}"}
    await api.record("m2", identities=[who[0]], **mail)
    guest = {"type": "email", "value": EMAIL, "role": "cc"}
    await api.record("m3", identities=["user:otto"], text="hello", participants=[guest])
    customer = await customer_of(api, f"email:{EMAIL}")
    wanted = {
        "customer_id": customer,
        "from": {"channel": "chat", "party": "bot"},
        "to": {"queue": "sales"},
        "reason": WORDS,
        "context": {"note": WORDS},
    }
    await api.ok("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "k1"})
    back = {"phone": PHONE, "identity": f"email:{EMAIL}", "reason": WORDS}
    await api.ok("POST", "/v1/callbacks", back)
    return customer


async def test_nothing_of_an_erased_customer_is_left(api: Api) -> None:
    customer = await live(api)
    before = b"\0".join(await everything(api)).lower()
    assert EMAIL.encode() in before
    assert b"canary sings" in before
    view = await erase(api, customer)
    assert view["receipt"]["counts"] == {
        "identities": 2,
        "touchpoints": view["receipt"]["counts"]["touchpoints"],
        "handoffs": 1,
        "snapshots": 1,
        "callbacks": 1,
    }
    assert view["receipt"]["counts"]["touchpoints"] >= 2
    left = b"\0".join(await everything(api)).lower()
    for trace in (EMAIL, PHONE, PHONE[1:], CLAIMED, "canary sings"):
        assert trace.encode() not in left, trace


async def test_an_erased_customer_answers_410(api: Api) -> None:
    customer = await live(api)
    await erase(api, customer)
    for path in ("context", "timeline", "export", "links"):
        answer = await api.call("GET", f"/v1/customers/{customer}/{path}", token="officer")
        assert (answer.status, answer.code) == (410, "customer_erased"), path
    assert (await api.context(f"email:{EMAIL}"))["match"] == "none"
    assert (await api.call("DELETE", f"/v1/customers/{customer}", token="officer")).status == 410


async def test_the_handoff_is_withdrawn_and_blank(api: Api) -> None:
    customer = await live(api)
    await erase(api, customer)
    page = await api.ok("GET", "/v1/handoffs")
    (handoff,) = page["handoffs"]
    assert handoff["state"] == "withdrawn"
    assert WORDS not in str(handoff)
    answer = await api.call("GET", f"/v1/handoffs/{handoff['id']}/snapshot")
    assert answer.status == 404
    callbacks = await api.ok("GET", "/v1/callbacks")
    assert [(it["state"], it["phone"]) for it in callbacks["callbacks"]] == [("cancelled", "[erased]")]


async def test_late_events_bring_nothing_back_and_new_ones_begin_a_history(api: Api) -> None:
    customer = await live(api)
    await erase(api, customer)
    late = await api.record("late", identities=[f"email:{EMAIL}"], occurred_at="2026-11-20T10:00:00Z")
    assert (late["accepted"], late["duplicates"]) == (0, 1)
    again = await api.record("m1", identities=[f"email:{EMAIL}"], occurred_at="2099-01-01T00:00:00Z")
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert (await api.context(f"email:{EMAIL}"))["match"] == "none"
    await api.record("other", identities=["user:otto", f"email:{EMAIL}"], occurred_at="2026-11-20T10:00:00Z")
    assert (await api.context(f"phone:{PHONE}"))["match"] == "none"
    await api.record("new", identities=[f"email:{EMAIL}"], occurred_at="2099-01-01T00:00:00Z")
    found = await api.context(f"email:{EMAIL}")
    assert [it["text"] for it in found["timeline"]["touchpoints"]] == ["text of new"]


async def test_one_identity_of_several_is_erased_alone(api: Api) -> None:
    customer = await live(api)
    view = await erase(api, customer, identity=f"phone:{PHONE}")
    assert view["identities"] == 1
    found = await api.context(f"email:{EMAIL}")
    assert found["match"] == "one"
    assert f"phone:{PHONE}" not in str(found["customer"])


async def test_a_card_number_in_the_reason_is_masked(api: Api) -> None:
    view = await erase(api, await live(api), reason="wrote 4111 1111 1111 1111")
    assert view["reason"].startswith("wrote ")
    assert "4111" not in view["reason"].removesuffix("1111")


@pytest.mark.parametrize("token", ["desk", "bot", "nothing"])
async def test_erasing_needs_its_own_scope(api: Api, token: str) -> None:
    customer = await live(api)
    answer = await api.call("DELETE", f"/v1/customers/{customer}", token=token)
    assert answer.status == 403
    assert (await api.context(f"email:{EMAIL}"))["match"] == "one"


async def test_the_receipt_names_the_day_when_the_last_backup_is_gone(valkey: str, tmp_path: Path) -> None:
    """A backup that is made between the request and the end of the job still has the customer."""
    tenant = fresh_tenant()
    plain = settings_for(valkey, tenant, fresh_tenant(), data_dir=str(tmp_path))
    settings = msgspec.structs.replace(plain, privacy=PrivacySettings(backup_days=30))
    async with serving.in_process(settings) as (server, session):
        api = Api(server, session, tenant, tenant)
        await api.record("e1")
        view = await erase(api, (await api.context())["customer"]["id"])
        receipt = view["receipt"]
        completed = datetime.fromisoformat(receipt["completed_at"])
        assert datetime.fromisoformat(receipt["backups_forget_at"]) == completed + timedelta(days=31)
        assert completed > datetime.fromisoformat(view["erased_at"])


async def test_checkpoints_of_the_customer_are_gone(api: Api) -> None:
    """A checkpoint has what a look derived; it is at one of the identities, erased alone or not."""
    customer = await live(api)
    store = api.server.store
    names = (f"email:{EMAIL}", f"phone:{PHONE}")
    homes = [store.hashes(api.tenant).identity(parse_identity(it)) for it in names]
    for home in homes:
        await store.checkpoints.put(home, b"a derived history", 1_800_000_000)
    await erase(api, customer, identity=f"phone:{PHONE}")
    for home in homes:
        assert await store.connection.call(b"EXISTS", store.keys.checkpoint(home)) == 0


async def test_an_erasure_leaves_no_hash_of_the_person_beside_quarantined_items(api: Api) -> None:
    hashes, session = api.server.store.hashes(api.tenant), {"context": {"sessionId": 77}}
    mail = {"type": "email", "value": EMAIL, "assurance": "verified"}
    await api.record("m1", identities=["user:k-77412", mail])
    await send(api, track("1", userId="k-77412", **session))
    escaped = EMAIL.replace("@", "\\u0040")  # which a search for the address does not find
    await send(api, raw=b'{"batch": [{"traits": {"email": "%s"}}' % escaped.encode())
    await send(api, {"type": "track", **session})
    assert (await api.ok("GET", "/v1/quarantine"))["total"] == 2
    people = [hashes.identity(parse_identity(it)) for it in ("user:k-77412", f"email:{EMAIL}")]
    named = [b"h" + it[:8] for it in (*people, hashes.thread("segment", "77"))]
    before = b"\0".join(await everything(api))
    assert [it in before for it in named] == [False, True, True]
    await erase(api, await customer_of(api, "user:k-77412"))
    after = b"\0".join(await everything(api))
    assert not any(it in after for it in named)
    (left,) = (await api.ok("GET", "/v1/quarantine"))["items"]  # it names only the session
    assert left["code"] == "missing_event"


async def test_an_erasure_deletes_a_quarantined_item_whose_headers_name_the_person(api: Api) -> None:
    address = "only.in.headers@example.org"
    await api.record("m1", identities=[{"type": "email", "value": address, "assurance": "verified"}])
    kept = Quarantine(api.server.store, LimitSettings())
    for sender in (address, "otto@example.org"):
        await kept.keep(
            api.tenant,
            "shop",
            inbound_request(method="SMTP", body=b"unreadable"),
            [Rejected(code="not_mail", detail="unreadable", item=b"unreadable")],
            (("mail-from", sender),),
        )
    await erase(api, await customer_of(api, f"email:{address}"))
    assert address.encode() not in b"\0".join(await everything(api)).lower()
    (left,) = (await api.ok("GET", "/v1/quarantine"))["items"]
    content = await api.ok("GET", f"/v1/quarantine/{left['id']}")
    assert content["headers"] == [["mail-from", "otto@example.org"]]
