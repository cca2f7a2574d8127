"""`/v1/promises`, `/v1/complaints`, `/v1/announcements`, and decisions about them."""

from __future__ import annotations

from handoff.api.handlers import promises as handlers
from handoff.api.handlers.promises import (
    AnnouncementsAnswer,
    ComplaintsAnswer,
    ConfirmInput,
    DismissInput,
    PromisesAnswer,
)
from handoff.api.operations.operation import (
    CURSOR,
    CUSTOMER_ID,
    LIMIT,
    ORDER,
    Audited,
    Operation,
    Parameter,
    ResponseSpec,
    choice,
    path_parameter,
)
from handoff.services.announcements.dismissing import DismissalView
from handoff.services.announcements.shown import STORED_STATES
from handoff.services.ledger.deciding import DecisionView
from handoff.services.ledger.listing import COMPLAINT_STATES, PROMISE_STATES

TAG = "Promises"
PROMISE = path_parameter(
    "promise", "A candidate's `id` from a line of the brief, or the id of a promise from `/v1/promises`."
)
COMPLAINT = path_parameter(
    "complaint",
    "A candidate's `id` from a line of the brief, or the id of a complaint from `/v1/complaints`.",
)
ANNOUNCEMENT = path_parameter(
    "announcement",
    "The param `announcement` of a line of the brief, or the id of an announcement from `/v1/announcements`.",
)
DECIDED = (
    "It was decided otherwise (`already_confirmed`, `already_dismissed`; see `current`), or the customer id "
    "is a former one (`customer_merged`)"
)
OWNER = Parameter(
    name="owner",
    text="Only those whose customer is owned by this agent, or waits in this queue, now.",
)
DECISION = (ResponseSpec(200, "The decision, also if it was made before.", DecisionView),)

_DECISIONS = (
    Operation(
        method="POST",
        path="/v1/customers/{id}/promises/{promise}/confirm",
        handler=handlers.confirm_promise,
        id="confirmPromise",
        audit=Audited("customer"),
        tag=TAG,
        summary="Confirm that a sentence is a promise",
        text="Records `promise.made` in the conversation of the sentence. With a due time, it raises alarms.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, PROMISE),
        body=ConfirmInput,
        optional_body=True,
        example={"due": "2035-01-15T09:30:00Z"},
        replies=DECISION,
        creating=True,
        conflicts=DECIDED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/promises/{promise}/dismiss",
        handler=handlers.dismiss_promise,
        id="dismissPromise",
        audit=Audited("customer"),
        tag=TAG,
        summary="Dismiss the candidate of a promise, or take a recorded promise back",
        text="Records `promise.dismissed`. It is no longer shown, and raises no alarms.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, PROMISE),
        body=DismissInput,
        optional_body=True,
        example={"reason": "Only an example of what others do"},
        replies=DECISION,
        creating=True,
        conflicts=DECIDED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/complaints/{complaint}/confirm",
        handler=handlers.confirm_complaint,
        id="confirmComplaint",
        audit=Audited("customer"),
        tag=TAG,
        summary="Confirm that a sentence is a complaint",
        text="Records `complaint.opened`. The clock of the complaint starts at the sentence.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, COMPLAINT),
        body=DismissInput,
        optional_body=True,
        example={"reason": "Third time in a month"},
        replies=DECISION,
        creating=True,
        conflicts=DECIDED,
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/complaints/{complaint}/dismiss",
        handler=handlers.dismiss_complaint,
        id="dismissComplaint",
        audit=Audited("customer"),
        tag=TAG,
        summary="Dismiss the candidate of a complaint",
        text="Records `complaint.dismissed`. It is no longer shown.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, COMPLAINT),
        body=DismissInput,
        optional_body=True,
        example={"reason": "About the weather"},
        replies=DECISION,
        creating=True,
        conflicts=DECIDED,
    ),
)

_LISTS = (
    Operation(
        method="GET",
        path="/v1/promises",
        handler=handlers.list_promises,
        compressed=True,
        id="listPromises",
        audit=Audited("promise"),
        tag=TAG,
        summary="List promises",
        text="By the time at which they were made. `open`: owed, and not late. `due`: four fifths of the "
        "time have passed. `overdue`: still owed after its time. `broken`: its time has passed, or "
        "our side reported that it will not be kept. `kept`: also late; see `late`.",
        queues=True,
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text="Only promises in this state.", schema=choice(*PROMISE_STATES)),
            OWNER,
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", PromisesAnswer),),
    ),
    Operation(
        method="GET",
        path="/v1/complaints",
        handler=handlers.list_complaints,
        compressed=True,
        id="listComplaints",
        audit=Audited("complaint"),
        tag=TAG,
        summary="List complaints",
        text="One for each matter, by the time of its first expression. Handoffs do not restart the clock; a "
        "new request about the matter reopens it.",
        queues=True,
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text="Only complaints in this state.", schema=choice(*COMPLAINT_STATES)),
            OWNER,
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", ComplaintsAnswer),),
    ),
)

_ANNOUNCEMENTS = (
    Operation(
        method="GET",
        path="/v1/announcements",
        handler=handlers.list_announcements,
        compressed=True,
        id="listAnnouncements",
        audit=Audited("announcement"),
        tag=TAG,
        summary="List announced transfers, call backs, and mails",
        text="By the time of the words. `open`: its time has not passed. `fulfilled`: something followed; "
        "see `late`. `unfulfilled`: nothing has followed.",
        queues=True,
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text="Only announcements in this state.", schema=choice(*STORED_STATES)),
            OWNER,
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", AnnouncementsAnswer),),
    ),
    Operation(
        method="POST",
        path="/v1/customers/{id}/announcements/{announcement}/dismiss",
        handler=handlers.dismiss_announcement,
        id="dismissAnnouncement",
        audit=Audited("customer"),
        tag=TAG,
        summary="Dismiss an announcement",
        text="Records `announcement.dismissed`. It is no longer shown, and raises no alarms.",
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, ANNOUNCEMENT),
        body=DismissInput,
        optional_body=True,
        example={"reason": "The customer hung up"},
        replies=(ResponseSpec(200, "The dismissal, also if it was made before.", DismissalView),),
        creating=True,
        conflicts="The customer id is a former one (`customer_merged`)",
    ),
)

OPERATIONS = (*_DECISIONS, *_LISTS, *_ANNOUNCEMENTS)
