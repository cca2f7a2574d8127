"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made from the table of operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handoff import __version__
from handoff.api.http.exchange import IDEMPOTENCY_KEY
from handoff.api.http.idempotency import KEEP_S, MAX_KEY
from handoff.api.http.problem_codes import PROBLEM_CODES
from handoff.api.http.problems import TITLES
from handoff.api.operations.operation import JSON, Content, Header, Operation, Parameter, ResponseSpec
from handoff.services.access.access import TENANT_HEADER

from .brief_lines import brief_schemas
from .schemas import SCHEMAS, Schema, component_schemas

PROBLEM = "application/problem+json"
_DAY_S = 24 * 3600
_PROBLEM_TEXTS = {
    400: "The server cannot read the body.",
    401: "The bearer token is missing (`token_missing`), expired (`token_expired`), or unknown.",
    403: "The token lacks the scope, or belongs to another tenant or agent.",
    404: "Not found, or it belongs to another tenant.",
    409: "The current state does not allow this.",
    410: "The customer was erased.",
    413: "The request is larger than allowed.",
    415: "This resource does not support the content type or encoding.",
    422: "A value is invalid; `errors` points at it.",
    429: "The token or tenant sends too fast: wait for `Retry-After`.",
    503: "The outcome is unknown: wait for `Retry-After` and send exactly the same request again.",
}
_ABOUT = f"""\
One timeline per customer across all channels, handed over with the conversation.

**Access.** `Authorization: Bearer …`. Each operation names the scopes it needs. The token determines the \
tenant; an `admin` token may name another in `{TENANT_HEADER}` and has every scope.

**Format.** JSON is UTF-8, names are snake_case, times are RFC 3339 in UTC with six digits. Requests are \
strict: unknown members get 422. Responses may gain members.

**Errors** are RFC 9457 problem documents with a stable `code`. After 503 the outcome is unknown; every \
write can be sent again unchanged.

**Lists** return `next`, a cursor for the next page or null. No list is truncated silently.

**Briefs.** `BriefLineByCode` lists every line code of a brief with its params and an English template, for \
those who render briefs themselves.

Vendors' webhooks go to `/in/{{source}}` in each vendor's own format and are not described here.
"""


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole document. ValueError if the table contradicts itself."""
    schemas, components = component_schemas(
        list(_types(it.body for it in operations)),
        list(_types(reply.body for it in operations for reply in it.replies)),
    )
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        methods = paths.setdefault(operation.path, {})
        if operation.method.lower() in methods:
            raise ValueError(f"{operation.method} {operation.path} is described twice")
        methods[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Conversation handoff",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(it.tag for it in operations)],
        "paths": paths,
        "components": {
            "schemas": components | _problem_schemas() | brief_schemas(),
            "responses": {f"Problem{status}": _problem(status) for status in _PROBLEM_TEXTS},
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
    """The distinct types of bodies."""
    return dict.fromkeys(it for body in bodies for it in _by_media(body).values())


def _operation(operation: Operation, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": "\n\n".join(part for part in (operation.text, _access(operation)) if part),
        "security": [] if operation.public else [{"bearer": list(operation.scopes)}],
        "x-scope": list(operation.scopes),
        "parameters": _parameters(operation),
        "responses": _responses(operation, schemas),
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.optional_body,
            "content": _with_examples(_content(operation.body, schemas), operation),
            **({"description": operation.body_text} if operation.body_text else {}),
        }
    return described


def _with_examples(content: dict[str, Any], operation: Operation) -> dict[str, Any]:
    """The content with the operation's examples. ValueError if a media type has none."""
    examples = operation.example if isinstance(operation.body, Mapping) else {JSON: operation.example}
    if any(examples.get(media) is None for media in content):
        raise ValueError(f"{operation.id} needs an example of its request body")
    return {media: {**described, "example": examples[media]} for media, described in content.items()}


def _access(operation: Operation) -> str:
    if operation.public:
        return "Public: no token needed."
    scopes = " and ".join(f"`{scope}`" for scope in operation.scopes)
    return f"Needs the scope {scopes}." if scopes else "Needs a token with any scope."


