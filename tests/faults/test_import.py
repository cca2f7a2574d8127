"""`handoff import` as operators run it: against a server process, through everything that goes wrong."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from handoff.cli.arguments import parser
from handoff.cli.importing import command
from handoff.domain.errors import HandoffError
from tests.delivery.subscribers import SECRET, Subscriber, subscriber, until
from tests.faults.load import TOKEN, Process, client, serving
from tests.stopwatch import Stopwatch
from tests.store.servers import free_port, valkey_binary, valkey_server

PATIENCE_S = 60
DONE, NOT_FINISHED, SOME_REJECTED, INTERRUPTED = 0, 1, 3, 130


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One server for the tests that do it no harm: each imports people of its own."""
    valkey_binary()
    with serving(tmp_path_factory.mktemp("import") / "data") as process:
        yield process


async def start(url: str, *arguments: str | Path, token: str = TOKEN) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "handoff.cli", "import", *arguments),
        env=os.environ | {"HANDOFF_URL": url, "HANDOFF_TOKEN": token, "COLUMNS": "300"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def ended(process: asyncio.subprocess.Process, code: int) -> str:
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    assert process.returncode == code, out.decode()
    assert "Traceback" not in out.decode()
    return out.decode()


async def run(url: str, *arguments: str | Path, code: int = DONE, token: str = TOKEN) -> str:
    """The command in this process, which has loaded it already."""
    options = parser().parse_args(["import", *map(str, arguments), "--url", url, "--token", token])

    def call() -> int:
        try:
            return command.run(options)
        except HandoffError as error:
            print(error.detail)
            return NOT_FINISHED

    with redirect_stdout(io.StringIO()) as output:
        async with asyncio.timeout(PATIENCE_S):
            returned = await asyncio.to_thread(call)
    assert returned == code, output.getvalue()
    return output.getvalue()


def line(user: str, number: int, **changes: Any) -> bytes:
    """A touchpoint of years ago; its text is its id."""
    touchpoint = {
        "id": f"{user}-{number}",
        "channel": "chat",
        "type": "message.received",
        "occurred_at": f"{2010 + number % 10}-03-{1 + number % 28:02}T10:00:00Z",
        "identities": [f"user:{user}"],
        "text": f"{user}-{number}",
        **changes,
    }
    return json.dumps(touchpoint).encode() + b"\n"


def history(path: Path, user: str, count: int) -> Path:
    path.write_bytes(b"".join(line(user, number) for number in range(count)))
    return path


async def texts(url: str, user: str) -> list[str]:
    """Everything on a customer's timeline, sorted."""
    found: list[str] = []
    async with client() as session:
        async with session.get(f"{url}/v1/context?identity=user:{user}&limit=1") as response:
            context = await response.json()
        if context["match"] != "one":
            return []
        path, cursor = f"{url}/v1/customers/{context['customer']['id']}/timeline?limit=500", ""
        while cursor is not None:
            async with session.get(path + (f"&cursor={cursor}" if cursor else "")) as response:
                page = await response.json()
            found += [it["text"] for it in page["touchpoints"]]
            cursor = page["next"]
    return sorted(found)


def expected(user: str, count: int) -> list[str]:
    return sorted(f"{user}-{number}" for number in range(count))


async def test_a_second_run_believes_nothing_before_the_server_confirms_it(
    server: Process, tmp_path: Path
) -> None:
    file = history(tmp_path / "history.ndjson", "again", 300)
    assert "300 accepted" in await run(server.url, file)
    dead = f"http://127.0.0.1:{free_port()}"
    assert f"cannot reach {dead}" in await run(dead, file, code=NOT_FINISHED)
    assert "401" in await run(server.url, file, code=NOT_FINISHED, token="wrong")
    assert "nothing new: all 300 lines" in await run(server.url, file)

    with serving(tmp_path / "data") as other:
        output = await run(other.url, file, code=NOT_FINISHED)
        assert "another store" in output
        assert server.url in output
        assert await texts(other.url, "again") == []
        assert "300 accepted" in await run(other.url, file, "--restart")

    assert "another store" in await run(server.url, file, code=NOT_FINISHED)
    assert "300 already stored" in await run(server.url, file, "--restart")


async def test_a_changed_file_is_not_taken_for_sent(server: Process, tmp_path: Path) -> None:
    file = history(tmp_path / "history.ndjson", "changed", 50)
    await run(server.url, file)
    whole = file.read_bytes()
    for content in (whole.replace(b'changed-3"', b'changed-x"', 1), whole[:-20], whole[200:]):
        file.write_bytes(content)
        assert "has changed since 50 lines" in await run(server.url, file, code=NOT_FINISHED)
    file.write_bytes(whole + line("changed", 50))
    assert "51 lines: 51 accepted" in await run(server.url, file)
    assert await texts(server.url, "changed") == expected("changed", 51)


async def test_a_store_that_lost_acknowledged_lines_is_noticed(tmp_path: Path) -> None:
    """Emptied under its server, which puts back what makes it the same store."""
    file = history(tmp_path / "history.ndjson", "lost", 40)
    with valkey_server() as store, serving(tmp_path / "data", HANDOFF_STORE_URL=store) as process:
        await run(process.url, file)
        await _command(store, "FLUSHALL")
        await _ready(process.url, 503)
        accept = [sys.executable, "-m", "handoff.cli", "store", "accept-loss"]
        env = os.environ | {"HANDOFF_STORE_URL": store}
        await asyncio.to_thread(subprocess.run, accept, env=env, check=True, capture_output=True)
        await _ready(process.url, 200)
        assert "40 of 40 acknowledged lines" in await run(process.url, file, code=NOT_FINISHED)
        # The check stored them again; what may have stood before them is missing all the same.
        assert "40 of 40 acknowledged lines" in await run(process.url, file, code=NOT_FINISHED)
        assert "40 lines" in await run(process.url, file, "--restart")
        assert await texts(process.url, "lost") == expected("lost", 40)


async def _ready(url: str, status: int) -> None:
    """Wait until `/readyz` answers with this status."""
    async with asyncio.timeout(20), ClientSession() as session:
        while (await session.get(f"{url}/readyz")).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def _command(url: str, *words: str) -> None:
    path = url.removeprefix("unix://")
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(" ".join(words).encode() + b"\r\n")
    assert await reader.readline() == b"+OK\r\n"
    writer.close()


@pytest.mark.parametrize(
    "content", ['{"line": 5, "offset": 500, "rejected_bytes": 0}', "", '{"format": 9}', "[]"]
)
async def test_a_progress_file_of_another_release_is_refused(
    server: Process, tmp_path: Path, content: str
) -> None:
    file = history(tmp_path / "history.ndjson", f"old{len(content)}", 10)
    progress = tmp_path / "history.ndjson.progress"
    progress.write_text(content)
    assert "--restart" in await run(server.url, file, code=NOT_FINISHED)
    assert progress.read_text() == content
    assert "10 accepted" in await run(server.url, file, "--restart")


async def test_killing_the_server_stores_everything_once(tmp_path: Path) -> None:
    """The import waits for the next server and continues."""
    file = history(tmp_path / "history.ndjson", "killed", 12_000)
    progress = tmp_path / "history.ndjson.progress"
    with serving(tmp_path / "data") as process:
        port = process.port
        running = await start(process.url, file)
        await _until_line(progress, 200, running)
        process.kill()
    assert running.returncode is None, "killed in the middle"
    with serving(tmp_path / "data", port) as process:
        output = await ended(running, DONE)
        assert "12000 lines" in output
        assert "retrying in" in output
        assert await texts(process.url, "killed") == expected("killed", 12_000)
        assert "nothing new" in await run(process.url, file)


async def test_an_interrupted_import_explains_how_to_continue(server: Process, tmp_path: Path) -> None:
    file = history(tmp_path / "history.ndjson", "interrupted", 10_000)
    running = await start(server.url, file)
    await _until_line(tmp_path / "history.ndjson.progress", 200, running)
    running.send_signal(signal.SIGINT)
    output = await ended(running, INTERRUPTED)
    assert "run the same command again" in output
    sent = json.loads((tmp_path / "history.ndjson.progress").read_text())["line"]
    assert 200 <= sent < 10_000
    output = await run(server.url, file)
    assert "10000 lines" in output
    assert await texts(server.url, "interrupted") == expected("interrupted", 10_000)


async def _until_line(progress: Path, number: int, running: asyncio.subprocess.Process) -> None:
    def line() -> int:
        return int(json.loads(progress.read_text())["line"]) if progress.exists() else 0

    async with asyncio.timeout(PATIENCE_S):
        while line() < number:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.01)
    assert running.returncode is None


