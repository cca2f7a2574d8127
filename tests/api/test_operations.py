"""The table of operations is the only source of routes, access checks, and Idempotency-Keys."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from handoff.api.app import COMPRESSED, make_app
from handoff.api.operations import DOCUMENTED, OPERATIONS
from handoff.api.operations.operation import Operation
from handoff.api.routing import fast_routes, guarded, routes
from handoff.services.access.principal import IMPLIED, SCOPES
from tests.api.conftest import ADMIN, Api, secret
from tests.api.described import Described, described_server, token
from tests.api.test_fast_path import Both, both
from tests.store.servers import valkey_binary

live = pytest.mark.asyncio(loop_scope="module")
PROTECTED = [it for it in OPERATIONS if not it.public]
PUBLIC = {
    *("deliver", "deliverBelow", "health", "readiness", "metrics", "describe", "describeMessages"),
    *("docs", "docsAsset", "panelEntry", "panel", "panelAsset", "operatorsPanel"),
}

__all__ = ["both"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    valkey_binary()
    async with described_server(tmp_path_factory.mktemp("operations")) as client:
        yield client


def path_of(operation: Operation) -> str:
    return re.sub(r"\{\w+\}", "nothing", operation.path)


async def test_the_application_has_no_route_outside_the_table(api: Api) -> None:
    app = make_app(api.server.site)
    registered = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    expected = {(it.method, re.sub(r"\{(\w+):[^}]*\}", r"{\1}", it.route)) for it in OPERATIONS}
    assert registered == expected


async def test_every_handler_of_a_route_is_the_guarded_one_of_its_operation(api: Api) -> None:
    public = {it.handler for it in OPERATIONS if it.public}
    protected = {it.handler for it in PROTECTED}
    assert not public & protected
    handlers = {route.handler for route in make_app(api.server.site).router.routes()}
    assert not handlers & protected, "a handler is reachable without its access checks"
    assert public <= handlers


def test_public_operations_are_these_and_no_others() -> None:
    assert {it.id for it in OPERATIONS if it.public} == PUBLIC
    assert not [it.id for it in OPERATIONS if it.public and (it.scopes or it.creating)]


@live
@pytest.mark.parametrize("operation", PROTECTED, ids=lambda it: it.id)
async def test_an_operation_checks_the_token_and_each_of_its_scopes(
    server: Described, operation: Operation
) -> None:
    url = server.url + path_of(operation)

    async def sent(bearer: str | None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with server.http.request(operation.method, url, headers=headers) as response:
            streamed = response.content_type == "text/event-stream"
            return response.status, None if streamed else msgspec.json.decode(await response.read() or b"{}")

    for wrong, code in (
        (None, "token_missing"),
        ("nonsense", "unauthenticated"),
        ("x" * 5000, "unauthenticated"),
    ):
        status, problem = await sent(wrong)
        assert (status, problem["code"]) == (401, code)
    for scope in ("none", *sorted(SCOPES - {"admin"})):
        missing = [one for one in operation.scopes if scope != one and IMPLIED.get(scope) != one]
        status, problem = await sent(token(scope))
        if missing:
            assert (status, problem["code"], problem["scope"]) == (403, "missing_scope", missing[0])
        else:
            assert status not in (401, 403), problem
    status, _ = await sent(ADMIN)
    assert status not in (401, 403)


def test_operations_that_share_a_pattern_share_their_access() -> None:
    (move, *_others) = [it for it in OPERATIONS if it.pattern and "action" in it.pattern]
    assert len(routes(OPERATIONS)) == len({(it.method, it.route) for it in OPERATIONS})
    other = msgspec.structs.replace(move, id="other", scopes=("admin",))
    with pytest.raises(ValueError, match="share"):
        routes([move, other])


def test_a_public_operation_is_its_own_handler() -> None:
    (health,) = [it for it in OPERATIONS if it.id == "health"]
    assert guarded(health, {}) is health.handler


def test_only_documented_paths_are_compressed() -> None:
    assert {it.path for it in DOCUMENTED} >= COMPRESSED


async def test_the_fast_path_serves_operations_of_the_table_with_their_scopes(both: Both) -> None:
    site = both.api.server.site
    found = fast_routes(OPERATIONS, site)
    paths = {it.path for it in OPERATIONS if it.fast_routes is not None}
    assert {it.route for it in found.values()} == paths
    (record,) = [it for it in PROTECTED if it.fast_routes is not None]
    assert record.fast_routes is not None
    needs_more = record.fast_routes(site, (*record.scopes, "admin"))
    bearer = f"Bearer {secret('only-touchpoints:write', both.api.tenant)}"
    headers = {"content-type": "application/json", "authorization": bearer}
    assert found[record.path.encode()].open(record.path, headers) is not None
    with pytest.raises(Exception, match="scope"):
        needs_more[record.path.encode()].open(record.path, headers)


async def test_an_unknown_path_of_the_api_needs_a_token_too(api: Api) -> None:
    for method, path in (("GET", "/v1/nothing"), ("DELETE", "/v1/touchpoints")):
        assert (await api.call(method, path, token=None)).status == 401
    assert (await api.get("/v1/nothing")).status == 404
    assert (await api.call("DELETE", "/v1/touchpoints")).status == 405
