"""Twilio's request signature: base64(HMAC(key, URL + each POST parameter's name and value in order)).

Twilio signs the URL as configured, with or without its port, and with its user and password if it has
them. A JSON body is covered by its hash in the URL. Twilio's own library parses `user:pass@` and IPv6
addresses incorrectly, so this module implements the check itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from urllib.parse import parse_qsl

from handoff.adapter.contract import InboundRequest
from handoff.adapter.signatures import any_equal
from handoff.domain.errors import InvalidPayload, PayloadTooLarge, SignatureRefused

Pairs = list[tuple[str, str]]

MAX_FIELDS = 1_000  # a status callback has about 40, a message with media about 60
MAX_FORM = 128 * 1024  # bytes; a text message has at most 1 600 characters, a form some kilobytes
ALGORITHMS = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}
DEFAULT_PORTS = {"https": "443", "http": "80"}


def form(request: InboundRequest) -> Pairs:
    """The parameters of `request`: the form of a POST, the query of a GET.

    InvalidPayload, or PayloadTooLarge for a form that Twilio does not send.
    """
    if request.method == "GET":
        return list(request.query)
    check_size(len(request.body))
    try:
        return parse_qsl(
            request.body.decode("utf-8"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace"
        )
    except ValueError as error:
        raise InvalidPayload("The body is not a form") from error


def check_size(size: int) -> None:
    """PayloadTooLarge for a form that Twilio does not send. Decoding one of megabytes takes seconds."""
    if size > MAX_FORM:
        raise PayloadTooLarge(f"A form has at most {MAX_FORM} bytes", limit=MAX_FORM)


def is_signed(request: InboundRequest) -> bool:
    return bool(request.headers.get("x-twilio-signature", "").strip())


def check(
    request: InboundRequest,
    secrets: Sequence[str],
    shared_keys: Mapping[str, str],
    read: Callable[[InboundRequest], Pairs] = form,
) -> None:
    """SignatureRefused unless `request` is signed with one of the keys. `read` returns its parameters.

    The settings header names the key and the algorithm of newer signatures. Without it, the signature
    is HMAC-SHA1 with the account's auth token.
    """
    given = request.headers.get("x-twilio-signature", "").strip()
    if not given:
        raise SignatureRefused("The request is not signed")
    settings = _settings(request.headers.get("x-twilio-webhooks-signature-settings", ""))
    algorithm = ALGORITHMS.get(settings.get("algorithm", "HMAC_SHA1").upper())
    if algorithm is None:
        raise SignatureRefused("The signature algorithm is unknown")
    keys: Iterable[str] = secrets
    if "key" in settings:
        keys = [shared_keys[settings["key"]]] if settings["key"] in shared_keys else []
    messages = [
        (url + parameters).encode("utf-8", "replace")
        for url in urls(request)
        for parameters in _parameters(request, read)
    ]
    expected = [
        base64.b64encode(hmac.new(key.encode("utf-8"), message, algorithm).digest())
        for key in keys
        for message in messages
    ]
    if not any_equal(given.encode("utf-8", "replace"), expected):
        raise SignatureRefused("The signature does not match", signed_url=request.url)


def _settings(header: str) -> dict[str, str]:
    """`key=<id>,algorithm=HMAC_SHA256` as a mapping."""
    parts = (part.partition("=") for part in header.split(","))
    return {name.strip(): value.strip() for name, equals, value in parts if equals and value.strip()}


def _parameters(request: InboundRequest, read: Callable[[InboundRequest], Pairs]) -> list[str]:
    """The spellings of the signed parameters: the values of one name sorted without duplicates, or in
    their order, with the name before each value or once before all.

    A body that is not a form is covered by `bodySHA256` in the URL.
    """
    if request.method == "GET" or not request.raw:
        return [""]
    hashes = [value for name, value in request.query if name == "bodySHA256"]
    if hashes and not is_form(request):
        body_hash = hashlib.sha256(request.raw).hexdigest()
        if not hmac.compare_digest(body_hash.encode(), hashes[0].lower().encode("utf-8", "replace")):
            raise SignatureRefused("The body does not match the signed hash", signed_url=request.url)
        return [""]
    try:
        pairs = read(request)
    except InvalidPayload as error:
        raise SignatureRefused("The body is not a form and its hash is not in the URL") from error
    unique = "".join(name + value for name, value in sorted(set(pairs)))
    in_order = sorted(pairs, key=lambda pair: pair[0])
    repeated = "".join(name + value for name, value in in_order)
    grouped = "".join(
        name + "".join(value for _, value in group) for name, group in groupby(in_order, lambda pair: pair[0])
    )
    return list(dict.fromkeys([unique, repeated, grouped]))


def is_form(request: InboundRequest) -> bool:
    """Whether the body of a POST is a form, Twilio's default."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("", "application/x-www-form-urlencoded")


def urls(request: InboundRequest) -> list[str]:
    """The spellings of the URL that Twilio may have signed, without duplicates.

    User and password are not in the request line but in the `Authorization` header.
    """
    plain = request.url.partition("#")[0]
    scheme, separator, rest = plain.partition("://")
    end = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    netloc, tail = rest[:end], rest[end:]
    userinfo, at, hostport = netloc.rpartition("@")
    host, port = _host_and_port(hostport)
    default = DEFAULT_PORTS.get(scheme, "")
    hosts = [hostport, host] + ([f"{host}:{default}"] if default and not port else [])
    users = [userinfo + at]
    if credentials := _credentials(request.headers.get("authorization", "")):
        users.append(f"{credentials}@")
    spelled = [f"{scheme}{separator}{user}{name}{tail}" for user in users for name in hosts]
    return list(dict.fromkeys([plain, *spelled]))


def _host_and_port(hostport: str) -> tuple[str, str]:
    """`[2001:db8::1]:8443` → (`[2001:db8::1]`, `8443`); the port is empty when there is none."""
    host, colon, port = hostport.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host, port
    return hostport, ""


def _credentials(header: str) -> str | None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(token.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
