"""Access by bearer tokens: authentication, tenants and scopes."""

from __future__ import annotations

import pytest

from handoff.domain.errors import ConfigurationError, Forbidden, NotFound, Unauthenticated
from handoff.domain.identity import Assurance
from handoff.services.access.access import Access, Token, bearer, hash_secret
from handoff.services.access.principal import Principal

AGENT = Token(
    name="desk",
    tenant="alpha",
    scopes=frozenset({"context:read", "handoffs:write"}),
    secret_hash=hash_secret("secret of the desk"),
    min_assurance=Assurance.CLAIMED,
    agent="mia",
)
ADMIN = Token(
    name="root", tenant="alpha", scopes=frozenset({"admin"}), secret_hash=hash_secret("secret of the admin")
)
ACCESS = Access([AGENT, ADMIN], ["alpha", "bravo"])


def test_a_token_gives_its_principal() -> None:
    assert ACCESS.authenticate("secret of the desk", None) == Principal(
        name="desk",
        credential=b"token" + AGENT.secret_hash,
        tenant="alpha",
        scopes=AGENT.scopes,
        min_assurance=Assurance.CLAIMED,
        agent="mia",
    )


@pytest.mark.parametrize("secret", ["", "secret", "secret of the desk ", "Secret of the desk", "\udcff"])
def test_any_other_secret_is_unauthenticated(secret: str) -> None:
    with pytest.raises(Unauthenticated):
        ACCESS.authenticate(secret, None)


def test_a_token_may_name_its_own_tenant_and_no_other() -> None:
    assert ACCESS.authenticate("secret of the desk", "alpha").tenant == "alpha"
    for other in ("bravo", "unknown"):
        with pytest.raises(Forbidden) as refused:
            ACCESS.authenticate("secret of the desk", other)
        assert refused.value.problem_code == "other_tenant"


def test_an_admin_token_works_in_every_known_tenant() -> None:
    assert ACCESS.authenticate("secret of the admin", None).tenant == "alpha"
    elsewhere = ACCESS.authenticate("secret of the admin", "bravo")
    assert (elsewhere.tenant, elsewhere.admin) == ("bravo", True)
    with pytest.raises(NotFound) as refused:
        ACCESS.authenticate("secret of the admin", "unknown")
    assert refused.value.problem_code == "unknown_tenant"
    assert ACCESS.has_tenant("bravo")
    assert not ACCESS.has_tenant("unknown")


@pytest.mark.parametrize("scope", ["context:read", "handoffs:write", "handoffs:read"])
def test_a_scope_the_token_has_or_implies_is_allowed(scope: str) -> None:
    ACCESS.authenticate("secret of the desk", None).require(scope)


@pytest.mark.parametrize("scope", ["admin", "operate", "links:write", "handoffs", ""])
def test_any_other_scope_is_forbidden_and_named(scope: str) -> None:
    with pytest.raises(Forbidden) as refused:
        ACCESS.authenticate("secret of the desk", None).require(scope)
    assert refused.value.problem_code == "missing_scope"
    assert refused.value.fields == {"scope": scope}


def test_reading_a_handoff_does_not_imply_changing_it() -> None:
    reader = Token(
        name="wall", tenant="alpha", scopes=frozenset({"handoffs:read"}), secret_hash=hash_secret("w")
    )
    principal = Access([reader], ["alpha"]).authenticate("w", None)
    assert not principal.admin
    with pytest.raises(Forbidden):
        principal.require("handoffs:write")


def test_admin_has_every_scope() -> None:
    ACCESS.authenticate("secret of the admin", None).require("privacy:write")


def test_two_tokens_with_one_secret_are_a_configuration_error() -> None:
    twin = Token(name="twin", tenant="bravo", scopes=frozenset(), secret_hash=AGENT.secret_hash)
    with pytest.raises(ConfigurationError, match=r"'desk' and 'twin'"):
        Access([AGENT, twin], ["alpha", "bravo"])


@pytest.mark.parametrize(
    ("header", "secret"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("Basic abc", ""),
        ("Bearer", ""),
        ("abc", ""),
        ("", ""),
    ],
)
def test_the_bearer_token_of_a_header(header: str, secret: str) -> None:
    assert bearer(header) == secret
