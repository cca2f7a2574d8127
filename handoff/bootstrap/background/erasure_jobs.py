"""Erasures in a running server: repeated after the restore of a backup, noticed, and done job by job."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from handoff.api.http.app_keys import AppContext
from handoff.domain.errors import ConfigurationError, HandoffError
from handoff.services.privacy.erasing import Eraser
from handoff.services.privacy.noticing import ErasureWatch
from handoff.services.privacy.repeating import repeat_all, withhold

NOTICE_S = 2.0  # so often a worker looks for erasures that another one was asked for
ERASE_S = 5.0  # so often it looks for jobs that another one left

log = structlog.get_logger(__name__)


class Erasures:
    """A worker's part in erasures."""

    def __init__(self, site: AppContext, tenants: Sequence[str]) -> None:
        self._site = site
        self._watch = ErasureWatch(site.store, tenants)
        self._eraser = Eraser(site.store, site.handoffs, tenants, trail=site.audit)
        self._repeated = False

    async def repeat(self) -> None:
        """Take out of sight again what a restored backup brought back, before anybody can read it.

        If the store takes no writes, it is withheld meanwhile, and `run` tries again.
        """
        try:
            site = self._site
            repeated = await repeat_all(site.store, site.journal, site.privacy.backup_days)
        except ConfigurationError:
            raise
        except HandoffError as error:  # a full store, say: `run` tries again
            withheld = await self._withhold()
            log.error("erasures_not_repeated", code=error.problem_code, withheld=withheld)
            return
        self._repeated = True
        if repeated:
            log.warning("erasures_repeated", count=repeated)

    async def _withhold(self) -> int | None:
        """How many identities are withheld; None if the store does not answer: it shows nothing."""
        try:
            return await withhold(self._site.store, self._site.journal)
        except HandoffError:
            return None
        finally:
            self._site.recent.clear()

    def ready(self) -> str | None:
        """Why this worker should get no requests, or None."""
        return None if self._repeated else "erasures"

    async def notice(self) -> None:
        """Forget what was read of customers who were erased since, and end their streams."""
        homes = await self._watch.look()
        if homes is not None:
            self._site.store.forget_reads()
            self._site.recent.clear()
            self._site.hub.break_off_homes(homes)

    async def run(self) -> None:
        """Do the jobs, at once those that this worker was asked for."""
        while True:
            try:
                if self._site.journal.unsettled:
                    await self.repeat()
                await self.notice()
                await self._eraser.run_open()
                await self._site.store.compaction.run_due()
            except HandoffError as error:
                log.warning("background_failed", work="erasures", code=error.problem_code)
            except Exception:  # whatever it is must not stop erasing
                log.exception("erasing_failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(ERASE_S):
                    await self._site.erased.wait()
            self._site.erased.clear()
