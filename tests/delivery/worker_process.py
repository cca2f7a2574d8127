"""A worker in its own process, for tests that kill it: `python -m … STORE_URL HOOK_URL SECRET`."""

from __future__ import annotations

import asyncio
import sys

from handoff.delivery.delivery import DeliveryService
from handoff.delivery.settings import WebhookSettings
from handoff.services.context.completeness import Monitor
from handoff.services.metrics import Measures
from tests.delivery.conftest import opened


async def work(store_url: str, hook_url: str, secret: str) -> None:
    hook = WebhookSettings(url=hook_url, secret=secret, allow_insecure=True, allow_networks=["127.0.0.0/8"])
    async with opened(store_url) as store:
        delivery = DeliveryService(
            store, Monitor(store, []), Measures(), [hook], ["default"], "https://handoff.example"
        )
        async with delivery.running():
            print("ready", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
