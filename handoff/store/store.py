"""The store as services use it: one object with the connection and everything built on it."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from hashlib import blake2b
from pathlib import Path

import msgspec

from handoff.codec.keyed_hash import KeyedHash
from handoff.codec.records import digest_of
from handoff.codec.sealing import Seal
from handoff.domain.brief import BriefRules
from handoff.domain.continuity.watch import CodeWatch
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity_rules import IdentityRules
from handoff.domain.personal_numbers.masking import NumberMasking
from handoff.domain.redaction.redaction import Redaction
from handoff.domain.text.memo import forget_people
from handoff.store.connection import Connection
from handoff.store.errors import KEYS_UNAVAILABLE
from handoff.store.functions.library import Functions
from handoff.store.repositories.checkpoints import CheckpointRecords
from handoff.store.repositories.control import Control
from handoff.store.repositories.deliveries import Deliveries
from handoff.store.repositories.erasures import Graves
from handoff.store.repositories.identities import as_mapping
from handoff.store.repositories.lanes import ClusterRecorder
from handoff.store.repositories.recorder import IN_FLIGHT, Item, Recorder
from handoff.store.repositories.retention.expiry import Expiry
from handoff.store.repositories.retention.horizons import Horizons
from handoff.store.repositories.retention.lease import ROTATIONS, SweepLease
from handoff.store.repositories.retention.scan import IdentityScan
from handoff.store.repositories.tenant.api_key_records import ApiKeyRecords
from handoff.store.resp.address import parse_address
from handoff.store.sealing.sealing import Sealing
from handoff.store.sealing.settings import SealingSettings
from handoff.store.sealing.store_keys import mark_sealed, open_sealing, open_tenant_keys
from handoff.store.server.compaction import Compaction
from handoff.store.server.health import StoreHealth
from handoff.store.server.heartbeat import Heartbeats, heartbeat_keys, prepare_heartbeats, tolerated_s
from handoff.store.server.seen import SEEN, Floor, read_seen

from .behind import WorkBehind
from .decoded import RecentBodies
from .formats import FORMAT, LAYOUT, SEALED_LAYOUT, require_understood
from .histories import RecentHistories
from .keys import META, Keys
from .pacing.pace import Pace
from .settings import StoreSettings
from .tenant import TenantStore
from .unknown import UnknownValues
from .workers import Workers


class Store:
    """One opened store. Make it with `open_store`."""

    unreadable: str | None = None
    """The reason for which what the store has cannot be read: another server sealed it."""

    def __init__(
        self,
        settings: StoreSettings,
        connection: Connection,
        functions: Functions,
        pepper: bytes,
        rules: IdentityRules,
        brief_rules: BriefRules,
        seen: Path | None = None,
        understood: int = FORMAT,
        sealing: Sealing | None = None,
        redaction: Redaction | None = None,
    ) -> None:
        self.settings, self.sealing = settings, sealing
        self.redaction, self.masking = redaction or Redaction(), NumberMasking()
        self.rules, self._speech_key = rules, blake2b(b"said", key=pepper, digest_size=32).digest()
        self.use_rules(brief_rules)
        self._digested = (self.brief_rules, digest_of(self.brief_rules))
        self.decoded, self.histories = RecentBodies(), RecentHistories()
        self.behind, self.pace, self.codes = WorkBehind(), Pace(), CodeWatch()
        self.connection, self.functions = connection, functions
        self.keys = Keys(settings.partitions, sealing)
        self.graves = Graves(connection, functions, self.keys)
        self.checkpoints = CheckpointRecords(connection, self.keys)
        self.recorder = self._new_recorder()
        self.importer = self._new_recorder()
        known_keys = sealing.epochs.digest if sealing is not None else str
        self.unknown, self.workers = UnknownValues(), Workers(functions, understood, keys=known_keys)
        self._pepper = pepper
        keys = heartbeat_keys(self.keys, cluster=connection.cluster)
        floor = read_seen(seen) if seen else Floor()
        tolerated = tolerated_s(settings.durability, fails_over=connection.fails_over)
        self.health = StoreHealth(
            connection,
            functions.gate,
            Heartbeats(connection, functions, keys, tolerated, floor),
            pepper,
            restore=self._restore,
            on_refusal=self._refuse,
            on_scarce=lambda: self.behind.soon("checkpoints", self.checkpoints.drop_all),
            seen=seen,
            key_set=sealing.key_set if sealing is not None else None,
        )
        self._secrets = (*(secret.encode() for secret in settings.secret_keys), pepper)
        self._tenants: dict[str, TenantStore] = {}
        self.api_keys = ApiKeyRecords(connection)
        self.compaction = Compaction(connection, embedded=seen is not None)
        self.horizons = Horizons(connection, functions, self.keys)
        self.expiry = Expiry(connection, functions, self.keys)
        self.identities = IdentityScan(connection, self.keys)

    @property
    def sweeps(self) -> SweepLease:
        """The lease of the worker that sweeps."""
        return SweepLease(self.connection, self.functions, self.keys)

    @property
    def rotations(self) -> SweepLease:
        """The lease of the worker that rotates key epochs."""
        return SweepLease(self.connection, self.functions, self.keys, ROTATIONS)

    def _new_recorder(self) -> Recorder:
        functions = self.functions.on_own_route()
        if self.connection.cluster:
            recorder: Recorder = ClusterRecorder(functions, self.keys, self.connection)
        else:
            # Where each call waits for replicas, one large call is better.
            calls = 1 if self.settings.durability == "replicated" else IN_FLIGHT
            recorder = Recorder(functions, self.keys, in_flight=calls)
        recorder.on_refused = self._take_back
        return recorder

    async def _take_back(self, refused: list[Item]) -> None:
        for item in refused:
            await self.graves.take_back(item.home, item.pointers)

    async def prepare(self) -> None:
        """Create what is missing, and compare the store with the data that was last seen in it."""
        await prepare_heartbeats(self.connection, self.health.keys)
        await self.health.beat()

    async def prepare_tenants(self, tenants: Iterable[str]) -> None:
        """Read the keys of the tenants' control partitions, if the store is sealed.

        StoreUnavailable (`keys_unavailable`) if one does not open.
        """
        if self.sealing is not None:
            await open_tenant_keys(self.connection, self.sealing, tenants)

    def use_rules(self, rules: BriefRules) -> None:
        """Make briefs by these rules from now on. The ids of candidates are keyed by the store."""
        self.brief_rules = msgspec.structs.replace(rules, speech_key=self._speech_key)

    def rules_digest(self) -> bytes:
        """A hash of the rules' configuration: packs and declarations of sources."""
        rules, digest = self._digested
        if rules is not self.brief_rules:
            rules, digest = self._digested = self.brief_rules, digest_of(self.brief_rules)
        return digest

    def _refuse(self, reason: str | None) -> None:
        self.unreadable = reason if reason == KEYS_UNAVAILABLE else None
        self.recorder.refuses = self.importer.refuses = reason

    async def _restore(self) -> bytes:
        """The store's pepper, after the layout was put back where it was missing: the next start would create
        another one, and find nothing that is stored from now on."""
        await prepare_heartbeats(self.connection, self.health.keys)
        state = await _state(self.connection, self.settings, self._pepper, self.workers.current)
        if self.sealing is not None:
            await mark_sealed(self.connection, self.sealing)
        return state[b"pepper"]

    def forget_reads(self) -> None:
        """Forget what was read before: it may have been erased."""
        self.histories.clear()
        self.decoded.clear()
        self.redaction.forget()
        forget_people()
        if self.sealing is not None:
            self.sealing.forget_all()

    def of(self, tenant: str) -> TenantStore:
        """A tenant's part of the store."""
        known = self._tenants.get(tenant)
        if known is None:
            known = self._tenants[tenant] = TenantStore(
                tenant,
                self.connection,
                self.functions,
                self.keys,
                pepper=self._pepper,
                secrets=self._secrets,
                sealing=self.sealing,
            )
        return known

    def token_digests(self, token: str) -> list[bytes]:
        """HMAC-SHA256 of a token with each secret of this store: the first is the one to keep."""
        raw = b"token\0" + token.encode(errors="surrogateescape")
        return [hmac.digest(secret, raw, "sha256") for secret in self._secrets]

    def request_digests(self, tenant: str, digest: bytes) -> list[bytes]:
        """A request's digest under the tenant's key, if the store is sealed, and under each secret of this
        store: the first is the one to keep.

        By a digest without a secret, a card number that the request contained could be found by trial.
        """
        keyed = [hmac.digest(secret, b"request\0" + digest, "sha256") for secret in self._secrets]
        if self.sealing is None:
            return keyed
        return [self.sealing.tenant_key(tenant).hash(b"request\0" + digest, 32), *keyed]

    def hashes(self, tenant: str) -> KeyedHash:
        """The keyed hashes of a tenant."""
        known = self._tenants.get(tenant)  # asked several times for each touchpoint
        return known.hashes if known is not None else self.of(tenant).hashes

    def seal(self, tenant: str) -> Seal:
        """The seal of a tenant's secrets."""
        return self.of(tenant).seal

    def control(self, tenant: str) -> Control:
        """The control partition of a tenant. For repositories and for tests: services use `of`."""
        return self.of(tenant).control

    def deliveries(self, tenant: str) -> Deliveries:
        """The queues of a tenant's webhook subscriptions."""
        return self.of(tenant).deliveries


