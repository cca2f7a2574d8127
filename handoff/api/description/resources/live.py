"""What the streams of Server-Sent Events take and answer."""

from __future__ import annotations

from handoff.api.description.operation import CUSTOMER_ID, Operation, Parameter, ResponseSpec, path_parameter

TAG = "Live"
STREAM = "text/event-stream"
LAST_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    text="The `id` of the last frame that was seen: what came since is told first, or one `reset` says to "
    "read again.",
)
LAST_ID_QUERY = Parameter(name="last_event_id", text="The same, where a client cannot set headers.")
ENDS = (
    "A stream that is too slow, or that the server cannot tell everything, gets `resume` and ends: come back "
    "with the last id."
)


def _of_handoffs(path: str, id_: str, whose: str, parameter: str, text: str) -> Operation:
    return Operation(
        method="GET",
        path=path,
        id=id_,
        tag=TAG,
        summary=f"Hand-offs of {whose}, live",
        text="Begins with `ready` and what is pending, then a frame for each change: its `event` is the "
        f"type, such as `handoff.requested`, its data the hand-off. {ENDS}",
        scopes=("handoffs:read",),
        parameters=(path_parameter(parameter, text), LAST_ID, LAST_ID_QUERY),
        replies=(ResponseSpec(200, "Server-Sent Events.", {STREAM: str}),),
    )


OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/customers/{id}/events",
        id="watchCustomer",
        tag=TAG,
        summary="A customer's touchpoints, live",
        text="Begins with `ready`, then a `touchpoint` for each, in the order in which they come. `reset` "
        "says that the context must be read again: they were linked or unlinked, or too much was missed. "
        f"{ENDS}",
        scopes=("context:read",),
        parameters=(CUSTOMER_ID, LAST_ID, LAST_ID_QUERY),
        replies=(ResponseSpec(200, "Server-Sent Events.", {STREAM: str}),),
    ),
    _of_handoffs("/v1/queues/{name}/events", "watchQueue", "a queue", "name", "The queue's name."),
    _of_handoffs("/v1/agents/{id}/events", "watchAgent", "an agent", "id", "The agent's id."),
)
