"""The people in a mail: its customer and the other participants."""

from __future__ import annotations

from msgspec import Struct

from handoff.domain.errors import InvalidIdentity
from handoff.domain.identity import Assurance, Handle, Identity, identity
from handoff.domain.touchpoint import MAX_PARTICIPANTS, Participant

from .addresses import mailboxes
from .characters import decode_words, display_name
from .mailboxes import Mailboxes
from .mime import Headers
from .reports import LIST_FIELDS, is_machine, is_no_reply
from .trace import dmarc_result

MAX_READ = 3 * MAX_PARTICIPANTS  # addresses of a mail that are normalised; further ones are only counted
MAX_ADDRESS = 320  # characters; RFC 5321 §4.5.3.1
_ROLES = (
    ("reply-to", "reply_to"),
    ("from", "sender"),
    ("sender", "sender"),
    ("to", "to"),
    ("cc", "cc"),
    ("bcc", "bcc"),
)
_FIELDS = ("from", "reply-to", "sender", "x-original-from", "x-original-sender", "to", "cc", "bcc")


class Person(Struct, frozen=True):
    """An address in a mail and the display name beside it, if it is safe to show."""

    identity: Identity
    name: str | None = None

    @property
    def address(self) -> str:
        return self.identity.value


class Author(Struct, frozen=True):
    """The person a mail is filed under. `outbound` is true if the business wrote to that person.

    `dmarc` is a trusted host's DMARC result for the From domain.
    """

    handle: Handle
    name: str | None
    outbound: bool = False
    dmarc: str | None = None


def person(address: str, name: str = "") -> Person | None:
    """The person at `address`, or None for an invalid address."""
    if len(address) > MAX_ADDRESS:
        return None
    try:
        return Person(identity("email", address), display_name(name))
    except InvalidIdentity:
        return None


class Correspondents(Struct, frozen=True):
    """The people in a mail's address fields, by field. `left_out` counts unread and invalid entries."""

    people: dict[str, list[Person]]
    left_out: int
    rewritten: bool
    """From is `Anna via Support`: a group address or a list sent the mail for its author."""
    one_sender: bool


def correspondents(headers: Headers) -> Correspondents:
    """Reads each address field of a mail once, in bounded time."""
    found: dict[str, list[Person]] = {}
    left_out = 0
    allowance = MAX_READ
    for field in _FIELDS:
        boxes = [box for value in headers.all(field) for box in mailboxes(value)]
        read = [person(box.address, box.name) for box in boxes[:allowance]]
        allowance -= len(read)
        found[field] = [one for one in read if one]
        left_out += len(boxes) - len(found[field]) + (field in headers.cut)
    return Correspondents(
        people=found,
        left_out=left_out,
        rewritten=" via " in decode_words(headers.first("from")).lower(),
        one_sender=len(headers.all("from")) == 1 and len(found["from"]) == 1,
    )


def author(
    headers: Headers, named: Correspondents, ours: Mailboxes, trusted: frozenset[str]
) -> Author | None:
    """The author of the mail, or None when it names only the business and mail systems.

    This is From, unless a list or a form rewrote it: then it is the original author. A mail from the
    business is filed under its first external recipient.
    """
    outside = {
        field: [one for one in stated if not ours.holds(one.address)]
        for field, stated in named.people.items()
    }
    replies = [one for one in outside["reply-to"] if not is_no_reply(one.address)]
    rewritten_from = outside["x-original-from"] + outside["x-original-sender"]
    originals = [one for one in rewritten_from if not is_machine(one.address)]
    if not named.people["from"]:
        return _claimed(outside["sender"] + replies)
    sender = named.people["from"][0]
    if not ours.holds(sender.address):
        if named.rewritten and (found := originals or _behind_list(headers, sender, replies)):
            return _claimed(found)
        if is_no_reply(sender.address) and replies:
            return _claimed(replies)
        return _sender(headers, sender, named.one_sender, trusted)
    if originals or (named.rewritten and replies):
        return _claimed(originals + replies)
    written_to = outside["to"] + outside["cc"] + outside["bcc"]
    if written_to:
        return Author(Handle(written_to[0].identity, Assurance.CLAIMED), written_to[0].name, outbound=True)
    return _claimed(replies)


def _behind_list(headers: Headers, sender: Person, replies: list[Person]) -> list[Person]:
    """The author of a mail that a list sent under its own address: Reply-To (Mailman's From munging)."""
    if not any(headers.has(name) for name in LIST_FIELDS):
        return []
    return [one for one in replies if one.identity != sender.identity]


def _claimed(found: list[Person]) -> Author | None:
    if not found:
        return None
    return Author(Handle(found[0].identity, Assurance.CLAIMED), found[0].name)


def _sender(headers: Headers, sender: Person, alone: bool, trusted: frozenset[str]) -> Author:
    """The From address. A DMARC pass from a trusted host verifies it if it is the only one."""
    dmarc = dmarc_result(headers, trusted, sender.address.rpartition("@")[2]) if trusted else None
    sure = Assurance.VERIFIED if dmarc == "pass" and alone else Assurance.CLAIMED
    return Author(Handle(sender.identity, sure), sender.name, dmarc=dmarc)


def participants(
    named: Correspondents, ours: Mailboxes, home: Identity
) -> tuple[tuple[Participant, ...], int]:
    """All other external people with their first role, and how many were left out."""
    found: dict[Identity, str] = {}
    left_out = named.left_out
    for field, role in _ROLES:
        for one in named.people[field]:
            if one.identity == home or one.identity in found or ours.holds(one.address):
                continue
            if len(found) == MAX_PARTICIPANTS:
                left_out += 1
            else:
                found[one.identity] = role
    return tuple(Participant(identity, role) for identity, role in found.items()), left_out
