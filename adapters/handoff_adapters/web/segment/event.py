"""One event of a request, narrowed: the parts that several readers need, each looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from handoff_adapters.shared.fields import mapping

PROOFS = ("userHash", "user_hash", "identityProof", "identity_proof")
"""Traits that prove a user id. They are not details of the person."""


class TrackedEvent(Struct, frozen=True):
    """`call` is the method of the tracking API, `item` the event as sent, with its batch's context.

    `traits` describe the person: Segment has them at the top, RudderStack under `context`. The
    top-level traits of a `group` call describe the account, not the person.
    """

    call: str
    item: Mapping[str, Any]
    context: Mapping[str, Any]
    properties: Mapping[str, Any]
    traits: Mapping[str, Any]


def event(item: Mapping[str, Any], call: str) -> TrackedEvent:
    """The event in `item`."""
    context = mapping(item.get("context"))
    traits = mapping(context.get("traits"))
    top = mapping(item.get("traits"))
    if top and call != "group":
        traits = {**traits, **top}
    if traits:
        traits = {key: value for key, value in traits.items() if key not in PROOFS}
    return TrackedEvent(call, item, context, mapping(item.get("properties")), traits)
