"""The configuration is read again without a restart: streams stay, and a mistake changes nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession

from handoff.bootstrap.settings import Settings
from handoff.domain.errors import ConfigurationError
from tests import serving
from tests.access.conftest import WORK, Callers, settings, stream_of
from tests.api.conftest import SECRET, message, secret
from tests.api.test_access import shop_headers
from tests.conftest import fresh_tenant
from tests.e2e.agents import free_port
from tests.samples import WEEK_AGO
from tests.store.servers import valkey_binary

LATER = f"{WEEK_AGO}T10:05:00Z"


class File:
    """The configuration that the server reads next."""

    def __init__(self, chosen: Settings) -> None:
        self.chosen = chosen
        self.error: str | None = None

    def load(self) -> Settings:
        if self.error is not None:
            raise ConfigurationError(self.error)
        return self.chosen

    def change(self, **sections: Any) -> None:
        """Replace sections, given as in a file."""
        table = {
            name: msgspec.to_builtins(getattr(self.chosen, name)) for name in ("server", "store", "tokens")
        }
        table |= {"sources": self.chosen.sources, **sections}
        self.chosen = msgspec.convert(table, Settings)


@asynccontextmanager
async def reloadable(valkey: str) -> AsyncIterator[tuple[Callers, File]]:
    tenant, other = fresh_tenant(), fresh_tenant()
    file = File(settings(valkey, tenant, other))
    async with serving.in_process(file.chosen, load=file.load) as (server, session):
        yield Callers(server, session, tenant, other), file


async def reload(callers: Callers) -> Any:
    return await callers.ok("POST", "/v1/configuration/reload", token="admin")


async def test_tenants_tokens_and_sources_are_added_while_streams_stay(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        await callers.record("hello")
        new = fresh_tenant()
        tokens = [msgspec.to_builtins(it) for it in file.chosen.tokens]
        added = {**serving.token("new", callers.tenant, *WORK), "tenant": new}
        source = {
            "name": f"shop-{new}",
            "adapter": "web.segment",
            "tenant": new,
            "secrets": [SECRET],
            "trust": "server",
        }
        async with stream_of(callers, "/v1/queues/sales/events", secret("desk", callers.tenant)) as events:
            assert (await events.get())[0] == "ready"
            assert (await callers.get("/v1/handoffs", token="new")).status == 401
            file.change(tokens=[*tokens, added], sources=[*file.chosen.sources, source])
            result = await reload(callers)
            assert (result["tenants"], result["sources"], result["needs_restart"]) == ([new], 1, [])
            body = b'{"messageId":"m1","userId":"anna","event":"Search","type":"track","properties":{}}'
            sent = await callers.post(
                f"/in/shop-{new}/v1/track", data=body, token=None, headers=shop_headers()
            )
            assert sent.status == 200, sent.raw
            found = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="new")
            assert found["match"] == "one"
            await callers.ok(
                "POST", "/v1/handoffs", {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x"}
            )
            assert (await asyncio.wait_for(events.get(), 20))[0] == "handoff.requested"


async def test_due_times_follow_the_business_day(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        yesterday = datetime.now(UTC) - timedelta(days=1)
        await callers.record(
            "promise",
            type="message.sent",
            text="I will call you on Friday.",
            actor={"type": "agent", "name": "Mia"},
            occurred_at=yesterday.isoformat(),
        )

        async def due() -> str:
            found = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]})
            (line,) = [it for it in found["brief"]["promised"] if it["code"] == "promise_candidate"]
            return str(line["params"]["due"][11:16])

        assert await due() == "17:00"
        file.change(business={"time_zone": "Asia/Tokyo", "day_ends": "18:30"})
        assert (await reload(callers))["needs_restart"] == []
        assert await due() == "09:30"


async def test_completeness_follows_the_sources(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        await callers.record("hello")
        source = {
            "name": f"late-{callers.tenant}",
            "adapter": "web.segment",
            "tenant": callers.tenant,
            "secrets": [SECRET],
            "trust": "server",
        }
        tokens = [msgspec.to_builtins(it) for it in file.chosen.tokens]
        file.change(tokens=tokens, sources=[*file.chosen.sources, source])
        await reload(callers)
        found = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]})
        assert source["name"] in {it["name"] for it in found["completeness"]["sources"]}
        file.change(tokens=tokens, sources=[])
        await reload(callers)
        found = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]})
        assert source["name"] not in {it["name"] for it in found["completeness"]["sources"]}


async def test_patterns_of_what_is_masked_are_replaced(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        await callers.record("before", text="LC12345678")
        file.change(
            tokens=[msgspec.to_builtins(it) for it in file.chosen.tokens],
            redaction=[{"name": "loyalty", "pattern": "LC[0-9]{8}", "tenant": callers.tenant}],
        )
        assert (await reload(callers))["needs_restart"] == []
        await callers.record("after", text="LC12345678")
        found = await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]})
        assert sorted(it["text"] for it in found["timeline"]["touchpoints"]) == ["**********", "LC12345678"]


async def test_contexts_follow_the_new_declarations_of_sources_at_once(valkey: str) -> None:
    """The worker remembers signals, stories, and contexts by the declarations before."""
    async with reloadable(valkey) as (callers, file):
        name = f"shop-{callers.tenant}"
        await callers.record("asked", text="Where is my order A-17?")
        await callers.record(
            "sent", type="message.sent", source=name, text="It arrives on Friday.", occurred_at=LATER
        )
        lookup = {"identities": ["user:anna"]}
        assert (await callers.ok("POST", "/v1/context", lookup))["brief"]["answered"]
        source = {"name": name, "adapter": "web.segment", "tenant": callers.tenant, "secrets": [SECRET]}
        file.change(
            tokens=[msgspec.to_builtins(it) for it in file.chosen.tokens],
            sources=[*file.chosen.sources, {**source, "outbound": "bot"}],
        )
        await reload(callers)
        assert not (await callers.ok("POST", "/v1/context", lookup))["brief"]["answered"]


async def test_a_removed_token_is_refused_on_every_path_and_its_stream_ends(valkey: str) -> None:
    """The fast path caches the heads of requests, and with them whose they are."""
    async with reloadable(valkey) as (callers, file):
        for number in range(3):
            await callers.record(f"e{number}")
        async with stream_of(callers, "/v1/queues/sales/events", secret("desk", callers.tenant)) as events:
            assert (await events.get())[0] == "ready"
            left = [msgspec.to_builtins(it) for it in file.chosen.tokens if it.name != "desk"]
            file.change(tokens=left)
            await reload(callers)
            assert (await asyncio.wait_for(events.get(), 10))[0] == "session_ended"
        assert (await callers.post("/v1/touchpoints", message("late"))).status == 401
        assert (await callers.get("/v1/handoffs")).status == 401


async def test_a_reload_that_fails_changes_nothing(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        tokens = [msgspec.to_builtins(it) for it in file.chosen.tokens]
        before = file.chosen
        broken: list[dict[str, Any]] = [
            {"sources": [{"name": "x", "adapter": "web.nothing"}], "tokens": tokens[1:]},
            {"redaction": [{"name": "x", "pattern": "("}], "tokens": tokens[1:]},
            {"webhooks": [{"url": "http://insecure.example.com/"}], "tokens": tokens[1:]},
            {"tokens": [*tokens[1:], {**tokens[1], "name": "twin", "secret": serving.ADMIN}]},
        ]
        for sections in broken:
            file.change(**sections)
            answer = await callers.post("/v1/configuration/reload", token="admin")
            assert (answer.status, answer.code) == (422, "configuration"), answer.raw
            file.chosen = before
            assert (await callers.get("/v1/handoffs")).status == 200, "the token is still known"
        file.error = "handoff.toml is not valid TOML"
        answer = await callers.post("/v1/configuration/reload", token="admin")
        assert (answer.status, answer.json["detail"]) == (422, file.error)
        assert (await callers.get("/v1/handoffs")).status == 200


async def test_sections_that_need_a_restart_are_named(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        server = {**msgspec.to_builtins(file.chosen.server), "public_url": "https://new.example.com"}
        mail: dict[str, Any] = {
            "name": "mail",
            "adapter": "email.smtp",
            "listen": "127.0.0.1:0",
            "recipients": ["@x.example"],
        }
        file.change(server=server, sources=[*file.chosen.sources, mail], limits={"tenant_per_s": 7})
        assert (await reload(callers))["needs_restart"] == ["server", "limits", "sources"]


async def test_privacy_settings_take_effect(valkey: str) -> None:
    async with reloadable(valkey) as (callers, file):
        site = callers.server.site
        privacy = {"backup_days": 30, "sweep_every_s": 60, "require_consent": {"export": "portability"}}
        file.change(privacy=privacy)
        assert (await reload(callers))["needs_restart"] == []
        assert (site.privacy.backup_days, site.privacy.sweep_every_s) == (30, 60)


async def test_without_a_file_there_is_nothing_to_read(callers: Callers) -> None:
    answer = await callers.post("/v1/configuration/reload", token="admin")
    assert (answer.status, answer.code) == (409, "not_reloadable")


async def test_protected_metrics_need_a_token(valkey: str) -> None:
    tenant = fresh_tenant()
    chosen = serving.settings_for(
        valkey, [serving.token("ops", tenant, "operate"), serving.token("none", tenant)]
    )
    guarded = msgspec.structs.replace(
        chosen, server=msgspec.structs.replace(chosen.server, protect_metrics=True)
    )
    async with serving.in_process(guarded) as (server, session):
        callers = Callers(server, session, tenant, tenant)
        assert [
            (await callers.get("/metrics", token=token)).status for token in (None, "none", "ops", "admin")
        ] == [401, 403, 200, 200]


async def test_a_signal_reaches_every_worker(tmp_path: Path) -> None:
    valkey_binary()
    port = free_port()

    def write(*names: str) -> Path:
        lines = ["[server]", f"port = {port}", "workers = 2"]
        for name in names:
            lines += ["[[tokens]]", f'name = "{name}"', 'scopes = ["context:read"]']
            lines += [f'secret = "the-secret-of-{name}"']
        path = tmp_path / "handoff.toml"
        path.write_text("\n".join(lines))
        return path

    config = write("desk")
    arguments = ("--config", str(config), "--data", str(tmp_path / "data"))

    async def status(session: ClientSession) -> int:
        """Of a new connection, which either worker may get."""
        headers = {"Authorization": "Bearer the-secret-of-new", "Connection": "close"}
        url = f"http://127.0.0.1:{port}/v1/context?identity=user:x"
        async with session.get(url, headers=headers) as response:
            return response.status

    with serving.process(tmp_path / "log", *arguments, HANDOFF_LOG_LEVEL="info") as server:
        async with ClientSession() as session, asyncio.timeout(60):
            for _ in range(1000):
                if (tmp_path / "log").read_text().count("handoff listens") == 2:
                    break
                await asyncio.sleep(0.05)
            assert await status(session) == 401
            write("desk", "new")
            while (tmp_path / "log").read_text().count("configuration_reloaded") < 2:
                server.send_signal(signal.SIGHUP)  # a worker that is not ready yet reads it at its start
                await asyncio.sleep(0.5)
            assert {await status(session) for _ in range(12)} == {200}
