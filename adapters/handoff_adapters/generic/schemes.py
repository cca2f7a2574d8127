"""How senders prove who they are: signatures, credentials, and addresses that nobody can guess."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from handoff.adapter.contract import InboundRequest
from handoff.adapter.signatures import any_equal, basic_credentials, check_hmac
from handoff.domain.errors import ConfigurationError, SignatureRefused

SECOND = 1_000_000
STANDARD_PREFIX = "whsec_"
_PLACES = ("{body}", "{timestamp}", "{url}", "{id}")
_ID, _TIMESTAMP, _SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


class SignatureScheme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a source's deliveries are authenticated with its `secrets`.

    `standard` is Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks. `hmac` signs
    `signed`, a template of `{body}`, `{timestamp}`, `{url}`, and `{id}`; the signature is in `header`, after
    `prefix`, or in the part `field` of a header such as `t=1,v1=…`. The time of signing is in
    `timestamp_header` or in the part `timestamp_field`, in seconds since 1970; a signature older or newer
    than `tolerance_s` is refused. `basic` takes `user` and a secret as the password, `bearer` a secret as the
    token, and `path` a secret as the last part of the address, `/in/NAME/SECRET`.
    """

    scheme: Literal["standard", "hmac", "basic", "bearer", "path"]
    header: str = ""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    field: str = ""
    signed: str = "{body}"
    timestamp_header: str = ""
    timestamp_field: str = ""
    id_header: str = ""
    tolerance_s: int = 300
    user: str = ""

    def check(self, source: str, secrets: Sequence[str]) -> None:
        """ConfigurationError for parts that contradict each other."""
        fault = self._fault(secrets)
        if fault:
            raise ConfigurationError(f"source {source!r}: {fault}")

    def _fault(self, secrets: Sequence[str]) -> str | None:
        if self.scheme == "standard":
            return _standard_fault(secrets)
        if self.scheme == "basic":
            return None if self.user else "`signature.user` is missing: the scheme basic needs it"
        if self.scheme != "hmac":
            return None
        if not self.header:
            return "`signature.header` is missing: the name of the header that has the signature"
        if "{body}" not in self.signed:
            return "`signature.signed` must have {body}"
        rest = self.signed
        for place in _PLACES:
            rest = rest.replace(place, "")
        if "{" in rest or "}" in rest:
            return f"`signature.signed` may have {', '.join(_PLACES)} only"
        timed = bool(self.timestamp_header or self.timestamp_field)
        if ("{timestamp}" in self.signed) != timed:
            return "`signature.signed` has {timestamp} if and only if a `timestamp_` key is set"
        if ("{id}" in self.signed) != bool(self.id_header):
            return "`signature.signed` has {id} if and only if `id_header` is set"
        return None

    @property
    def knows_by_head(self) -> bool:
        """Whether headers and address alone prove who sends."""
        return self.scheme in ("basic", "bearer", "path")


def _standard_fault(secrets: Sequence[str]) -> str | None:
    for secret in secrets:
        try:
            standard_key(secret)
        except ValueError:
            return "`secrets` are in base64 for Standard Webhooks: whsec_…"
    return None


def standard_key(secret: str) -> bytes:
    """The key in a secret of Standard Webhooks. ValueError if it is not base64."""
    encoded = secret.removeprefix(STANDARD_PREFIX)
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


def check_scheme(request: InboundRequest, scheme: SignatureScheme, secrets: Sequence[str]) -> None:
    """SignatureRefused unless the request is authenticated by `scheme`."""
    if scheme.scheme == "standard":
        _check_standard(request, secrets, scheme.tolerance_s)
    elif scheme.scheme == "hmac":
        _check_hmac(request, scheme, secrets)
    else:
        check_credentials(request, scheme, secrets)


def check_credentials(request: InboundRequest, scheme: SignatureScheme, secrets: Sequence[str]) -> None:
    """SignatureRefused unless the head of the request has one of the secrets."""
    header = request.headers.get("authorization")
    if scheme.scheme == "basic":
        user, given = basic_credentials(header)
        known = any_equal(user.encode(), [scheme.user.encode()])
    elif scheme.scheme == "bearer":
        kind, _, token = (header or "").partition(" ")
        given, known = token.strip(), kind.lower() == "bearer"
    else:
        given, known = request.path.removeprefix("/"), True
    if not any_equal(given.encode("utf-8", "replace"), [it.encode() for it in secrets]) or not known:
        raise SignatureRefused("The credentials are wrong or missing")


def _check_hmac(request: InboundRequest, scheme: SignatureScheme, secrets: Sequence[str]) -> None:
    headers = request.headers
    stated = headers.get(scheme.header.lower())
    parts = _parts(stated) if scheme.field or scheme.timestamp_field else {}
    given = parts.get(scheme.field) if scheme.field else stated
    timestamp = ""
    if scheme.timestamp_header or scheme.timestamp_field:
        in_header = headers.get(scheme.timestamp_header.lower(), "")
        timestamp = in_header if scheme.timestamp_header else parts.get(scheme.timestamp_field, "")
        check_age(timestamp, request.received_at, scheme.tolerance_s)
    id_ = headers.get(scheme.id_header.lower(), "") if scheme.id_header else ""
    before, _, after = scheme.signed.partition("{body}")
    known = {"{timestamp}": timestamp, "{url}": request.url, "{id}": id_}
    signed = _filled(before, known) + request.raw + _filled(after, known)
    check_hmac(
        given,
        signed,
        secrets,
        algorithm=scheme.algorithm,
        encoding=scheme.encoding,
        prefix=scheme.prefix,
    )


def _filled(template: str, known: Mapping[str, str]) -> bytes:
    for place, value in known.items():
        template = template.replace(place, value)
    return template.encode("utf-8", "replace")


def _parts(header: str | None) -> dict[str, str]:
    """The parts of `t=1492774577,v1=5257a8…`. The first of each name counts."""
    found: dict[str, str] = {}
    for part in (header or "").split(",")[:20]:
        name, _, value = part.strip().partition("=")
        found.setdefault(name, value)
    return found


def _check_standard(request: InboundRequest, secrets: Sequence[str], tolerance_s: int) -> None:
    id_, timestamp = request.headers.get(_ID, ""), request.headers.get(_TIMESTAMP, "")
    stated = request.headers.get(_SIGNATURE, "")
    if not id_ or not timestamp or not stated:
        raise SignatureRefused("The request is not signed")
    check_age(timestamp, request.received_at, tolerance_s)
    signed = f"{id_}.{timestamp}.".encode("utf-8", "replace") + request.raw
    expected = [hmac.digest(standard_key(it), signed, "sha256") for it in secrets]
    known = False
    for part in stated.split(" ")[:20]:
        version, _, encoded = part.partition(",")
        try:
            given = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        known |= version == "v1" and any_equal(given, expected)
    if not known:
        raise SignatureRefused("The signature does not match")


def check_age(timestamp: str, received_at: int, tolerance_s: int) -> None:
    """SignatureRefused unless `timestamp`, in seconds since 1970, is near `received_at`."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureRefused("The request does not state when it was signed")
    if abs(received_at // SECOND - int(timestamp)) > tolerance_s:
        raise SignatureRefused(f"The request was signed more than {tolerance_s} s ago, or in the future")
