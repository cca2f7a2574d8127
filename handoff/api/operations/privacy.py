"""Erasure of customers."""

from __future__ import annotations

from handoff.api.handlers import erasures
from handoff.api.handlers.erasures import ErasuresAnswer
from handoff.api.operations.operation import (
    CURSOR,
    LIMIT,
    LOCATION,
    Operation,
    Parameter,
    ResponseSpec,
    path_parameter,
)
from handoff.services.privacy.erasure import ErasureView

TAG = "Privacy"
SCOPES = ("privacy:write",)

OPERATIONS = (
    Operation(
        method="DELETE",
        path="/v1/customers/{id}",
        handler=erasures.erase,
        id="eraseCustomer",
        tag=TAG,
        summary="Erase a customer",
        text="The customer is out of sight when this returns: their ids answer 410. A job then deletes "
        "touchpoints, evidence, snapshots, and messages, cancels callbacks, withdraws handoffs, and removes "
        "the customer from the timelines of others. Follow it with `GET /v1/erasures/{id}`. Events from "
        "before the erasure that arrive later are accepted and dropped; later events start a new history.",
        scopes=SCOPES,
        parameters=(
            path_parameter("id", "The customer's current id."),
            Parameter(name="identity", text="Erase only this identity of the customer."),
            Parameter(name="reason", text="Kept with the erasure. Do not name the person."),
        ),
        replies=(ResponseSpec(202, "The erasure.", ErasureView, (LOCATION,)),),
        conflicts="The id is a former one (`customer_merged`), or an older release uses the store "
        "(`store_format`)",
        problems=(410,),
    ),
    Operation(
        method="GET",
        path="/v1/erasures",
        handler=erasures.list_,
        id="listErasures",
        tag=TAG,
        summary="List erasures",
        text="Newest first. A completed one has its receipt.",
        scopes=SCOPES,
        parameters=(LIMIT, CURSOR),
        replies=(ResponseSpec(200, "A page.", ErasuresAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/erasures/{id}",
        handler=erasures.read,
        id="readErasure",
        tag=TAG,
        summary="Read an erasure",
        scopes=SCOPES,
        parameters=(path_parameter("id", "The erasure's id."),),
        replies=(ResponseSpec(200, "The erasure.", ErasureView),),
    ),
)
