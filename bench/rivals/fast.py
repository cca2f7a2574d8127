"""FastAPI, uvicorn and redis-py as their guides have it: a model, one awaited XADD per request."""

from __future__ import annotations

import json
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from redis.asyncio import Redis


class Touchpoint(BaseModel):
    id: str
    channel: str
    type: str
    occurred_at: str
    identities: list[str | dict[str, Any]]
    text: str = ""
    data: dict[str, Any] = {}


def application(store: Redis) -> FastAPI:
    app = FastAPI()

    @app.post("/", status_code=204)
    async def keep(touchpoint: Touchpoint) -> None:
        await store.xadd(
            f"timeline:{touchpoint.identities[0]}",
            {
                "id": touchpoint.id,
                "channel": touchpoint.channel,
                "type": touchpoint.type,
                "occurred_at": touchpoint.occurred_at,
                "text": touchpoint.text,
                "data": json.dumps(touchpoint.data),
            },
        )

    return app


def main() -> None:
    app = application(Redis(unix_socket_path=sys.argv[2]))
    options = {"loop": "uvloop", "http": "httptools", "log_level": "warning", "access_log": False}
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), **options)


if __name__ == "__main__":
    main()
