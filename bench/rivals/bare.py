"""The floor: an aiohttp handler that answers 204 and does nothing."""

from __future__ import annotations

import sys

from aiohttp import web


async def nothing(_request: web.Request) -> web.Response:
    return web.Response(status=204)


def main() -> None:
    app = web.Application()
    app.router.add_post("/", nothing)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
