"""The real libraries verify the signatures; invalid keys are refused."""

from __future__ import annotations

import base64
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from handoff.domain.errors import Unprocessable
from handoff.services.webhooks.signing import check_key, make_key, public_key, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'


def test_the_specifications_own_vector() -> None:
    signature = sign([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers(keys: list[str]) -> dict[str, str]:
    now = int(time.time())
    return {
        "webhook-id": "ev_1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(keys, "ev_1", now, BODY),
    }


def test_the_real_library_verifies_with_either_secret_of_a_rotation() -> None:
    old, new = make_key("v1"), make_key("v1")
    for secret in (old, new):
        Webhook(secret).verify(BODY, headers([new, old]))
    with pytest.raises(WebhookVerificationError):
        Webhook(make_key("v1")).verify(BODY, headers([new, old]))


def test_the_real_library_ignores_an_additional_asymmetric_signature() -> None:
    secret = make_key("v1")
    Webhook(secret).verify(BODY, headers([make_key("v1a"), secret]))


def test_the_asymmetric_signature_verifies_with_the_public_key_alone() -> None:
    private = make_key("v1a")
    version, _, text = sign([private], "ev_1", 17, BODY).partition(",")
    assert version == "v1a"
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(private).removeprefix("whpk_")))
    key.verify(base64.b64decode(text), b"ev_1.17." + BODY)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(text), b"ev_2.17." + BODY)


def encoded(prefix: str, size: int) -> str:
    return prefix + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize(
    "key",
    [
        "",
        "whsec_",
        "secret",
        "whsec_!!!!",
        encoded("whsec_", 23),
        encoded("whsec_", 65),
        encoded("whsk_", 31),
        encoded("whpk_", 32),
        "whsec_ä",
    ],
)
def test_invalid_keys_are_refused(key: str) -> None:
    with pytest.raises(Unprocessable):
        check_key(key)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_keys_of_the_specified_sizes_are_accepted(size: int) -> None:
    assert check_key(encoded("whsec_", size)) == "v1"


@pytest.mark.parametrize("size", [32, 64])
def test_private_keys_with_and_without_their_public_half_are_accepted(size: int) -> None:
    assert check_key(encoded("whsk_", size)) == "v1a"