@asynccontextmanager
async def open_store(
    settings: StoreSettings,
    connection: Connection,
    rules: IdentityRules | None = None,
    brief_rules: BriefRules | None = None,
    *,
    understood: int = FORMAT,
    sealed: SealingSettings | None = None,
    redaction: Redaction | None = None,
) -> AsyncIterator[Store]:
    """The store behind a connection whose durability was proved; creates or checks its layout.

    `understood` is the highest format that this code reads and writes. ConfigurationError if the store is
    sealed and the keys in `sealed` do not open it.
    """
    functions = Functions(connection)
    await functions.load()
    pepper, format_ = await _meta(connection, settings, understood)
    require_understood(format_, understood)
    sealing = await open_sealing(functions, connection, sealed, settings.data_dir, format_)
    seen = _seen_file(settings, connection.url)
    known, briefs = rules or IdentityRules(), brief_rules or BriefRules()
    store = Store(
        settings, connection, functions, pepper, known, briefs, seen, understood, sealing, redaction
    )
    store.workers.current = format_
    await store.prepare()
    try:
        async with store.recorder, store.importer:
            yield store
    finally:
        await store.behind.aclose()
        await store.health.aclose()


def _seen_file(settings: StoreSettings, url: str) -> Path | None:
    """The file of the store at `url`, where that is the embedded one; also for workers, who get its URL."""
    address = parse_address(url)
    root = Path(settings.data_dir).resolve()
    embedded = address.kind == "unix" and Path(address.path).resolve().parent == root / "valkey"
    return root / SEEN if embedded else None


