"""`handoff customer …` and `handoff import`: the real command against a running server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.api.conftest import secret
from tests.reads import WatchedReads, of_a_later_page
from tests.store.servers import free_port

from .conftest import Shop, identities, message

EMAIL = {"type": "email", "value": "anna@example.com", "assurance": "verified"}
PATIENCE_S = 60


async def start(shop: Shop, *arguments: str | Path, url: str | None = None) -> asyncio.subprocess.Process:
    environment = os.environ | {
        "HANDOFF_URL": url or shop.url,
        "HANDOFF_TOKEN": secret("desk", shop.tenant),
        "COLUMNS": "200",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handoff.cli",
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def command(shop: Shop, *arguments: str | Path, code: int = 0, **given: Any) -> str:
    """The output of a command, whose exit code must be `code`."""
    process = await start(shop, *arguments, **given)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    output = out.decode() + err.decode()
    assert process.returncode == code, output
    assert "Traceback" not in output
    return output


async def test_customer_assign_and_candidates(shop: Shop) -> None:
    for user in ("anna", "bo"):
        await shop.record(f"login of {user}", identities=[f"user:{user}", EMAIL])
    made = await shop.record("cancel", identities=[EMAIL])
    await shop.record("chat", identities=["chatwoot.contact@1:7", "phone:+358401234567"])
    shown = await command(shop, "context", "email:anna@example.com")
    assert "user:bo" in shown
    assert "text of cancel" in shown
    done = await command(
        shop,
        "customer",
        "assign",
        made["ids"][0],
        "user:anna",
        "--reason",
        "confirmed on the phone",
        "--conversation",
    )
    assert "Assigned: a conversation of email:anna@example.com to user:anna" in done
    assert "text of cancel" in await command(shop, "customer", "show", "user:anna")
    listed = await command(shop, "customer", "candidates", "phone:+358401234567")
    assert "chatwoot.contact@1:7" in listed
    assert "Claimed in chat" in listed
    assert "no candidates" in await command(shop, "customer", "candidates", "user:bo")


async def test_a_candidate_is_listed_with_the_link_that_refuses_it(shop: Shop) -> None:
    await shop.record("now", identities=["phone:+525512345678"])
    await shop.record("before", identities=["phone:+5215512345678"])
    listed = await command(shop, "customer", "candidates", "phone:+525512345678")
    line = "+5215512345678 may be +525512345678 in another notation"
    (link,) = [it.rpartition(" ")[2] for it in listed.splitlines() if line in it]
    await command(shop, "customer", "withdraw", "phone:+525512345678", link, "--reason", "another person")
    for number in ("phone:+525512345678", "phone:+5215512345678"):
        assert "no candidates" in await command(shop, "customer", "candidates", number)


async def test_customer_show_links_link_withdraw_and_split(shop: Shop) -> None:
    await shop.record("login", identities=["user:anna", EMAIL])
    await shop.record("call", identities=["phone:+358401234567"])
    shown = await command(shop, "customer", "show", "email:anna@example.com")
    assert "user:anna" in shown
    assert "text of login" in shown

    reason = ("--reason", "she called from it")
    phone = "phone:+358401234567"
    foretold = await command(shop, "customer", "link", "user:anna", phone, *reason, "--dry-run")
    assert "The result would be" in foretold
    assert phone not in identities(await shop.look_up("user:anna"))
    made = await command(shop, "customer", "link", "user:anna", phone, *reason)
    assert "Result" in made
    assert "2 touchpoints" in made
    assert phone in identities(await shop.look_up("user:anna"))

    links = json.loads(await command(shop, "customer", "links", phone, "--json"))["links"]
    link = next(it["id"] for it in links if it["by"] == "agent:desk")
    back = ("--reason", "it was her neighbour")
    await command(shop, "customer", "withdraw", "user:anna", link, *back)
    assert identities(await shop.look_up("user:anna")) == {"user:anna", "email:anna@example.com"}
    listed = await command(shop, "customer", "links", "user:anna")
    for expected in ("she called from it", "agent:desk", link, "withdrawn", "≠"):
        assert expected in listed

    by_id = await shop.customer("user:anna")
    await command(shop, "customer", "split", by_id, "email:anna@example.com", *back)
    assert identities(await shop.look_up("user:anna")) == {"user:anna"}


async def a_proxys_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
    await writer.drain()
    writer.close()


async def test_customer_export_writes_everything_or_reports_an_interruption(
    shop: Shop, tmp_path: Path
) -> None:
    history(tmp_path / "history.ndjson", 6_000)
    await command(shop, "import", tmp_path / "history.ndjson")
    file = tmp_path / "u1.json"
    output = await command(shop, "customer", "export", "user:u1", "--output", file)
    assert f"{file.stat().st_size:,} bytes" in output
    exported = json.loads(file.read_text())
    assert exported["returned"] == len(exported["touchpoints"]) == 600
    printed = json.loads(await command(shop, "customer", "export", exported["customer"]["id"]))
    assert printed["touchpoints"] == exported["touchpoints"]
    vcons = json.loads(await command(shop, "customer", "export", "user:u1", "--format", "vcon"))
    assert sum(len(it["dialog"]) for it in vcons) == 600

    store = shop.server.store
    store.connection = WatchedReads(store.connection, of_a_later_page, allowed=0)  # type: ignore[assignment]
    async with await asyncio.start_server(a_proxys_page, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        page = f"http://127.0.0.1:{port}"
        output = await command(shop, "customer", "export", "cu_x", "--output", file, code=1, url=page)
    assert "is not a handoff server" in output
    assert json.loads(file.read_text()) == exported, "the existing file is kept"
    again = tmp_path / "again.json"
    output = await command(shop, "customer", "export", "user:u1", "--output", again, code=1)
    assert "cut off" in output
    assert not again.exists()


async def test_errors_are_reported_in_one_line(shop: Shop, tmp_path: Path) -> None:
    await shop.record("login", identities=["user:anna"])
    await shop.record("login 2", identities=["user:bert"])
    reason = ("--reason", "x")
    refused = await command(shop, "customer", "link", "user:anna", "user:bert", *reason, code=1)
    assert "guard_refused" in refused
    unknown = await command(shop, "customer", "links", "user:nobody", code=1)
    assert "no customer matches" in unknown
    history(tmp_path / "history.ndjson", 5)
    gone = f"http://127.0.0.1:{free_port()}"
    output = await command(shop, "import", tmp_path / "history.ndjson", code=1, url=gone)
    assert gone in output, "cannot reach"
    assert "No such file" in await command(shop, "import", "/nowhere.ndjson", code=1)
    for asked in (("customer", "show", "user:anna"), ("import", tmp_path / "history.ndjson")):
        output = await command(shop, *asked, code=1, url="handoff.example.com")
        assert "http:// or https://" in output


def history(path: Path, count: int, *, bad: int = 0) -> None:
    """Years of history of ten customers; every `bad`th line is invalid."""
    with path.open("w") as file:
        for number in range(count):
            if bad and number % bad == bad - 1:
                file.write('{"id": "no channel"}\n')
                continue
            year, day = 2015 + number % 10, 1 + number % 28
            at = f"{year}-03-{day:02}T10:00:00.{number % 1000:03}Z"
            line = message(f"old {number}", identities=[f"user:u{number % 10}"], occurred_at=at)
            file.write(json.dumps(line) + "\n\n")


async def totals(shop: Shop) -> int:
    found = [await shop.look_up(f"user:u{number}", limit=1) for number in range(10)]
    return sum(it["timeline"]["total"] for it in found if it["match"] == "one")


async def test_import_reports_the_result_of_every_line(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    history(file, 60, bad=20)
    output = await command(shop, "import", file, code=3)
    assert "57 accepted, 0 already stored, 3 rejected" in output
    rejected = [
        json.loads(it) for it in (tmp_path / "history.ndjson.rejected.ndjson").read_text().splitlines()
    ]
    lines = file.read_text().splitlines()
    assert [lines[it["rejected"]["line"] - 1] for it in rejected] == ['{"id": "no channel"}'] * 3
    assert await totals(shop) == 57
    again = await command(shop, "import", file, "--restart", code=3)
    assert "0 accepted, 57 already stored, 3 rejected" in again
    assert await totals(shop) == 57
    assert len((tmp_path / "history.ndjson.rejected.ndjson").read_text().splitlines()) == 3


async def test_a_killed_import_continues(shop: Shop, tmp_path: Path) -> None:
    """Nothing is lost or duplicated, and each rejected line is reported once."""
    file = tmp_path / "history.ndjson"
    history(file, 9000, bad=1000)
    process = await start(shop, "import", file)
    mark, rejected_file = tmp_path / "history.ndjson.progress", tmp_path / "history.ndjson.rejected.ndjson"
    async with asyncio.timeout(PATIENCE_S):
        while not mark.exists() or json.loads(mark.read_text())["line"] == 0:  # noqa: ASYNC110 - another process's
            await asyncio.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    stored = await totals(shop)
    assert 0 < stored < 8991, "it was killed in the middle"
    output = await command(shop, "import", file, code=3)
    assert await totals(shop) == 8991
    rejected = [json.loads(it)["rejected"]["line"] for it in rejected_file.read_text().splitlines()]
    assert rejected == sorted(set(rejected))
    assert len(rejected) == 9
    assert "accepted" in output
    late = (await shop.look_up("user:u0", limit=500))["timeline"]["touchpoints"]
    times = [it["occurred_at"] for it in late]
    assert times == sorted(times, reverse=True)
