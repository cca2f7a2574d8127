"""The words in which a route is described: operations, their parameters and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from handoff.api.handlers.contexts import MAX_IDENTITIES
from handoff.api.http.exchange import DEFAULT_LIMIT, MAX_LIMIT
from handoff.domain.identity import Assurance

JSON = "application/json"
Content = type | Any
"""What msgspec makes a schema of: a struct, a TypedDict, `list[X]`, or a plain type."""


class Parameter(Struct, frozen=True, kw_only=True):
    """A query or path parameter. `schema` is JSON Schema; a `repeated` one may be given many times."""

    name: str
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: str = "query"
    required: bool = False
    repeated: bool = False


class Header(Struct, frozen=True, kw_only=True):
    """A header of an answer."""

    name: str
    text: str


class ResponseSpec(Struct, frozen=True):
    """One answer that is no error: status, what it means, and the type of its body by media type.

    A `body` that is no mapping is JSON; None is no body at all.
    """

    status: int
    text: str
    body: Content | Mapping[str, Content] = None
    headers: tuple[Header, ...] = ()


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path as `/openapi.json` tells it.

    `path` is the route's own, without patterns. `scopes` are all needed, beside a token; a `public`
    route needs neither.
    `creating`: it takes an Idempotency-Key. `conflicts` says when it answers 409, `problems` names
    the statuses that do not follow from the rest.
    """

    method: str
    path: str
    id: str
    tag: str
    summary: str
    text: str = ""
    scopes: tuple[str, ...] = ()
    public: bool = False
    parameters: tuple[Parameter, ...] = ()
    body: Content | Mapping[str, Content] = None
    body_text: str = ""
    optional_body: bool = False
    replies: tuple[ResponseSpec, ...]
    creating: bool = False
    conflicts: str = ""
    problems: tuple[int, ...] = ()


def choice(*values: str) -> dict[str, Any]:
    """The schema of a parameter that is one of these words."""
    return {"type": "string", "enum": list(values)}


CONTEXT_ETAG = Header(
    name="ETag",
    text="Weak: over everything but the minutes waited and when sources were last heard. "
    "`If-None-Match` with it is answered 304.",
)
NOT_MODIFIED = ResponseSpec(304, "What the caller has is still right.")
LOCATION = Header(name="Location", text="The path of what was made.")

LIMIT = Parameter(
    name="limit",
    text="How many at most.",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter(name="cursor", text="`next` of the page before, as it came.")
ORDER = Parameter(
    name="order", text="Newest first unless `asc`.", schema=choice("asc", "desc") | {"default": "desc"}
)
MIN_ASSURANCE = Parameter(
    name="min_assurance",
    text="Leave out what is less sure. The default is the token's: `inferred`, for customer-facing "
    "tokens `verified`.",
    schema=choice(*Assurance),
)
FIELDS = Parameter(
    name="fields",
    text="Only these members of the context, separated by commas; who it is and `left_out` always stay.",
)
IDENTITY = Parameter(
    name="identity",
    text=f"`type:value` or `type@space:value`, given 1 to {MAX_IDENTITIES} times: several narrow an "
    "ambiguous one. A space before a phone number is read as `+`.",
    schema={"type": "string", "examples": ["email:anna@example.com"]},
    required=True,
    repeated=True,
)
DRY_RUN = Parameter(
    name="dry_run",
    text="`true`: say what would happen and change nothing.",
    schema={"type": "boolean", "default": False},
)


def path_parameter(name: str, text: str) -> Parameter:
    return Parameter(name=name, text=text, place="path", required=True)


CUSTOMER_ID = path_parameter(
    "id", "A customer's id. A former one reads as well; changes through it are 409 `customer_merged`."
)
