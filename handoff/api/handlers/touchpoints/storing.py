"""Reads the items of a request, and stores those that are valid."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from handoff.api.http.app_keys import AppContext
from handoff.domain.errors import HandoffError, Unprocessable
from handoff.domain.touchpoint import Touchpoint
from handoff.services.access.customer_access import check_recording
from handoff.services.access.principal import Principal
from handoff.services.context.feedback import wrong_rule
from handoff.services.sources.cloudevents import read_cloudevent
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.recording import Result, record

from .answers import RecordedView, rejected_view

MAX_REJECTED = 500  # of the rejected touchpoints that are described; the others are null in `ids`, like these


def read_item(raw: bytes | msgspec.Raw, caller: Caller, cloudevents: bool) -> Touchpoint | HandoffError:
    try:
        if cloudevents:
            return read_cloudevent(raw, caller, time.time_ns() // 1000)
        return read_native(raw, caller)
    except HandoffError as error:
        return error


async def store_items(
    site: AppContext,
    principal: Principal,
    read: Sequence[Touchpoint | HandoffError],
    *,
    bulk: bool,
    quiet: bool,
) -> RecordedView:
    read = [await _permitted(site, principal, it) for it in read]
    touchpoints = [it for it in read if isinstance(it, Touchpoint)]
    results = await record(site.store, principal.tenant, touchpoints, bulk=bulk, quiet=quiet)
    site.measures.count(principal.name, results)
    for touchpoint, result in zip(touchpoints, results, strict=True):
        site.measures.line_wrong(wrong_rule(touchpoint), result)
    done = iter(results)
    entries: list[Result | HandoffError] = [it if isinstance(it, HandoffError) else next(done) for it in read]
    rejected = [
        rejected_view(place, it)
        for place, it in enumerate(entries)
        if isinstance(it, HandoffError) or not it.ok
    ]
    return RecordedView(
        accepted=sum(1 for it in results if it.status == "accepted"),
        duplicates=sum(1 for it in results if it.status in ("duplicate", "erased")),
        expired=sum(1 for it in results if it.status == "expired"),
        rejected=rejected[:MAX_REJECTED],
        ids=[it.id if isinstance(it, Result) and it.ok else None for it in entries],
    )


async def _permitted(
    site: AppContext, principal: Principal, read: Touchpoint | HandoffError
) -> Touchpoint | HandoffError:
    """The touchpoint, or the error if this caller may not record it."""
    if principal.queues is None or isinstance(read, HandoffError):
        return read
    try:
        await check_recording(site.store, principal, [it.identity for it in read.identities])
    except Unprocessable as error:
        return error
    return read
