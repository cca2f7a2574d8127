"""Rates of requests per source, token, and tenant, by token buckets in each worker."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Never, TypeVar

from handoff.domain.errors import RateLimited

from .limits import LimitSettings

Key = TypeVar("Key", str, bytes)

BURST_S = 2.0  # a bucket holds what arrives in this time
MAX_WAIT_S = 60  # longest wait in `Retry-After`
MAX_BUCKETS = 10_000  # sessions come and go: full buckets are forgotten


class TokenBucket:
    """A bucket that fills at `rate` a second, up to two seconds' worth. Batches may overdraw it."""

    __slots__ = ("_at", "_rate", "_size", "left")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self.left = self._size = max(1.0, rate * BURST_S)
        self._at = now

    def wait_s(self, now: float) -> float:
        """Seconds until it has one request to give; 0 now."""
        left = self.left
        if now > self._at:
            left += (now - self._at) * self._rate
            if left > self._size:
                left = self._size
            self.left, self._at = left, now
        return 0.0 if left >= 1 else (1 - left) / self._rate

    def take(self, count: float) -> None:
        self.left -= count

    def is_full(self, now: float) -> bool:
        self.wait_s(now)
        return self.left >= self._size


class RateLimits:
    """The buckets of one worker."""

    def __init__(self, limits: LimitSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._tenants: dict[str, TokenBucket] = {}
        self._callers: dict[bytes, TokenBucket] = {}
        self._sources: dict[str, TokenBucket] = {}

    def admit_caller(self, tenant: str, credential: bytes) -> None:
        """Take a request of a token from its bucket and its tenant's. RateLimited if one of them is empty."""
        now = self._clock()
        own = self._callers.get(credential) or self._of_caller(credential, now)
        of_tenant = self._tenants.get(tenant) or self._of_tenant(tenant, now)
        own_s, tenant_s = own.wait_s(now), of_tenant.wait_s(now)
        if own_s or tenant_s:
            _refuse("token", own_s, tenant_s)
        own.left -= 1
        of_tenant.left -= 1

    def check_source(self, tenant: str, source: str) -> None:
        """RateLimited if a source's or its tenant's bucket is empty.

        Nothing is taken before the delivery is verified: a stranger must not use up what the source may send.
        """
        now = self._clock()
        own, of_tenant = self._of_source(source, now), self._of_tenant(tenant, now)
        own_s, tenant_s = own.wait_s(now), of_tenant.wait_s(now)
        if own_s or tenant_s:
            _refuse("source", own_s, tenant_s)

    def charge(self, tenant: str, credential: bytes, count: int) -> None:
        """Take the further items of an admitted batch: what follows waits for them."""
        now = self._clock()
        self._of_caller(credential, now).take(count)
        self._of_tenant(tenant, now).take(count)

    def charge_source(self, tenant: str, source: str, count: int) -> None:
        """Take the events of a verified delivery."""
        now = self._clock()
        self._of_source(source, now).take(count)
        self._of_tenant(tenant, now).take(count)

    def _of_caller(self, credential: bytes, now: float) -> TokenBucket:
        known = self._callers.get(credential)
        return known or _fill(self._callers, credential, self._limits.token_per_s, now)

    def _of_source(self, source: str, now: float) -> TokenBucket:
        return self._sources.get(source) or _fill(self._sources, source, self._limits.source_per_s, now)

    def _of_tenant(self, tenant: str, now: float) -> TokenBucket:
        return self._tenants.get(tenant) or _fill(self._tenants, tenant, self._limits.tenant_per_s, now)


def _fill(buckets: dict[Key, TokenBucket], key: Key, rate: float, now: float) -> TokenBucket:
    """A new bucket, in place of full ones if there are too many."""
    if len(buckets) >= MAX_BUCKETS:
        for other in [it for it, each in buckets.items() if each.is_full(now)]:
            del buckets[other]
    bucket = buckets[key] = TokenBucket(rate, now)
    return bucket


def _refuse(kind: str, own_s: float, tenant_s: float) -> Never:
    """Raise RateLimited for the bucket with the longer wait: that of the caller or of its tenant."""
    wait, limit = (tenant_s, "tenant") if tenant_s > own_s else (own_s, kind)
    seconds = min(MAX_WAIT_S, ceil(wait))
    raise RateLimited(f"The {limit} sends too fast", retry_after_s=seconds, limit=limit)
