"""What goes through redis-py: over its pool, or to the primaries of a Cluster.

Of redis-py's cluster client only the table of slots and the connections to each node are used. Its own way
of meeting failures closes every connection when one primary fails, and then asks any node at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio.cluster import ClusterNode, PipelineCommand
from redis.exceptions import (
    AskError,
    MovedError,
    SlotNotCoveredError,
)
from redis.exceptions import ConnectionError as LostConnection
from redis.exceptions import TimeoutError as Silent

from .address import StoreClient
from .cluster_map import ClusterMap
from .commands import Command, key_of, named
from .wire import HostPort


class Pool:
    """The connections of a redis-py client. It repeats nothing and raises redis-py's own errors.

    Of each primary of a Cluster at most `connections` are in use: calls to one that hangs keep nobody
    from another.
    """

    def __init__(self, client: StoreClient, connections: int) -> None:
        self._client = client
        self._connections = connections
        self._places: dict[str, asyncio.Semaphore] = {}

    async def call(self, command: Command, key: bytes | None) -> Any:
        """The answer to one command; on a cluster from the primary of `key`."""
        if self._client.redis is not None:
            return await self._single().execute_command(*command)
        (answer,) = await self.exchange([(command, key)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def exchange(self, commands: Sequence[tuple[Command, bytes | None]]) -> list[Any]:
        """The answers to commands, each with its key, in one round trip (one to each server of a cluster).

        On a cluster errors of one server stand in the places of its commands.
        """
        if self._client.redis is not None:
            return await self._one_after_the_other([command for command, _key in commands])
        await self._cluster().initialize()
        answers: list[Any] = [None] * len(commands)
        by_node: dict[ClusterNode | None, list[int]] = {}
        for place, (command, key) in enumerate(commands):
            try:
                by_node.setdefault(self._node(command, key), []).append(place)
            except (KeyError, SlotNotCoveredError) as error:
                answers[place] = error

        async def ask(node: ClusterNode | None, places: list[int]) -> None:
            asked = [commands[place][0] for place in places]
            for place, answer in zip(places, await self._answers(node, asked), strict=True):
                answers[place] = answer

        if len(by_node) == 1:
            await ask(*next(iter(by_node.items())))
        else:
            await asyncio.gather(*(ask(node, places) for node, places in by_node.items()))
        return answers

    async def together(self, commands: Sequence[Command], key: bytes) -> list[Any]:
        """The answers to commands on one connection, one after the other; no redirection is followed."""
        if self._client.redis is not None:
            return await self._one_after_the_other(commands)
        await self._cluster().initialize()
        node = self._node(commands[0], key)
        assert node is not None
        return await self._on(node, commands)

    async def on_primaries(self, command: Command, tolerate: str | None) -> list[Any]:
        """The answers of every primary; errors that hold `tolerate` among them, any other is raised."""
        if self._client.redis is not None:
            calls = [self._single().execute_command(*command)]
        else:
            cluster = self._cluster()
            await cluster.initialize()
            calls = [self._one(node, command) for node in cluster.get_primaries()]
        replies = await asyncio.gather(*calls, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException) and not (tolerate and tolerate in str(reply)):
                raise reply
        return list(replies)

    def primary_of(self, key: bytes) -> HostPort | None:
        """Where the table has the slot of a key; None before there is one."""
        cluster = self._cluster()
        try:
            node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        except (KeyError, SlotNotCoveredError):
            return None
        return node.host, node.port

    async def leave_demoted(self, *, in_use: bool = False) -> None:
        """Close idle connections, to a demoted primary they would all answer the same; or all of them."""
        if self._client.redis is not None:
            await self._client.redis.connection_pool.disconnect(inuse_connections=in_use)

    async def learn(self, error: MovedError) -> None:
        """Note where a slot has moved to."""
        if self._client.cluster is not None:
            with suppress(KeyError):  # a table that does not have the slot at all
                await self._client.cluster.nodes_manager.move_slot(error)

    async def follow(self, seen: ClusterMap) -> None:
        """Have the table made anew by a node that knows the newest owners, where it is another."""
        manager = self._cluster().nodes_manager
        if not manager.slots_cache or not seen.informed or self._agrees(seen):
            return
        known = {**manager.nodes_cache, **manager.startup_nodes}
        nodes = [ClusterNode(*place, **manager.connection_kwargs) for place in seen.informed]
        before, manager.startup_nodes = (
            manager.startup_nodes,
            {it.name: known.get(it.name, it) for it in nodes},
        )
        try:
            await manager.initialize()
        except BaseException:
            manager.startup_nodes = {**before, **manager.startup_nodes}
            raise
        for node in before.values():
            if node not in (*manager.startup_nodes.values(), *manager.nodes_cache.values()):
                _leave(node)
                await node.disconnect_free_connections()

    def _agrees(self, seen: ClusterMap) -> bool:
        cache = self._cluster().nodes_manager.slots_cache
        previous: tuple[Any, HostPort | None] | None = None
        for slot, owner in enumerate(seen.owners):
            nodes = cache.get(slot)
            node = nodes[0] if nodes else None
            if previous is not None and previous[0] is node and previous[1] == owner:
                continue
            previous = (node, owner)
            if owner is not None and (node is None or (node.host, node.port) != owner):
                return False
        return True

    async def _answers(self, node: ClusterNode | None, commands: Sequence[Command]) -> list[Any]:
        """The answers of a node, or of whichever redis-py takes for commands without a key."""
        try:
            if node is None:
                execute = self._cluster().execute_command
                calls = (execute(*named(command)) for command in commands)
                return list(await asyncio.gather(*calls, return_exceptions=True))
            answers = await self._on(node, commands)
        except Exception as error:  # all of them failed with the connection
            return [error] * len(commands)
        for place, answer in enumerate(answers):
            if isinstance(answer, MovedError):
                await self.learn(answer)
            elif isinstance(answer, AskError):
                answers[place] = await self._asking(answer, commands[place])
        return answers

    async def _asking(self, error: AskError, command: Command) -> Any:
        """The answer of the node that a slot is just moving to."""
        manager = self._cluster().nodes_manager
        node = manager.get_node(host=error.host, port=error.port)
        if node is None:
            return error
        try:
            _asking, answer = await self._on(node, (("ASKING",), command))
        except Exception as lost:
            return lost
        return answer

    async def _one(self, node: ClusterNode, command: Command) -> Any:
        (answer,) = await self._on(node, (command,))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _on(self, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        """The answers of one node to commands on one connection."""
        stack = [PipelineCommand(place, *command) for place, command in enumerate(commands)]
        async with self._place_at(node):
            try:
                await node.execute_pipeline(stack)
            except (LostConnection, Silent, OSError):
                _leave(node)
                raise
        answers = [it.result for it in stack]
        if any(isinstance(it, (LostConnection, Silent)) for it in answers):
            _leave(node)
        return answers

    def _place_at(self, node: ClusterNode) -> asyncio.Semaphore:
        places = self._places.get(node.name)
        if places is None:
            places = self._places[node.name] = asyncio.Semaphore(self._connections)
        return places

    async def _one_after_the_other(self, commands: Sequence[Command]) -> list[Any]:
        pipe = self._single().pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        return list(await pipe.execute(raise_on_error=False))

    def _node(self, command: Command, key: bytes | None) -> ClusterNode | None:
        """The primary of a command's key; None where it has none."""
        key = key or key_of(command)
        if key is None:
            return None
        cluster = self._cluster()
        node: ClusterNode = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        return node

    def _single(self) -> Any:
        """redis-py's client; its types do not cover `execute_command`."""
        assert self._client.redis is not None
        return self._client.redis

    def _cluster(self) -> Any:
        """The same for a cluster."""
        assert self._client.cluster is not None
        return self._client.cluster


def _leave(node: ClusterNode) -> None:
    """Have every connection to a node opened anew: one of them was lost, the others are hardly better."""
    node.update_active_connections_for_reconnect()
    for connection in node._free:  # as redis-py does where a node is kept; nothing public does it at once
        connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
