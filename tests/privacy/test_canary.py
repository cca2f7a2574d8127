"""A canary goes in by every way and into every error path. After its erasure it is nowhere."""

from __future__ import annotations

import asyncio
import base64
import io
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.api.conftest import ADMIN, SECRET, served
from tests.store.servers import valkey_binary

from .conftest import Api, erase, everything
from .test_interrupted import traces

EMAIL = "canary.karlsson@example.org"
PHONE = "+358401239876"
WRITTEN = "040 123 9876"
USER = "canary-karlsson"
WORDS = "my canary sings in the kitchen"
TRACES = (EMAIL, EMAIL.replace("@", "%40"), PHONE, PHONE[1:], WRITTEN, USER, "canary")
IDENTITIES: list[Any] = [
    {"type": "user", "value": USER},
    {"type": "email", "value": EMAIL, "assurance": "verified"},
    {"type": "phone", "value": PHONE, "assurance": "verified"},
]


@pytest.fixture
async def embedded(tmp_path: Path) -> AsyncIterator[Api]:
    valkey_binary()
    async with served(None, data_dir=str(tmp_path / "data")) as client:
        yield client


async def segment(api: Api, raw: bytes) -> int:
    token = base64.b64encode(f"{SECRET}:".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    answer = await api.post("/in/shop/v1/batch", data=io.BytesIO(raw), token=None, headers=headers)
    return answer.status


async def subscribe(api: Api) -> str:
    """A subscription to everything, whose subscriber is gone."""
    body = {
        "url": "http://127.0.0.1:1029/hook",
        "types": ["*"],
        "allow_insecure": True,
        "allow_networks": ["127.0.0.0/8"],
    }
    headers = {"Authorization": f"Bearer {ADMIN}", "Handoff-Tenant": api.tenant}
    return str((await api.ok("POST", "/v1/webhooks", body, headers=headers))["id"])


async def by_touchpoints(api: Api) -> None:
    """Native, NDJSON, CloudEvents, and a vendor's delivery."""
    await api.record("m1", identities=IDENTITIES, text=WORDS, thread="one", subject=WORDS)
    transcript = {"of": "m1", "kind": "transcript", "by": "tests"}
    await api.record("d1", type="text.derived", identities=IDENTITIES, text=WORDS, data=transcript)
    line = {"id": "n1", "channel": "email", "type": "email.received", "text": WORDS, "identities": [USER]}
    line |= {"occurred_at": "2026-11-21T10:00:00Z", "identities": [f"user:{USER}"]}
    ndjson = {"Content-Type": "application/x-ndjson"}
    raw = msgspec.json.encode(line) + b"\n"
    assert (await api.call("POST", "/v1/touchpoints", data=raw, headers=ndjson)).status == 200
    event = {
        "specversion": "1.0",
        "id": "c1",
        "source": "/crm",
        "type": "message.received",
        "time": "2026-11-21T10:00:00Z",
        "data": {"channel": "chat", "identities": [f"user:{USER}"], "text": WORDS},
    }
    cloud = {"Content-Type": "application/cloudevents+json"}
    raw = msgspec.json.encode(event)
    await api.call("POST", "/v1/touchpoints", data=raw, headers=cloud)
    track = {"type": "track", "messageId": "s1", "userId": USER, "event": WORDS, "properties": {"x": EMAIL}}
    assert await segment(api, msgspec.json.encode({"batch": [track]})) == 200
    guest = {"type": "email", "value": EMAIL, "role": "cc"}
    await api.record("m3", identities=["user:otto"], text="hello", participants=[guest])
    await api.record("m4", identities=["user:otto", {"type": "phone", "value": PHONE}], data={"x": "y"})


async def by_errors(api: Api) -> None:
    """Quarantine, in several spellings, and refused requests."""
    for at, name in enumerate((EMAIL, PHONE, WRITTEN, USER)):
        broken = {"type": "track", "messageId": f"q{at}", "properties": name}
        await segment(api, msgspec.json.encode({"batch": [broken]}))
    await segment(api, b'{"batch": [{"type": "track", "userId": "' + USER.encode() + b'"')
    items = (await api.ok("GET", "/v1/quarantine"))["items"]
    assert len(items) >= 4
    wrong = {"id": "w1", "channel": "chat", "type": "no.such", "identities": IDENTITIES, "text": WORDS}
    headers = {"Idempotency-Key": "wrong"}
    assert (await api.call("POST", "/v1/touchpoints", wrong, headers=headers)).status == 422


async def by_work(api: Api, customer: str) -> str:
    """Handoffs with hops and fallback, callbacks, links; the last handoff."""
    wanted: dict[str, Any] = {
        "customer_id": customer,
        "from": {"channel": "chat", "party": "bot"},
        "to": {"queue": "sales"},
        "reason": f"{WORDS} {PHONE}",
        "context": {"note": WORDS},
        "fallback": [{"queue": "backup"}],
    }
    first = await api.ok("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "k1"})
    moved = {"version": first["version"], "agent": "ville"}
    first = await api.ok("POST", f"/v1/handoffs/{first['id']}/accept", moved)
    second = await api.ok("POST", "/v1/handoffs", wanted | {"reason": f"again {EMAIL}"})
    back = {"phone": PHONE, "identity": f"user:{USER}", "reason": WORDS}
    await api.ok("POST", "/v1/callbacks", back, headers={"Idempotency-Key": "k2"})
    return str(second["id"])


async def queued(api: Api, subscription: str) -> None:
    """Wait until messages about the customer wait for the subscriber."""
    headers = {"Authorization": f"Bearer {ADMIN}", "Handoff-Tenant": api.tenant}
    async with asyncio.timeout(20):
        while True:
            page = await api.ok("GET", f"/v1/webhooks/{subscription}/deliveries", headers=headers)
            if len(page["deliveries"]) >= 8:
                return
            await asyncio.sleep(0.05)


async def test_a_canary_is_nowhere_after_its_erasure(
    embedded: Api, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    api = embedded
    subscription = await subscribe(api)
    await by_touchpoints(api)
    await by_errors(api)
    customer = str((await api.context(f"user:{USER}"))["customer"]["id"])
    handoff = await by_work(api, customer)
    await queued(api, subscription)
    before = b"\0".join(await everything(api)).lower()
    for trace in (EMAIL, PHONE, USER, "canary sings"):
        assert trace.encode() in before, trace
    view = await erase(api, customer, now="true")
    assert view["receipt"]["counts"]["handoffs"] == 2
    left = b"\0".join(await everything(api)).lower()
    assert [it for it in TRACES if it.encode() in left] == []
    await forgotten(tmp_path / "data")
    metrics = await api.call("GET", "/metrics")
    printed = capfd.readouterr()
    for text in (metrics.raw.decode(), printed.out, printed.err):
        assert [it for it in TRACES if it in text] == []
    assert (await api.ok("GET", f"/v1/handoffs/{handoff}"))["state"] == "withdrawn"
    # A retry of what the customer's handoff was requested with must not begin another one.
    wanted = {"customer_id": customer, "from": {"channel": "chat", "party": "bot"}, "to": {"queue": "sales"}}
    wanted |= {"reason": f"{WORDS} {PHONE}", "context": {"note": WORDS}, "fallback": [{"queue": "backup"}]}
    answer = await api.call("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "k1"})
    assert (answer.status, answer.code) == (410, "customer_erased")


async def forgotten(data: Path) -> None:
    """Wait until the rewritten log is all that is left."""
    async with asyncio.timeout(20):
        while True:
            if not await asyncio.to_thread(traces, data):
                return
            await asyncio.sleep(0.1)


async def command(*words: str) -> tuple[int, str, str]:
    """The exit status and the output of `handoff`."""
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handoff.cli",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
    )
    out, err = await running.communicate()
    return running.returncode or 0, out.decode(), err.decode()


async def test_the_command_line_erases(api: Api) -> None:
    await api.record("m1", identities=IDENTITIES)
    remote = ["--url", api.url, "--token", f"officer-{api.tenant}-token-secret"]
    status, _out, err = await command("customer", "erase", f"email:{EMAIL}", *remote)
    assert status != 0
    assert "--yes" in err
    assert (await api.context(f"email:{EMAIL}"))["match"] == "one"
    erase_it = ["customer", "erase", f"email:{EMAIL}", "--yes", "--wait", "--json"]
    status, out, _err = await command(*erase_it, *remote)
    erasure = msgspec.json.decode(out)
    assert (status, erasure["state"], erasure["receipt"]["counts"]["identities"]) == (0, "completed", 3)
    status, out, _err = await command("erasures", "show", erasure["id"], *remote)
    assert (status, erasure["receipt"]["sha256"] in out) == (0, True)
    status, out, _err = await command("erasures", "list", *remote)
    assert (status, erasure["id"] in out) == (0, True)