async def test_two_imports_of_one_file_do_not_run_at_once(server: Process, tmp_path: Path) -> None:
    file = history(tmp_path / "history.ndjson", "both", 10_000)
    running = await start(server.url, file)
    await _until_line(tmp_path / "history.ndjson.progress", 200, running)
    assert "another process" in await run(server.url, file, code=NOT_FINISHED)
    running.send_signal(signal.SIGINT)
    await ended(running, INTERRUPTED)


async def test_rejected_lines_are_whole_and_can_be_mended(server: Process, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    latin = line("mended", 3).replace(b'mended-3"}', b'gr\xfc\xdfe"}')
    long = line("mended", 5, text="x" * 700_000)
    longer = line("mended", 6, text="y" * 1_200_000)
    lines = [
        b"\xef\xbb\xbf" + line("mended", 0),
        b"\r\n",
        line("mended", 1).replace(b"\n", b"\r\n"),
        line("mended", 2, channel="telepathy"),
        latin,
        b'{"id": "mended-4", \n',
        long,
        longer,
        b"   \n",
        line("mended", 7)[:-1],
    ]
    file.write_bytes(b"".join(lines))
    output = await run(server.url, file, code=SOME_REJECTED)
    assert "10 lines: 3 accepted, 0 already stored, 5 rejected" in output
    rejected = tmp_path / "history.ndjson.rejected.ndjson"
    found = [json.loads(it) for it in rejected.read_bytes().splitlines()]
    assert [it["rejected"]["line"] for it in found] == [4, 5, 6, 7, 8]
    assert all(it["rejected"]["code"] and it["rejected"]["detail"] for it in found)
    assert found[0]["touchpoint"] == json.loads(lines[3])
    assert found[1]["text"].encode("utf-8", "surrogateescape") == latin.strip()
    assert found[2]["text"] == '{"id": "mended-4",'
    assert [found[3]["touchpoint"], found[4]["touchpoint"]] == [json.loads(long), json.loads(longer)]

    # Nothing mended: rejected as before, and whole again.
    await run(server.url, rejected, code=SOME_REJECTED)
    again = [
        json.loads(it) for it in (tmp_path / f"{rejected.name}.rejected.ndjson").read_bytes().splitlines()
    ]
    assert [it.get("touchpoint") or it["text"] for it in again] == [
        it.get("touchpoint") or it["text"] for it in found
    ]

    found[0]["touchpoint"]["channel"] = "chat"
    found[1]["text"] = found[1]["text"].replace("\udcfc", "ü").replace("\udcdf", "ß")
    found[2] = {"rejected": found[2]["rejected"], "touchpoint": json.loads(line("mended", 4))}
    for entry in found[3:]:
        entry["touchpoint"]["text"] = entry["touchpoint"]["text"][:10]
    mended = tmp_path / "mended.ndjson"
    mended.write_text("".join(json.dumps(it) + "\n" for it in found))
    assert "5 lines: 5 accepted" in await run(server.url, mended)
    assert {"mended-0", "mended-1", "mended-2", "grüße", "mended-4", "mended-7"} <= set(
        await texts(server.url, "mended")
    )


async def test_what_was_mended_in_place_is_not_overwritten(server: Process, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    file.write_bytes(line("place", 0) + b"none\n" + line("place", 1))
    rejected = tmp_path / "history.ndjson.rejected.ndjson"
    rejected.write_text("somebody's\n")
    assert "move it" in await run(server.url, file, code=NOT_FINISHED)
    assert rejected.read_text() == "somebody's\n"
    rejected.unlink()
    await run(server.url, file, code=SOME_REJECTED)
    edited = rejected.read_text().replace("none", json.dumps(line("place", 2).decode())[1:-1])
    rejected.write_text(edited)
    file.write_bytes(file.read_bytes() + b"none either\n")
    assert "move it" in await run(server.url, file, code=NOT_FINISHED)
    assert rejected.read_text() == edited
    other = tmp_path / "other.ndjson"
    await run(server.url, file, "--rejected", other, code=SOME_REJECTED)
    assert [json.loads(it)["rejected"]["line"] for it in other.read_text().splitlines()] == [4]
    assert "1 accepted" in await run(server.url, rejected)


async def test_a_last_line_without_an_end_may_still_grow(server: Process, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson"
    whole = line("grows", 1)
    file.write_bytes(line("grows", 0) + whole[:30])
    await run(server.url, file, code=SOME_REJECTED)
    file.write_bytes(line("grows", 0) + whole + line("grows", 2))
    assert "3 lines: 3 accepted, 0 already stored, 0 rejected" in await run(server.url, file)
    assert await texts(server.url, "grows") == expected("grows", 3)
    rejected = tmp_path / "history.ndjson.rejected.ndjson"
    assert rejected.read_bytes() == b"", (
        "an incomplete line that was completed later is not rejected any more"
    )


async def test_packed_files(server: Process, tmp_path: Path) -> None:
    file = tmp_path / "history.ndjson.gz"
    content = b"".join(line("packed", number) for number in range(500))
    file.write_bytes(gzip.compress(content))
    assert "500 accepted" in await run(server.url, file)
    assert "nothing new" in await run(server.url, file)
    more = gzip.compress(b"".join(line("packed", number) for number in range(500, 900)))
    file.write_bytes(file.read_bytes() + more[:-30])
    assert "damaged or truncated" in await run(server.url, file, code=NOT_FINISHED)
    file.write_bytes(gzip.compress(content) + more)
    assert "900 lines" in await run(server.url, file)
    assert await texts(server.url, "packed") == expected("packed", 900)


async def test_an_import_needs_a_token_that_may_be_quiet(tmp_path: Path) -> None:
    config = tmp_path / "handoff.toml"
    config.write_text(
        '[[tokens]]\nname = "writer"\nsecret = "the-secret-of-the-writer"\nscopes = ["touchpoints:write"]\n'
    )
    file = history(tmp_path / "history.ndjson", "scope", 5)
    with serving(tmp_path / "data", None, "--config", str(config)) as process:
        output = await run(process.url, file, code=NOT_FINISHED, token="the-secret-of-the-writer")
        assert "operate" in output
        assert await texts(process.url, "scope") == []
        assert "5 accepted" in await run(process.url, file, "--announce", token="the-secret-of-the-writer")


async def test_years_of_history_are_no_lag(server: Process, tmp_path: Path) -> None:
    """Of one customer, the worst case: all of it passes through one outbox."""
    file = history(tmp_path / "history.ndjson", "lag", 10_000)
    subscribed = {"url": "https://hooks.invalid/", "types": ["message.received"]}
    async with client() as session:
        async with session.post(f"{server.url}/v1/webhooks", json=subscribed) as response:
            assert response.status == 201, await response.text()
            hook = (await response.json())["id"]
        running = await start(server.url, file)
        behind, looks = 0.0, 0
        watch = Stopwatch(server.popen.pid, server.valkey_pid)
        while running.returncode is None:
            async with session.get(f"{server.url}/readyz") as response:
                assert response.status == 200, await response.text()
            behind = max(behind, await _behind_s(session, server.url) - watch.left_out_s)
            watch = Stopwatch(server.popen.pid, server.valkey_pid)
            async with session.get(f"{server.url}/v1/context?identity=user:nobody&limit=1") as response:
                assert (await response.json())["completeness"]["state"] == "complete"
            looks += 1
            await asyncio.sleep(0.05)
        await ended(running, DONE)
        await session.delete(f"{server.url}/v1/webhooks/{hook}")
    assert looks > 10
    assert behind < 1.0


async def _behind_s(session: ClientSession, url: str) -> float:
    async with session.get(f"{url}/metrics") as response:
        metrics = await response.text()
    (found,) = (it for it in metrics.splitlines() if it.startswith("handoff_outbox_behind_seconds "))
    return float(found.split()[1])


WEBHOOKS = """
[[webhooks]]
url = "{url}"
secret = "{secret}"
types = ["*"]
allow_insecure = true
allow_networks = ["127.0.0.0/8"]
"""


async def test_webhooks_hear_of_an_import_only_where_it_is_announced(tmp_path: Path) -> None:
    config = tmp_path / "handoff.toml"
    async with subscriber() as platform:
        config.write_text(WEBHOOKS.format(url=platform.url, secret=SECRET))
        with serving(tmp_path / "data", None, "--config", str(config)) as process:
            file = history(tmp_path / "quiet.ndjson", "announced", 298)
            others = [
                {"type": "user", "value": "somebody", "role": "cc"}
            ]  # which is looked into all the same
            more = [line("announced", number, participants=others) for number in (298, 299)]
            file.write_bytes(file.read_bytes() + b"".join(more))
            await run(process.url, file)
            # Of the same customer, so that it comes to the webhook after all that was before it.
            await _post(process.url, line("announced", 300))
            await until(lambda: len(_announced(platform)) == 1)
            await _post(process.url, line("announced", 17))
            loud = b"".join(line("announced", number) for number in range(301, 350))
            (tmp_path / "loud.ndjson").write_bytes(loud)
            await run(process.url, tmp_path / "loud.ndjson", "--announce")
            await until(lambda: len(_announced(platform)) == 50)
            assert sorted(_announced(platform)) == sorted(f"announced-{number}" for number in range(300, 350))
            assert await texts(process.url, "announced") == expected("announced", 350)


def _announced(platform: Subscriber) -> list[str]:
    return [it.event["data"]["text"] for it in platform.accepted if it.event["type"] == "message.received"]


async def _post(url: str, body: bytes) -> None:
    async with client() as session, session.post(f"{url}/v1/touchpoints", data=body) as response:
        assert response.status == 200, await response.text()


class Scripted:
    """A server that gives one prepared answer after the other, then takes everything."""

    def __init__(self) -> None:
        self.script: list[web.Response | str] = []
        self.asked: list[tuple[str, int]] = []
        self.at: list[float] = []

    async def store(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": "st_1", "tenant": "default"})

    async def touchpoints(self, request: web.Request) -> web.StreamResponse:
        lines = (await request.read()).count(b"\n")
        self.asked.append((request.query_string, lines))
        self.at.append(asyncio.get_running_loop().time())
        step = self.script.pop(0) if self.script else None
        if isinstance(step, web.Response):
            return step
        done = lines if step is None else 2
        answer = json.dumps({"accepted": done, "duplicates": 0, "rejected": [], "ids": [], "through": done})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(answer.encode() + b"\n")
        if step == "hang up":
            assert request.transport is not None
            request.transport.close()
        elif step:
            await response.write(step.encode() + b"\n")
        return response


@asynccontextmanager
async def scripted(*script: web.Response | str) -> AsyncIterator[tuple[Scripted, str]]:
    scripted = Scripted()
    scripted.script += script
    app = web.Application()
    app.router.add_get("/v1/store", scripted.store)
    app.router.add_post("/v1/touchpoints", scripted.touchpoints)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield scripted, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def refusal(status: int, **headers: str) -> web.Response:
    return web.json_response({"code": "said", "detail": "for a reason"}, status=status, headers=headers)


async def test_what_is_overloaded_or_lost_is_tried_again_from_where_it_was(tmp_path: Path) -> None:
    file = history(tmp_path / "history.ndjson", "x", 10)
    stopped = json.dumps({"error": "overloaded", "status": 503, "through": 2})
    script = (refusal(503, **{"Retry-After": "1"}), refusal(429), "hang up", stopped)
    async with scripted(*script) as (server, url):
        output = await run(url, file)
    assert [lines for _, lines in server.asked] == [10, 10, 10, 8, 6]
    assert {query for query, _ in server.asked} == {"announce=false"}
    assert server.at[1] - server.at[0] >= 1.0, "Retry-After is honoured"
    assert "10 lines: 10 accepted" in output
    assert output.count("retrying in") == 4


@pytest.mark.parametrize("status", [401, 403, 400, 413])
async def test_what_another_try_cannot_mend_stops_at_once(tmp_path: Path, status: int) -> None:
    file = history(tmp_path / "history.ndjson", "x", 10)
    async with scripted("hang up", refusal(status)) as (server, url):
        output = await run(url, file, code=NOT_FINISHED)
        assert "for a reason" in output
        assert str(status) in output
        assert len(server.asked) == 2
        assert json.loads((tmp_path / "history.ndjson.progress").read_text())["line"] == 2


async def test_trying_again_has_an_end(tmp_path: Path) -> None:
    file = history(tmp_path / "history.ndjson", "x", 10)
    async with scripted(*[refusal(503) for _ in range(50)]) as (server, url):
        output = await run(url, file, "--patience", "0.5", code=NOT_FINISHED)
        assert "gave up" in output
        assert "run the same command again" in output
        assert 1 < len(server.asked) < 5
    async with scripted(refusal(503, **{"Retry-After": "9999"})) as (server, url):
        assert "gave up" in await run(url, file, "--restart", code=NOT_FINISHED)


async def test_a_server_of_an_earlier_release_gets_nothing(tmp_path: Path) -> None:
    """It would ignore `announce=false` and trigger webhooks."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        file = history(tmp_path / "history.ndjson", "x", 10)
        assert "earlier release" in await run(url, file, code=NOT_FINISHED)
    finally:
        await runner.cleanup()


async def test_many_rejected_lines_make_a_long_answer(server: Process, tmp_path: Path) -> None:
    """An answer for 200 lines is one line of its own, above what a client takes by itself."""
    file = tmp_path / "history.ndjson"
    unknown: dict[str, Any] = {"x" * 1_000: 1}
    file.write_bytes(b"".join(line("many", number, **unknown) for number in range(400)))
    output = await run(server.url, file, code=SOME_REJECTED)
    assert "400 rejected" in output
    assert output.count("\nline ") == 19, "the first twenty are shown"