async def _meta(connection: Connection, settings: StoreSettings, understood: int) -> tuple[bytes, int]:
    """The store's pepper and format. ConfigurationError where layout or partitions are not as expected."""
    found = await _state(connection, settings, secrets.token_bytes(32), understood)
    if int(found[b"layout"]) not in (LAYOUT, SEALED_LAYOUT):
        raise ConfigurationError(
            f"the store has layout {int(found[b'layout'])}, this release writes layout {LAYOUT}"
        )
    if int(found[b"partitions"]) != settings.partitions:
        raise ConfigurationError(
            f"the store was made with partitions = {int(found[b'partitions'])}; "
            f"the number cannot change: set store.partitions to it"
        )
    return found[b"pepper"], int(found.get(b"format", b"1"))


async def _state(
    connection: Connection, settings: StoreSettings, pepper: bytes, format_: int
) -> Mapping[bytes, bytes]:
    """The store's layout, after writing what is missing.

    A new store gets the format of the release that creates it; one that has none has format 1.
    """
    found = as_mapping(await connection.call(b"HGETALL", META, key=META))
    if {b"layout", b"partitions", b"pepper"} <= found.keys():
        return found  # nothing to write: a start must succeed while the store is full
    stated = ((b"layout", b"%d" % LAYOUT), (b"partitions", b"%d" % settings.partitions), (b"pepper", pepper))
    made = await connection.answers([(b"HSETNX", META, field, value) for field, value in stated])
    if all(made) and format_ > 1:
        await connection.call(b"HSETNX", META, b"format", b"%d" % format_, key=META)
    return as_mapping(await connection.call(b"HGETALL", META, key=META))
