"""Where outgoing requests may go: public addresses, and the subnets that an operator allows.

Judged on the address that is really connected to, whatever name, notation or redirect led there.
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

# RFC 6890 and its registries, written out: `is_global` differs between releases of Python.
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
# Machines' own metadata services: never, whatever an operator allows.
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
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # all that is allocated; what is not cannot be public


class RefusedAddress(HandoffError):
    """The address is not one that outgoing requests may go to."""

    code = "forbidden_address"


class EgressPolicy(Struct, frozen=True, kw_only=True):
    """What one subscription may reach beside public https."""

    networks: tuple[Network, ...] = ()
    insecure: bool = False


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Unprocessable where one is no network, or holds a metadata service."""
    networks = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise Unprocessable(
                f"{text!r} is no network, e.g. 10.1.0.0/16", code="invalid_network"
            ) from error
        networks.append(network)
    return tuple(networks)


def check_address(text: str, policy: EgressPolicy) -> None:
    """RefusedAddress unless a connection to this numeric address (a zone id after `%`) is allowed."""
    try:
        address = _plain(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError as error:
        raise RefusedAddress("this is no address") from error
    if _within(address, _METADATA):
        raise RefusedAddress("metadata services and link-local addresses are never reached")
    if _within(address, policy.networks):
        return
    if _within(address, _NOT_PUBLIC) or (address.version == 6 and address not in _PUBLIC_IPV6):
        raise RefusedAddress("the address is not public, and no allowed network holds it")


def _plain(address: Address) -> Address:
    """IPv4 for an IPv4-mapped IPv6 address, which reaches the same machine."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address.version == it.version and address in it for it in networks)


def check_url(text: str, policy: EgressPolicy) -> URL:
    """The normalised URL. Unprocessable (`invalid_url`, `forbidden_address`) when it may not be called."""
    url = parse_url(text)
    if url.scheme != "https" and not (policy.insecure and url.scheme == "http"):
        raise Unprocessable("a webhook's URL is https", code="invalid_url")
    if url.user is not None or url.password is not None or url.fragment:
        raise Unprocessable("the URL has no user, password or fragment", code="invalid_url")
    port = url.port
    if port is None or port == 0 or (port < 1024 and port not in (443, 80)):
        raise Unprocessable("the port is 443 or above 1023", code="invalid_url")
    _check_literal(url.raw_host or "", policy)
    return url


def parse_url(text: str) -> URL:
    """The normalised URL, each part of which can be read. Unprocessable (`invalid_url`) otherwise."""
    if len(text) > MAX_URL or not text.isprintable() or any(c.isspace() or c == "\\" for c in text):
        raise Unprocessable("a URL is printable, without spaces, and at most 2048 long", code="invalid_url")
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
        return  # a name: what it resolves to is judged when it is connected to
    try:
        check_address(host, policy)
    except RefusedAddress as error:
        raise Unprocessable(error.detail, code=error.code) from error
