"""Access tokens of an identity provider: verified by its published keys, limited by their claims."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from handoff.domain.errors import TokenExpired
from handoff.services.access.oidc import Issuers, IssuerSettings
from handoff.services.webhooks.destinations import EgressPolicy

ISSUER = "https://sso.example.com/desk"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVE = ec.generate_private_key(ec.SECP256R1())


def published(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    )
    return {**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig", **more}


class Provider:
    """Published keys, and how often they were fetched."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys: list[dict[str, Any]] = list(keys)
        self.fetched = 0
        self.fails = False

    async def fetch(self, url: str, policy: EgressPolicy) -> bytes:
        self.fetched += 1
        if self.fails:
            raise ConnectionError("away")
        return msgspec.json.encode({"keys": self.keys})


def settings(**changes: Any) -> IssuerSettings:
    given: dict[str, Any] = {
        "name": "sso",
        "issuer": ISSUER,
        "audience": "handoff",
        "jwks_url": "https://sso.example.com/certs",
        "scopes": ["context:read", "handoffs:write"],
        "tenant": "alpha",
    }
    return msgspec.convert({**given, **changes}, IssuerSettings)


def signed(
    key: Any = KEY,
    kid: str = "k1",
    algorithm: str = "RS256",
    header: dict[str, Any] | None = None,
    **claims: Any,
) -> str:
    now = int(time.time())
    content = {"iss": ISSUER, "aud": "handoff", "sub": "mia", "iat": now, "exp": now + 300, **claims}
    content = {name: value for name, value in content.items() if value is not None}
    return jwt.encode(content, key, algorithm=algorithm, headers={"kid": kid, **(header or {})})


def issuers(*wanted: IssuerSettings, provider: Provider | None = None) -> Issuers:
    provider = provider or Provider(published(KEY, "k1"))
    return Issuers(wanted or (settings(),), provider.fetch)


async def test_claims_become_the_agent_scopes_queues_and_role() -> None:
    wanted = settings(
        scope_claim="scope", queues_claim="queues", role_claim="roles", agent_claim="preferred_username"
    )
    token = signed(
        scope="context:read links:write", queues=["sales"], roles=["lead", "x"], preferred_username="mia.k"
    )
    principal = await issuers(wanted).authenticate(token)
    assert principal is not None
    assert (principal.agent, principal.tenant, principal.role) == ("mia.k", "alpha", "lead")
    assert (principal.scopes, principal.queues) == ({"context:read"}, {"sales"})


async def test_a_configured_claim_that_is_missing_gives_nothing() -> None:
    principal = await issuers(settings(scope_claim="scope", queues_claim="queues")).authenticate(signed())
    assert principal is not None
    assert (principal.scopes, principal.queues) == (frozenset(), frozenset())


async def test_without_claims_a_token_has_the_configured_scopes() -> None:
    principal = await issuers().authenticate(signed())
    assert principal is not None
    assert (principal.scopes, principal.queues) == ({"context:read", "handoffs:write"}, None)


NOW = int(time.time())


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(iss=ISSUER + "/"), id="another issuer, almost the same"),
        pytest.param(signed(aud="handoff2"), id="another audience"),
        pytest.param(signed(aud=None), id="no audience"),
        pytest.param(signed(exp=NOW - 60, iat=NOW - 120, aud="handoff2"), id="expired, another audience"),
        pytest.param(signed(exp=NOW - 60, iat=NOW - 120, iss=ISSUER + "/"), id="expired, another issuer"),
        pytest.param(signed(exp=NOW - 60, iat=NOW - 7200), id="expired, too long a life"),
        pytest.param(signed(OTHER, exp=NOW - 60, iat=NOW - 120), id="expired, another key"),
        pytest.param(signed(exp=NOW - 60, iat=NOW - 120, sub=None), id="expired, no agent"),
        pytest.param(signed(exp=NOW + 3600), id="too long a life"),
        pytest.param(signed(exp=None), id="no end"),
        pytest.param(signed(iat=None), id="no beginning"),
        pytest.param(signed(iat=NOW + 600, exp=NOW + 900), id="from the future"),
        pytest.param(signed(nbf=NOW + 600), id="not valid yet"),
        pytest.param(signed(sub=None), id="no agent"),
        pytest.param(signed(OTHER), id="another key"),
        pytest.param(signed(kid="k2"), id="unknown key"),
        pytest.param(signed(algorithm="RS512"), id="algorithm not allowed"),
        pytest.param(signed("", algorithm="none"), id="no signature"),
        pytest.param(signed("x" * 64, algorithm="HS256"), id="shared secret"),
        pytest.param(signed(header={"typ": "logout+jwt"}), id="another kind of token"),
        pytest.param(signed()[:-4] + "AAAA", id="damaged"),
        pytest.param("eyJ.a.b", id="no token"),
        pytest.param("eyJ" + "A" * 9000 + ".a.b", id="too long"),
    ],
)
async def test_any_other_token_is_refused(token: str) -> None:
    assert await issuers().authenticate(token) is None


