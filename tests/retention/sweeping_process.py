"""A sweeping worker in its own process, for tests that kill it: `python -m … STORE_URL TENANT DAYS`."""

from __future__ import annotations

import asyncio
import sys

from handoff.domain.retention.rules import RetentionRule
from handoff.services.retention.sweep import Sweeper
from tests.conftest import opened
from tests.retention.test_sweep import OWNER, STEPWISE, policy_of


async def work(url: str, tenant: str, days: int) -> None:
    async with opened(url) as store:
        sweeper = Sweeper(store, policy_of(tenant, RetentionRule(days=days)), OWNER, STEPWISE)
        while True:
            print("turn", flush=True)
            await sweeper.turn()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
