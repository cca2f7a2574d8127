"""Sending lines until the server has made them durable, through restarts and overload."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from handoff.cli.client import Remote, read_answer
from handoff.domain.errors import HandoffError

from .progress import ImportTarget
from .rejects import touchpoint_of
from .source import SourceLine

GO_ON = "run the same command again to go on"
_PAUSES_S = (0.2, 5.0)  # the first and the longest, where the server names none
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_LOST = (aiohttp.ClientError, TimeoutError, ValueError)


class RejectedLine(Struct, frozen=True):
    """A line that the server did not take; `index` counts the lines of its request."""

    index: int
    code: str
    detail: str
    errors: list[dict[str, str]] | None = None


class ImportAnswer(Struct, frozen=True):
    """What became of the lines before `through` that were not told of before."""

    accepted: int
    duplicates: int
    rejected: list[RejectedLine]
    through: int
    expired: int = 0


class _Stopped(Struct, frozen=True):
    """The last line of an answer where the server could not go on."""

    error: str
    status: int


class Answered(Struct, frozen=True):
    """Lines with what became of them."""

    lines: Sequence[SourceLine]
    answer: ImportAnswer
    rejected: list[tuple[SourceLine, RejectedLine]]


class _Interrupted(Exception):
    """No answer, or one that asks for another try. `after_s` is what Retry-After says."""

    def __init__(self, why: str, after_s: float = 0.0) -> None:
        super().__init__(why)
        self.after_s = after_s


class ImportSender:
    """Sends to one server. `patience_s` is how long it goes on trying without getting any further; `say` is
    told why it waits. HandoffError for what no further try would mend, such as a token that is refused."""

    def __init__(
        self, server: Remote, *, announce: bool, patience_s: float, say: Callable[[str], None]
    ) -> None:
        self._server = server
        self._parameters = {} if announce else {"announce": "false"}
        self._patience_s = patience_s
        self._say = say
        self._failing_since: float | None = None
        self._failures = 0

    async def target(self) -> ImportTarget:
        """Where lines will go. The token is good then, and the store can be written."""
        url = self._server.url
        while True:
            try:
                async with self._asked("GET", "/v1/store") as response:
                    if response.status == 404:
                        raise HandoffError(
                            f"the server at {url} is of an earlier release, or is none: it does not say "
                            "which store it writes to, and would announce everything that is imported"
                        )
                    found = await _read(response)
                return ImportTarget(url=url, store=found["id"], tenant=found["tenant"])
            except _Interrupted as error:
                await self._wait(error)
            except aiohttp.ClientConnectionError as error:  # nothing is under way: said at once
                raise HandoffError(f"no server answers at {url}: {error}", code="unreachable") from error
            except (*_LOST, KeyError, TypeError) as error:
                raise HandoffError(f"what answers at {url} is no such server", code="unreachable") from error

    async def send(self, lines: Sequence[SourceLine]) -> AsyncIterator[Answered]:
        """Send lines; yields what became of them as that is known, in their order, until it is of all."""
        done = 0
        while done < len(lines):
            begun = done
            try:
                async for answer in self._send_once(lines[begun:]):
                    before, done = done, begun + answer.through
                    self._failing_since, self._failures = None, 0
                    rejected = [(lines[begun + it.index], it) for it in answer.rejected]
                    yield Answered(lines[before:done], answer, rejected)
                if done < len(lines):
                    raise _Interrupted("the answer ended before all lines were answered for")
            except _Interrupted as error:
                await self._wait(error)
            except _LOST as error:
                await self._wait(
                    _Interrupted(f"{self._server.url} does not answer any more: {error or 'too slow'}")
                )

    async def _send_once(self, lines: Sequence[SourceLine]) -> AsyncIterator[ImportAnswer]:
        headers = {"Content-Type": "application/x-ndjson"}
        body = b"".join(touchpoint_of(it.raw) + b"\n" for it in lines)
        asked = self._asked("POST", "/v1/touchpoints", params=self._parameters, data=body, headers=headers)
        async with asked as response:
            if response.status >= 400:
                await _read(response)
            async for raw in response.content:
                yield _answer(raw)

    def _asked(
        self, method: str, path: str, **given: Any
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._server.session.request(method, self._server.url + path, timeout=_TIMEOUT, **given)

    async def _wait(self, error: _Interrupted) -> None:
        """Pause before the next try; HandoffError once this went on for too long."""
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        pause_s = max(min(_PAUSES_S[0] * 2**self._failures, _PAUSES_S[1]), error.after_s)
        self._failures = min(self._failures + 1, 16)
        if now + pause_s - self._failing_since > self._patience_s:
            raise HandoffError(f"{error}; gave up after {now - self._failing_since:.0f} s, {GO_ON}")
        self._say(f"{error}; trying again in {pause_s:.1f} s")
        await asyncio.sleep(pause_s)


def _answer(raw: bytes) -> ImportAnswer:
    """A line of the answer. _Interrupted where it says that the server could not go on."""
    found = msgspec.json.decode(raw)
    if isinstance(found, dict) and "error" in found:
        stopped = msgspec.convert(found, _Stopped)
        if stopped.status in _TRY_AGAIN:
            raise _Interrupted(f"the server could not go on: {stopped.error}")
        raise HandoffError(f"the server stopped: {stopped.error} ({stopped.status}); {GO_ON}")
    return msgspec.convert(found, ImportAnswer)


async def _read(response: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer; _Interrupted where another try may bring a better one."""
    if response.status not in _TRY_AGAIN:
        return await read_answer(response)
    try:
        await read_answer(response)
        said = f"the server answers {response.status}"
    except HandoffError as error:
        said = error.detail
    except ValueError:  # a proxy's page
        said = f"{response.url.origin()} answers {response.status}"
    raise _Interrupted(said, _retry_after(response.headers.get("Retry-After", "")))


def _retry_after(text: str) -> float:
    """Seconds of a Retry-After; a date, which we never send, counts as nothing."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0.0
