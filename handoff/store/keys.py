"""Every key of the store. Keys of a partition, and all control keys of a tenant, share a slot each.

A key is `{tag}` and a letter, then 16 raw bytes of a keyed hash where it names one thing:

    {n}t  timeline          sorted set, scores 0: members as in `handoff.codec.member`
    {n}i  index             hash, where a timeline is long, has a large entry or an amended one:
                            touchpoint id → place less the id (16) ‖ of an edit, the id of the edit of
                            the same before it; a ‖ id → the amendment of it that counts: place (32) ‖
                            e or d ‖ the id of the newest edit; t ‖ id, of a touchpoint or a
                            conversation → the texts derived from it: place (32) each
    {n}n  identity record   hash: see `handoff.store.repositories.identities`
    {n}a  last arrivals     list, only for timelines too long to be read whole
    {n}c  conversations     hash: conversation → the home of the first touchpoint that named it; many
                            share a key of one more byte, for a key costs four times such an entry
    {n}g  a grave: kind (t, i, a or n), job (16) and home; the same keys of an erased identity, to be deleted
    {n}D  ids of erased touchpoints, for 30 days
    {n}p  checkpoints       string by the first identity of a customer, and their list by age (sorted set,
                            without a hash): see `handoff.codec.checkpoint`
    {n}H  horizons          hash: see `handoff.store.repositories.retention.horizons`
    {n}o  outbox            stream of references
    {n}b  heartbeat         hash: see `handoff.store.server.heartbeat`
    {tag}~  a marker that `replicated` writes, so that WAIT covers this connection's own writes
    {n}k  cursors, {n}l leases, of the outbox's consumers
    {handoff:tokens}k…, z…  API keys by their id, and the list of each tenant's
    {c.tenant}…  the tenant's control partition: handoffs, callbacks, timers, deliveries; the keys of its
                 quarantine are built in `functions/quarantine.lua`
"""

from __future__ import annotations

from functools import lru_cache

from handoff.domain.text.memo import CACHE_SIZE
from handoff.store.sealing.sealing import Sealing

META = b"handoff:meta"
WORKERS = b"{handoff:meta}w"  # in the slot of META: living workers decide on its format
API_KEYS = b"{handoff:tokens}"  # in one slot: a key is found before its tenant is known
SHELVES = 16  # of conversations, in a partition: few, so that even a small store shares them


def api_key(id_: str) -> bytes:
    """One API key, by its public id."""
    return API_KEYS + b"k" + id_.encode()


def api_keys_of(tenant: str) -> bytes:
    """The list of a tenant's API keys."""
    return API_KEYS + b"z" + tenant.encode()


def is_record(key: bytes) -> bool:
    """Whether a key is that of an identity's record."""
    tag, _, rest = key.partition(b"}")
    return tag[1:].isdigit() and rest[:1] == b"n" and len(rest) == 17


def is_buried_record(key: bytes) -> bool:
    """Whether a key is that of a record in a grave."""
    tag, _, rest = key.partition(b"}")
    return tag[1:].isdigit() and rest[:1] == b"g" and rest[1:2] == b"n" and len(rest) == 34


class Keys:
    """Keys of a store with `partitions` partitions. With `sealing`, what they name may be sealed."""

    def __init__(self, partitions: int, sealing: Sealing | None = None) -> None:
        self.partitions = partitions
        self.withheld: frozenset[bytes] = frozenset()
        """Identities whose records readers do not get: erased, as soon as the store takes writes."""
        self.sealing = sealing
        self._tags = [b"{%d}" % number for number in range(partitions)]
        self.timeline = lru_cache(CACHE_SIZE)(self._timeline)

    def partition(self, hash_: bytes) -> int:
        """The partition of a hash."""
        return int.from_bytes(hash_[:4], "big") % self.partitions

    def _key(self, kind: bytes, hash_: bytes) -> bytes:
        return self._tags[self.partition(hash_)] + kind + hash_

    def _timeline(self, identity: bytes) -> bytes:
        return self._key(b"t", identity)

    def index(self, identity: bytes) -> bytes:
        return self._key(b"i", identity)

    def record(self, identity: bytes) -> bytes:
        return self._key(b"n", identity)

    def arrivals(self, identity: bytes) -> bytes:
        return self._key(b"a", identity)

    def grave(self, kind: bytes, job: bytes, home: bytes) -> bytes:
        """The key of this kind in an erased identity's grave."""
        return self._tags[self.partition(home)] + b"g" + kind + job + home

    def erased_ids(self, home: bytes) -> bytes:
        """Functions build it by themselves: here its name is listed with the others."""
        return self._key(b"D", home)

    def horizons(self, partition: int) -> bytes:
        return self._tags[partition] + b"H"

    def records(self, partition: int | None) -> bytes:
        """The start of all records of a partition, up to the hash; a pattern for those of all partitions."""
        return (b"{*}" if partition is None else self._tags[partition]) + b"n"

    def conversations(self, conversation: bytes) -> bytes:
        """The hash that holds a conversation, together with others of its partition."""
        return self._tags[self.partition(conversation)] + b"c" + bytes((conversation[4] % SHELVES,))

    def checkpoint(self, identity: bytes) -> bytes:
        return self._key(b"p", identity)

    def checkpoints(self, partition: int) -> bytes:
        """The list of a partition's checkpoints."""
        return self._tags[partition] + b"p"

    def outbox(self, partition: int) -> bytes:
        return self._tags[partition] + b"o"

    def heartbeat(self, partition: int) -> bytes:
        return self._tags[partition] + b"b"

    def cursor(self, partition: int, consumer: str) -> bytes:
        return self._tags[partition] + b"k" + consumer.encode()

    def lease(self, partition: int, consumer: str) -> bytes:
        return self._tags[partition] + b"l" + consumer.encode()


def tenant_of(key: bytes) -> str | None:
    """The tenant whose control partition has this key; None for another key."""
    tag, _, rest = key.partition(b"}")
    return tag[3:].decode() if tag[:3] == b"{c." and rest else None


class ControlKeys:
    """Keys of one tenant's control partition."""

    def __init__(self, tenant: str) -> None:
        self._tag = b"{c." + tenant.encode() + b"}"

    @property
    def tag(self) -> bytes:
        """The start of all keys of the partition, for functions that build further ones."""
        return self._tag

    def _key(self, name: bytes, rest: bytes = b"") -> bytes:
        return self._tag + name + rest

    def record(self, kind: str, id_: bytes) -> bytes:
        """One versioned record: `h` handoff, `r` chain, `b` callback, `w` subscription, `n` continuity
        code, …"""
        return self._key(kind.encode(), id_)

    def set(self, name: str, member: bytes = b"") -> bytes:
        """A sorted set that lists ids, e.g. the handoffs of a queue."""
        return self._key(b"z:" + name.encode(), member)

    def timers(self) -> bytes:
        return self._key(b"timers")

    def outbox(self) -> bytes:
        return self._key(b"o")

    def snapshot(self, sha256: bytes) -> bytes:
        return self._key(b"s", sha256)

    def idempotency(self, key: bytes) -> bytes:
        return self._key(b"y", key)

    def quarantine(self) -> bytes:
        return self._key(b"q")

    def sources(self) -> bytes:
        """The hash of when each source was last heard."""
        return self._key(b"sources")

    def named(self, name: str) -> bytes:
        return self._key(b"x:", name.encode())
