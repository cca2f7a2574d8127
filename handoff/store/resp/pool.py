"""The transport over redis-py: its pool for one server, or its connections to the primaries of a Cluster.

Of redis-py's cluster client only the table of slots and the connections to each node are used. Its own
recovery closes every connection when one primary fails, and then asks any node at all.
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
from .packing import Prepared
from .transport import Places
from .wire import HostPort


class Pool:
    """The connections of a redis-py client. It repeats nothing and raises redis-py's own errors.

    At most `connections` are in use, on a Cluster for each primary: calls to one that hangs do not keep
    others waiting.
    """

    is_open = False  # redis-py gives no promise that an exchange ends in time

    def __init__(self, client: StoreClient, connections: int) -> None:
        self._client = client
        self._connections = connections
        self._free = asyncio.Semaphore(connections)
        self._free_of_node: dict[str, asyncio.Semaphore] = {}

    @property
    def fallback(self) -> Pool:
        return self

    def toward(self, key: bytes) -> Pool:
        return self

    async def exchange(self, batch: Prepared, places: Places = None) -> list[Any]:
        """The answers to commands in one round trip, on a Cluster one to each of the primaries concerned.

        On a Cluster a failure to reach a primary is in the places of its commands.
        """
        commands = batch.commands
        if self._client.redis is not None:
            return await self._in_order(commands)
        await self._cluster().initialize()
        answers: list[Any] = [None] * len(commands)
        by_node: dict[ClusterNode | None, list[int]] = {}
        for number, command in enumerate(commands):
            try:
                node = self._node(command, places[number] if places else None)
                by_node.setdefault(node, []).append(number)
            except (KeyError, SlotNotCoveredError) as error:
                answers[number] = error

        async def ask(node: ClusterNode | None, numbers: list[int]) -> None:
            asked = [commands[number] for number in numbers]
            for number, answer in zip(numbers, await self._answers(node, asked), strict=True):
                answers[number] = answer

        if len(by_node) == 1:
            await ask(*next(iter(by_node.items())))
        else:
            await asyncio.gather(*(ask(node, numbers) for node, numbers in by_node.items()))
        return answers

    async def exchange_in_order(self, batch: Prepared, key: bytes) -> list[Any]:
        if self._client.redis is not None:
            return await self._in_order(batch.commands)
        await self._cluster().initialize()
        node = self._node(batch.commands[0], key)
        assert node is not None
        return await self._on(node, batch.commands)

    async def on_primaries(self, command: Command, tolerate: str | None) -> list[Any]:
        """The answers of every primary. An error is raised, unless its text contains `tolerate`."""
        if self._client.redis is not None:
            calls = [self._execute(command)]
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
        """The place of a key's primary by the table of slots; None before there is one."""
        cluster = self._cluster()
        try:
            node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key))
        except (KeyError, SlotNotCoveredError):
            return None
        return node.host, node.port

    async def leave_demoted(self, *, in_use: bool = False) -> None:
        """Close idle connections, which lead to the demoted primary; with `in_use` all of them."""
        if self._client.redis is not None:
            await self._client.redis.connection_pool.disconnect(inuse_connections=in_use)

    async def learn(self, error: MovedError) -> None:
        """Note where a slot has moved to."""
        if self._client.cluster is not None:
            with suppress(KeyError):  # a table that does not have the slot at all
                await self._client.cluster.nodes_manager.move_slot(error)

    async def follow(self, seen: ClusterMap) -> None:
        """Rebuild the table from a node that knows the newest owners, where the table differs."""
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
        """The answers of a node; of one that redis-py chooses for commands without a key."""
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
        """The answer of the node that a slot is moving to."""
        manager = self._cluster().nodes_manager
        node = manager.get_node(host=error.host, port=error.port)
        if node is None:
            return error
        try:
            _asking, answer = await self._on(node, (("ASKING",), command))
        except Exception as lost:
            return lost
        return answer

    async def _execute(self, command: Command) -> Any:
        async with self._free:
            return await self._single().execute_command(*command)

    async def _one(self, node: ClusterNode, command: Command) -> Any:
        (answer,) = await self._on(node, (command,))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _on(self, node: ClusterNode, commands: Sequence[Command]) -> list[Any]:
        """The answers of one node to commands on one connection."""
        stack = [PipelineCommand(place, *command) for place, command in enumerate(commands)]
        async with self._free_at(node):
            try:
                await node.execute_pipeline(stack)
            except (LostConnection, Silent, OSError):
                _leave(node)
                raise
        answers = [it.result for it in stack]
        if any(isinstance(it, (LostConnection, Silent)) for it in answers):
            _leave(node)
        return answers

    def _free_at(self, node: ClusterNode) -> asyncio.Semaphore:
        free = self._free_of_node.get(node.name)
        if free is None:
            free = self._free_of_node[node.name] = asyncio.Semaphore(self._connections)
        return free

    async def _in_order(self, commands: Sequence[Command]) -> list[Any]:
        pipe = self._single().pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        async with self._free:
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
    """Reopen every connection to a node: one of them was lost, the others are hardly better."""
    node.update_active_connections_for_reconnect()
    for connection in node._free:  # as redis-py does itself; no public method does it
        connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
