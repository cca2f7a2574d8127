"""What goes through redis-py: over its pool, or to the primaries of a Cluster whose changes it follows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.asyncio.cluster import ClusterNode
from redis.exceptions import MovedError, SlotNotCoveredError

from .address import Client
from .commands import Command, key_of, named
from .line import Place


class Pool:
    """The connections of a redis-py client. It repeats nothing and raises redis-py's own errors."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, command: Command, key: bytes | None) -> Any:
        """The answer to one command; on a cluster from the primary of `key`."""
        if self._client.redis is not None:
            return await self._single().execute_command(*command)
        return await self._cluster().execute_command(*named(command), **await self._target(command, key))

    async def exchange(self, commands: Sequence[tuple[Command, bytes | None]]) -> list[Any]:
        """The answers to commands, each with its key, in one round trip (one to each server of a cluster)."""
        if self._client.redis is not None:
            return await self._one_after_the_other([command for command, _key in commands])
        cluster = self._cluster().pipeline()
        for command, key in commands:
            cluster.execute_command(*named(command), **await self._target(command, key))
        return list(await cluster.execute(raise_on_error=False))

    async def together(self, commands: Sequence[Command], key: bytes) -> list[Any]:
        """The answers to commands on one connection, one after the other; no redirection is followed."""
        if self._client.redis is not None:
            return await self._one_after_the_other(commands)
        pipe, target = self._cluster().pipeline(), await self._target(commands[0], key)
        for command in commands:
            pipe.execute_command(*command, **target)
        return list(await pipe.execute(raise_on_error=False, allow_redirections=False))

    async def on_primaries(self, command: Command, tolerate: str | None) -> list[Any]:
        """The answers of every primary; errors that hold `tolerate` among them, any other is raised."""
        if self._client.redis is not None:
            calls = [self._single().execute_command(*command)]
        else:
            cluster = self._cluster()
            await cluster.initialize()
            calls = [
                cluster.execute_command(*named(command), target_nodes=node)
                for node in cluster.get_primaries()
            ]
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException) and not (tolerate and tolerate in str(reply)):
                raise reply
        return list(replies)

    def primary_of(self, key: bytes) -> Place | None:
        """Where redis-py's table has the slot of a key; None before there is one."""
        cluster = self._cluster()
        try:
            node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        except (KeyError, SlotNotCoveredError):
            return None
        return node.host, node.port

    async def leave_demoted(self) -> None:
        """Close idle connections: to a demoted primary they would all answer the same."""
        if self._client.redis is not None:
            await self._client.redis.connection_pool.disconnect(inuse_connections=False)

    async def learn(self, error: MovedError) -> None:
        """Note where a slot has moved to."""
        if self._client.cluster is not None:
            await self._client.cluster.nodes_manager.move_slot(error)

    async def _one_after_the_other(self, commands: Sequence[Command]) -> list[Any]:
        pipe = self._single().pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))

    async def _target(self, command: Command, key: bytes | None) -> dict[str, ClusterNode]:
        """redis-py's argument that sends a command to the primary of its key; none lets it find out."""
        key = key or key_of(command)
        if key is None:
            return {}
        cluster = self._cluster()
        await cluster.initialize()
        node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        return {"target_nodes": node}

    def _single(self) -> Any:
        """redis-py's client; its types do not cover `execute_command`."""
        assert self._client.redis is not None
        return self._client.redis

    def _cluster(self) -> Any:
        """The same for a cluster."""
        assert self._client.cluster is not None
        return self._client.cluster
