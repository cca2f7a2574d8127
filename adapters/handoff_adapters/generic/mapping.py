"""The part of a generic source's configuration that states where a sender keeps what.

An expression is JMESPath (https://jmespath.org/specification.html).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, field

from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Direction


class MappedIdentity(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One handle of the customer. `value` is an expression; if it finds nothing, the handle is left out."""

    type: str
    value: str
    space: str = ""
    assurance: Assurance = Assurance.CLAIMED


class MappedAttachments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Files: `items` finds a list, the other expressions read each of its members."""

    items: str
    name: str = "name"
    content_type: str = ""
    url: str = ""
    size: str = ""


class FieldMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Expressions for the fields of a touchpoint. Only `identities` is required.

    `items` finds the events of a delivery, if it has several. `id` finds the sender's id of the event, the
    same in each repeat; without it, events with the same content are one event. `types` names the touchpoint
    type for each value that `type` finds; other values become `event.tracked` with that name, or are counted
    as ignored. `directions` does the same for `direction`. `internal` finds whether only colleagues may read
    it. `data` and `traits` have an expression for each name.
    """

    identities: list[MappedIdentity]
    items: str = ""
    id: str = ""
    type: str = ""
    types: dict[str, str] = field(default_factory=dict)
    unmapped: Literal["track", "ignore"] = "track"
    time: str = ""
    direction: str = ""
    directions: dict[str, Direction] = field(default_factory=dict)
    internal: str = ""
    text: str = ""
    subject: str = ""
    thread: str = ""
    language: str = ""
    medium: str = ""
    actor: str = ""
    seq: str = ""
    data: dict[str, str] = field(default_factory=dict)
    traits: dict[str, str] = field(default_factory=dict)
    attachments: MappedAttachments | None = None

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Every expression that is stated, after its key."""
        for name in _SINGLE:
            if stated := getattr(self, name):
                yield name, stated
        for at, handle in enumerate(self.identities):
            yield f"identities[{at}].value", handle.value
        for group, table in (("data", self.data), ("traits", self.traits)):
            for name, stated in table.items():
                yield f"{group}.{name}", stated
        if self.attachments:
            for name in ("items", "name", "content_type", "url", "size"):
                if stated := getattr(self.attachments, name):
                    yield f"attachments.{name}", stated


_SINGLE = (
    *("items", "id", "type", "time", "direction", "internal", "text", "subject", "thread"),
    *("language", "medium", "actor", "seq"),
)
