"""The shape of a signal."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from handoff.domain.clock import Micros


class Speaker(StrEnum):
    """The sender of a touchpoint. A bot or an unknown sender does not end anybody's wait."""

    CUSTOMER = "customer"
    PERSON = "person"
    BOT = "bot"
    UNKNOWN = "unknown"


class Acts:
    """A touchpoint's effects on the matters of its customer: bits of a plain number, for there are
    thousands of them in one brief and enumerations compute slowly. 4096 is not free: old
    checkpoints have it."""

    ASK = 1
    NUDGE = 2
    HOLD = 4
    CLOSE = 8
    WITHDRAW = 16
    CORRECT = 32
    ANSWER = 64
    TALK = 128
    RESOLVE = 256
    ATTEMPT = 512
    STEP = 1024
    """A step of self-service: help read, a search, a form that failed."""
    MACHINE = 2048
    SCORE = 8192
    """Nothing but a small number, such as a survey asks for after the end."""
    FOLLOW = 16384
    """The customer refers to an earlier statement or promise of ours, such as a call that nobody made."""
    ALSO = 32768
    """It begins with "also", so it may be a further wish."""
    ANOTHER = 65536
    """It begins by announcing a further wish: "another thing", "while I'm at it"."""
    APOLOGY = 131072
    """The customer apologises, as people do who correct a slip."""
    INFORM = 262144
    """It accepts an answer and adds a fact: "great, the hotel is Casa Balthazar"."""
    TRIED = 1048576
    """An ask without words: a form that failed, a call in vain."""
    ACCEPTS = 4194304
    """A short message that begins by accepting an answer and has no word of a wish: "okay, I'll try that"."""
    FORM = 8388608
    """A form, which may be what an answer asked for."""
    CASED = 2097152
    """It names a number of a case of ours: "ticket T-12"."""
    PENDING = 524288
    """A colleague's note that something is still to be done."""


NOTHING = 0


class NamedReference(Struct, frozen=True):
    """A number that names something. `kind` is `joining`, `separating` or `attribute`; `label` is the
    kind of thing, as its sender wrote it, empty if not stated; `value` as it is compared."""

    kind: str
    label: str
    value: str
    shown: str

    @property
    def shape(self) -> str:
        """Its letters before the first digit: values of one shape may stand for each other."""
        return self.value.rstrip("0123456789")


class Signal(Struct, frozen=True):
    """One touchpoint as the matters see it. `arrival` is when it was recorded, 0 where nobody knows."""

    id: str
    at: Micros
    arrival: Micros
    conversation: str
    speaker: Speaker
    acts: int
    public: bool
    claimed: bool
    references: tuple[NamedReference, ...]
    key: str = ""
    """The text as repetitions are compared."""
    callback: str = ""
    handoff: str = ""
    language: str = ""
    name: str = ""
    late: bool = False
    doubted: bool = False
    """Whether a check of its sender failed (DMARC), not just was missing."""
    whose: str = ""
    """The identity it is filed under: claims of different senders are different matters."""
