"""The people in the header and envelope of a mail that cannot be read as a whole."""

from __future__ import annotations

from handoff.adapter.contract import Mentions
from handoff.domain.errors import InvalidPayload

from .message import Account, Envelope
from .mime import Headers, read_headers
from .people import Person, correspondents, person
from .reports import is_machine
from .trace import message_id, message_ids

MAX_READ = 16 * 1024  # bytes: the header of nearly any mail, and some milliseconds for any bytes
MAX_THREADS = 4


def mentions_of(raw: bytes, envelope: Envelope, account: Account) -> Mentions:
    """The external people, the author first, and the thread by its first and last references.

    It is not `complete` for reports of mail systems, which name the customer in the body.
    """
    if len(raw) > MAX_READ:
        raw = raw[: raw.rfind(b"\n", 0, MAX_READ) + 1]  # a line that is cut off may end in another address
    try:
        headers = read_headers(raw)
    except InvalidPayload:
        headers = Headers()
    named = correspondents(headers)
    sender = person((envelope.sender or "").strip("<> "))
    stated = [one for people in named.people.values() for one in people] + ([sender] if sender else [])
    people = dict.fromkeys(one.identity for one in stated if _is_customer(one, account))
    threads = tuple((account.id_space, it) for it in _threads(headers))
    return Mentions(identities=tuple(people), threads=threads, complete=not _is_report(headers, stated))


def _is_customer(one: Person, account: Account) -> bool:
    return not account.ours.holds(one.address) and not is_machine(one.address)


def _is_report(headers: Headers, stated: list[Person]) -> bool:
    kind = headers.first("content-type").strip().lower()
    return kind.startswith("multipart/report") or any(is_machine(one.address) for one in stated)


def _threads(headers: Headers) -> list[str]:
    references = message_ids(headers.first("references"))
    found = [*references[:1], *message_ids(headers.first("in-reply-to"))[:2], *references[-1:]]
    if not found and (own := message_id(headers)):
        found = [own]
    return list(dict.fromkeys(found))[:MAX_THREADS]
