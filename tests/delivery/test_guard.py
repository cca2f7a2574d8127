"""Outgoing requests reach public addresses only, checked where the socket connects.

No test can send beyond loopback, even with a broken guard: its sockets record the address and refuse
any other.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from handoff.delivery.guard import AddressInfo
from handoff.delivery.probe import probe
from handoff.delivery.schedule import AttemptOutcome
from handoff.delivery.sender import MAX_READ, Sender
from handoff.domain.errors import Unprocessable
from handoff.services.webhooks.destinations import (
    EgressPolicy,
    RefusedAddress,
    check_address,
    check_url,
    parse_networks,
)
from tests.delivery.subscribers import SECRET, subscriber

LOOPBACK = EgressPolicy(networks=parse_networks(["127.0.0.0/8", "::1/128"]), insecure=True)
OPEN = EgressPolicy(insecure=True)

# fmt: off
REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "127.0.0.1", "127.0.0.2", "127.255.255.254", "169.254.0.1", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::2", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
    "100::1", "2001::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::",
    "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fdff::1", "fe80::1", "fe80::1%eth0",
    "fe80::a9fe:a9fe", "fec0::1", "ff02::1", "ff05::2", "4000::1", "8000::1", "e000::1",
    "::ffff:100.64.0.1", "::ffff:192.168.1.1",
]
# fmt: on
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("address", REFUSED)
def test_non_public_addresses_are_refused(address: str) -> None:
    with pytest.raises(RefusedAddress):
        check_address(address, OPEN)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    check_address(address, OPEN)


def test_an_allowed_network_opens_itself_and_nothing_else() -> None:
    policy = EgressPolicy(networks=parse_networks(["10.1.0.0/16"]))
    check_address("10.1.2.3", policy)
    check_address("::ffff:10.1.2.3", policy)
    for other in ("10.2.0.1", "127.0.0.1"):
        with pytest.raises(RefusedAddress):
            check_address(other, policy)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "fe80::1"])
def test_metadata_services_stay_refused_with_every_network_allowed(address: str) -> None:
    with pytest.raises(RefusedAddress):
        check_address(address, EgressPolicy(networks=parse_networks(["0.0.0.0/0", "::/0"])))


@pytest.mark.parametrize("text", ["localhost", "", "1.2.3", "0x7f000001", "127.1", "1.2.3.4.5", "::g"])
def test_invalid_addresses_are_refused(text: str) -> None:
    with pytest.raises(RefusedAddress):
        check_address(text, LOOPBACK)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:///var/run/docker.sock",
        "https://",
        "https:///path",
        "example.com",
        "//example.com",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com/#fragment",
        "https://example.com:0/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://example.com/ path",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nHost: other",
        "https://[::1",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://①②⑦.⓪.⓪.①/",
        "https://" + "a" * 3000,
    ],
)
def test_invalid_urls_are_refused(url: str) -> None:
    with pytest.raises(Unprocessable):
        check_url(url, EgressPolicy())


@pytest.mark.parametrize(
    "url", ["https://example.com/hooks?a=1", "https://bücher.example/", "https://e.com:8443/"]
)
def test_ordinary_urls_are_accepted(url: str) -> None:
    assert check_url(url, EgressPolicy()).scheme == "https"


class Sockets:
    """Records each address; only loopback gets a socket."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def __call__(self, info: AddressInfo) -> socket.socket:
        address = str(info[4][0])
        self.opened.append(address)
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise OSError("a test connects to loopback only")
        return socket.socket(family=info[0], type=info[1], proto=info[2])


