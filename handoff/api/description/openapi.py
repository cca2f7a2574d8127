"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made from the table of operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handoff import __version__
from handoff.api.http.access import TENANT_HEADER
from handoff.api.http.exchange import IDEMPOTENCY_KEY
from handoff.api.http.idempotency import KEEP_S, MAX_KEY
from handoff.api.http.problem_codes import PROBLEM_CODES
from handoff.api.http.problems import TITLES
from handoff.api.operations.operation import JSON, Content, Header, Operation, Parameter, ResponseSpec

from .schemas import SCHEMAS, Schema, component_schemas

PROBLEM = "application/problem+json"
_DAY_S = 24 * 3600
_WHEN = {
    400: "The body cannot be read.",
    401: "The bearer token is missing, unknown or expired.",
    403: "The token lacks the scope, or belongs to another tenant or agent.",
    404: "There is no such thing, or it belongs to another tenant.",
    409: "The current state does not allow this.",
    413: "The request is larger than allowed.",
    415: "The content type or encoding is not taken here.",
    422: "A value breaks a rule; `errors` points at it.",
    503: "The outcome is unknown: wait for `Retry-After` and send exactly the same again.",
}
_ABOUT = f"""\
One timeline per customer over all channels, handed over with the conversation.

**Access.** `Authorization: Bearer …`; each operation names the scopes it needs. The tenant comes with the \
token; an `admin` token may name another in `{TENANT_HEADER}` and has every scope.

**Format.** JSON is UTF-8, names are snake_case, times RFC 3339 in UTC with six digits. Requests are \
strict: an unknown member is 422. Answers may gain members.

**Errors** are RFC 9457 problem documents with a stable `code`. After 503 the outcome is unknown; every \
write may be sent again as it was.

**Lists** answer `next`, a cursor for the rest or null; nothing is cut silently.

Vendors' webhooks go to `/in/{{source}}` in each vendor's own format and are not described here.
"""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document. ValueError when the table contradicts itself."""
    schemas, components = component_schemas(
        list(_types(it.body for it in operations)),
        list(_types(reply.body for it in operations for reply in it.replies)),
    )
    paths: dict[str, dict[str, Any]] = {}
    for it in operations:
        methods = paths.setdefault(it.path, {})
        if it.method.lower() in methods:
            raise ValueError(f"{it.method} {it.path} is described twice")
        methods[it.method.lower()] = _operation(it, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Conversation hand-off",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(it.tag for it in operations)],
        "paths": paths,
        "components": {
            "schemas": components | _problem_schemas(),
            "responses": {f"Problem{status}": _problem(status) for status in _WHEN},
            "parameters": _shared_parameters(),
            "headers": _shared_headers(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _by_media(body: Content | Mapping[str, Content]) -> Mapping[str, Content]:
    if body is None:
        return {}
    return body if isinstance(body, Mapping) else {JSON: body}


def _types(bodies: Iterable[Content | Mapping[str, Content]]) -> Iterable[Any]:
    """The distinct types in bodies that msgspec is to describe."""
    return dict.fromkeys(it for body in bodies for it in _by_media(body).values())


def _operation(it: Operation, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": it.id,
        "tags": [it.tag],
        "summary": it.summary,
        "description": "\n\n".join(part for part in (it.text, _needs(it)) if part),
        "security": [] if it.public else [{"bearer": list(it.scopes)}],
        "x-scope": list(it.scopes),
        "parameters": _parameters(it),
        "responses": _responses(it, schemas),
    }
    if it.body is not None:
        described["requestBody"] = {
            "required": not it.optional_body,
            "content": _content(it.body, schemas),
            **({"description": it.body_text} if it.body_text else {}),
        }
    return described


def _needs(it: Operation) -> str:
    if it.public:
        return "Public: needs no token."
    scopes = " and ".join(f"`{scope}`" for scope in it.scopes)
    return f"Needs the scope {scopes}." if it.scopes else "Needs a token, of any scope."


def _content(body: Content | Mapping[str, Content], schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    return {media: {"schema": schemas[type_]} for media, type_ in _by_media(body).items()}


def _parameters(it: Operation) -> list[dict[str, Any]]:
    shared = []
    if not it.public:
        shared.append("Tenant")
    if it.creating:
        shared.append("IdempotencyKey")
    named = [{"$ref": f"#/components/parameters/{name}"} for name in shared]
    return [*(_parameter(parameter) for parameter in it.parameters), *named]


def _parameter(it: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": dict(it.schema)} if it.repeated else dict(it.schema)
    return {
        "name": it.name,
        "in": it.place,
        "description": it.text,
        "required": it.required,
        "schema": schema,
    }


def _responses(it: Operation, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for reply in it.replies:
        if str(reply.status) in responses:
            raise ValueError(f"{it.id} has two answers {reply.status}")
        responses[str(reply.status)] = _reply(reply, schemas)
    for status in sorted(_problem_statuses(it)):
        shared = {"$ref": f"#/components/responses/Problem{status}"}
        responses[str(status)] = _conflict(it) if status == 409 and it.conflicts else shared
    return responses


def _problem_statuses(it: Operation) -> set[int]:
    """The errors that follow from what an operation takes, and those it names itself."""
    found = set(it.problems)
    if not it.public:
        found |= {401, 403, 404, 503}  # 404: also an unknown tenant
    if any(parameter.place == "path" for parameter in it.parameters):
        found.add(404)
    if any(parameter.place == "query" for parameter in it.parameters):
        found.add(422)
    if it.body is not None:
        found |= {400, 413, 415, 422}
    if it.creating:
        found |= {409, 413, 422}
    if it.conflicts:
        found.add(409)
    return found


def _reply(it: ResponseSpec, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    own = {header.name: _header(header) for header in it.headers}
    described: dict[str, Any] = {"description": it.text, "headers": own | _request_id()}
    if it.body is not None:
        described["content"] = _content(it.body, schemas)
    return described


def _header(it: Header) -> dict[str, Any]:
    return {"description": it.text, "schema": {"type": "string"}}


def _request_id() -> dict[str, Any]:
    return {"Handoff-Request-Id": {"$ref": "#/components/headers/RequestId"}}


def _conflict(it: Operation) -> dict[str, Any]:
    return _problem(409) | {"description": f"{it.conflicts}."}


def _problem(status: int) -> dict[str, Any]:
    headers = _request_id()
    if status == 401:
        headers["WWW-Authenticate"] = _header(Header(name="WWW-Authenticate", text="`Bearer`."))
    if status == 503:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return {
        "description": _WHEN[status],
        "headers": headers,
        "content": {PROBLEM: {"schema": {"$ref": SCHEMAS + "Problem"}}},
    }


def _shared_parameters() -> dict[str, Any]:
    key = (
        "The first answer to this key is given again, with `Idempotent-Replayed: true`, for "
        f"{KEEP_S // _DAY_S} days. With other content 422, while the first one runs 409."
    )
    return {
        "Tenant": {
            "name": TENANT_HEADER,
            "in": "header",
            "description": "Another tenant than the token's; needs `admin`.",
            "schema": {"type": "string"},
        },
        "IdempotencyKey": {
            "name": IDEMPOTENCY_KEY,
            "in": "header",
            "description": key,
            "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
        },
    }


def _shared_headers() -> dict[str, Any]:
    return {
        "RequestId": {
            "description": "Names this request in the server's log.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "Seconds to wait.",
            "required": True,
            "schema": {"type": "integer", "minimum": 0},
        },
    }


def _problem_schemas() -> dict[str, Schema]:
    """RFC 9457 §3 with our own members; some codes add more, which their text names."""
    lines = [f"- `{code}`: {text}" for code, text in sorted(PROBLEM_CODES.items())]
    pointer = {
        "type": "object",
        "description": "One place in the request (a JSON pointer, RFC 6901) and what is wrong there.",
        "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
        "required": ["pointer", "detail"],
    }
    problem = {
        "type": "object",
        "description": "An RFC 9457 problem document.",
        "properties": {
            "type": {"type": "string", "format": "uri"},
            "title": {"type": "string", "enum": sorted({*TITLES.values(), "Error"})},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "For people; may change."},
            "code": {"$ref": SCHEMAS + "ProblemCode"},
            "errors": {"type": "array", "items": {"$ref": SCHEMAS + "ProblemPlace"}},
            "current": {"description": "With 409: what it is now, a resource or an id."},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }
    code = {"type": "string", "description": "\n".join(lines), "enum": sorted(PROBLEM_CODES)}
    return {"Problem": problem, "ProblemPlace": pointer, "ProblemCode": code}
