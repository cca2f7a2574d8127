"""The shape of a matter and the state machine of one."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct, field

from handoff.domain.clock import DAY, HOUR, Micros

from ..signals.signal import Acts, NamedReference, Signal

DORMANT_AFTER: Micros = 30 * DAY  # without an act nobody takes it for the reason of today's contact
ACCEPTED_WITHIN: Micros = 2 * HOUR  # after an answer, a fact that the customer adds belongs to it
BACKFILLED: Micros = DAY  # recorded this late: from an import, in an unreliable order


class MatterState(StrEnum):
    """The state of a matter. An answer ends the wait; only a settlement ends the wish."""

    OPEN = "open"
    ANSWERED = "answered"
    SETTLED = "settled"


class Ask(Struct, frozen=True):
    """One time that the customer asked. `unseen`: it was recorded only after the answer that followed it."""

    signal: Signal
    unseen: bool = False


class Matter(Struct, kw_only=True, eq=False):
    """One matter. `waits` are asks that nobody has answered; times in µs."""

    number: int
    claimed: bool = False
    whose: str = ""
    about: int = 0
    """The number of the proved matter that a claimed one seems to be about, 0 for none. It is shown there
    and ends with it, and changes nothing in it."""
    state: MatterState = MatterState.OPEN
    opened_at: Micros = 0
    touched_at: Micros = 0
    references: dict[str, NamedReference] = field(default_factory=dict)
    """By value as compared; what a correction replaced is in `before`."""
    before: dict[str, str] = field(default_factory=dict)
    """Value -> the value that it corrects, as shown."""
    given: set[str] = field(default_factory=set)
    """Values of the references that our answers named."""
    conversations: set[str] = field(default_factory=set)
    last_conversation: str = ""
    last_callback: str = ""
    asks: list[Ask] = field(default_factory=list)
    waits: list[tuple[Micros, Micros]] = field(default_factory=list)
    """(when, arrival) of what waits for an answer."""
    answers: list[Signal] = field(default_factory=list)
    steps: list[Signal] = field(default_factory=list)
    """Attempts to solve it: self-service before it, bots' answers in it."""
    nudges: list[Signal] = field(default_factory=list)
    held: Signal | None = None
    confirmed: Signal | None = None
    settled: Signal | None = None
    how: str = ""
    """The way it was settled: `resolved`, `withdrawn`, `handoff` or `callback`."""
    returned: int = 0
    """How often a matter in the same words had been settled before."""
    keys: set[str] = field(default_factory=set)

    @property
    def shown_as(self) -> int:
        """The number under which its lines are shown."""
        return self.about or self.number

    @property
    def waiting_since(self) -> Micros | None:
        return min((at for at, _arrival in self.waits), default=None)

    @property
    def doubted(self) -> bool:
        """Whether everything in it failed a check of its sender."""
        return self.claimed and all(ask.signal.doubted for ask in self.asks)

    @property
    def unsettled(self) -> bool:
        return self.state is not MatterState.SETTLED

    def dormant(self, now: Micros) -> bool:
        return self.unsettled and now - self.touched_at > DORMANT_AFTER

    def named(self, reference: NamedReference) -> bool:
        """Whether the reference is one of its own."""
        return reference.value in self.references

    def knows(self, reference: NamedReference) -> bool:
        """Whether the customer named the reference, or one of our answers did and the customer named no
        other like it."""
        return self.named(reference) or (
            reference.value in self.given
            and not any(it.shape == reference.shape for it in self.references.values())
        )

    def take_ask(self, signal: Signal, *, adds: bool = False) -> None:
        """The customer asks: the matter is open, and a wait runs. `adds`: it only adds a fact
        to a recent answer."""
        if signal.key:
            self.keys.add(signal.key)
        if adds and self._accepted(signal):
            self.asks.append(Ask(signal))
            self.touch(signal)
            return
        self.state = MatterState.OPEN
        self.settled, self.how, self.confirmed = None, "", None
        if not self.asks:
            self.opened_at = signal.at
        self.asks.append(Ask(signal))
        self.waits.append((signal.at, signal.arrival))
        self.touch(signal)

    def _accepted(self, signal: Signal) -> bool:
        within = DAY if signal.acts & Acts.FORM else ACCEPTED_WITHIN
        answered = self.state is MatterState.ANSWERED and not self.waits
        return answered and signal.at - self.answers[-1].at <= within

    def touch(self, signal: Signal) -> None:
        """An act of the customer."""
        self.touched_at = max(self.touched_at, signal.at)
        self.conversations.add(signal.conversation)
        if not signal.callback or not self.last_conversation:  # a call request keeps the written conversation
            self.last_conversation = signal.conversation
        self.last_callback = signal.callback

    def nudge(self, signal: Signal) -> None:
        self.nudges.append(signal)
        self.touched_at = max(self.touched_at, signal.at)
        if not self.waits and self.unsettled:
            self.waits.append((signal.at, signal.arrival))

    def answer(self, signal: Signal) -> None:
        """A person answers: the wait ends for all that they could know of."""
        kept = [wait for wait in self.waits if _unseen(wait, signal)]
        if kept:
            at = {when for when, _arrival in kept}
            self.asks = [Ask(ask.signal, True) if ask.signal.at in at else ask for ask in self.asks]
        self.waits = kept
        self.answers.append(signal)
        self.given |= given_in([signal])
        self.held = None
        self.touched_at = max(self.touched_at, signal.at)
        if self.unsettled and not kept:
            self.state = MatterState.ANSWERED

    def settle(self, signal: Signal, how: str) -> None:
        self.state, self.settled, self.how = MatterState.SETTLED, signal, how
        self.waits, self.held = [], None

    def unsettle(self) -> None:
        """Something is still to be done: it is answered, no more."""
        self.state = MatterState.ANSWERED
        self.settled, self.how = None, ""

    def correct(self, reference: NamedReference) -> bool:
        """Put a reference in the place of the one that it corrects; False where there is none."""
        same_shape = [it for it in self.references.values() if it.shape == reference.shape]
        same_kind = [
            it
            for it in self.references.values()
            if it.kind == reference.kind
            and (it.label == reference.label or not (it.label and reference.label))
        ]
        old = next(reversed(same_shape or same_kind), None)
        if old is None or old.value == reference.value:
            return False
        del self.references[old.value]
        self.references[reference.value] = NamedReference(
            old.kind, old.label or reference.label, reference.value, reference.shown
        )
        self.before[reference.value] = old.shown
        return True


def _unseen(wait: tuple[Micros, Micros], answer: Signal) -> bool:
    """Whether an ask came only after the answer that is later than it."""
    _at, arrival = wait
    if answer.arrival - answer.at > BACKFILLED:
        return False
    return bool(arrival and answer.arrival) and arrival > answer.arrival


def given_in(answers: Iterable[Signal]) -> set[str]:
    """The values of the references that answers name."""
    return {it.value for one in answers for it in one.references if it.kind == "joining"}
