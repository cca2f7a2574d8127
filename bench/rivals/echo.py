"""The floor of live delivery: aiohttp that writes what is posted to every open event stream."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

STREAMS = web.AppKey("streams", list[web.StreamResponse])


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(b": hello\n\n")
    request.app[STREAMS].append(response)
    await asyncio.Event().wait()  # ended with the server: aiohttp cancels no handler whose client left
    return response


async def send(request: web.Request) -> web.Response:
    body = await request.read()
    streams = request.app[STREAMS]
    for response in tuple(streams):
        try:
            await response.write(b"event: said\ndata: " + body + b"\n\n")
        except ConnectionResetError:
            streams.remove(response)
    return web.Response(status=201)


def main() -> None:
    app = web.Application()
    streams: list[web.StreamResponse] = []
    app[STREAMS] = streams
    app.router.add_get("/stream", stream)
    app.router.add_post("/say", send)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)


if __name__ == "__main__":
    main()
