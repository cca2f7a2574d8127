"""The floor of a read: an aiohttp handler that answers with the bytes of a file and does nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from aiohttp import web

BODY = web.AppKey("body", bytes)


async def same(request: web.Request) -> web.Response:
    return web.Response(body=request.app[BODY], content_type="application/json")


def main() -> None:
    app = web.Application()
    app[BODY] = Path(sys.argv[2]).read_bytes()
    app.router.add_route("*", "/{path:.*}", same)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
