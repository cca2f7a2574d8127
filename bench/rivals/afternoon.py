"""What one writes in an afternoon: aiohttp and redis-py, one awaited XADD per request.

No validation, no check for duplicates, no evidence, no outbox: one stream per customer.
"""

from __future__ import annotations

import json
import sys

from aiohttp import web
from redis.asyncio import Redis

STORE = web.AppKey("store", Redis)


async def store(request: web.Request) -> web.Response:
    touchpoint = await request.json()
    await request.app[STORE].xadd(
        f"timeline:{touchpoint['identities'][0]}",
        {
            "id": touchpoint["id"],
            "channel": touchpoint["channel"],
            "type": touchpoint["type"],
            "occurred_at": touchpoint["occurred_at"],
            "text": touchpoint.get("text", ""),
            "data": json.dumps(touchpoint.get("data", {})),
        },
    )
    return web.Response(status=204)


def main() -> None:
    app = web.Application()
    app[STORE] = Redis(unix_socket_path=sys.argv[2])
    app.router.add_post("/", store)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
