"""References named in a message, which find the customer behind an email from an unknown address.

Only messages from an unproved address or number are scanned. The resulting evidence finds customers and
joins none; the touchpoint itself is stored unchanged.
"""

from __future__ import annotations

from handoff.domain.brief.lines import same
from handoff.domain.brief.signals.references import shaped
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity, identity
from handoff.domain.touchpoint import Touchpoint

SPACE = "mentioned"  # separate from stated references: a word in an email makes no look-up ambiguous
MAX_MENTIONED = 3
MAX_READ = 2_000  # characters of a text that are scanned
MENTIONING = frozenset({"email.received", "message.received"})
_HOMES = frozenset({"email", "phone"})


def mention(value: str) -> Identity:
    """The identity of a number named in a text. Raises Unprocessable for a value no identity may have."""
    return identity(REFERENCE, same(value), space=SPACE)


def mentioned(touchpoint: Touchpoint) -> tuple[Handle, ...]:
    """The references in subject and text, as claims; a pure function of the touchpoint."""
    home = touchpoint.identities[0]
    if (
        touchpoint.type not in MENTIONING
        or home.assurance is Assurance.VERIFIED
        or home.identity.type not in _HOMES
        or len(touchpoint.identities) > 1
    ):
        return ()
    words = f"{(touchpoint.subject or '')[:MAX_READ]} {(touchpoint.text or '')[:MAX_READ]}"
    found: list[Handle] = []
    for value in dict.fromkeys(shaped(words)):
        try:
            found.append(Handle(mention(value), Assurance.CLAIMED))
        except Unprocessable:  # not a value that an identity may have
            continue
    return tuple(found[:MAX_MENTIONED])
