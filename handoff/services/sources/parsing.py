"""Verifying and parsing deliveries that would block the event loop: in a thread, or in a process of its own.

A thread shares Python's lock with the event loop: a regular expression over a mail of 24 MiB holds it for
seconds. Larger bodies are therefore parsed by a process, which is started for the first one and can be
killed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, TypeVar

import structlog

from handoff.adapter.contract import Adapter, InboundRequest, Parsed, SourceOptions
from handoff.domain.errors import HandoffError, InvalidPayload

THREAD_ABOVE = 64 * 1024  # bytes; parsing more would block the event loop for milliseconds
PROCESS_ABOVE = 1024 * 1024  # bytes; parsing more would hold Python's lock too long
PARSE_S = 25.0  # for a body in the process; then it counts as unreadable

T = TypeVar("T")
log = structlog.get_logger(__name__)
_adapters: dict[str, tuple[SourceOptions, Adapter]] = {}
"""In the parsing process: adapters by source."""


class Parsing:
    """One thread to verify, one to parse, and one process to parse large bodies.

    Several threads would keep the event loop waiting for Python's lock, each for its turn.
    """

    def __init__(self) -> None:
        self._verifying = ThreadPoolExecutor(1, "verify")
        self._parsing = ThreadPoolExecutor(1, "parse")
        self._process: ProcessPoolExecutor | None = None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            _kill(self._process)
            self._process = None

    async def verify(self, adapter: Adapter, request: InboundRequest) -> None:
        await _run(self._verifying, adapter.verify, request)

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await _run(self._parsing, work, *arguments)

    async def parse(self, options: SourceOptions, adapter: Adapter, request: InboundRequest) -> Parsed:
        """Parse a body above THREAD_ABOVE. Raises as `parse` does."""
        if len(request.body) <= PROCESS_ABOVE:
            return await self.in_thread(parse, adapter, request)
        try:
            job = await self.in_thread(pickle.dumps, (type(adapter), options, request))
        except (pickle.PicklingError, AttributeError, TypeError):  # an adapter made inside a function
            return await self.in_thread(parse, adapter, request)
        return await self._parse_apart(adapter, job)

    async def _parse_apart(self, adapter: Adapter, job: bytes) -> Parsed:
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._process = ProcessPoolExecutor(1, mp_context=context)
        process = self._process
        try:
            async with asyncio.timeout(PARSE_S):
                answer = await _run(process, _parse_job, job)
        except (TimeoutError, BrokenProcessPool) as error:
            if self._process is process:
                self.close()
            log.error("adapter_failed", adapter=adapter.name, error=type(error).__name__)
            raise InvalidPayload("the delivery cannot be read", code="unreadable") from error
        parsed: Parsed = await self.in_thread(pickle.loads, answer)
        return parsed


def _kill(process: ProcessPoolExecutor) -> None:
    """End a pool at once, also while it works."""
    for worker in list((process._processes or {}).values()):
        worker.kill()
    process.shutdown(wait=False, cancel_futures=True)


async def _run(pool: ThreadPoolExecutor | ProcessPoolExecutor, work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.get_running_loop().run_in_executor(pool, partial(work, *arguments))


def _parse_job(job: bytes) -> bytes:
    """In the process: parse a delivery. Nothing is logged there."""
    made, options, request = pickle.loads(job)  # noqa: S301 - from this product's own process
    known = _adapters.get(options.name)
    if known is None or known[0] != options:
        known = _adapters[options.name] = options, made(options)
    try:
        return pickle.dumps(known[1].parse(request))
    except HandoffError:
        raise
    except Exception as error:
        raise InvalidPayload("the delivery cannot be read", code="unreadable") from error


def parse(adapter: Adapter, request: InboundRequest) -> Parsed:
    """Parse with the adapter. Raises InvalidPayload (`unreadable`) if the adapter itself fails.

    Such a delivery passed verification: it is quarantined and can be replayed after the adapter is fixed.
    """
    try:
        return adapter.parse(request)
    except HandoffError:
        raise
    except Exception as error:  # hostile bytes must not do more harm than this
        log.exception("adapter_failed", adapter=adapter.name)
        raise InvalidPayload("the delivery cannot be read", code="unreadable") from error
