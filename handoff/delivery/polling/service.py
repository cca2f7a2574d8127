"""All fetched sources of a worker: a task for each, which follows reloads of the configuration."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from handoff.adapter.poller import Poller, PollOptions
from handoff.delivery.sender import Sender
from handoff.services.context.completeness import Monitor
from handoff.services.sources.inbound import Inbound, Source
from handoff.store.store import Store

from .client import GuardedClient, policy_of
from .oauth import AccessTokens
from .turns import SourcePolling

FOLLOW_S = 1.0  # how soon a changed configuration is polled


class PollingService:
    """Polls the sources that `sources` returns whenever it is asked."""

    def __init__(
        self, store: Store, inbound: Inbound, monitor: Monitor, sources: Callable[[], Mapping[str, Source]]
    ) -> None:
        self._store = store
        self._inbound = inbound
        self._monitor = monitor
        self._sources = sources
        self._owner = secrets.token_hex(8)
        self._tasks: dict[str, tuple[Source, asyncio.Task[None]]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Poll until this is left."""
        async with Sender() as sender:
            following = asyncio.create_task(self._follow(sender), name="polling")
            try:
                yield
            finally:
                following.cancel()
                tasks = [following, *(task for _source, task in self._tasks.values())]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, sender: Sender) -> None:
        while True:
            wanted = {name: it for name, it in self._sources().items() if isinstance(it.adapter, Poller)}
            for name, (source, task) in list(self._tasks.items()):
                if wanted.get(name) is not source:
                    del self._tasks[name]
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            for name, source in wanted.items():
                if name not in self._tasks:
                    work = self._polling(source, sender).run()
                    self._tasks[name] = source, asyncio.create_task(work, name=f"poll {name}")
            await asyncio.sleep(FOLLOW_S)

    def _polling(self, source: Source, sender: Sender) -> SourcePolling:
        poller, store = source.adapter, self._store.of(source.tenant)
        assert isinstance(poller, Poller)
        options: PollOptions = poller.settings
        tokens = AccessTokens(store, sender, options, policy_of(options)) if options.oauth else None
        client = GuardedClient(sender, poller, tokens)
        return SourcePolling(source, client, store, self._inbound, self._monitor, self._owner)
