"""What `/v1/callbacks` takes and answers."""

from __future__ import annotations

from handoff.api.description.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    ORDER,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.api.handlers.callbacks import CallbackAnswer, CallbackInput, CancelInput, RescheduleInput
from handoff.services.callbacks.callback import STATES, CallbackView

TAG = "Call-backs"
ID = path_parameter("id", "The call-back's id.")
ENDED = "The call-back has ended; it is under `current`"

OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/callbacks",
        id="requestCallback",
        tag=TAG,
        summary="Promise a call",
        text="`phone` is where to call and links nothing; whose call-back it is says `identity` or "
        "`customer_id`, without either the number. Every step becomes a touchpoint of that customer.",
        scopes=("callbacks:write",),
        body=CallbackInput,
        replies=(ResponseSpec(201, "Promised.", CallbackView, (LOCATION,)),),
        creating=True,
        conflicts="Several customers answer to the identity, or the customer's id is a former one",
    ),
    Operation(
        method="GET",
        path="/v1/callbacks",
        id="listCallbacks",
        tag=TAG,
        summary="List call-backs",
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text="Only those in this state.", schema=choice(*STATES)),
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", CallbackAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/callbacks/{id}",
        id="readCallback",
        tag=TAG,
        summary="Read a call-back",
        scopes=("context:read",),
        parameters=(ID,),
        replies=(ResponseSpec(200, "The call-back.", CallbackView),),
    ),
    Operation(
        method="POST",
        path="/v1/callbacks/{id}/reschedule",
        id="rescheduleCallback",
        tag=TAG,
        summary="Agree on another time",
        scopes=("callbacks:write",),
        parameters=(ID,),
        body=RescheduleInput,
        replies=(ResponseSpec(200, "The call-back after it.", CallbackView),),
        conflicts=ENDED,
    ),
    Operation(
        method="POST",
        path="/v1/callbacks/{id}/cancel",
        id="cancelCallback",
        tag=TAG,
        summary="Cancel a call-back",
        scopes=("callbacks:write",),
        parameters=(ID,),
        body=CancelInput,
        optional_body=True,
        replies=(ResponseSpec(200, "The call-back after it.", CallbackView),),
        conflicts=ENDED,
    ),
)
