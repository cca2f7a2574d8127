"""The store as the services see it: one object that holds the connection and everything made from it."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.sealing import Seal
from handoff.domain.brief import BriefRules
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity_rules import IdentityRules

from .connection import Connection
from .control import Control
from .decoded import Decoded
from .deliveries import Deliveries
from .errors import unavailable
from .functions import Functions
from .keys import META, Keys
from .recorder import IN_FLIGHT, Recorder
from .records import as_mapping
from .settings import StoreSettings

LAYOUT = 1
"""Version of everything that `keys`, `records` and the codec lay down. Raised when it changes."""

log = structlog.get_logger(__name__)


class Store:
    """One opened store. Make it with `open_store`."""

    def __init__(
        self,
        settings: StoreSettings,
        connection: Connection,
        functions: Functions,
        pepper: bytes,
        rules: IdentityRules,
        brief_rules: BriefRules,
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.brief_rules = brief_rules
        self.decoded = Decoded()
        self.connection = connection
        self.functions = functions
        self.keys = Keys(settings.partitions)
        # On a Cluster calls may overtake each other; where each waits for replicas, one large one is better.
        calls = 1 if connection.cluster or settings.durability == "replicated" else IN_FLIGHT
        self.recorder = Recorder(
            functions.on_own_line(), self.keys, cluster=connection.cluster, in_flight=calls
        )
        self.importer = Recorder(
            functions.on_own_line(), self.keys, cluster=connection.cluster, in_flight=calls
        )
        self._pepper = pepper
        self._hashes: dict[str, KeyedHash] = {}
        self._seals: dict[str, Seal] = {}
        self._controls: dict[str, Control] = {}
        self._deliveries: dict[str, Deliveries] = {}

    async def keep(self) -> None:
        """Put back what everything is found by, where the store was emptied under this server: the next
        start would make it anew, and find nothing of what is stored from now on.

        StoreUnavailable, reason `store_replaced`, where another server has made it anew already: then
        nothing is recorded either, for nobody would find it.
        """
        found = await self.connection.call(b"HGET", META, b"pepper", key=META)
        if found is None:
            log.error("store_emptied")
            found = (await _state(self.connection, self.settings, self._pepper))[b"pepper"]
        replaced = None if found == self._pepper else "store_replaced"
        self.recorder.refuses = self.importer.refuses = replaced
        if replaced:
            raise unavailable(replaced)

    def hashes(self, tenant: str) -> KeyedHash:
        """The keyed hashes of a tenant."""
        known = self._hashes.get(tenant)
        if known is None:
            known = self._hashes[tenant] = KeyedHash(self._pepper, tenant)
        return known

    def seal(self, tenant: str) -> Seal:
        """What seals the tenant's secrets: with the first of `store.secret_keys`, else with the pepper."""
        known = self._seals.get(tenant)
        if known is None:
            secrets_ = [it.encode() for it in self.settings.secret_keys]
            known = self._seals[tenant] = Seal([*secrets_, self._pepper], tenant)
        return known

    def control(self, tenant: str) -> Control:
        """The control partition of a tenant."""
        known = self._controls.get(tenant)
        if known is None:
            known = self._controls[tenant] = Control(self.connection, self.functions, tenant)
        return known

    def deliveries(self, tenant: str) -> Deliveries:
        """The queues of a tenant's webhook subscriptions."""
        known = self._deliveries.get(tenant)
        if known is None:
            known = self._deliveries[tenant] = Deliveries(self.connection, self.functions, tenant)
        return known


@asynccontextmanager
async def open_store(
    settings: StoreSettings,
    connection: Connection,
    rules: IdentityRules | None = None,
    brief_rules: BriefRules | None = None,
) -> AsyncIterator[Store]:
    """The store behind a connection whose durability was proved; its layout is made or checked."""
    functions = Functions(connection)
    await functions.load()
    pepper = await _meta(connection, settings)
    store = Store(
        settings, connection, functions, pepper, rules or IdentityRules(), brief_rules or BriefRules()
    )
    async with store.recorder, store.importer:
        yield store


async def _meta(connection: Connection, settings: StoreSettings) -> bytes:
    """The store's pepper. ConfigurationError where layout or partitions differ from what lies there."""
    found = await _state(connection, settings, secrets.token_bytes(32))
    if int(found[b"layout"]) != LAYOUT:
        raise ConfigurationError(
            f"the store has layout {int(found[b'layout'])}, this release writes layout {LAYOUT}"
        )
    if int(found[b"partitions"]) != settings.partitions:
        raise ConfigurationError(
            f"the store was made with partitions = {int(found[b'partitions'])}; "
            f"the number is fixed for ever, set store.partitions to it"
        )
    return found[b"pepper"]


async def _state(connection: Connection, settings: StoreSettings, pepper: bytes) -> Mapping[bytes, bytes]:
    """What the store says of itself, after it was told where it said nothing."""
    stated = ((b"layout", b"%d" % LAYOUT), (b"partitions", b"%d" % settings.partitions), (b"pepper", pepper))
    await connection.answers([(b"HSETNX", META, field, value) for field, value in stated])
    return as_mapping(await connection.call(b"HGETALL", META, key=META))
