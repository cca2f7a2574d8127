"""`handoff customer reveal`."""

from __future__ import annotations

import argparse
import asyncio

from handoff.cli.client import remote
from handoff.cli.terminal import print_json


def reveal(options: argparse.Namespace) -> int:
    """Show a touchpoint with the numbers that readers get masked."""
    asyncio.run(_reveal(options))
    return 0


async def _reveal(options: argparse.Namespace) -> None:
    async with remote(options.url, options.token, options.tenant) as server:
        path = f"/v1/touchpoints/{options.touchpoint}/reveal"
        touchpoint = await server.post(path, {"reason": options.reason})
    if options.json:
        print_json(touchpoint)
        return
    for name in ("subject", "text"):
        if touchpoint[name]:
            print(touchpoint[name])
    if touchpoint["data"]:
        print_json(touchpoint["data"])
