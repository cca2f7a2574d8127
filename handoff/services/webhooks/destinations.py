"""Allowed destinations of outgoing requests: public addresses, and subnets that an operator allows.

The check applies to the address that is connected to, regardless of name, notation or redirect.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct
from yarl import URL

from handoff.domain.errors import HandoffError, Unprocessable
from handoff.domain.text.urls import is_address, is_host, split_url

MAX_URL = 2048
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# RFC 6890 and its registries, spelled out because `is_global` differs between releases of Python.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    ]
)
# Metadata services of cloud machines: never allowed, not even by an operator.
_METADATA = tuple(
    ipaddress.ip_network(text)
    for text in [
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    ]
)
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # the allocated range; other addresses cannot be public


class RefusedAddress(HandoffError):
    """Outgoing requests to this address are not allowed."""

    code = "forbidden_address"


class EgressPolicy(Struct, frozen=True, kw_only=True):
    """The destinations of one subscription besides public https."""

    networks: tuple[Network, ...] = ()
    insecure: bool = False


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Parse networks. Raises Unprocessable (`invalid_network`) for an invalid one."""
    networks = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise Unprocessable(
                f"{text!r} is not a network such as 10.1.0.0/16", code="invalid_network"
            ) from error
        networks.append(network)
    return tuple(networks)


def check_address(text: str, policy: EgressPolicy) -> None:
    """Raise RefusedAddress unless this numeric address, with or without a zone id, is allowed."""
    try:
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError as error:
        raise RefusedAddress("this is not an address") from error
    if _within(address, _METADATA):
        raise RefusedAddress("metadata services and link-local addresses are never allowed")
    if _within(address, policy.networks):
        return
    if _within(address, _NOT_PUBLIC) or (address.version == 6 and address not in _PUBLIC_IPV6):
        raise RefusedAddress("the address is neither public nor in an allowed network")


def _plain(address: Address) -> Address:
    """The IPv4 address for an IPv4-mapped IPv6 address, which reaches the same host."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == it.version and address in it for it in networks)


def check_url(text: str, policy: EgressPolicy) -> URL:
    """The normalised URL. Raises Unprocessable (`invalid_url`, `forbidden_address`) if it is not allowed."""
    url = parse_url(text)
    if url.scheme != "https" and not (policy.insecure and url.scheme == "http"):
        raise Unprocessable("a webhook URL must be https", code="invalid_url")
    if url.user is not None or url.password is not None or url.fragment:
        raise Unprocessable("the URL must not have a user, password or fragment", code="invalid_url")
    port = url.port
    if port is None or port == 0 or (port < 1024 and port not in (443, 80)):
        raise Unprocessable("the port must be 443 or above 1023", code="invalid_url")
    _check_literal(url.raw_host or "", policy)
    return url


def parse_url(text: str) -> URL:
    """The normalised URL, with all parts valid. Raises Unprocessable (`invalid_url`) otherwise."""
    if len(text) > MAX_URL or not text.isprintable() or any(c.isspace() or c == "\\" for c in text):
        raise Unprocessable(
            "a URL must be printable, without spaces, and at most 2048 characters long", code="invalid_url"
        )
    parts = split_url(text)
    if parts is None:
        raise Unprocessable("this is not a URL", code="invalid_url")
    try:
        url = URL(text)
        host = url.raw_host or ""
        str(url.human_repr())  # decodes every part, the host of an international domain too
    except ValueError as error:  # UnicodeError is one
        raise Unprocessable("this is not a URL", code="invalid_url") from error
    if not host:
        raise Unprocessable("the URL names no host", code="invalid_url")
    if not is_host(host) or ("[" in parts.netloc and not is_address(host)):
        raise Unprocessable("the URL's host is neither a name nor an address", code="invalid_url")
    return url


def _check_literal(host: str, policy: EgressPolicy) -> None:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError as error:
        # WHATWG URL §3.5: a host that ends in a number is an IPv4 address in some notation.
        if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise Unprocessable("the host is an address in an odd notation", code="invalid_url") from error
        return  # a name: its addresses are checked when it is connected to
    try:
        check_address(host, policy)
    except RefusedAddress as error:
        raise Unprocessable(error.detail, code=error.code) from error
