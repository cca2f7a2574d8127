"""A server on a sealed store: caches forget with the key, and without its keys it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.bootstrap.server import Options
from handoff.bootstrap.settings import PrivacySettings, Settings
from handoff.domain.errors import ConfigurationError
from handoff.store.connection import Connection
from handoff.store.keys import META, WORKERS
from handoff.store.sealing.key_file import read_key_file
from handoff.store.sealing.store_keys import mark_sealed
from handoff.store.settings import StoreSettings
from tests import serving
from tests.api.conftest import Api, settings_for
from tests.conftest import fresh_tenant

from .conftest import MASTER, destroy_key, sealing
from .test_timelines import home_of


def sealed(url: str, folder: Path, tenant: str, master: str | None = MASTER) -> Settings:
    privacy = PrivacySettings(sealing=sealing(folder, master)) if master else PrivacySettings()
    plain = settings_for(url, tenant, f"{tenant}-other", data_dir=str(folder))
    return msgspec.structs.replace(plain, privacy=privacy)


@asynccontextmanager
async def served(url: str, folder: Path, tenant: str, **given: Any) -> AsyncIterator[Api]:
    async with serving.in_process(sealed(url, folder, tenant), **given) as (server, session):
        yield Api(server, session, tenant, tenant)


async def until_ready_is(api: Api, wanted: str | None) -> None:
    async with asyncio.timeout(15):
        while (await api.get("/readyz")).json.get("reason") != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_no_cache_shows_what_a_destroyed_key_sealed(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """The worker has decoded the text, remembers the customer's history, and has the context in its cache."""
    async with served(fresh_valkey, tmp_path, tenant) as api:
        for event in ("first", "second"):
            await api.record(event, text=f"words of the {event}")
        for _ in range(2):
            assert "words of the first" in json.dumps(await api.context())
        store = api.server.store
        await destroy_key(store, home_of(store, tenant))
        gone = await api.post("/v1/context", {"identities": ["user:anna"]})
        assert b"words of the" not in gone.raw
        await api.record("third", text="something new", occurred_at="2026-11-21T10:00:09Z")
        context = json.dumps(await api.context())
        assert "something new" in context
        assert "words of the" not in context
        customer = (await api.context())["customer"]["id"]
        page = await api.get(f"/v1/customers/{customer}/timeline")
        assert b"words of the" not in page.raw
        assert page.json["touchpoints"][-1]["data"] == {"name": "sealed_body"}
        assert 'handoff_sealed_unreadable_total{what="body"}' in (await api.get("/metrics")).raw.decode()


