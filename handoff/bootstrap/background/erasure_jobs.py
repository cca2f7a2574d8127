"""Erasures in a running server: repeated after the restore of a backup, and done job by job."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from handoff.api.http.app_keys import AppContext
from handoff.domain.errors import HandoffError
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.erasure import repeat_all

ERASE_S = 5.0  # so often a worker looks for erasures that another one was asked for

log = structlog.get_logger(__name__)


async def repeat_erasures(site: AppContext) -> None:
    """Take out of sight again what a restored backup brought back, before anybody can read it."""
    try:
        repeated = await repeat_all(site.store, site.journal)
    except HandoffError as error:  # a full store, say: the background tries again
        log.error("erasures_not_repeated", code=error.problem_code)
        return
    if repeated:
        log.warning("erasures_repeated", count=repeated)


async def erasing(site: AppContext, tenants: Sequence[str]) -> None:
    """Do the jobs of erasures, first those that a restored backup undid."""
    eraser, checked = Eraser(site.store, site.handoffs, tenants), False
    while True:
        try:
            checked = checked or await repeat_all(site.store, site.journal) >= 0
            if await eraser.look():
                site.store.forget_reads()
                site.recent.clear()
            await eraser.run_open()
            await site.store.compaction.run_due()
        except HandoffError as error:
            log.warning("background_failed", work="erasures", code=error.problem_code)
        except Exception:  # whatever it is must not stop erasing
            log.exception("erasing_failed")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ERASE_S):
                await site.erased.wait()
        site.erased.clear()
