"""Live streams as Server-Sent Events."""

from __future__ import annotations

from aiohttp.typedefs import Handler

from handoff.api.handlers.live import customer_touchpoints, handoff_changes
from handoff.api.operations.operation import (
    CUSTOMER_ID,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)

TAG = "Live"
STREAM = "text/event-stream"
LAST_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    text="The `id` of the last frame received. The stream starts with everything since then, or with one "
    "`reset` that asks the client to read again.",
)
LAST_ID_QUERY = Parameter(name="last_event_id", text="The same, for clients that cannot set headers.")
ENDS = (
    "A client that reads too slowly, or that the server cannot send everything, gets `resume` and the stream "
    "ends: reconnect with the last id. When the token has expired or was revoked, the stream ends within 5 s "
    "after `session_ended`."
)


def _handoff_stream(
    path: str, id_: str, handler: Handler, whose: str, resource: str, parameter: str, text: str
) -> Operation:
    return Operation(
        method="GET",
        path=path,
        handler=handler,
        streamed=True,
        id=id_,
        audit=Audited(resource),
        tag=TAG,
        summary=f"Stream the handoffs of {whose}",
        text="Starts with `ready` and the pending handoffs, then sends a frame for each change: its `event` "
        f"is the type, such as `handoff.requested`, and its data is the handoff. {ENDS}",
        queues=True,
        customers=True,
        scopes=("handoffs:read",),
        parameters=(path_parameter(parameter, text), LAST_ID, LAST_ID_QUERY),
        replies=(ResponseSpec(200, "Server-Sent Events.", {STREAM: str}),),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/customers/{id}/events",
        handler=customer_touchpoints.of_customer,
        streamed=True,
        id="watchCustomer",
        audit=Audited("customer"),
        tag=TAG,
        summary="Stream a customer's touchpoints",
        text="Starts with `ready`, then sends a `touchpoint` for each, in the order of recording. `reset` "
        "means that the client must read the context again: the customer was linked or unlinked, or the "
        f"client missed too much. {ENDS}",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(CUSTOMER_ID, LAST_ID, LAST_ID_QUERY),
        replies=(ResponseSpec(200, "Server-Sent Events.", {STREAM: str}),),
    ),
    _handoff_stream(
        "/v1/queues/{name}/events",
        "watchQueue",
        handoff_changes.of_queue,
        "a queue",
        "queue",
        "name",
        "The queue's name.",
    ),
    _handoff_stream(
        "/v1/agents/{id}/events",
        "watchAgent",
        handoff_changes.of_agent,
        "an agent",
        "agent",
        "id",
        "The agent's id.",
    ),
)
