"""Retention in a running server: what senders, agents, and operators see; and a worker that is killed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from handoff.bootstrap.background.sweeps import Retention
from handoff.domain.clock import format_time
from handoff.domain.retention.rules import RetentionRule
from handoff.services.retention.sweep import Sweeper
from tests import serving
from tests.api.conftest import Api, settings_for
from tests.audit.conftest import entries, with_trail
from tests.conftest import fresh_tenant, opened
from tests.samples import record_all, touchpoint
from tests.store.servers import valkey_server

from .test_sweep import OWNER, STEPWISE, check_consistent, days_ago, everything_is_old, members_of, policy_of

PATIENCE_S = 20.0


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A server that keeps web visits for 10 days and messages for 30, on a store of its own."""
    tenant, other = fresh_tenant(), fresh_tenant()
    with valkey_server(appendonly="yes", appendfsync="always") as url:
        settings = settings_for(url, tenant, other)
        rules = [
            RetentionRule(days=10, tenant=tenant, types=["web"]),
            RetentionRule(days=30, tenant=tenant, types=["messages"]),
        ]
        privacy = msgspec.structs.replace(settings.privacy, sweep_every_s=1)
        settings = msgspec.structs.replace(settings, retention=rules, privacy=privacy)
        async with serving.in_process(settings) as (server, session):
            yield Api(server, session, tenant, other)


def ago(days: float) -> str:
    return format_time(days_ago(days))


async def test_expired_touchpoints_are_counted_and_never_stored(api: Api) -> None:
    await _horizons_known(api)
    old = await api.record("old", occurred_at=ago(31))
    assert (old["accepted"], old["duplicates"], old["expired"], old["rejected"]) == (0, 0, 1, [])
    both = await api.ok("POST", "/v1/touchpoints", [_message("old2", 40), _message("new", 20)])
    assert (both["accepted"], both["expired"]) == (1, 1)
    found = await api.context()
    assert [it["text"] for it in found["timeline"]["touchpoints"]] == ["text of new"]
    metrics = (await api.get("/metrics", token="admin")).raw.decode()
    assert 'handoff_touchpoints_total{result="expired",source="desk"} 2.0' in metrics


async def test_an_expired_touchpoint_spends_no_continuity_code(api: Api) -> None:
    await _horizons_known(api)
    await api.record("new", occurred_at=ago(1))
    customer = (await api.context())["customer"]["id"]
    code = await api.ok("POST", f"/v1/customers/{customer}/continuity", {})
    late = await api.record("late", occurred_at=ago(31), text=code["forms"]["text"])
    assert late["expired"] == 1
    (listed,) = (await api.ok("GET", f"/v1/customers/{customer}/continuity"))["codes"]
    assert listed["state"] == "valid"


async def test_a_context_states_the_horizons(api: Api) -> None:
    await _horizons_known(api)
    await api.record("new", occurred_at=ago(1.5))
    deleted = (await api.context())["left_out"]["deleted"]
    assert [(it["types"], it["channels"]) for it in deleted] == [
        (["messages"], ["branch", "chat", "email", "phone", "web"]),
        (["web"], ["branch", "chat", "email", "phone", "web"]),
    ]
    assert deleted[0]["before"] < deleted[1]["before"] < ago(9.9)


async def test_a_cached_context_does_not_show_what_a_sweep_deleted(api: Api) -> None:
    old = {"channel": "web", "type": "page.viewed", "text": None}
    await api.ok("POST", "/v1/touchpoints", _message("new", 1.5))
    await _kept_again(api, _message("visit", 9.99, **old))
    assert len((await api.context())["timeline"]["touchpoints"]) == 2
    rules = [RetentionRule(days=5, tenant=api.tenant)]
    await Sweeper(api.server.store, policy_of(api.tenant, *rules), "another").sweep()
    assert len((await api.context())["timeline"]["touchpoints"]) == 1


