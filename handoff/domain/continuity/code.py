"""A continuity code as it is stored, and whether a use of it counts."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from handoff.domain.clock import Micros
from handoff.domain.identity import Assurance
from handoff.domain.open_record import OpenRecord

SOURCE = "continuity"
"""The source of the evidence that a code gives."""


class CodeState(StrEnum):
    """The outcome of a code that a touchpoint carried."""

    JOINED = "joined"
    REPEATED = "repeated"
    """The conversation that used it carries it again, as every reply to a mail with a tagged subject does."""
    USED = "used"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    LIMITED = "limited"
    """Too many wrong digits came this way: these were not tried."""


class CodeUse(OpenRecord, frozen=True, kw_only=True):
    """One use of a code: by a touchpoint, filed under `home`, of a conversation. `home` is empty once it is
    erased.

    `joined` is false where both conversations had handoffs of their own, whose chains stay apart.
    """

    home: bytes
    touchpoint: bytes
    conversation: bytes
    at: Micros
    channel: str
    way: str
    joined: bool = True
    undone: bool = False


class ContinuityCode(OpenRecord, frozen=True, kw_only=True):
    """A code that continues a `conversation` of the customer at `home`. The token and the digits are not
    stored: `id` and `digits` are their keyed hashes. `channel` and `opened_at` are the conversation's.

    `assurance` is the most that a use may prove about the sender's handle.
    """

    id: bytes
    home: bytes
    conversation: bytes
    channel: str
    opened_at: Micros
    issued_at: Micros
    expires_at: Micros
    digits: bytes
    digits_until: Micros
    by: str
    max_uses: int = 1
    assurance: str = Assurance.CLAIMED.value
    intended: str | None = None
    """The channel on which its issuer expects the customer."""
    uses: tuple[CodeUse, ...] = ()
    revoked_at: Micros | None = None

    @property
    def open(self) -> bool:
        """Whether it is neither spent nor revoked. It may have expired."""
        return self.revoked_at is None and len(self.uses) < self.max_uses


class Use(Struct, frozen=True, kw_only=True):
    """A touchpoint that carries a code, as the code is judged for it."""

    home: bytes
    touchpoint: bytes
    conversation: bytes
    by_digits: bool


def judge(code: ContinuityCode, use: Use, now: Micros) -> CodeState:
    """Whether the code joins this touchpoint. A touchpoint that used it before joins again, whenever it
    comes: it is a retry."""
    earlier = next((it for it in code.uses if it.touchpoint == use.touchpoint), None)
    if earlier is not None:
        return CodeState.REVOKED if earlier.undone else CodeState.JOINED
    if any((it.conversation, it.home) == (use.conversation, use.home) and not it.undone for it in code.uses):
        return CodeState.REPEATED
    if code.revoked_at is not None:
        return CodeState.REVOKED
    if len(code.uses) >= code.max_uses:
        return CodeState.USED
    until = min(code.digits_until, code.expires_at) if use.by_digits else code.expires_at
    return CodeState.EXPIRED if now >= until else CodeState.JOINED
