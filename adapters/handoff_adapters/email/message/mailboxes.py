"""The addresses of the business."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from handoff.domain.errors import ConfigurationError, InvalidIdentity
from handoff.domain.identity import normal_email


class Mailboxes(Struct, frozen=True):
    """A set of normalised addresses and whole domains."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def holds(self, address: str) -> bool:
        """Whether the set has `address`, with or without a `+tag` (RFC 5233). False if it is invalid."""
        try:
            normal = normal_email(address)
        except InvalidIdentity:
            return False
        local, _, domain = normal.rpartition("@")
        plain = f"{local.partition('+')[0]}@{domain}"
        return normal in self.addresses or plain in self.addresses or domain in self.domains

    def __or__(self, other: Mailboxes) -> Mailboxes:
        return Mailboxes(self.addresses | other.addresses, self.domains | other.domains)


def recipients(entries: Iterable[str]) -> Mailboxes:
    """The set that `recipients` names: addresses, or whole domains as `@example.com`.

    ConfigurationError for any other entry.
    """
    try:
        return _read(entries)
    except InvalidIdentity as error:
        raise ConfigurationError(f"`recipients` are addresses or @domains: {error}") from error


def own_addresses(entries: Iterable[str]) -> Mailboxes:
    """The set that `own` names. Its numbers and agent names are skipped."""
    found = Mailboxes()
    for entry in entries:
        try:
            found |= _read([entry.removeprefix("email:")])
        except InvalidIdentity:
            continue
    return found


def _read(entries: Iterable[str]) -> Mailboxes:
    addresses, domains = set(), set()
    for entry in entries:
        if entry.startswith("@"):
            domains.add(normal_email(f"any{entry}").partition("@")[2])
        else:
            addresses.add(normal_email(entry))
    return Mailboxes(frozenset(addresses), frozenset(domains))
