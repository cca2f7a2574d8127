"""The options of generic sources."""

from __future__ import annotations

from typing import ClassVar

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError
from handoff.domain.identity import Assurance

from .mapping import FieldMapping
from .schemes import SignatureScheme


class GenericOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`channel` is that of all touchpoints, `signature` how `secrets` prove the sender, `mapping` where the
    fields are.

    `allow_unsigned` accepts deliveries from anyone. `id_space` is the space of the sender's event ids; two
    sources with the same one take the same event once.
    """

    type_is_known: ClassVar[bool] = False  # without `mapping.type`
    channel: str
    mapping: FieldMapping
    signature: SignatureScheme | None = None
    secrets: tuple[str, ...] = ()
    allow_unsigned: bool = False
    id_space: str | None = None
    default_region: str | None = None
    own: tuple[str, ...] = ()

    @property
    def authenticated(self) -> bool:
        return bool(self.secrets)

    def check(self) -> None:
        """ConfigurationError for options that contradict each other."""
        where = f"source {self.name!r}: {self.adapter}"
        if not self.secrets and not self.allow_unsigned:
            raise ConfigurationError(f"{where} needs a secret in `secrets`")
        if self.secrets and self.signature is None:
            raise ConfigurationError(f"{where} needs `signature`: how the secrets prove who sends")
        if self.signature:
            self.signature.check(self.name, self.secrets)
        proved = [it for it in self.mapping.identities if it.assurance is Assurance.VERIFIED]
        if proved and not self.secrets:
            raise ConfigurationError(
                f"{where} verifies nobody: `mapping.identities` may be verified with `secrets` only"
            )

    def without_effect(self) -> list[str]:
        checks = {
            f"`allow_unsigned` of {self.adapter} has no effect with `secrets`": (
                self.secrets and self.allow_unsigned
            ),
            f"`signature` of {self.adapter} has no effect without `secrets`": (
                self.signature and not self.secrets
            ),
            f"`mapping.types` of {self.adapter} has no effect without `mapping.type`": (
                self.mapping.types and not self.mapping.type and not self.type_is_known
            ),
            f"`mapping.directions` of {self.adapter} has no effect without `mapping.direction`": (
                self.mapping.directions and not self.mapping.direction
            ),
        }
        return [problem for problem, found in checks.items() if found]


class CloudEventsOptions(GenericOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`allowed_origins` are the senders that may deliver after the handshake of CloudEvents webhooks."""

    type_is_known: ClassVar[bool] = True
    allowed_origins: tuple[str, ...] = ("*",)

    def without_effect(self) -> list[str]:
        found = super().without_effect()
        if self.mapping.items:
            found.append(
                f"`mapping.items` of {self.adapter} has no effect: its batched mode has a list of events"
            )
        return found
