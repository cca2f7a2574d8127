"""The base class of adapters, with a default for everything but `parse`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from handoff.domain.errors import ConfigurationError, SignatureRefused

from .contract import InboundRequest, Mentions, Outcome, Parsed, Reply, SourceOptions
from .manifest import Manifest

T = TypeVar("T")
KEPT = 64 * 1024  # bytes; larger bodies are verified and parsed in different threads


class SignedOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a source whose vendor signs with one of `secrets` (two during a rotation).

    `allow_unsigned` accepts deliveries without a signature. `id_space` is the space of the vendor's ids, if
    it is not the adapter's own. `own` lists the business's own addresses and numbers.
    """

    secrets: tuple[str, ...] = ()
    allow_unsigned: bool = False
    id_space: str | None = None
    own: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.secrets)

    def check(self) -> None:
        if not self.secrets and not self.allow_unsigned:
            raise ConfigurationError(f"source {self.name!r}: {self.adapter} needs a secret in `secrets`")

    def without_effect(self) -> list[str]:
        if self.secrets and self.allow_unsigned:
            return [f"`allow_unsigned` of {self.adapter} has no effect with `secrets`"]
        return []


class BaseAdapter(ABC):
    """An adapter, see `contract.Adapter` for what each method does. `settings` has the source's options."""

    manifest: ClassVar[Manifest]
    name: ClassVar[str]
    channel: ClassVar[str]
    options: ClassVar[type[SourceOptions]]
    identity_spaces: Sequence[tuple[str, str]] = ()
    settings: Any

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        manifest = cls.__dict__.get("manifest")
        if manifest is not None:
            cls.name, cls.channel, cls.options = manifest.name, manifest.channel, manifest.options

    def __init__(self, options: Any) -> None:
        """ConfigurationError, if the options do not pass their own `check`."""
        options.check()
        self.settings = options

    def handshake(self, request: InboundRequest) -> Reply | None:
        """None: every request is a delivery."""
        return None

    def check_head(self, request: InboundRequest) -> None:  # noqa: B027 - a default
        """Refuses nothing."""

    def verify(self, request: InboundRequest) -> None:
        """SignatureRefused, unless the source's options have `allow_unsigned`."""
        if not getattr(self.settings, "allow_unsigned", False):
            raise SignatureRefused("The adapter cannot verify who sends: only `allow_unsigned` accepts it")

    @abstractmethod
    def parse(self, request: InboundRequest) -> Parsed: ...

    def mentions(self, request: InboundRequest) -> Mentions:
        """Nobody in particular: the delivery may concern anyone who uses the source."""
        return Mentions(complete=False)

    def reply(self, request: InboundRequest, parsed: Parsed | None, outcome: Outcome) -> Reply:
        """200; 400 for a delivery that could not be parsed."""
        return Reply(status=400 if parsed is None else 200, headers=self.headers(request))

    def headers(self, request: InboundRequest) -> tuple[tuple[str, str], ...]:
        """None."""
        return ()


class ReadOnce(Generic[T]):
    """A body that both `verify` and `parse` read: read for the first of them, and kept for the other.

    Holds the last request only.
    """

    def __init__(self, read: Callable[[InboundRequest], T]) -> None:
        self._read = read
        self._last: tuple[InboundRequest, T] | None = None

    def of(self, request: InboundRequest) -> T:
        last = self._last
        if last is not None and last[0] is request:
            return last[1]
        value = self._read(request)
        self._last = (request, value) if len(request.body) <= KEPT else None
        return value