async def test_a_token_whose_time_is_over_and_that_is_right_otherwise_has_expired() -> None:
    with pytest.raises(TokenExpired):
        await issuers().authenticate(signed(exp=NOW - 60, iat=NOW - 120))


async def test_a_key_for_another_algorithm_is_not_used() -> None:
    provider = Provider(published(KEY, "k1", alg="PS256"), published(CURVE, "k3"))
    known = issuers(settings(algorithms=["RS256", "PS256", "ES256"]), provider=provider)
    assert await known.authenticate(signed()) is None
    assert await known.authenticate(signed(algorithm="PS256")) is not None
    assert await known.authenticate(signed(CURVE, "k3", "ES256")) is not None


async def test_a_published_shared_secret_is_no_key() -> None:
    """Otherwise anyone who reads the published keys could sign."""
    secret = {
        "kty": "oct",
        "k": base64.urlsafe_b64encode(b"secret-" * 8).decode().rstrip("="),
        "kid": "k1",
        "use": "sig",
    }
    known = issuers(provider=Provider(secret))
    assert await known.authenticate(signed("secret-" * 8, algorithm="HS256")) is None


async def test_keys_are_fetched_once_and_unknown_ones_fetch_rarely() -> None:
    provider = Provider(published(KEY, "k1"))
    known = issuers(provider=provider)
    for at in range(5):
        assert await known.authenticate(signed(jti=str(at))) is not None
        assert await known.authenticate(signed(kid=f"unknown-{at}")) is None
    assert provider.fetched == 1


async def test_keys_outlive_an_issuer_that_is_away() -> None:
    provider = Provider(published(KEY, "k1"))
    known = issuers(provider=provider)
    assert await known.authenticate(signed()) is not None
    provider.fails = True
    (issuer,) = known._issuers
    issuer._fetched_at = issuer._tried_at = float("-inf")
    assert await known.authenticate(signed(jti="2")) is not None
    assert issuer._refreshing is not None
    await issuer._refreshing
    assert provider.fetched == 2


async def test_the_audience_decides_the_tenant_of_a_shared_issuer() -> None:
    both = [settings(), settings(name="b", audience="bravo", tenant="bravo")]
    known = issuers(*both)
    found = [await known.authenticate(signed(aud=it)) for it in ("handoff", "bravo")]
    assert [it.tenant for it in found if it] == ["alpha", "bravo"]


async def test_a_credential_stays_the_same_when_the_token_is_renewed() -> None:
    known = issuers()
    one, two = await known.authenticate(signed(jti="1")), await known.authenticate(signed(jti="2"))
    assert one is not None
    assert two is not None
    assert one.credential == two.credential
    assert known.made(one.credential)
    known.replace([])
    assert not known.made(one.credential)
    assert not known.issued(signed())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"algorithms": ["HS256"]}, "algorithms"),
        ({"algorithms": []}, "algorithms"),
        ({"scopes": ["admin"]}, "admin"),
        ({"scopes": ["everything"]}, "unknown scopes"),
        ({"jwks_url": "http://sso.example.com/"}, "jwks_url"),
        ({"jwks_url": "https://127.0.0.1/"}, "jwks_url"),
        ({"max_life_s": 0}, "max_life_s"),
    ],
)
def test_a_wrong_setting_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        settings(**change)
