"""The plan of a shift: its handoffs, and how agents work on each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

QUEUES = ("refunds", "claims")
Fate = Literal["complete", "release", "decline", "transfer", "race"]
FATES: Mapping[Fate, int] = {"complete": 70, "release": 8, "decline": 8, "transfer": 6, "race": 8}
"""How handoffs end, in percent. After a race or a decline, the agent who accepts completes it."""
CHANNELS = (
    ("web", "form.failed", "inbound"),
    ("chat", "message.received", "inbound"),
    ("chat", "message.sent", "outbound"),
    ("email", "email.received", "inbound"),
)


class Pace(Struct, frozen=True, kw_only=True):
    """The size of a shift."""

    handoffs: int
    agents: int
    arriving_s: float
    """The time within which all handoffs but the last ones arrive."""
    limit_s: float
    """When a shift that is not over counts as failed."""
    reading_s: float = 0.3
    """The longest that an agent reads before the next action."""
    tabs: int = 2
    waiting: int = 3
    """Handoffs that may wait for each agent: customers arrive no faster than agents work."""
    session_s: int = 3600
    """How long the first agent's session lasts."""

    @property
    def left_open(self) -> int:
        """The last handoffs: half of them wait and half are owned while tabs and API are first compared."""
        return 2 * self.agents


FULL = Pace(handoffs=200, agents=6, arriving_s=150, limit_s=330, session_s=75)
SHORT = Pace(handoffs=12, agents=2, arriving_s=3, limit_s=150, reading_s=0.05)


class Work(Struct, frozen=True, kw_only=True):
    """One handoff of the shift. `mark` is in its reason and in the customer's words, and nowhere else."""

    mark: str
    queue: str
    fate: Fate
    note: bool
    from_story: bool
    """Whether the agent opens it before accepting it."""
    by_key: bool
    touchpoints: int

    @property
    def identity(self) -> str:
        return f"user:{self.mark.lower()}"

    def handoff(self) -> dict[str, Any]:
        other = next(it for it in QUEUES if it != self.queue)
        fallback = [{"channel": "chat", "queue": other}] if self.fate == "decline" else []
        return {
            "identity": self.identity,
            "from": {"channel": "chat", "party": "Parcel bot"},
            "to": {"channel": "chat", "queue": self.queue},
            "reason": f"The bot cannot find {self.mark}",
            "fallback": fallback,
        }

    def history(self, now: datetime) -> list[dict[str, Any]]:
        """The customer's touchpoints, the newest a minute ago."""
        found = []
        for number in range(self.touchpoints):
            channel, type_, direction = CHANNELS[number % len(CHANNELS)]
            last = number == self.touchpoints - 1
            found.append(
                {
                    "id": f"{self.mark}-{number}",
                    "channel": "chat" if last else channel,
                    "type": "message.received" if last else type_,
                    "direction": "inbound" if last else direction,
                    "occurred_at": (now - timedelta(minutes=self.touchpoints - number)).isoformat(),
                    "identities": [{"type": "user", "value": self.mark.lower(), "assurance": "verified"}],
                    "text": f"Where is my parcel {self.mark}? It was promised for Tuesday ({number})",
                }
            )
        return found


def plan(pace: Pace, seed: int) -> list[Work]:
    """The handoffs of a shift in the order in which they arrive."""
    chance = random.Random(seed)
    names = list(FATES)
    weights = [FATES[it] for it in names]
    chosen = chance.choices(names, weights, k=pace.handoffs)
    kinds = [it for it in names if it not in chosen]
    chosen[: len(kinds)] = kinds  # a short shift has one of each
    chosen[-pace.left_open :] = ["complete"] * pace.left_open
    return [
        Work(
            mark=f"P-{10_000 + number}",
            queue=chance.choice(QUEUES),
            fate=fate,
            note=number % 3 == 0,
            from_story=chance.random() < 0.4,
            by_key=chance.random() < 0.5,
            touchpoints=300 if number % 20 == 7 else chance.randint(3, 12),
        )
        for number, fate in enumerate(chosen)
    ]


def now() -> datetime:
    return datetime.now(UTC)