def _content(body: Content | Mapping[str, Content], schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    return {media: {"schema": schemas[type_]} for media, type_ in _by_media(body).items()}


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    shared = []
    if not operation.public:
        shared.append("Tenant")
    if operation.creating:
        shared.append("IdempotencyKey")
    named = [{"$ref": f"#/components/parameters/{name}"} for name in shared]
    return [*(_parameter(parameter) for parameter in operation.parameters), *named]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.text,
        "required": parameter.required,
        "schema": {"type": "array", "items": schema} if parameter.repeated else schema,
        **({} if parameter.example is None else {"example": parameter.example}),
    }


def _responses(operation: Operation, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for reply in operation.replies:
        if str(reply.status) in responses:
            raise ValueError(f"{operation.id} describes {reply.status} twice")
        responses[str(reply.status)] = _reply(reply, schemas)
    for status in sorted(_problem_statuses(operation)):
        shared = {"$ref": f"#/components/responses/Problem{status}"}
        own = status == 409 and operation.conflicts
        responses[str(status)] = _conflict(operation) if own else shared
    return responses


def _problem_statuses(operation: Operation) -> set[int]:
    """The errors that follow from what an operation takes, and those it names itself."""
    found = set(operation.problems)
    if not operation.public:
        found |= {401, 403, 404, 429, 503}  # 404: also an unknown tenant
    if any(parameter.place == "path" for parameter in operation.parameters):
        found.add(404)
    if any(parameter.place == "query" for parameter in operation.parameters):
        found.add(422)
    if operation.path.startswith("/v1/customers/{id}"):
        found.add(410)
    if operation.body is not None:
        found |= {400, 413, 415, 422}
    if operation.creating:
        found |= {409, 413, 422}
    if operation.conflicts:
        found.add(409)
    return found


def _reply(reply: ResponseSpec, schemas: Mapping[Any, Schema]) -> dict[str, Any]:
    own = {header.name: _header(header) for header in reply.headers}
    described: dict[str, Any] = {"description": reply.text, "headers": own | _request_id()}
    if reply.body is not None:
        described["content"] = _content(reply.body, schemas)
    return described


def _header(header: Header) -> dict[str, Any]:
    return {"description": header.text, "schema": {"type": "string"}}


def _request_id() -> dict[str, Any]:
    return {"Handoff-Request-Id": {"$ref": "#/components/headers/RequestId"}}


def _conflict(operation: Operation) -> dict[str, Any]:
    return _problem(409) | {"description": f"{operation.conflicts}."}


def _problem(status: int) -> dict[str, Any]:
    headers = _request_id()
    if status == 401:
        headers["WWW-Authenticate"] = _header(
            Header(
                name="WWW-Authenticate", text='`Bearer`, with `error="invalid_token"` if a token was sent.'
            )
        )
    if status == 503:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return {
        "description": _PROBLEM_TEXTS[status],
        "headers": headers,
        "content": {PROBLEM: {"schema": {"$ref": SCHEMAS + "Problem"}}},
    }


def _shared_parameters() -> dict[str, Any]:
    key = (
        f"For {KEEP_S // _DAY_S} days, a request with the same key gets the first response again, with "
        "`Idempotent-Replayed: true`. Other content with the key gets 422; a repeat while the first request "
        "is still running gets 409."
    )
    return {
        "Tenant": {
            "name": TENANT_HEADER,
            "in": "header",
            "description": "A tenant other than the token's. Needs `admin`.",
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
            "description": "Identifies this request in the server's log.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "Seconds to wait.",
            "required": True,
            "schema": {"type": "integer", "minimum": 0},
        },
    }


def _problem_schemas() -> dict[str, Schema]:
    """Problem documents (RFC 9457 §3) with our members. Some codes add more, which their text names."""
    lines = [f"- `{code}`: {text}" for code, text in sorted(PROBLEM_CODES.items())]
    pointer = {
        "type": "object",
        "description": "An invalid member of the request, as a JSON pointer (RFC 6901), and the reason.",
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
            "detail": {"type": "string", "description": "For humans; may change."},
            "code": {"$ref": SCHEMAS + "ProblemCode"},
            "errors": {"type": "array", "items": {"$ref": SCHEMAS + "ProblemPlace"}},
            "current": {"description": "With 409: the current resource or id."},
        },
        "required": ["type", "title", "status", "detail", "code"],
    }
    code = {"type": "string", "description": "\n".join(lines), "enum": sorted(PROBLEM_CODES)}
    return {"Problem": problem, "ProblemPlace": pointer, "ProblemCode": code}
