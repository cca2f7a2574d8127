"""`/v1/callbacks`."""

from __future__ import annotations

from handoff.api.handlers import callbacks as handlers
from handoff.api.handlers.callbacks import CallbackAnswer, CallbackInput, CancelInput, RescheduleInput
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    ORDER,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.services.callbacks.callback import STATES, CallbackView

TAG = "Callbacks"
ID = path_parameter("id", "The callback's id.")
ENDED = "The callback has ended; see `current`"
_DUE = "2035-01-15T09:30:00Z"

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/callbacks",
        handler=handlers.create,
        id="requestCallback",
        audit=Audited("callback"),
        tag=TAG,
        summary="Request a callback",
        text="`phone` is the number to call and links nothing. `identity` or `customer_id` names the "
        "customer; without either, the number does. Every step becomes a touchpoint of that customer.",
        queues=True,
        customers=True,
        scopes=("callbacks:write",),
        body=CallbackInput,
        example={
            "phone": "+358401234567",
            "identity": "email:anna@example.com",
            "reason": "Wants to know when the refund arrives",
            "due": _DUE,
        },
        replies=(ResponseSpec(201, "The callback.", CallbackView, (LOCATION,)),),
        creating=True,
        duplicates=True,
        conflicts="Several customers match the identity, or the customer id is a former one",
    ),
    Operation(
        method="GET",
        path="/v1/callbacks",
        handler=handlers.list_,
        id="listCallbacks",
        audit=Audited("callback"),
        tag=TAG,
        summary="List callbacks",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text="Only callbacks in this state.", schema=choice(*STATES)),
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", CallbackAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/callbacks/{id}",
        handler=handlers.read,
        id="readCallback",
        audit=Audited("callback"),
        tag=TAG,
        summary="Read a callback",
        queues=True,
        customers=True,
        scopes=("context:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The callback.", CallbackView),),
    ),
    Operation(
        method="POST",
        path="/v1/callbacks/{id}/reschedule",
        handler=handlers.reschedule,
        id="rescheduleCallback",
        audit=Audited("callback"),
        tag=TAG,
        summary="Reschedule a callback",
        queues=True,
        customers=True,
        scopes=("callbacks:write",),
        parameters=(ID,),
        body=RescheduleInput,
        example={"due": _DUE, "reason": "Anna is travelling until then"},
        replies=(ResponseSpec(200, "The callback after the change.", CallbackView),),
        conflicts=ENDED,
    ),
    Operation(
        method="POST",
        path="/v1/callbacks/{id}/cancel",
        handler=handlers.cancel,
        id="cancelCallback",
        audit=Audited("callback"),
        tag=TAG,
        summary="Cancel a callback",
        queues=True,
        customers=True,
        scopes=("callbacks:write",),
        parameters=(ID,),
        body=CancelInput,
        optional_body=True,
        example={"reason": "Solved by email"},
        replies=(ResponseSpec(200, "The callback after the change.", CallbackView),),
        conflicts=ENDED,
    ),
)
