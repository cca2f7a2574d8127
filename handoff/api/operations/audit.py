"""`/v1/audit`."""

from __future__ import annotations

from handoff.api.handlers import audit as handlers
from handoff.api.handlers.audit import AuditAnswer
from handoff.api.operations.operation import CURSOR, LIMIT, Audited, Operation, Parameter, ResponseSpec

OPERATIONS = (
    Operation(
        method="GET",
        path="/v1/audit",
        handler=handlers.find,
        id="searchAudit",
        audit=Audited("audit"),
        tag="Privacy",
        summary="Find out who read and changed what",
        text="Newest first. With `customer`, the accesses to one customer, under any of their ids, now or "
        "then. The server searches the files of its own machine and those in `audit.also_read`; "
        "`not_searched` names the machines whose files it does not have. Searching is an access as well.",
        scopes=("audit:read",),
        parameters=(
            Parameter(name="customer", text="Only accesses to this customer, by a current or former id."),
            Parameter(name="identity", text="The same by an identity, `type:value`, even of a stranger."),
            Parameter(name="agent", text="Only accesses by this agent.", example="ville"),
            Parameter(
                name="token", text="Only accesses by this token's name, or by `key:ID` or `session:ID`."
            ),
            Parameter(
                name="action", text="Only this operation, by its `operationId`.", example="exportCustomer"
            ),
            Parameter(name="from", text="Not before this RFC 3339 time."),
            Parameter(name="to", text="Before this RFC 3339 time."),
            LIMIT,
            CURSOR,
        ),
        replies=(ResponseSpec(200, "A page.", AuditAnswer),),
        conflicts="The server keeps no audit trail (`audit_off`)",
    ),
)
