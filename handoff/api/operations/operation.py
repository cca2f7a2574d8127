"""One entry of the table of operations: a route, who may call it, its handler, and its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from aiohttp.typedefs import Handler
from msgspec import Struct, field

from handoff.api.handlers.contexts import MAX_IDENTITIES
from handoff.api.http.app_keys import AppContext
from handoff.api.http.exchange import DEFAULT_LIMIT, MAX_LIMIT
from handoff.api.http.plain_requests import FastRoute
from handoff.domain.identity import Assurance
from handoff.services.access.authorize import Permission

JSON = "application/json"
READING = ("context:read",)
Content = type | Any
"""A type that msgspec can describe: a struct, a TypedDict, `list[X]`, or a plain type."""

FastRoutes = Callable[[AppContext, tuple[str, ...]], Mapping[bytes, FastRoute]]
"""Builds the fast path's routes of an operation, by path, from its scopes."""


class Parameter(Struct, frozen=True, kw_only=True):
    """A query, path, or header parameter. `schema` is JSON Schema; a `repeated` one takes many values."""

    name: str
    text: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    place: str = "query"
    required: bool = False
    repeated: bool = False
    example: Any = None


class Header(Struct, frozen=True, kw_only=True):
    """A response header."""

    name: str
    text: str


class ResponseSpec(Struct, frozen=True):
    """A response that is not an error: status, meaning, and the type of its body by media type.

    A `body` that is not a mapping is JSON; None means an empty body.
    """

    status: int
    text: str
    body: Content | Mapping[str, Content] = None
    headers: tuple[Header, ...] = ()


class Audited(Struct, frozen=True):
    """The operation shows or changes personal data, or who may see it: each request makes an audit entry.

    `resource` is the kind of what its path names.
    """

    resource: str


class NotAudited(Struct, frozen=True):
    """The operation makes no audit entry, and why."""

    why: str


ADDS_ONLY = NotAudited("It only adds touchpoints, and each is the record of its own arrival and source.")
NO_PERSONAL_DATA = NotAudited("It shows and changes nothing about customers or about access to them.")


class Operation(Struct, frozen=True, kw_only=True):
    """One method of one path. Routes, access checks, and `/openapi.json` all come from this entry.

    Access: the caller needs a valid token and every scope in `scopes`. A `public` operation needs neither.
    `queues` and `customers` open it to callers limited to queues, and to customer-facing ones: its handler
    then applies their limits to everything that it shows and changes.
    `audit` declares whether requests make an audit entry. Without a declaration they do, and a test fails.
    Answers of audited operations have personal numbers masked, unless the operation `reveals` them.
    Routing: `path` is the documented path; `pattern` is the router's, where they differ, and several
    operations may share one if they have the same handler and access. `streamed` operations have no HEAD.
    Idempotency: a `creating` operation accepts an Idempotency-Key; with `duplicates`,
    running one request twice would create two resources.
    Description: `example` is a request body that the server accepts, by media type where `body` is.
    `conflicts` is the cause of a 409; `problems` lists statuses that do not follow from the
    rest. `documented` is False for routes that `/openapi.json` leaves out.
    """

    method: str
    path: str
    handler: Handler
    id: str
    tag: str
    summary: str
    text: str = ""
    pattern: str = ""
    streamed: bool = False
    compressed: bool = False
    fast_routes: FastRoutes | None = None
    scopes: tuple[str, ...] = ()
    queues: bool = False
    customers: bool = False
    public: bool = False
    audit: Audited | NotAudited | None = None
    reveals: bool = False
    creating: bool = False
    duplicates: bool = False
    parameters: tuple[Parameter, ...] = ()
    body: Content | Mapping[str, Content] = None
    body_text: str = ""
    optional_body: bool = False
    example: Any = None
    replies: tuple[ResponseSpec, ...] = ()
    conflicts: str = ""
    problems: tuple[int, ...] = ()
    documented: bool = True

    @property
    def permission(self) -> Permission:
        """The permission that a caller needs."""
        return Permission(scopes=self.scopes, queues=self.queues, customers=self.customers)

    @property
    def reads(self) -> bool:
        """Whether it answers with what is stored, in one piece."""
        return not self.streamed and not self.creating and (self.method == "GET" or self.scopes == READING)

    @property
    def route(self) -> str:
        """The path as the router takes it."""
        return self.pattern or self.path


def choice(*values: str) -> dict[str, Any]:
    """The schema of a parameter that takes one of these values."""
    return {"type": "string", "enum": list(values)}


CONTEXT_ETAG = Header(
    name="ETag",
    text="Weak. Covers everything except waiting minutes and when each source last reported. "
    "A request with a matching `If-None-Match` gets 304.",
)
NOT_MODIFIED = ResponseSpec(304, "The caller's copy is current.")
LOCATION = Header(name="Location", text="The path of the new resource.")

LIMIT = Parameter(
    name="limit",
    text="Maximum number of items.",
    schema={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
)
CURSOR = Parameter(name="cursor", text="`next` of the previous page, unchanged.")
ORDER = Parameter(
    name="order", text="Newest first unless `asc`.", schema=choice("asc", "desc") | {"default": "desc"}
)
MIN_ASSURANCE = Parameter(
    name="min_assurance",
    text="Leave out less certain touchpoints. Defaults to the token's setting: `inferred`, or `verified` for "
    "customer-facing tokens.",
    schema=choice(*Assurance),
)
FIELDS = Parameter(
    name="fields",
    text="Return only these members of the context, separated by commas. Identity members and `left_out` "
    "are always included.",
)
IDENTITY = Parameter(
    name="identity",
    text=f"`type:value` or `type@space:value`, 1 to {MAX_IDENTITIES} times: several narrow down an "
    "ambiguous one. A space before a phone number is read as `+`.",
    schema={"type": "string", "examples": ["email:anna@example.com"]},
    required=True,
    repeated=True,
    example=["email:anna@example.com"],
)
DRY_RUN = Parameter(
    name="dry_run",
    text="`true`: report what would happen and change nothing.",
    schema={"type": "boolean", "default": False},
)


def path_parameter(name: str, text: str, example: str | None = None) -> Parameter:
    return Parameter(name=name, text=text, place="path", required=True, example=example)


CUSTOMER_ID = path_parameter(
    "id",
    "A customer id. Former ids work for reading; changes through them get 409 `customer_merged`.",
)
