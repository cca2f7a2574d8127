"""No operation holds the event loop for long, however long the customer's history is."""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from handoff.api.operations import OPERATIONS
from handoff.api.operations.operation import Operation
from handoff.services.timeline.recording import record
from tests.handoffs.test_checkpoints import many
from tests.samples import EIGHT_DAYS_AGO

from .conftest import Answer, Api, message

TOUCHPOINTS = 10_000
LONGEST_S = 0.04
"""Seconds of processor time; 0.005 on an idle machine, and 0.05 or more for a cold context in one piece.

On a busy machine, whose processes empty the caches, both take several times as long."""
TRIES = 6  # the least counts: the client, too, runs on this loop
ELSEWHERE = {"Live", "Webhooks", "Access", "Sessions", "Sources"}
"""Tags of operations that read no history, or never end. `test_stalls.py` has the sources."""

MORE = {
    "lookUpByQuery": ["?identity=user:anna&limit=500"],
    "readTimeline": ["?limit=500", "?limit=500&type=call.ended", "?limit=500&channel=web&order=asc"],
    "exportCustomer": ["?format=json", "?format=vcon&internal=true"],
    "exportConversation": ["?internal=true"],
    "readCustomerContext": ["?limit=500", "?limit=500&min_assurance=verified"],
    "readHandoffContext": ["?limit=500"],
    "endSessions": ["?agent=nobody"],
    "eraseCustomer": ["?reason=over"],
}
"""The queries of operations that have more to do with them than with a limit alone."""

BODIES: Mapping[str, Any] = {
    "lookUp": {"identities": ["user:anna"], "limit": 500},
    "recordTouchpoints": [
        message(f"b{n}", occurred_at=f"{EIGHT_DAYS_AGO}T10:{n // 60 % 60:02}:{n % 60:02}Z")
        for n in range(3_000)
    ],
    "createLink": {"identity": "user:eve", "reason": "x"},
    "withdrawLink": {"reason": "x"},
    "splitCustomer": {"identities": ["user:eve"], "reason": "x"},
    "markShared": {"identity": "email:all@example.com", "reason": "x"},
    "assignTouchpoint": {"identity": "user:eve", "reason": "x"},
    "separateTouchpoint": {"reason": "x"},
    "requestHandoff": {"identity": "user:anna", "to": {"queue": "sales"}, "reason": "x"},
    "offerHandoff": {"version": 1, "agent": "eve"},
    "acceptHandoff": {"version": 1, "agent": "eve"},
    "declineHandoff": {"version": 1},
    "releaseHandoff": {"version": 1},
    "completeHandoff": {"version": 1},
    "withdrawHandoff": {"version": 1},
    "requestCallback": {"phone": "+358401234567", "identity": "user:anna"},
    "rescheduleCallback": {"due": "2031-01-01T00:00:00Z"},
    "subscribe": {"url": "https://example.com/"},
    "changeWebhook": {"name": "eve"},
    "replayWebhook": {"since": "2026-01-01T00:00:00Z"},
    "openSession": {"agent": "eve", "scopes": []},
    "createToken": {"name": "eve", "scopes": []},
    "holdCustomer": {"reason": "x"},
    "restrictCustomer": {"reason": "x"},
}


class Stalls:
    """The longest time that the thread of the event loop computed without a pause, by what was called."""

    def __init__(self) -> None:
        self.least: dict[str, float] = {}
        self._worst = 0.0

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            self.least[name] = min(self.least.get(name, 9.0), self._worst)

    async def _watch(self) -> None:
        self._worst, last = 0.0, time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            self._worst, last = max(self._worst, now - last), now


