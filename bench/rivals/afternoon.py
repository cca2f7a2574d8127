"""A server that takes an afternoon to write: aiohttp and redis-py, one awaited XADD per request.

No validation, no check for duplicates, no evidence, no outbox: one stream per customer.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from aiohttp import web
from redis.asyncio import Redis

STORE = web.AppKey("store", Redis)


def key(customer: str) -> str:
    return f"timeline:{customer}"


def fields(touchpoint: dict[str, Any]) -> dict[str, str]:
    """The fields of a stream entry."""
    return {
        "id": touchpoint["id"],
        "channel": touchpoint["channel"],
        "type": touchpoint["type"],
        "occurred_at": touchpoint["occurred_at"],
        "text": touchpoint.get("text", ""),
        "data": json.dumps(touchpoint.get("data", {})),
    }


async def store(request: web.Request) -> web.Response:
    touchpoint = await request.json()
    await request.app[STORE].xadd(key(touchpoint["identities"][0]), fields(touchpoint))
    return web.Response(status=204)


async def history(request: web.Request) -> web.Response:
    """All that one customer did."""
    entries = await request.app[STORE].xrange(key(request.query["customer"]))
    return web.json_response([entry for _, entry in entries])


def main() -> None:
    app = web.Application()
    app[STORE] = Redis(unix_socket_path=sys.argv[2], decode_responses=True)
    app.router.add_post("/", store)
    app.router.add_get("/history", history)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
