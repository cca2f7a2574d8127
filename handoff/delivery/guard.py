"""Connections to allowed addresses only (SSRF guard). The check uses the address that the socket connects to.

A name is resolved once per connection, and the socket connects to that answer. So a name server that
answers differently the second time (DNS rebinding) cannot bypass the check.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from handoff.services.webhooks.destinations import EgressPolicy, RefusedAddress, check_address

AddressInfo = tuple[int, int, int, str, Any]
OpenSocket = Callable[[AddressInfo], socket.socket]


class ConnectionRefusedByPolicy(OSError):
    """This subscription may not connect to the address."""


class Resolver(AbstractResolver):
    """The system's resolver in a separate thread pool, so a slow name server does not block other work."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _type, protocol, _name, address in found
        ]

    async def close(self) -> None:
        """The caller owns the thread pool."""


def _look_up(host: str, port: int, family: int) -> list[Any]:
    return socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


def open_socket(info: AddressInfo) -> socket.socket:
    family, kind, protocol, _name, _address = info
    return socket.socket(family=family, type=kind, proto=protocol)


def guarded_connector(
    policy: EgressPolicy,
    resolver: AbstractResolver,
    tls: ssl.SSLContext | bool = True,
    opening: OpenSocket = open_socket,
) -> aiohttp.TCPConnector:
    """A connector that checks the policy just before each socket connects.

    Only subscriptions with the same policy share connections.
    """

    def make(info: AddressInfo) -> socket.socket:
        try:
            check_address(str(info[4][0]), policy)
        except RefusedAddress as error:
            raise ConnectionRefusedByPolicy(error.detail) from error
        return opening(info)

    return aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        socket_factory=make,
        ssl=tls,
        limit=0,  # the queue limits each subscription: dead subscribers must not use up the
        limit_per_host=0,  # connections of others, including others on the same host
        keepalive_timeout=15,
    )
