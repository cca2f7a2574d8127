"""`/v1/promises`, `/v1/complaints`, `/v1/announcements`, and decisions about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiohttp.typedefs import Handler
from msgspec import Struct

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


def _decision(
    handler: Handler,
    id_: str,
    subject: tuple[str, Parameter],
    text: tuple[str, str],
    example: dict[str, Any],
    *,
    verb: str = "dismiss",
    body: type[Struct] = DismissInput,
    replies: tuple[ResponseSpec, ...] = DECISION,
    conflicts: str = DECIDED,
) -> Operation:
    """A decision about one of a customer's `subject`: the list's name and the parameter of the path.

    `text` is the summary and the description.
    """
    name, parameter = subject
    return Operation(
        method="POST",
        path=f"/v1/customers/{{id}}/{name}/{{{parameter.name}}}/{verb}",
        handler=handler,
        id=id_,
        audit=Audited("customer"),
        tag=TAG,
        summary=text[0],
        text=text[1],
        queues=True,
        scopes=("handoffs:write",),
        parameters=(CUSTOMER_ID, parameter),
        body=body,
        optional_body=True,
        example=example,
        replies=replies,
        creating=True,
        conflicts=conflicts,
    )


def _listing(
    handler: Handler,
    id_: str,
    subject: tuple[str, str],
    text: tuple[str, str],
    states: Iterable[str],
    reply: type[Struct],
) -> Operation:
    """A list of the ledger. `subject` is its name and what the audit log calls an entry."""
    name, audited = subject
    return Operation(
        method="GET",
        path=f"/v1/{name}",
        handler=handler,
        compressed=True,
        id=id_,
        audit=Audited(audited),
        tag=TAG,
        summary=text[0],
        text=text[1],
        queues=True,
        scopes=("context:read",),
        parameters=(
            Parameter(name="state", text=f"Only {name} in this state.", schema=choice(*states)),
            OWNER,
            LIMIT,
            CURSOR,
            ORDER,
        ),
        replies=(ResponseSpec(200, "A page.", reply),),
    )


_PROMISES, _COMPLAINTS = ("promises", PROMISE), ("complaints", COMPLAINT)

OPERATIONS = (
    _decision(
        handlers.confirm_promise,
        "confirmPromise",
        _PROMISES,
        (
            "Confirm that a sentence is a promise",
            "Records `promise.made` in the conversation of the sentence. With a due time, it raises alarms.",
        ),
        {"due": "2035-01-15T09:30:00Z"},
        verb="confirm",
        body=ConfirmInput,
    ),
    _decision(
        handlers.dismiss_promise,
        "dismissPromise",
        _PROMISES,
        (
            "Dismiss the candidate of a promise, or take a recorded promise back",
            "Records `promise.dismissed`. It is no longer shown, and raises no alarms.",
        ),
        {"reason": "Only an example of what others do"},
    ),
    _decision(
        handlers.confirm_complaint,
        "confirmComplaint",
        _COMPLAINTS,
        (
            "Confirm that a sentence is a complaint",
            "Records `complaint.opened`. The clock of the complaint starts at the sentence.",
        ),
        {"reason": "Third time in a month"},
        verb="confirm",
    ),
    _decision(
        handlers.dismiss_complaint,
        "dismissComplaint",
        _COMPLAINTS,
        ("Dismiss the candidate of a complaint", "Records `complaint.dismissed`. It is no longer shown."),
        {"reason": "About the weather"},
    ),
    _listing(
        handlers.list_promises,
        "listPromises",
        ("promises", "promise"),
        (
            "List promises",
            "By the time at which they were made. `open`: owed, and not late. `due`: four fifths of the "
            "time have passed. `overdue`: still owed after its time. `broken`: its time has passed, or "
            "our side reported that it will not be kept. `kept`: also late; see `late`.",
        ),
        PROMISE_STATES,
        PromisesAnswer,
    ),
    _listing(
        handlers.list_complaints,
        "listComplaints",
        ("complaints", "complaint"),
        (
            "List complaints",
            "One for each matter, by the time of its first expression. Handoffs do not restart the clock; a "
            "new request about the matter reopens it.",
        ),
        COMPLAINT_STATES,
        ComplaintsAnswer,
    ),
    _listing(
        handlers.list_announcements,
        "listAnnouncements",
        ("announcements", "announcement"),
        (
            "List announced transfers, call backs, and mails",
            "By the time of the words. `open`: its time has not passed. `fulfilled`: something followed; "
            "see `late`. `unfulfilled`: nothing has followed.",
        ),
        STORED_STATES,
        AnnouncementsAnswer,
    ),
    _decision(
        handlers.dismiss_announcement,
        "dismissAnnouncement",
        ("announcements", ANNOUNCEMENT),
        (
            "Dismiss an announcement",
            "Records `announcement.dismissed`. It is no longer shown, and raises no alarms.",
        ),
        {"reason": "The customer hung up"},
        replies=(ResponseSpec(200, "The dismissal, also if it was made before.", DismissalView),),
        conflicts="The customer id is a former one (`customer_merged`)",
    ),
)
