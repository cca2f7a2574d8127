"""The continuity code that a touchpoint carries, wherever its sender put it, and the touchpoint without it.

Every recorded touchpoint is looked at, so that the first look costs next to nothing. A code is masked
before a touchpoint is stored, whether or not its use counts: a code for several uses must not be read off a
timeline.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from handoff.domain.touchpoint import Direction, Touchpoint, Visibility

from .forms import LINK_PARAMETER, SIGNED, TOKEN, Signs, has_token, read_digits, read_token

FIELD = "continuity"
"""The member of `data` in which senders state a code, and in which readers find what became of it."""
MASKED = "…"
MAX_STATED = 80  # characters of a stated code
_ADDRESSES = ("mailbox", "mailboxes", "tagged")
_LINKS = ("url", "referrer", "referer", "search")
_QUERY = f"{LINK_PARAMETER}="
_PLACES = {"quoted": "#", **dict.fromkeys(_ADDRESSES, "+"), **dict.fromkeys(_LINKS, _QUERY)}
"""Members of `data` that may carry a token, each with a mark that is found faster than a token."""


class Carried(Struct, frozen=True, kw_only=True):
    """A touchpoint that carries a code. `touchpoint` has it masked.

    `token` are the random bytes of a token whose signature is right, `digits` those of a keypad. Neither is
    set for a stated code that cannot be one. `redeems` is false where nobody used it: in our own messages, in
    notes, and in edits.
    """

    touchpoint: Touchpoint
    way: str
    token: bytes | None = None
    digits: str | None = None
    redeems: bool = True


def may_carry(touchpoint: Touchpoint) -> bool:
    """Whether a closer look is needed. Nearly never."""
    text, subject, data = touchpoint.text, touchpoint.subject, touchpoint.data
    if text is not None and ("#" in text or _QUERY in text) and has_token(text):
        return True
    if subject is not None and "#" in subject and has_token(subject):
        return True
    return bool(data) and _in_data(data)


def _in_data(data: dict[str, Any]) -> bool:
    for name, value in data.items():
        mark = _PLACES.get(name)
        if mark is None:
            continue
        if isinstance(value, str):
            if (mark in value or (name == "quoted" and _QUERY in value)) and TOKEN.search(value):
                return True
        elif isinstance(value, list) and any(isinstance(it, str) and TOKEN.search(it) for it in value):
            return True
    return FIELD in data


def find_carried(touchpoint: Touchpoint, signs: Signs) -> Carried | None:
    """The code that a touchpoint carries: the stated one, else the first in the address, the subject, the
    text, the page's link, or the quoted mail below a reply. None for a touchpoint without one."""
    masking = _Masking(signs)
    data = dict(touchpoint.data)
    stated = data.pop(FIELD, None)
    for way, names in (("address", _ADDRESSES), ("link", _LINKS), ("quote", ("quoted",))):
        for name in names:
            if name in data:
                data[name] = _each(data[name], partial(masking.mask, way))
    subject = masking.mask("subject", touchpoint.subject) if touchpoint.subject else touchpoint.subject
    text = masking.mask("text", touchpoint.text) if touchpoint.text else touchpoint.text
    if stated is None and not masking.found:
        return None
    bare = msgspec.structs.replace(
        touchpoint,
        subject=subject,
        text=text,
        data=data,
        envelope=tuple(dict.fromkeys((*touchpoint.envelope, FIELD))),
    )
    way, token, digits = masking.first()
    if stated is not None:
        way, token, digits = "field", *_stated(stated, signs)
    return Carried(touchpoint=bare, way=way, token=token, digits=digits, redeems=_is_customers(touchpoint))


def _is_customers(touchpoint: Touchpoint) -> bool:
    """Whether it is something that a customer did. An agent who sends a code does not use it."""
    return (
        touchpoint.direction is Direction.INBOUND
        and touchpoint.visibility is Visibility.PUBLIC
        and touchpoint.amends is None
    )


def _stated(stated: object, signs: Signs) -> tuple[bytes | None, str | None]:
    """The code in the field: a token with or without its mark, or digits."""
    if isinstance(stated, int) and not isinstance(stated, bool):
        stated = str(stated)
    if not isinstance(stated, str) or len(stated) > MAX_STATED:
        return None, None
    text = stated.strip().strip("[]")
    found = TOKEN.search(text)
    token = _signed(found[2] if found else text, signs)
    return token, read_digits(text) if token is None else None


def _signed(characters: str, signs: Signs) -> bytes | None:
    """The random bytes of a token, if its signature is right."""
    read = read_token(characters)
    if read is None:
        return None
    random, signature = read
    return random if hmac.compare_digest(signature, signs(random)[:SIGNED]) else None


def _each(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    return [mask(it) if isinstance(it, str) else it for it in value] if isinstance(value, list) else value


class _Masking:
    """Masks tokens, and notes the first one of each way."""

    def __init__(self, signs: Signs) -> None:
        self._signs = signs
        self.found: dict[str, bytes] = {}

    def mask(self, way: str, text: str) -> str:
        def masked(match: re.Match[str]) -> str:
            random = _signed(match[2], self._signs)
            if random is None:
                return match[0]
            self.found.setdefault("link" if match[1][-1] == "=" else way, random)
            return match[1] + MASKED

        return TOKEN.sub(masked, text)

    def first(self) -> tuple[str, bytes | None, str | None]:
        for way in ("address", "subject", "text", "link", "quote"):
            if way in self.found:
                return way, self.found[way], None
        return "field", None, None
