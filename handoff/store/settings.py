"""The `[store]` section of the configuration."""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Durability = Literal["always", "everysec", "replicated", "provider"]

MAX_PARTITIONS = 1024  # each costs an outbox stream and a tail of it; fixed when the store is created
MIN_SECRET = 32  # characters: 128 bits in hexadecimal
_MEMORY = re.compile(r"[1-9]\d*(?:b|k|kb|m|mb|g|gb)?", re.ASCII | re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/]*@")


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the store is and what its acknowledgement promises.

    `url` is `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or `redis+cluster://`; without
    one, Valkey runs inside `data_dir`. `replicas` counts for `durability = "replicated"` only: how
    many must have a write before it is acknowledged. `timeout_s` is the overall deadline of one
    call, repeats included. `maxmemory` (`"512mb"`) bounds the embedded Valkey: writes beyond it are
    refused with 503, nothing is evicted. The default is 60 % of the machine's or container's memory.
    `secret_keys` seal what the product must keep secret and use again: the first seals, all of them
    open.

    ValueError when a value is out of range or two contradict (msgspec makes it a ValidationError).
    """

    url: str | None = None
    data_dir: str = ".handoff"
    partitions: int = 64
    durability: Durability = "always"
    replicas: int = 1
    timeout_s: float = 5.0
    maxmemory: str | None = None
    secret_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= MAX_PARTITIONS:
            raise ValueError(f"store.partitions is 1 to {MAX_PARTITIONS}")
        if not 1 <= self.replicas <= 16:
            raise ValueError("store.replicas is 1 to 16")
        if not 0.1 <= self.timeout_s <= 60:
            raise ValueError("store.timeout_s is 0.1 to 60 seconds")
        if any(len(it) < MIN_SECRET for it in self.secret_keys):
            raise ValueError(f"each of store.secret_keys has at least {MIN_SECRET} characters")
        if not self.data_dir or "\x00" in self.data_dir:
            raise ValueError("store.data_dir is not a path")
        if self.url is None:
            self._check_embedded()
        elif self.maxmemory is not None:
            raise ValueError("store.maxmemory is for the embedded store: set it on the server of store.url")

    def _check_embedded(self) -> None:
        if self.durability not in ("always", "everysec"):
            raise ValueError(
                f"store.durability {self.durability!r} needs store.url: the embedded store has no "
                "replicas and no provider; use 'always' or 'everysec'"
            )
        if self.maxmemory is not None and not _MEMORY.fullmatch(self.maxmemory):
            raise ValueError("store.maxmemory is a number of bytes with an optional unit, e.g. '512mb'")

    def __repr__(self) -> str:
        url = _CREDENTIALS.sub("…@", self.url) if self.url else None
        return (
            f"StoreSettings(url={url!r}, data_dir={self.data_dir!r}, partitions={self.partitions}, "
            f"durability={self.durability!r})"
        )
