"""A touchpoint's content, without its customer and time."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.touchpoint import Direction, Participant, Visibility


class Fact(Struct, frozen=True, kw_only=True):
    """One fact; every field as in `Touchpoint`."""

    id: str
    source: str
    channel: str
    type: str
    data: dict[str, Any] = msgspec.field(default_factory=dict)
    subject: str | None = None
    text: str | None = None
    language: str | None = None
    medium: str | None = None
    thread: str | None = None
    seq: int | None = None
    amends: str | None = None
    direction: Direction | None = None
    visibility: Visibility | None = None
    actor: dict[str, Any] | None = None
    traits: dict[str, Any] = msgspec.field(default_factory=dict)
    attachments: tuple[dict[str, Any], ...] = ()
    participants: tuple[Participant, ...] = ()
