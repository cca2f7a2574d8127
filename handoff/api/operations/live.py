"""Live streams as Server-Sent Events."""

from __future__ import annotations

from aiohttp.typedefs import Handler

from handoff.api.handlers.live import customer_touchpoints, handoff_changes, topics
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
LISTED = (
    "The list has the newest 200 handoffs of each state; `more` is true if there are others, which "
    "`GET /v1/handoffs` lists."
)
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
        "is the type, such as `handoff.requested`, and its data is the handoff. Streams of queues and agents "
        "also get the alarms of promises to their customers, `promise.due_soon` and `promise.broken`, and "
        "`announcement.unfulfilled` and `announcement.fulfilled`. "
        f"{LISTED} {ENDS}",
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
    Operation(
        method="POST",
        path="/v1/events",
        handler=topics.of_topics,
        streamed=True,
        id="watchTopics",
        audit=Audited("events"),
        tag=TAG,
        summary="Stream several topics",
        text="One stream for any number of customers, queues, and agents: browsers open only six "
        "connections to a server over HTTP/1.1. `pending` is every handoff that the token may see; it starts "
        "with the pending ones. Customers need the scope `context:read`, all others `handoffs:read`; if a "
        "topic is refused, the problem's `topic` names it. The data of every event is "
        '`{"topic", "position", "data"}`; events and data are those of the single streams. A topic without '
        "`position` begins with `started` and its state, and one with it with what came since, or with "
        f"`reset`. {LISTED} Once all topics are live, `ready` lists the position of each. To change topics, "
        "open a new stream with the last positions, and close the old one after the new one's `ready`. "
        "If one topic ends, as that of an erased customer does, the stream ends with `resume` "
        f"and names it. {ENDS.replace('with the last id', 'with the last positions')}",
        queues=True,
        customers=True,
        body=topics.TopicsInput,
        body_text=f"1 to {topics.MAX_TOPICS} different topics.",
        example={"topics": [{"topic": "queue:refunds"}, {"topic": "agent:maria"}]},
        replies=(ResponseSpec(200, "Server-Sent Events.", {STREAM: str}),),
        problems=(403, 404),
    ),
)