async def test_ended_handoffs_and_callbacks_are_deleted(api: Api) -> None:
    await api.record("m", occurred_at=ago(0.1), thread="one")
    customer = (await api.context())["customer"]["id"]
    wanted = {
        "customer_id": customer,
        "from": {"channel": "chat", "party": "bot"},
        "to": {"queue": "sales"},
        "reason": "price",
    }
    ended = await api.ok("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "a"})
    await api.ok(
        "POST", f"/v1/handoffs/{ended['id']}/withdraw", {"reason": "solved", "version": ended["version"]}
    )
    back = {"phone": "+358401112233", "identity": "user:anna", "reason": "price"}
    kept = await api.ok("POST", "/v1/callbacks", back)
    gone = await api.ok("POST", "/v1/callbacks", back)
    await api.ok("POST", f"/v1/callbacks/{gone['id']}/cancel", {})

    policy = everything_is_old(policy_of(api.tenant, RetentionRule(days=30)))
    state = await Sweeper(api.server.store, policy, "another").sweep()
    assert state.deleted.records == {"handoffs": 1, "callbacks": 1}
    assert (await api.get(f"/v1/handoffs/{ended['id']}")).status == 404
    assert (await api.get(f"/v1/handoffs/{ended['id']}/snapshot")).status == 404
    assert (await api.ok("GET", "/v1/handoffs"))["handoffs"] == []
    assert [it["id"] for it in (await api.ok("GET", "/v1/callbacks"))["callbacks"]] == [kept["id"]]
    again = await api.ok("POST", "/v1/handoffs", wanted, headers={"Idempotency-Key": "b"})
    state = await Sweeper(api.server.store, policy, "another").sweep()
    assert state.deleted.records == {}
    assert (await api.get(f"/v1/handoffs/{again['id']}")).status == 200
    assert (await api.context())["match"] == "one"


async def test_a_legal_hold_stops_the_deletion(api: Api) -> None:
    await api.record("m", occurred_at=ago(5))
    customer = (await api.context())["customer"]["id"]
    await api.ok("PUT", f"/v1/customers/{customer}/hold", {"reason": "court"}, token="officer")
    sweeper = Sweeper(api.server.store, policy_of(api.tenant, RetentionRule(days=3)), "another")
    assert (await sweeper.sweep()).deleted.touchpoints == {}
    assert len(await members_of(api.server.store, api.tenant, "user:anna")) == 1
    await api.call("DELETE", f"/v1/customers/{customer}/hold", token="officer")
    assert (await sweeper.sweep()).deleted.touchpoints == {"chat/messages": 1}


async def test_a_sweep_leaves_an_audit_entry(tmp_path: Path) -> None:
    with valkey_server(appendonly="yes", appendfsync="always") as url:
        async with with_trail(url, tmp_path / "audit") as callers:
            await callers.record("m", occurred_at=ago(5))
            policy = policy_of(callers.tenant, RetentionRule(days=3))
            sweeps = Retention(callers.server.site, policy)
            await sweeps.turn()
            made = [it for it in entries(tmp_path / "audit") if it["action"] == "sweepRetention"]
    assert [(it["tenant"], it["token"], it["reason"]) for it in made] == [
        (callers.tenant, "retention", "1 deleted")
    ]


async def test_the_command_line_shows_and_sweeps(api: Api, tmp_path: Path) -> None:
    await api.ok("POST", "/v1/touchpoints", _message("visit", 5, channel="web", type="page.viewed"))
    file = tmp_path / "handoff.toml"
    file.write_text(
        f'[store]\nurl = "{api.server.store.connection.url}"\n'
        f'[[tokens]]\nname = "t"\nsecret = "a-secret-of-16-chars"\nscopes = []\ntenant = "{api.tenant}"\n'
        f'[[retention]]\ndays = 3\ntenant = "{api.tenant}"\n'
    )

    async def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "handoff.cli", "retention", *arguments, "--config", str(file)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    counted = json.loads(await run("sweep", "--dry-run", "--json"))
    assert counted["deleted"] == {"web/web": 1}
    assert len(await members_of(api.server.store, api.tenant, "user:anna")) == 1
    assert "deleted 1 web/web" in await run("sweep")
    assert await members_of(api.server.store, api.tenant, "user:anna") == []
    status = json.loads(await run("status", "--json"))
    assert any("calls" in it["types"] for it in status["deleted"][api.tenant])


async def test_a_killed_sweep_is_continued(tmp_path: Path) -> None:
    tenant = fresh_tenant()
    with valkey_server(appendonly="yes", appendfsync="always") as url:
        async with opened(url) as store:
            people = [f"user:u{it}" for it in range(1500)]
            for at in range(0, len(people), 500):
                some = people[at : at + 500]
                await record_all(store, tenant, [touchpoint(f"old {it}", it, at=days_ago(11)) for it in some])
                await record_all(store, tenant, [touchpoint(f"new {it}", it, at=days_ago(9)) for it in some])
            for turns in (1, 2, 4):
                _kill_after(turns, url, tenant)
            sweeper = Sweeper(store, policy_of(tenant, RetentionRule(days=10)), OWNER, STEPWISE)
            while (state := await sweeper.turn()) is None or state.finished_at is None:
                pass
            for who in people[::50]:
                (left,) = await members_of(store, tenant, who)
                assert left.body().text == f"text of new {who}"
                await check_consistent(store, tenant, who)
            total = [len(await members_of(store, tenant, it)) for it in people]
            assert sum(total) == len(people)


def _kill_after(turns: int, url: str, tenant: str) -> None:
    """Start a sweeping worker, and kill it in its next turn."""
    command = [sys.executable, "-m", "tests.retention.sweeping_process", url, tenant, "10"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(turns):
            while b"turn" not in (line := process.stdout.readline()):
                assert line
        process.kill()


def _message(event: str, days: float, **changes: object) -> dict[str, object]:
    from tests.api.conftest import message

    return message(event, occurred_at=ago(days), **changes)


async def _horizons_known(api: Api) -> None:
    """Wait until the server has started its first sweep."""
    until = time.monotonic() + PATIENCE_S
    while api.server.store.horizons.of(api.tenant) is None:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def _kept_again(api: Api, wanted: dict[str, object]) -> None:
    answer = await api.ok("POST", "/v1/touchpoints", wanted)
    assert answer["accepted"] == 1
