"""A source of `generic.webhook` on a running server, with the library of Standard Webhooks as the sender."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from handoff.bootstrap.settings import Settings
from handoff.domain.errors import ConfigurationError
from tests import serving
from tests.api.conftest import WORK, Answer, Api
from tests.conftest import fresh_tenant

KEY = "whsec_" + base64.b64encode(b"a key of the ticket system").decode()
TEXT = "The parcel A-1042 arrived empty. Please call me."
ANNA = "email:anna@example.com"


def settings(url: str, tenant: str, **changes: Any) -> Settings:
    mapping = {
        "items": "tickets",
        "id": "number",
        "type": "kind",
        "types": {"ticket.created": "message.received"},
        "text": "text",
        "identities": [{"type": "email", "value": "who.mail"}],
    }
    source = {
        "name": f"tickets-{tenant}",
        "adapter": "generic.webhook",
        "tenant": tenant,
        "channel": "web",
        "secrets": [KEY],
        "signature": {"scheme": "standard"},
        "mapping": mapping | changes.pop("mapping", {}),
    }
    tokens = [serving.token("desk", tenant, *WORK)]
    return serving.settings_for(url, tokens, sources=[source | changes])


async def send(api: Api, *tickets: dict[str, Any], key: str = KEY, id_: str = "msg_1") -> Answer:
    """One delivery, signed now."""
    body = msgspec.json.encode({"tickets": tickets})
    now = datetime.now(UTC)
    headers = {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(key).sign(id_, now, body.decode()),
    }
    return await api.post(f"/in/tickets-{api.tenant}", data=body, token=None, headers=headers)


def ticket(number: int, **changes: Any) -> dict[str, Any]:
    return {"number": number, "kind": "ticket.created", "text": TEXT, "who": {"mail": ANNA[6:]}, **changes}


async def test_deliveries_are_stored_once_and_a_mended_mapping_reads_what_was_kept(valkey: str) -> None:
    tenant = fresh_tenant()
    chosen = [settings(valkey, tenant)]
    async with serving.in_process(chosen[0], load=lambda: chosen[-1]) as (server, session):
        api = Api(server, session, tenant, tenant)
        foreign = "whsec_" + base64.b64encode(b"a key of somebody else").decode()
        answer = await send(api, ticket(1), key=foreign)
        assert (answer.status, answer.code) == (401, "signature_refused")

        for _ in range(2):
            assert (await send(api, ticket(1))).status == 200
        context = await api.context(ANNA)
        assert context["timeline"]["total"] == 1
        assert TEXT in str(context["brief"])

        bare = ticket(2, who=None, mail=ANNA[6:], text="It is the second one.")
        assert (await send(api, bare, ticket(3), id_="msg_2")).status == 200
        (item,) = (await api.ok("GET", "/v1/quarantine"))["items"]
        assert item["code"] == "no_identity"
        assert (await api.context(ANNA))["timeline"]["total"] == 2

        chosen.append(settings(valkey, tenant, channel="webb"))
        refused = await api.post("/v1/configuration/reload", token="admin")
        assert "`channel` is 'webb'; known channels are chat, email, phone, web" in refused.json["detail"]

        either = [{"type": "email", "value": "who.mail || mail"}]
        chosen.append(settings(valkey, tenant, mapping={"identities": either}))
        await api.ok("POST", "/v1/configuration/reload", token="admin")
        done = await api.ok("POST", "/v1/quarantine/replay", {"ids": [item["id"]]})
        assert (done["accepted"], done["failed"]) == (1, [])
        texts = [it["text"] for it in (await api.context(ANNA))["timeline"]["touchpoints"]]
        assert sorted(texts) == sorted([TEXT, TEXT, "It is the second one."])


async def test_a_server_with_an_unknown_channel_does_not_start(valkey: str) -> None:
    with pytest.raises(ConfigurationError, match="`channel` is 'kiosk'"):
        async with serving.in_process(settings(valkey, fresh_tenant(), channel="kiosk")):
            pass
