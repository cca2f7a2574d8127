"""Chatwoot's webhook signature, and the URL token of servers that do not sign."""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from handoff.adapter.contract import InboundRequest
from handoff.adapter.signatures import any_equal
from handoff.domain.clock import SECOND
from handoff.domain.errors import SignatureRefused

TOLERANCE_S = 300  # Chatwoot's recommendation


def is_signed(request: InboundRequest) -> bool:
    return "x-chatwoot-signature" in request.headers or "x-chatwoot-timestamp" in request.headers


def check(request: InboundRequest, secrets: Sequence[bytes]) -> None:
    """SignatureRefused unless the signature is valid for one of `secrets` and recent.

    It is the HMAC-SHA256 of "<timestamp>.<raw body>" (chatwoot lib/webhooks/trigger.rb).
    """
    signature = request.headers.get("x-chatwoot-signature", "")
    stamp = check_time(request)
    signed = stamp.encode("ascii") + b"." + request.raw
    expected = [b"sha256=" + hmac.digest(key, signed, "sha256").hex().encode("ascii") for key in secrets]
    if not any_equal(signature.strip().encode("utf-8", "replace"), expected):
        raise SignatureRefused("The signature does not match")


def check_time(request: InboundRequest) -> str:
    """The signature's timestamp. SignatureRefused unless it is recent."""
    stamp = request.headers.get("x-chatwoot-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise SignatureRefused("The signature timestamp is missing or malformed")
    if abs(int(stamp) * SECOND - request.received_at) > TOLERANCE_S * SECOND:
        raise SignatureRefused("The signature timestamp is outside the 5-minute window")
    return stamp


def has_token(request: InboundRequest, secrets: Sequence[bytes]) -> bool:
    """Whether the URL has one of `secrets` as its last part or as `?token=`."""
    stated = [value for name, value in request.query if name == "token"]
    stated.append(request.path.strip("/"))
    tokens = [token.encode("utf-8", "replace") for token in stated if token]
    return any(any_equal(token, secrets) for token in tokens)
