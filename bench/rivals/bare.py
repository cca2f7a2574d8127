"""The floor: an aiohttp handler that answers 204 and does nothing."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


async def nothing(_request: web.Request) -> web.Response:
    return web.Response(status=204)


def main() -> None:
    app = web.Application()
    app.router.add_post("/", nothing)
    port, loop = int(sys.argv[1]), LOOPS[sys.argv[2]]()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
