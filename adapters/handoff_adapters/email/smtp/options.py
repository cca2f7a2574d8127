"""The options of an `email.smtp` source."""

from __future__ import annotations

from typing import ClassVar, Literal

from handoff.adapter.contract import SourceOptions
from handoff.domain.errors import ConfigurationError


class SmtpOptions(SourceOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`recipients` are the addresses or whole domains (`@example.com`) that mail is accepted for.

    A `+tag` in the local part is ignored. `trusted_authserv_ids` are the hosts whose
    Authentication-Results are believed. `own` lists further addresses and domains of the business.
    Sizes are in bytes, times in seconds. `data_timeout_s` is how long a started command or mail may make
    no progress. `tls_cert` and `tls_key` (PEM files) enable STARTTLS.
    """

    former: ClassVar[frozenset[str]] = frozenset(
        {"secrets", "trust", "verified_traits", "user_space", "default_region"}
    )

    recipients: tuple[str, ...] = ()
    listen: str = "127.0.0.1:2525"
    protocol: Literal["smtp", "lmtp"] = "smtp"
    trusted_authserv_ids: tuple[str, ...] = ()
    id_space: str | None = None
    own: tuple[str, ...] = ()
    max_bytes: int = 25 * 1024 * 1024
    max_connections: int = 100
    max_recipients: int = 50
    command_timeout_s: float = 300.0  # RFC 5321 §4.5.3.2.7
    receive_timeout_s: float = 30.0
    data_timeout_s: float = 10.0
    drain_s: float = 6.0  # as long as HTTP requests get
    tls_cert: str | None = None
    tls_key: str | None = None

    @property
    def bind_address(self) -> tuple[str, int]:
        """Host and port of `listen`. ConfigurationError when it is malformed."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ConfigurationError(
                f"source {self.name!r}: `listen` is written host:port, not {self.listen[:80]!r}"
            )
        return host.strip("[]"), int(port)

    @property
    def certificate(self) -> tuple[str, str] | None:
        return (self.tls_cert, self.tls_key) if self.tls_cert and self.tls_key else None

    def check(self) -> None:
        """ConfigurationError for options that contradict each other."""
        if not self.recipients:
            raise ConfigurationError(f"source {self.name!r}: email.smtp needs `recipients`")
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ConfigurationError(f"source {self.name!r}: `tls_cert` and `tls_key` are set together")
