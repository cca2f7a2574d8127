"""Measure what the scrubber adds to the hot path: `python -m tests.redaction.cost`.

CPU time of one touchpoint of the benchmark's mixture, read from JSON and prepared for the store, with the
scrubber and without it, in turns, in the same process. The best round of each counts, since a busy machine
only adds.
"""

from __future__ import annotations

import sys
import time

import msgspec

from bench.touchpoints import corpus, native
from handoff.codec.keyed_hash import KeyedHash
from handoff.domain.redaction.redaction import Redaction
from handoff.domain.touchpoint import CHANNELS
from handoff.services.sources.native import Caller, read_native
from handoff.services.timeline.batching import MAX_REQUESTS
from handoff.services.timeline.recording import prepare
from handoff.store.keys import Keys

COUNT, ROUNDS = 1000, 25


def main() -> int:
    raws = [msgspec.json.encode(native(it, str(at))) for at, it in enumerate(corpus(7, COUNT))]
    caller = Caller(name="bench", channels=frozenset(CHANNELS))
    hashes, keys, redaction = KeyedHash(b"p" * 32, "bench"), Keys(64), Redaction()

    def run(*, masking: bool) -> float:
        began = time.process_time()
        for at in range(0, COUNT, MAX_REQUESTS):  # step by step, as the intake does it
            read = [read_native(raw, caller) for raw in raws[at : at + MAX_REQUESTS]]
            if masking:
                read = [redaction.touchpoint("bench", it, hashes.pseudonym) for it in read]
            for touchpoint in read:
                prepare(touchpoint, hashes, keys)
        return (time.process_time() - began) / COUNT * 1e6

    times = [(run(masking=False), run(masking=True)) for _ in range(ROUNDS)][1:]
    without, added = min(a for a, _ in times), min(b for _, b in times) - min(a for a, _ in times)
    print(f"reading and preparing {without:.1f} µs, the scrubber {added:.2f} µs more: {added / without:.1%}")
    touched = sum(redaction.touchpoint("b", it, hashes.pseudonym) is not it for it in corpus(7, COUNT))
    print(f"masked by mistake: {touched} of {COUNT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
