"""Measure the scrubber: `python -m tests.redaction.measure`. Prints missed cards and false alarms by kind."""

from __future__ import annotations

import sys
from collections import Counter
from random import Random

from handoff.domain.personal_numbers.masking import masked_text
from handoff.domain.redaction.values import masked_texts

from .numbers import AROUND, NO_CARDS, NO_PERSONAL_NUMBERS, disguised, readable


def missed(count: int, seed: int = 1) -> list[tuple[str, str, str]]:
    """Disguised card numbers that can still be read after masking."""
    random = Random(seed)
    found = []
    for _ in range(count):
        digits, text = disguised(random)
        (masked,), _counts = masked_texts([text])
        if digits in readable(masked):
            found.append((digits, text, masked))
    return found


def false_alarms(count: int, seed: int = 2) -> tuple[Counter[str], list[tuple[str, str]]]:
    """other numbers that were masked, by kind, with their texts."""
    random = Random(seed)
    kinds: Counter[str] = Counter()
    found = []
    around = [it for it in AROUND if "cvv" not in it]  # the code is masked, and rightly
    for at in range(count):
        make = NO_CARDS[at % len(NO_CARDS)]
        text = random.choice(around).format(make(random)) if at % 3 else make(random)
        (masked,), counts = masked_texts([text])
        if counts:
            kinds[make.__name__] += 1
            found.append((text, masked))
    return kinds, found


def readers_alarms(count: int, seed: int = 2) -> list[str]:
    """Texts with other numbers that readers would get masked as bank account or national numbers."""
    random, found = Random(seed), []
    for at in range(count):
        make = NO_PERSONAL_NUMBERS[at % len(NO_PERSONAL_NUMBERS)]
        text = random.choice(("Bestellung {} bitte", "{} an order of mine", *AROUND)).format(make(random))
        if masked_text(text) != text:
            found.append(text)
    return found


def main() -> int:
    cards, others = 10_000, 100_000
    left = missed(cards)
    print(f"{len(left)} of {cards} disguised card numbers can be read after masking")
    for _digits, text, masked in left[:10]:
        print(f"  {text!r} -> {masked!r}")
    kinds, alarms = false_alarms(others)
    print(f"{len(alarms)} of {others} other numbers masked: {len(alarms) / others:.3%} {dict(kinds)}")
    for text, masked in alarms[:10]:
        print(f"  {text!r} -> {masked!r}")
    plain = Random(3)
    hit = sum(bool(masked_texts([str(plain.randrange(10**15, 10**16))])[1]) for _ in range(others // 10))
    print(f"for comparison, of random 16-digit numbers: {hit / (others // 10):.2%}")
    personal = readers_alarms(others)
    print(f"{len(personal)} of {others} other numbers masked for readers: {len(personal) / others:.3%}")
    return 1 if left or max(len(alarms), len(personal)) > others / 1000 else 0


if __name__ == "__main__":
    sys.exit(main())