async def test_a_server_without_its_keys_does_not_start(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a")
    refused: list[tuple[Path, str | None, str]] = [
        (tmp_path, None, "the store is sealed"),
        (tmp_path, "another master key of 32 characters", "not the master key"),
        (tmp_path / "elsewhere", MASTER, "missing"),
    ]
    for folder, master, reason in refused:
        with pytest.raises(ConfigurationError, match=reason):
            async with serving.in_process(sealed(fresh_valkey, folder, tenant, master)):
                pass
    async with served(fresh_valkey, tmp_path, tenant) as api:
        assert (await api.context())["timeline"]["touchpoints"][0]["text"] == "text of a"


async def test_a_lost_key_file_is_reported_and_nothing_is_stored_in_clear(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a")
        path = tmp_path / "keys.json"
        hidden = path.rename(tmp_path / "hidden")
        await until_ready_is(api, "keys_unavailable")
        assert (await api.context())["timeline"]["total"] == 1
        hidden.rename(path)
        await until_ready_is(api, None)


async def test_a_tenant_whose_keys_are_unknown_gets_503(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """Another server began an epoch whose key this one cannot read."""
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a")
        store = api.server.store
        record = store.keys.record(home_of(store, tenant))
        key = await store.connection.call("HGET", record, "k")
        await store.connection.call("HSET", record, "k", b"\0\0\0\0" + key[4:])
        answer = await api.post("/v1/context", {"identities": ["user:anna"]})
        assert (answer.status, answer.code) == (503, "keys_unavailable")
        answer = await api.post("/v1/touchpoints", {"id": "b", **stated("user:anna")})
        assert (answer.status, answer.code) == (503, "keys_unavailable")
        await api.ok("POST", "/v1/touchpoints", {"id": "c", **stated("user:bob")})


def stated(identity: str) -> dict[str, Any]:
    common = {"channel": "chat", "type": "message.received", "occurred_at": "2026-11-21T10:00:00Z"}
    return {**common, "identities": [identity], "text": "words"}


async def test_a_store_of_an_older_format_is_sealed_after_an_upgrade(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """A release that cannot read sealed values may still be running."""
    async with serving.in_process(sealed(fresh_valkey, tmp_path, tenant, None), understood=1):
        with pytest.raises(ConfigurationError, match="handoff store upgrade"):
            async with served(fresh_valkey, tmp_path, tenant):
                pass
        assert read_key_file(tmp_path / "keys.json") is None
    async with Connection(StoreSettings(url=fresh_valkey)) as connection:
        await connection.call("HSET", META, "format", 2)
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a")
    with pytest.raises(ConfigurationError, match="understands formats up to 1"):
        async with serving.in_process(sealed(fresh_valkey, tmp_path, tenant), understood=1):
            pass
    assert Options().understood >= 2


async def test_a_store_is_not_sealed_beside_a_server_that_cannot_read_it(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with serving.in_process(sealed(fresh_valkey, tmp_path, tenant, None)) as (running, _session):
        old = b'%d 1 {"host": "desk-3", "pid": 411, "release": "0.0.1"}' % (2**42)
        await running.store.connection.call("HSET", WORKERS, "old", old)
        with pytest.raises(ConfigurationError, match=r"cannot read sealed data.*(\n|.)*host desk-3"):
            async with served(fresh_valkey, tmp_path, tenant):
                pass
        await running.store.connection.call("HDEL", WORKERS, "old")
    async with served(fresh_valkey, tmp_path, tenant) as api:
        store = api.server.store
        await store.connection.call("HSET", META, "sealing", "another key set")
        assert store.sealing is not None
        with pytest.raises(ConfigurationError, match="another key file"):
            await mark_sealed(store.connection, store.sealing)


async def test_a_server_starts_on_a_full_store(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a")
        await api.server.store.connection.call("CONFIG", "SET", "maxmemory", "1")
    async with served(fresh_valkey, tmp_path, tenant) as api:
        assert (await api.context())["timeline"]["total"] == 1
        assert (await api.get("/readyz")).json["reason"] == "out_of_memory"


@pytest.mark.parametrize(
    ("name", "refusing", "allowing", "reason"),
    [
        ("maxmemory", "1", "0", "out_of_memory"),
        ("min-replicas-to-write", "1", "0", "no_replicas"),
    ],
)
async def test_a_new_tenant_gets_its_key_once_the_store_takes_writes(
    fresh_valkey: str, tmp_path: Path, name: str, refusing: str, allowing: str, reason: str
) -> None:
    known, new = fresh_tenant(), fresh_tenant()
    both = msgspec.structs.replace(
        settings_for(fresh_valkey, new, known, data_dir=str(tmp_path)),
        privacy=PrivacySettings(sealing=sealing(tmp_path, MASTER)),
    )
    async with served(fresh_valkey, tmp_path, known) as api:
        await api.record("a")
        await api.server.store.connection.call("CONFIG", "SET", name, refusing)
    async with serving.in_process(both) as (server, session):
        api = Api(server, session, new, known)
        stored = await api.ok("POST", "/v1/context", {"identities": ["user:anna"]}, token="elsewhere")
        assert stored["timeline"]["total"] == 1, "the tenants that have a key are readable"
        await until_ready_is(api, reason)
        refused = await api.post("/v1/touchpoints", {"id": "b", **stated("user:anna")})
        assert refused.status == 503
        await server.store.connection.call("CONFIG", "SET", name, allowing)
        await until_ready_is(api, None)
        await api.record("b")
        handoff = {"identity": "user:anna", "from": {"party": "bot"}, "to": {"queue": "q"}, "reason": "r"}
        made = await api.ok("POST", "/v1/handoffs", handoff)
        assert (await api.ok("GET", f"/v1/handoffs/{made['id']}"))["reason"] == "r"


async def test_a_server_without_keys_stops_once_another_seals_the_store(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    """It would store in clear, and answer as if what the other one sealed were not there."""
    async with serving.in_process(sealed(fresh_valkey, tmp_path, tenant, None)) as (running, session):
        clear = Api(running, session, tenant, tenant)
        await clear.record("a")
        async with served(fresh_valkey, tmp_path, tenant) as other:
            await until_ready_is(clear, "keys_unavailable")
            await other.record("b")
            handoff = {"identity": "user:bob", "from": {"party": "bot"}, "to": {"queue": "q"}, "reason": "r"}
            await other.ok("POST", "/v1/touchpoints", {"id": "c", **stated("user:bob")})
            made = await other.ok("POST", "/v1/handoffs", handoff)
            for method, path, body in (
                ("POST", "/v1/touchpoints", {"id": "d", **stated("user:anna")}),
                ("POST", "/v1/touchpoints", [{"id": "e", **stated("user:new")}]),
                ("POST", "/v1/context", {"identities": ["user:bob"]}),
                ("GET", f"/v1/handoffs/{made['id']}", None),
                ("GET", "/v1/handoffs", None),
                ("GET", f"/v1/handoffs/{made['id']}/snapshot", None),
            ):
                answer = await clear.call(method, path, body)
                assert (answer.status, answer.code) == (503, "keys_unavailable"), (path, answer.raw)
            assert (await other.context())["timeline"]["total"] == 2
            assert (await other.get("/readyz")).status == 200


async def test_a_store_that_was_emptied_is_still_marked_as_sealed(
    fresh_valkey: str, tmp_path: Path, tenant: str
) -> None:
    async with served(fresh_valkey, tmp_path, tenant) as api:
        store = api.server.store
        await store.connection.on_primaries("FLUSHALL")
        await store.health.beat()
        assert store.sealing is not None
        id_ = store.sealing.epochs.content.id.encode()
        assert await store.connection.call("HGET", META, "sealing") == id_


async def test_an_erasure_takes_the_key_with_it(fresh_valkey: str, tmp_path: Path, tenant: str) -> None:
    async with served(fresh_valkey, tmp_path, tenant) as api:
        await api.record("a", identities=["user:anna", "email:anna@x.example"])
        await api.ok("POST", "/v1/touchpoints", {"id": "b", **stated("user:bob")})
        store, headers = api.server.store, {"Handoff-Tenant": tenant}
        home = home_of(store, tenant)
        old = await store.connection.call("HGET", store.keys.record(home), "k")
        customer = (await api.context())["customer"]["id"]
        job = await api.ok("DELETE", f"/v1/customers/{customer}", token="admin", headers=headers)
        async with asyncio.timeout(20):
            while job["state"] != "completed":
                await asyncio.sleep(0.05)
                job = await api.ok("GET", f"/v1/erasures/{job['id']}", token="admin", headers=headers)
        assert await store.connection.call("HGET", store.keys.record(home), "k") is None
        await api.record("later", occurred_at="2031-01-01T10:00:00Z", text="a new beginning")
        assert await store.connection.call("HGET", store.keys.record(home), "k") not in (None, old)
        texts = [it["text"] for it in (await api.context())["timeline"]["touchpoints"]]
        assert "a new beginning" in texts
        assert "text of a" not in texts
