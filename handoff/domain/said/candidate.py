"""Unconfirmed promises of ours and complaints of customers, as sentences make them."""

from __future__ import annotations

import unicodedata
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from handoff.domain.clock import Micros

PREFIX = "pc_"
_SIZE = 16  # bytes, which base64 writes in 22 characters

Kind = Literal["promise", "complaint"]
SpokenBy = Literal["person", "bot", "unknown"]


class Utterance(Struct, frozen=True, kw_only=True):
    """The words of one touchpoint, and what is known about them."""

    touchpoint: str
    home: str
    """The identity that the touchpoint is filed under."""
    text: str
    at: Micros
    """When the words were spoken or sent."""
    ours: bool
    """Whether the words are ours: a customer's own promises do not bind us, and only customers complain."""
    note: bool = False
    """Whether it is an internal note, which mentions promises more often than it makes one."""
    speaker: SpokenBy = "unknown"
    speaker_name: str | None = None
    identity: str | None = None
    """The identity of the customer who was addressed."""
    matter: str | None = None
    """The reference or id of what it is about."""
    language: str | None = None
    """The language of the conversation, if known."""


class Candidate(Struct, frozen=True, kw_only=True):
    """A promise or a complaint that a rule found in a sentence. Nobody has confirmed it.

    `id` depends on the touchpoint and the sentence only, so it survives new versions of the rules.
    """

    id: str
    kind: Kind
    touchpoint: str
    sentence: str
    """A part of the touchpoint's text, word for word."""
    speaker: SpokenBy
    speaker_name: str | None
    identity: str | None
    """The customer's identity: the one promised to, or the one who complains."""
    matter: str | None
    """The reference or id of what it is about."""
    act: str | None
    """The promised act: `call`, `write`, `refund`, `send`, `visit`, or `other`. None for a complaint."""
    due: Micros | None
    """When it is due. None where the sentence names no time: it is never overdue."""
    due_rule: str | None
    """The rule that found the due time, such as `weekday` or `working_days`."""
    language: str


def candidate_id(key: bytes, home: str, touchpoint: str, kind: Kind, sentence: str) -> str:
    """The id of a candidate: a keyed hash, the same for every version of the rules."""
    state = blake2b(digest_size=_SIZE, key=key[:64], person=b"said")
    for word in (home, touchpoint, kind, comparable(sentence)):
        encoded = word.encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(encoded))
        state.update(encoded)
    return PREFIX + urlsafe_b64encode(state.digest()).rstrip(b"=").decode()


def comparable(sentence: str) -> str:
    """A sentence as sentences are compared: without case, punctuation, and spaces."""
    folded = unicodedata.normalize("NFKC", sentence).casefold()
    return "".join(filter(str.isalnum, folded))
