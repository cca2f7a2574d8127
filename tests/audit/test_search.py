"""The audit trail answers who read a customer, over the API and the command line."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from handoff.cli.audit.commands import moment
from handoff.domain.clock import SECOND, format_time
from handoff.services.audit.chain import files_of
from handoff.services.audit.verifying import verify
from tests.serving import ADMIN
from tests.unit.test_audit_files import entry, largest_file

from .conftest import Callers, entries, with_trail


async def found(callers: Callers, **params: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    headers = {"Handoff-Tenant": callers.tenant}
    answer = await callers.ok("GET", f"/v1/audit?{query}", token="admin", headers=headers)
    return list(answer["entries"])


async def fill(callers: Callers, root: Path) -> int:
    """Make the trail larger than the test's own output, and return its size."""
    for number in range(600):
        await callers.server.site.audit.record(entry(resource="x" * 400 + str(number)))
    return files_of(root / "w0")[0].stat().st_size


def actions(items: list[dict[str, Any]]) -> list[str]:
    return [it["action"] for it in items if it["action"] != "searchAudit"]


async def test_who_read_this_customer(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    await callers.record("one")
    session = await callers.session(agent="ville", scopes=["context:read"])
    context = (await callers.as_session("GET", "/v1/context?identity=user:anna", session)).json
    customer = context["customer"]["id"]
    await callers.ok("GET", f"/v1/customers/{customer}/timeline", headers={"Handoff-Reason": "ticket 7"})
    await callers.record("two", identities=["user:carl"])
    await callers.ok("POST", "/v1/context", {"identities": ["user:carl"]})

    about_anna = await found(callers, customer=customer)
    assert actions(about_anna) == ["readTimeline", "lookUpByQuery"]
    assert about_anna[0]["reason"] == "ticket 7"
    assert about_anna[1]["agent"] == "ville"
    assert about_anna[1]["via"].startswith("session:se_")
    assert about_anna[1]["identities"] == [{"id": customer, "masked": "user:a…"}]
    assert actions(await found(callers, identity="user:carl")) == ["lookUp"]
    assert actions(await found(callers, customer=customer, agent="ville")) == ["lookUpByQuery"]
    long_ago = format_time(0)
    assert actions(await found(callers, customer=customer, to=long_ago)) == []


async def test_accesses_before_a_link_belong_to_the_customer_after_it(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    await callers.record("one")
    await callers.record("two", identities=["email:a@example.com"])
    await callers.ok("POST", "/v1/context", {"identities": ["email:a@example.com"]})
    anna = (await callers.ok("POST", "/v1/context", {"identities": ["user:anna"]}))["customer"]["id"]
    link = {"identity": "email:a@example.com", "reason": "confirmed by phone"}
    await callers.ok("POST", f"/v1/customers/{anna}/links", link)
    assert actions(await found(callers, customer=anna)) == ["createLink", "lookUp", "lookUp"]


async def test_a_look_up_of_a_stranger_is_found(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    answer = await callers.ok("POST", "/v1/context", {"identities": ["phone:+358401234567"]})
    assert answer["match"] == "none"
    (item,) = await found(callers, identity="phone:%2B358401234567", action="lookUp")
    assert item["identities"][0]["masked"] == "phone:…567"


async def test_a_cached_context_is_an_access_as_well(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    await callers.record("one")
    for _ in range(3):
        await callers.ok("GET", "/v1/context?identity=user:anna")
    first = await callers.get("/v1/context?identity=user:anna")
    headers = {"If-None-Match": first.headers["Etag"]}
    assert (await callers.get("/v1/context?identity=user:anna", headers=headers)).status == 304
    made = entries(root)
    assert [it["outcome"] for it in made] == ["ok", "ok", "ok", "ok", "not_modified"]
    assert len({tuple(it["customers"]) for it in made}) == 1
    assert made[0]["customers"]


async def test_lists_name_every_customer_that_they_show(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    for name in ("anna", "carl", "dora"):
        await callers.hand_over(f"user:{name}", "sales", "x")
    page = await callers.ok("GET", "/v1/handoffs")
    assert set(entries(root)[-1]["customers"]) == {it["customer_id"] for it in page["handoffs"]}


async def test_a_repeated_response_names_its_customer(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    body = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x"}
    for _ in range(2):
        made = await callers.ok("POST", "/v1/handoffs", body, headers={"Idempotency-Key": "once"})
    first, again = entries(root)[-2:]
    assert first["customers"] == again["customers"] == [made["customer_id"]]


async def test_no_words_of_customers_are_in_the_trail(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    canary = "canaryword"
    await callers.record("one", text=canary, subject=canary)
    handoff = await callers.hand_over("user:anna", "sales", canary, context=canary)
    await callers.ok("GET", "/v1/context?identity=user:anna")
    await callers.get(f"/v1/handoffs/{handoff['id']}/snapshot")
    await callers.get(f"/v1/customers/{canary}@example.com/timeline")
    await callers.get(f"/v1/context?identity=email:{canary}@example.com")
    raw = b"".join(it.read_bytes() for it in files_of(root / "w0"))
    assert canary.encode() not in raw
    assert b'"customer:?"' in raw


async def test_the_trail_of_another_tenant_is_not_shown(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    await callers.ok("GET", "/v1/context?identity=user:anna")
    headers = {"Handoff-Tenant": callers.other}
    answer = await callers.ok("GET", "/v1/audit", token="admin", headers=headers)
    assert actions(answer["entries"]) == []


async def test_the_scope_is_needed(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    answer = await callers.get("/v1/audit")
    assert (answer.status, answer.code) == (403, "missing_scope")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("cursor=x", "invalid_cursor"),
        ("cursor=1-2-zz", "invalid_cursor"),
        ("from=yesterday", "invalid_parameter"),
        ("customer=anna", "invalid_parameter"),
        ("identity=nonsense", "invalid_identity"),
        ("limit=0", "invalid_parameter"),
    ],
)
async def test_invalid_queries(audited: tuple[Callers, Path], query: str, code: str) -> None:
    callers, _root = audited
    answer = await callers.get(f"/v1/audit?{query}", token="admin")
    assert (answer.status, answer.code) == (422, code)


@pytest.mark.parametrize("reason", ["x" * 201, "tab\tbed"])
async def test_an_invalid_reason_is_refused_before_anything_is_read(
    audited: tuple[Callers, Path], reason: str
) -> None:
    callers, root = audited
    answer = await callers.get("/v1/context?identity=user:anna", headers={"Handoff-Reason": reason})
    assert (answer.status, answer.code) == (422, "invalid_parameter")
    assert not entries(root)


async def test_a_card_number_in_the_reason_is_masked(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    headers = {"Handoff-Reason": "ticket 7, 4111 1111 1111 1111"}
    await callers.get("/v1/context?identity=user:anna", headers=headers)
    (entry,) = entries(root)
    assert entry["reason"].startswith("ticket 7, ")
    assert "4111" not in entry["reason"].removesuffix("1111")


async def test_pages_follow_each_other(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    for number in range(7):
        await callers.get(f"/v1/context?identity=user:u{number}")
    seen: list[str] = []
    cursor = ""
    while True:
        path = f"/v1/audit?action=lookUpByQuery&limit=3{cursor}"
        page = await callers.ok("GET", path, token="admin", headers={"Handoff-Tenant": callers.tenant})
        seen += [it["request_id"] for it in page["entries"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 7


async def test_a_full_disk_refuses_reads_and_changes_but_not_touchpoints(
    audited: tuple[Callers, Path],
) -> None:
    callers, root = audited
    await callers.record("one")
    size = await fill(callers, root)
    with largest_file(size + 20):
        answer = await callers.get("/v1/context?identity=user:anna")
        assert (answer.status, answer.code) == (503, "audit_unavailable")
        assert b"anna" not in answer.raw
        body = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x"}
        answer = await callers.post("/v1/handoffs", body)
        assert (answer.status, answer.code) == (503, "audit_unavailable")
        await callers.record("two")
    page = await callers.ok("GET", "/v1/handoffs")
    assert page["returned"] == 0
    metrics = (await callers.get("/metrics")).raw
    assert b'handoff_audit_failures_total{kept="refused"}' in metrics
    assert verify(root).ok


async def test_the_problem_of_a_change_whose_entry_fails_states_that_it_was_made(
    audited: tuple[Callers, Path],
) -> None:
    callers, root = audited
    await callers.record("one")
    size = await fill(callers, root)
    body = {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x"}
    headers = {"Idempotency-Key": "once"}
    with largest_file(size + 20):
        refused = await callers.post("/v1/handoffs", body, headers=headers)
        assert (refused.status, refused.code) == (503, "audit_unavailable")
        assert "changes were made" in refused.json["detail"]
        again = await callers.post("/v1/handoffs", body, headers=headers)
        assert "changes were made" not in again.json["detail"], "this one was refused before it began"
    made = await callers.ok("POST", "/v1/handoffs", body, headers=headers)
    (listed,) = (await callers.ok("GET", "/v1/handoffs"))["handoffs"]
    assert listed["id"] == made["id"]


class CrashingReads:
    """The connection of a store whose answers make a handler crash."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def answers(self, commands: Any) -> list[Any]:
        raise ZeroDivisionError


async def test_a_request_that_crashes_has_an_entry(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    await callers.record("one")
    customer = (await callers.ok("GET", "/v1/context?identity=user:anna"))["customer"]["id"]
    store = callers.server.site.store
    whole, store.connection = store.connection, CrashingReads(store.connection)  # type: ignore[assignment]
    answer = await callers.get(f"/v1/customers/{customer}/timeline")
    store.connection = whole
    assert (answer.status, answer.code) == (500, "internal")
    last = entries(root)[-1]
    assert (last["action"], last["outcome"], last["customers"]) == ("readTimeline", "internal", [customer])


async def test_a_stream_or_an_export_that_cannot_be_audited_sends_nothing(
    audited: tuple[Callers, Path],
) -> None:
    callers, root = audited
    await callers.record("one")
    customer = (await callers.ok("GET", "/v1/context?identity=user:anna"))["customer"]["id"]
    size = await fill(callers, root)
    with largest_file(size + 20):
        for path in ("export", "export?format=vcon", "events"):
            answer = await callers.get(f"/v1/customers/{customer}/{path}")
            assert (answer.status, answer.code) == (503, "audit_unavailable"), path


async def test_without_a_trail_the_search_is_refused(valkey: str, tmp_path: Path) -> None:
    async with with_trail(valkey, tmp_path, enabled=False) as callers:
        answer = await callers.get("/v1/audit", token="admin")
        assert (answer.status, answer.code) == (409, "audit_off")


async def command(callers: Callers, *arguments: str, code: int = 0) -> str:
    """The output of `handoff audit …`, whose exit code must be `code`."""
    environment = os.environ | {"HANDOFF_URL": callers.url, "HANDOFF_TOKEN": ADMIN, "COLUMNS": "200"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "handoff.cli", "audit", *arguments),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == code, out + err
    return out.decode()


async def test_the_command_line_searches(audited: tuple[Callers, Path]) -> None:
    callers, _root = audited
    await callers.record("one")
    await callers.ok("GET", "/v1/context?identity=user:anna")
    wanted = ("search", "--customer", "user:anna", "--since", "30d", "--tenant", callers.tenant)
    shown = await command(callers, *wanted)
    assert "lookUpByQuery" in shown
    assert "user:a…" in shown
    assert actions(json.loads(await command(callers, *wanted, "--json"))["entries"]) == ["lookUpByQuery"]


async def test_the_command_line_verifies(audited: tuple[Callers, Path]) -> None:
    callers, root = audited
    await callers.get("/v1/context?identity=user:anna")
    assert "the trail is intact" in await command(callers, "verify", "--dir", str(root))
    path = files_of(root / "w0")[0]
    path.write_bytes(path.read_bytes().replace(b'"lookUpByQuery"', b'"lookUpByQuerz"'))
    (result,) = json.loads(await command(callers, "verify", "--dir", str(root), "--json", code=1))
    assert result["ok"] is False
    assert "hash" in result["findings"][0]["problem"]


def test_a_month_is_a_time() -> None:
    assert moment("2026-01-02") == "2026-01-02T00:00:00Z"
    assert moment("30d") < format_time(msgspec.json.decode(b"4102444800") * SECOND)