async def long_history(api: Api) -> dict[str, str]:
    """A customer with everything that paths can name, by the first part of the path."""
    history = many(random.Random(1), "m", -7 * TOUCHPOINTS, TOUCHPOINTS)
    for at in range(0, TOUCHPOINTS, 1_000):
        await record(api.server.store, api.tenant, history[at : at + 1_000])
    await api.record("newest")
    context = await api.context(limit=500)
    admin: dict[str, Any] = {"token": "admin", "headers": within(api)}
    newest, customer = context["timeline"]["touchpoints"][0], context["customer"]["id"]
    busiest = [it["conversation_id"] for it in context["timeline"]["touchpoints"] if it["thread"]]
    handoff = await api.ok("POST", "/v1/handoffs", BODIES["requestHandoff"])
    callback = await api.ok("POST", "/v1/callbacks", BODIES["requestCallback"])
    hook = await api.ok("POST", "/v1/webhooks", {"url": "https://example.com/a"}, **admin)
    joint = {"identity": "email:anna@example.com", "reason": "x"}
    link = await api.ok("POST", f"/v1/customers/{customer}/links", joint, **admin)
    session = await api.ok("POST", "/v1/sessions", {"agent": "victim", "scopes": []}, **admin)
    return {
        "customers": customer,
        "touchpoints": newest["id"],
        "conversations": max(set(busiest), key=busiest.count),
        "handoffs": handoff["id"],
        "callbacks": callback["id"],
        "webhooks": hook["id"],
        "sessions": session["id"],
        "link": link["id"],
    }


def within(api: Api) -> dict[str, str]:
    """The header with which an admin token works in a tenant."""
    return {"Handoff-Tenant": api.tenant}


def paths_of(operation: Operation, ids: Mapping[str, str]) -> list[str]:
    kind = operation.path.split("/")[2] if operation.path.count("/") > 1 else ""
    path = operation.path.replace("{id}", ids.get(kind, "00")).replace("{link}", ids["link"])
    path = path.replace("{asset}", "x")
    limited = any(it.name == "limit" for it in operation.parameters)
    return [path + it for it in MORE.get(operation.id, ["?limit=500" if limited else ""])]


async def call(api: Api, operation: Operation, path: str) -> Answer:
    headers = {**within(api), "Accept-Encoding": "identity"}  # or the client unpacks on this loop
    method = "POST" if operation.method == "*" else operation.method
    body = BODIES.get(operation.id, {} if method in ("POST", "PUT", "PATCH") else None)
    return await api.call(method, path, body, token="admin", headers=headers)


@pytest.mark.no_cover
async def test_no_operation_holds_the_loop_for_long(api: Api) -> None:
    ids, stalls = await long_history(api), Stalls()
    gc.disable()  # its pauses are those of a process with many tests
    try:
        statuses = await walked(api, ids, stalls)
    finally:
        gc.enable()
    assert {statuses[it] for it in statuses if it.startswith(("look", "read", "export"))} <= {200, 404}
    long = {name: round(taken, 4) for name, taken in stalls.least.items() if taken > LONGEST_S}
    assert not long, long
    assert [it for it in statuses.items() if it[1] in (400, 401, 403, 405)] == []


async def walked(api: Api, ids: Mapping[str, str], stalls: Stalls) -> dict[str, int]:
    """The first status of each operation."""
    statuses: dict[str, int] = {}
    reading = [it for it in OPERATIONS if it.method == "GET"]
    changing = [it for it in OPERATIONS if it.method != "GET"]
    changing.sort(key=lambda it: it.id == "eraseCustomer")
    for operation in [it for it in (*reading, *changing) if it.tag not in ELSEWHERE]:
        for path in paths_of(operation, ids):
            name = f"{operation.id} {path.partition('?')[2]}".strip()
            for _ in range(TRIES):
                api.server.store.forget_reads()
                api.server.site.recent.clear()
                await api.server.store.checkpoints.drop_all()
                with stalls.measured(name):
                    answer = await call(api, operation, path)
                assert answer.status < 500 or operation.id == "readiness", (name, answer.raw)
                statuses.setdefault(name, answer.status)
                if stalls.least[name] <= LONGEST_S:
                    break
    return statuses