class Names(AbstractResolver):
    """A name server with scripted answers: one list of addresses after another."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self.answers = {name: list(lists) for name, lists in answers.items()}
        self.lookups = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.lookups += 1
        lists = self.answers[host]
        addresses = lists.pop(0) if len(lists) > 1 else lists[0]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def sending(names: AbstractResolver | None = None) -> AsyncIterator[tuple[Sender, Sockets]]:
    sockets = Sockets()
    async with Sender(total_s=3.0, resolver=names, opening=sockets) as sender:
        yield sender, sockets


async def post(sender: Sender, url: str, policy: EgressPolicy) -> AttemptOutcome:
    keys = [SECRET]
    return await sender.post(url, policy, message_id="ev_1", body=b'{"a":1}', keys=keys, headers={})


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "[fd00:ec2::254]",
        "localhost",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "①②⑦.⓪.⓪.①",
        "[fe80::1]",
    ],
)
async def test_no_notation_of_a_refused_address_opens_a_socket(host: str) -> None:
    async with sending() as (sender, sockets):
        outcome = await post(sender, f"http://{host}:9/", OPEN)
    assert sockets.opened == []
    assert outcome.error in ("refused_address", "name", "url")


async def test_a_name_that_resolves_to_private_addresses_is_refused() -> None:
    names = Names({"inside.example": [["10.0.0.5", "fd00::5", "127.0.0.1"]]})
    async with sending(names) as (sender, sockets):
        outcome = await post(sender, "http://inside.example:8080/", OPEN)
    assert (outcome.error, sockets.opened) == ("refused_address", [])


async def test_only_public_ones_of_mixed_addresses_are_tried() -> None:
    names = Names({"mixed.example": [["127.0.0.1", "192.0.2.1", "1.1.1.1"]]})
    async with sending(names) as (sender, sockets):
        await post(sender, "http://mixed.example:8080/", OPEN)
    assert set(sockets.opened) == {"1.1.1.1"}


async def test_dns_rebinding_does_not_bypass_the_check() -> None:
    """The name is public first, then loopback: each connection uses and checks its own answer."""
    names = Names({"rebind.example": [["1.1.1.1"], ["127.0.0.1"]]})
    async with subscriber() as platform, sending(names) as (sender, sockets):
        port = platform.url.split(":")[2].split("/")[0]
        first = await post(sender, f"http://rebind.example:{port}/hooks", OPEN)
        second = await post(sender, f"http://rebind.example:{port}/hooks", OPEN)
    assert set(sockets.opened) == {"1.1.1.1"}
    assert names.lookups == 2
    assert (first.error, second.error) == ("connect", "refused_address")
    assert platform.received == []


async def test_a_connection_is_reused_for_its_own_policy_only() -> None:
    async with subscriber() as platform, sending() as (sender, sockets):
        allowed = await post(sender, platform.url, LOOPBACK)
        refused = await post(sender, platform.url, OPEN)
    assert (allowed.status, refused.error) == (200, "refused_address")
    assert sockets.opened == ["127.0.0.1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async def away(_received: Any) -> web.Response:
        return web.Response(status=status, headers={"Location": "http://169.254.169.254/latest"})

    async with subscriber(answer=away) as platform, sending() as (sender, sockets):
        outcome = await post(sender, platform.url, LOOPBACK)
    assert (outcome.status, outcome.ok, outcome.reason) == (status, False, "redirect")
    assert sockets.opened == ["127.0.0.1"]


async def test_proxies_from_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with subscriber() as proxy, subscriber() as platform, sending() as (sender, _sockets):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/hooks"))
        outcome = await post(sender, platform.url, LOOPBACK)
    assert outcome.ok
    assert (len(platform.received), proxy.received) == (1, [])


async def test_cookies_are_not_stored() -> None:
    async def with_cookie(_received: Any) -> web.Response:
        response = web.Response(text="received")
        response.set_cookie("session", "1")
        return response

    async with subscriber(answer=with_cookie) as platform, sending() as (sender, _sockets):
        for _ in range(2):
            await post(sender, platform.url, LOOPBACK)
    assert "cookie" not in platform.received[1].headers


async def test_a_huge_response_is_cut_off() -> None:
    sent = 0

    async def flood(received: Any) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(received.request)
        for _ in range(640):
            await response.write(b"x" * 16384)
            sent += 16384
        return response

    async with subscriber(answer=flood) as platform, sending() as (sender, _sockets):
        outcome = await post(sender, platform.url, LOOPBACK)
    assert outcome.ok
    assert len(outcome.answer) == 1024
    assert sent < 640 * 16384, "the connection was closed on the rest"
    assert MAX_READ < 640 * 16384


async def test_the_probe_explains_the_result() -> None:
    async with subscriber() as platform:
        accepted = await probe(
            platform.url, secret=SECRET, allow_insecure=True, allow_networks=["127.0.0.0/8"]
        )
        platform.status = 401
        refused = await probe(
            platform.url, secret=SECRET, allow_insecure=True, allow_networks=["127.0.0.0/8"]
        )
    assert (accepted.ok, accepted.status, accepted.answer) == (True, 200, "received")
    assert not refused.ok
    assert "secret" in refused.meaning
    with pytest.raises(Unprocessable):
        await probe(platform.url)
