"""NDJSON: lines are recorded in groups, and answered while more arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec
from aiohttp import web

from handoff.api.http.app_keys import AppContext
from handoff.api.http.exchange import BOM, stream_answer
from handoff.api.http.problems import status_of
from handoff.api.http.protocol import HttpProtocol
from handoff.domain.errors import HandoffError, InvalidPayload, PayloadTooLarge
from handoff.domain.touchpoint import Touchpoint
from handoff.services.access.principal import Principal
from handoff.services.sources.native import Caller

from .answers import LinesView, RecordedView
from .ndjson import MAX_LINE, LineGroup, groups
from .storing import read_item, store_items


class _Lines:
    """The response to NDJSON: one line for each group of lines, in order. The first line starts it."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response = stream_answer("application/x-ndjson")
        self._through = 0

    async def report(self, group: LineGroup, storing: Awaitable[RecordedView]) -> bool:
        """Report a group once it is stored; False if the import must continue in another request."""
        try:
            view = await storing
        except HandoffError as error:
            if not self._response.prepared:
                raise
            # The status has been sent: the last line has the place to continue.
            await self._write(
                {"error": error.problem_code, "status": status_of(error), "through": self._through}
            )
            return False
        places, self._through = group.places, group.through
        if not self._response.prepared:
            await self._response.prepare(self._request)
        await self._write(
            LinesView(
                accepted=view.accepted,
                duplicates=view.duplicates,
                expired=view.expired,
                rejected=[msgspec.structs.replace(it, index=places[it.index]) for it in view.rejected],
                ids=view.ids,
                through=self._through,
            )
        )
        return True

    async def _write(self, line: object) -> None:
        await self._response.write(msgspec.json.encode(line) + b"\n")

    async def end(self) -> web.StreamResponse:
        if not self._response.prepared:
            raise InvalidPayload("The request has no lines", code="empty")
        await self._response.write_eof()
        return self._response


async def stream(
    request: web.Request, site: AppContext, principal: Principal, *, quiet: bool
) -> web.StreamResponse:
    """Record NDJSON and respond in NDJSON while lines are still arriving.

    The next group is read while the store records the previous one. A long request waits while the fan-out is
    behind: history is less urgent than live touchpoints.
    """
    caller, answers = site.caller(principal), _Lines(request)
    if isinstance(request.protocol, HttpProtocol):
        request.protocol.be_patient()
    before: tuple[LineGroup, asyncio.Task[RecordedView]] | None = None
    async for group in groups(request):
        read = await site.store.pace.each(principal.tenant, lambda raw: _line(raw, caller), group.lines)
        if before is not None and not await answers.report(before[0], asyncio.shield(before[1])):
            return await answers.end()
        if before is not None:
            await site.monitor.pace()
        storing = asyncio.create_task(store_items(site, principal, read, bulk=True, quiet=quiet))
        storing.add_done_callback(_retrieve_error)
        before = group, storing
        await asyncio.sleep(0)  # lets the task start
    if before is not None:
        await answers.report(before[0], asyncio.shield(before[1]))
    return await answers.end()


def _retrieve_error(storing: asyncio.Task[RecordedView]) -> None:
    """Mark the task's error as retrieved: asyncio would warn about it if the sender has disconnected."""
    if not storing.cancelled():
        storing.exception()


def _line(raw: bytes, caller: Caller) -> Touchpoint | HandoffError:
    if len(raw) > MAX_LINE:
        return PayloadTooLarge(f"The line exceeds {MAX_LINE} bytes")
    return read_item(raw.strip(b"\x1e\r\n ").removeprefix(BOM), caller, cloudevents=False)
