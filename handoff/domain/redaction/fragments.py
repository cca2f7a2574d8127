"""Card numbers split over consecutive messages: the digits with which a conversation's last message ended."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Sequence

from handoff.domain.clock import SECOND, Micros

from .cards import SHAPES
from .digits import in_ascii
from .issuers import is_card_number

MAX_CONVERSATIONS = 10_000  # a few hundred bytes each; the one that waited longest is forgotten
MAX_EVENTS = 16  # messages per conversation whose retries get the same result
WINDOW = 600 * SECOND  # a longer pause ends a number that somebody types piece by piece
MAX_DIGITS = 18  # that a message can contribute: the last one has at least one of 19
LOOKED_UP = 3  # digits with which a message begins for which the store is asked; fewer are too common
LOOKED_AT = 80  # characters for that
LONG = 11
"""Digits of a piece that any rest may follow. After a shorter one, such as an order number, a postcode or a
telephone number is likelier than the end of a card number."""
PHONE, SUBSCRIBER = 9, 7
"""Digits of a national telephone number, which begins with 0, and of its longest group."""
_HEAD = re.compile(r"[\W_]{0,6}\d")
_HEAD_RUN = re.compile(r"(?:[\W_]{0,6}[0-9])+")
_TAIL = re.compile(r"[0-9](?:[\W_]{0,6}[0-9])*[\W_]{0,6}\Z")
_GROUP = re.compile(r"[0-9]+")
_ENDS_IN_DIGIT = re.compile(r"\d[\W_]{0,6}\Z")


class _Conversation:
    __slots__ = ("at", "events", "tail")

    def __init__(self) -> None:
        self.at: Micros = 0
        self.tail = ""
        self.events: OrderedDict[str, str] = OrderedDict()


class Fragments:
    """The ends of the last messages of conversations, in this process's memory and bounded.

    A retry of a message sees what the message itself saw, so that it gets the same result.
    """

    def __init__(self) -> None:
        self._conversations: OrderedDict[Hashable, _Conversation] = OrderedDict()

    @staticmethod
    def concerns(text: str) -> bool:
        """Whether a message begins or ends with a digit. Others neither continue a number nor begin one."""
        if text[:1].isalpha() and (text[-1:].isalpha() or (text[-1:] in ".!?" and text[-2:-1].isalpha())):
            return False  # most of them
        return _HEAD.match(text) is not None or _ENDS_IN_DIGIT.search(text, max(0, len(text) - 8)) is not None

    @staticmethod
    def may_continue(text: str) -> bool:
        """Whether a message begins with digits enough to look up what other workers recorded before it."""
        if not text or text[:1].isalpha():
            return False
        head = _HEAD_RUN.match(text[:LOOKED_AT])
        return head is not None and sum(map(len, _GROUP.findall(head.group()))) >= LOOKED_UP

    def learn(self, conversation: Hashable, at: Micros, tail: str) -> None:
        """How the last message of a conversation ended, which another process may have recorded."""
        known = self._conversations.get(conversation)
        if known is None:
            if not tail:
                return
            known = self._conversations[conversation] = _Conversation()
        if at >= known.at:
            known.tail, known.at = tail, at
            self._keep(conversation)

    def _keep(self, conversation: Hashable) -> None:
        self._conversations.move_to_end(conversation)
        if len(self._conversations) > MAX_CONVERSATIONS:
            self._conversations.popitem(last=False)

    def before(self, conversation: Hashable, event: str, at: Micros) -> str:
        """The digits that the message continues; empty if there are none."""
        known = self._conversations.get(conversation)
        if known is None:
            return ""
        if event in known.events:
            return known.events[event]
        return known.tail if 0 <= at - known.at <= WINDOW else ""

    def note(self, conversation: Hashable, event: str, at: Micros, before: str, text: str) -> None:
        """Remember the end of a message. `text` is empty if a number was completed and masked."""
        known, tail = self._conversations.get(conversation), _tail(before, text)
        if known is None:
            if not tail:
                return
            known = self._conversations[conversation] = _Conversation()
        if event in known.events:
            return
        known.events[event] = before
        if len(known.events) > MAX_EVENTS:
            known.events.popitem(last=False)
        known.tail, known.at = tail, at
        self._keep(conversation)


def end_of(texts: Iterable[str]) -> str:
    """The digits with which consecutive messages, oldest first, ended."""
    tail = ""
    for text in texts:
        tail = _tail(tail, text)
    return tail


def completes(before: str, text: str) -> bool:
    """Whether the digits at the text's beginning are the end of a card number that begins in `before`.

    The pieces have to be grouped as cards are. Any two numbers that follow one another, such as an order
    number and a postcode, would look like a card number too often.
    """
    head = _HEAD_RUN.match(in_ascii(text))
    if head is None or "+" in head.group():
        return False
    earlier, later = before.split(), _GROUP.findall(head.group())
    if _is_phone(later):
        return False
    groups = [*earlier, *later]
    return any(
        _is_card(groups[start:end])
        for start in range(len(earlier))
        for end in range(len(earlier) + 1, len(groups) + 1)
    )


def _is_phone(groups: Sequence[str]) -> bool:
    sizes = list(map(len, groups))
    return groups[0].startswith("0") and sum(sizes) >= PHONE and max(sizes) >= SUBSCRIBER


def _is_card(groups: Sequence[str]) -> bool:
    shape = tuple(map(len, groups))
    regular = len(shape) > 2 and set(shape[:-1]) == {4} and shape[-1] <= 4
    if shape not in SHAPES and not regular and not (len(shape) == 2 and shape[0] >= LONG):
        return False
    return is_card_number("".join(groups))


def masked_head(text: str) -> str:
    """The text without the digits at its beginning: the rest of a number, of which nothing is kept."""
    head = _HEAD_RUN.match(in_ascii(text))
    end = head.end() if head else 0
    return re.sub("[0-9]", "*", in_ascii(text[:end])) + text[end:]


def _tail(before: str, text: str) -> str:
    """The groups of digits at the end of the message, after those it continues if it has nothing else."""
    if not text:
        return ""
    text = in_ascii(text[-80:])
    found = _TAIL.search(text)
    if found is None or text[: found.start()].endswith("+"):  # a telephone number
        return ""
    groups = _GROUP.findall(found.group())
    if before and found.start() == _leading(text):
        groups = [*before.split(), *groups]
    elif groups[0].startswith("0"):  # likewise; no network issues such card numbers
        return ""
    while sum(map(len, groups)) > MAX_DIGITS:
        del groups[0]
    return " ".join(groups)


def _leading(text: str) -> int:
    match = _HEAD.match(text)
    return match.end() - 1 if match else -1
