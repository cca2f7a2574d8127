"""References that a message names: what finds the customer of a mail from an address nobody knows.

Only what comes from an unproved address or number is looked through. The evidence it makes finds
customers and joins nobody; the touchpoint itself is stored as it came.
"""

from __future__ import annotations

from handoff.domain.brief.lines import same
from handoff.domain.brief.signals.references import shaped
from handoff.domain.errors import Unprocessable
from handoff.domain.identity import REFERENCE, Assurance, Handle, Identity, identity
from handoff.domain.touchpoint import Touchpoint

SPACE = "mentioned"  # apart from references that senders state: a word in a mail makes no look-up ambiguous
MAX_MENTIONED = 3
MAX_READ = 2_000  # characters of a text that are looked through
_SPOKEN_TYPES = frozenset({"email.received", "message.received"})
_HOMES = frozenset({"email", "phone"})


def mention(value: str) -> Identity:
    """A number named in words, as it is compared. Unprocessable for a value that no identity may have."""
    return identity(REFERENCE, same(value), space=SPACE)


def mentioned(touchpoint: Touchpoint) -> tuple[Handle, ...]:
    """The references in subject and text, as claims; a pure function of the touchpoint."""
    home = touchpoint.identities[0]
    if (
        touchpoint.type not in _SPOKEN_TYPES
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
        except Unprocessable:  # no value that an identity may have
            continue
    return tuple(found[:MAX_MENTIONED])
