"""Erasure of customers."""

from __future__ import annotations

from handoff.api.handlers.privacy import erasures
from handoff.api.handlers.privacy.erasures import ErasuresAnswer, ProtectionInput
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
from handoff.services.privacy.protection import Protection, ProtectionView

TAG = "Privacy"
SCOPES = ("privacy:write",)
CURRENT_ID = path_parameter("id", "The customer's current id.")
CONFLICTS = "The id is a former one (`customer_merged`), or an older release uses the store (`store_format`)"

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
            CURRENT_ID,
            Parameter(name="identity", text="Erase only this identity of the customer."),
            Parameter(name="reason", text="Kept with the erasure. Do not name the person."),
            Parameter(
                name="now",
                text="`true`: compact the embedded store's log at the end of the job. Otherwise that happens "
                "at most once an hour.",
                schema={"type": "boolean", "default": False},
            ),
        ),
        replies=(ResponseSpec(202, "The erasure.", ErasureView, (LOCATION,)),),
        conflicts=f"A legal hold forbids it (`legal_hold`). {CONFLICTS}",
    ),
    Operation(
        method="PUT",
        path="/v1/customers/{id}/hold",
        handler=erasures.setting(Protection.HOLD),
        id="holdCustomer",
        tag=TAG,
        summary="Put a legal hold on a customer",
        text="The customer cannot be erased until the hold is lifted.",
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        body=ProtectionInput,
        example={"reason": "lawsuit 2026-118"},
        replies=(ResponseSpec(200, "The hold.", ProtectionView),),
        conflicts=CONFLICTS,
    ),
    Operation(
        method="DELETE",
        path="/v1/customers/{id}/hold",
        handler=erasures.lifting(Protection.HOLD),
        id="liftHold",
        tag=TAG,
        summary="Lift a legal hold",
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        replies=(ResponseSpec(204, "Lifted."),),
        conflicts=CONFLICTS,
    ),
    Operation(
        method="PUT",
        path="/v1/customers/{id}/restriction",
        handler=erasures.setting(Protection.RESTRICTION),
        id="restrictCustomer",
        tag=TAG,
        summary="Restrict the processing of a customer's data",
        text="The data is kept, and new events are recorded. Nobody reads or exports it: contexts, "
        "timelines, streams, links, and exports answer 403 `restricted`, and new touchpoints are not sent to "
        "subscribers. A party that takes over a conversation gets no history.",
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        body=ProtectionInput,
        example={"reason": "accuracy contested"},
        replies=(ResponseSpec(200, "The restriction.", ProtectionView),),
        conflicts=CONFLICTS,
    ),
    Operation(
        method="DELETE",
        path="/v1/customers/{id}/restriction",
        handler=erasures.lifting(Protection.RESTRICTION),
        id="liftRestriction",
        tag=TAG,
        summary="Lift a restriction",
        scopes=SCOPES,
        parameters=(CURRENT_ID,),
        replies=(ResponseSpec(204, "Lifted."),),
        conflicts=CONFLICTS,
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
