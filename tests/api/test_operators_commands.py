"""`handoff sources|quarantine|deliveries|sessions|webhooks|status`: the real commands against a server."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import sys

import pytest

from handoff.cli.operating.tables import print_rows, printable
from handoff.services.sources import reprocessing
from tests.api.conftest import Api, secret
from tests.api.test_inbound import send, track
from tests.api.test_quarantine import event, listed, put

PATIENCE_S = 60


async def command(api: Api, *arguments: str, code: int = 0, token: str = "desk") -> str:
    """The output of a command, whose exit status must be `code`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handoff.cli",
        *arguments,
        env=os.environ
        | {"HANDOFF_URL": api.url, "HANDOFF_TOKEN": secret(token, api.tenant), "COLUMNS": "40"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    output = out.decode() + err.decode()
    assert process.returncode == code, output
    assert "Traceback" not in output
    return output


async def test_sources_show_why_deliveries_are_refused(api: Api) -> None:
    await send(api, track("1"), key="guess")
    await send(api, track("2"))
    shown, one, as_json = await asyncio.gather(
        command(api, "sources", "list"),
        command(api, "sources", "show", "shop"),
        command(api, "sources", "list", "--json"),
    )
    assert "The write key is unknown" in shown
    assert "refused 1×" in one
    assert "The write key is unknown" in one
    (source,) = json.loads(as_json)["sources"]
    assert (source["last_hour"]["accepted"], source["last_hour"]["refused"]) == (1, 1)
    assert "no such source" in await command(api, "sources", "show", "a/b", code=1)


async def test_quarantine_is_looked_at_tried_replayed_and_dismissed(api: Api) -> None:
    good, bad = await put(api, event("1", properties={"title": "\x1b[31mred"}), b"{")
    shown, item, trial, failed = await asyncio.gather(
        command(api, "quarantine", "list", "--source", "shop"),
        command(api, "quarantine", "show", good),
        command(api, "quarantine", "try", good),
        command(api, "quarantine", "try", bad, code=3),
    )
    assert good in shown  # whole, although the terminal is narrow
    assert bad in shown
    assert '"messageId":"1"' in item
    assert "\x1b" not in item
    assert "1 touchpoints; nothing was stored" in trial
    assert "not readable" in failed
    raw = await command(api, "quarantine", "show", bad, "--raw")
    assert raw == "{"
    replayed = await command(api, "quarantine", "replay", good, bad, good, code=3)
    assert "1 replayed: 1 touchpoints accepted" in replayed
    assert f"{bad} stays: still_malformed" in replayed
    for action in (["replay"], ["dismiss", "--yes"]):
        assert "1 of these ids are not" in await command(api, "quarantine", *action, good, good, code=1)
    assert "use --yes" in await command(api, "quarantine", "dismiss", "--source", "shop", code=1)
    assert (await listed(api))["total"] == 1
    done = await command(api, "quarantine", "dismiss", "--source", "shop", "--yes", "--json")
    assert json.loads(done) == {"dismissed": 1}
    assert "name either ids or --source" in await command(api, "quarantine", "replay", code=1)


@pytest.mark.parametrize(("typed", "left"), [("\x04", 1), ("n\n", 1), ("y\n", 0)])
async def test_the_question_before_deleting_takes_every_answer(api: Api, typed: str, left: int) -> None:
    """Ctrl-D, no, and yes at a terminal."""
    (id_,) = await put(api, b"{")
    ours, theirs = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "handoff.cli", "quarantine", "dismiss", id_),
            env=os.environ | {"HANDOFF_URL": api.url, "HANDOFF_TOKEN": secret("desk", api.tenant)},
            stdin=theirs,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        os.write(ours, typed.encode())
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
    finally:
        os.close(ours)
        os.close(theirs)
    assert process.returncode == left, output
    assert b"Traceback" not in output
    assert ("nothing was deleted" in output.decode()) is bool(left)
    assert (await listed(api))["total"] == left


async def test_a_whole_source_is_replayed_over_several_calls(api: Api) -> None:
    count = reprocessing.AT_ONCE + 5
    await put(api, *(event(str(number)) for number in range(count)))
    done = json.loads(await command(api, "quarantine", "replay", "--source", "shop", "--json"))
    assert (done["replayed"], done["accepted"], done["failed"]) == (count, count, [])
    assert (await listed(api))["total"] == 0


async def test_deliveries_are_listed_shown_and_replayed(api: Api) -> None:
    inside = {"Handoff-Tenant": api.tenant}
    hook = {"url": "http://127.0.0.1:9443/hook", "types": ["handoff.*"], "name": "Desk"}
    hook |= {"allow_insecure": True, "allow_networks": ["127.0.0.0/8"]}
    made = await api.ok("POST", "/v1/webhooks", hook, token="admin", headers=inside)
    await api.record("1")
    await api.ok(
        "POST", "/v1/handoffs", {"identity": "user:anna", "to": {"queue": "refunds"}, "reason": "help"}
    )

    def run(*arguments: str, code: int = 0) -> asyncio.Task[str]:
        given = (*arguments, "--tenant", api.tenant)
        return asyncio.create_task(command(api, *given, code=code, token="admin"))

    listing: dict[str, list[dict[str, str]]] = {"deliveries": []}
    async with asyncio.timeout(PATIENCE_S):
        while not listing["deliveries"]:  # the fan-out runs beside the request
            listing = json.loads(await run("deliveries", "list", made["id"], "--json"))
    (message,) = listing["deliveries"]
    hooks, shown, one, replayed = await asyncio.gather(
        run("webhooks", "list"),
        run("deliveries", "list", made["id"]),
        run("deliveries", "show", made["id"], message["id"]),
        run("deliveries", "replay", made["id"], "--since", "2026-01-01T00:00:00Z"),
    )
    assert made["id"] in hooks
    assert message["id"] in shown
    assert "handoff.requested" in one
    assert "queued" in replayed
    assert "no such message" in await run("deliveries", "show", made["id"], "nothing", code=1)


async def test_sessions_and_the_status_are_shown(api: Api) -> None:
    opened = await api.ok("POST", "/v1/sessions", {"agent": "ville", "scopes": ["context:read"]})
    sessions, status, configuration, refused = await asyncio.gather(
        command(api, "sessions", "list", "--agent", "ville"),
        command(api, "status"),
        command(api, "show-config"),
        command(api, "status", token="nothing", code=1),
    )
    assert opened["id"] in sessions
    assert "ready" in status
    assert str(os.getpid()) in status
    assert json.loads(configuration)["sections"]["sources"][0]["name"] == "shop"
    assert "operate" in refused


def test_no_value_of_a_table_is_cut_or_sent_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("Id", "Detail"), [("x" * 200, "\x1b]0;title\x07"), ("y", None)])
    out = capsys.readouterr().out
    assert "x" * 200 in out
    assert "\x1b" not in out
    assert "\\x1b]0;title\\x07" in out
    assert printable("one\ntwo\r", keep="\n") == "one\ntwo\\x0d"
