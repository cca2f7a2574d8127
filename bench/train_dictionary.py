"""Train the codec's compression dictionary and say what it saves.

    python -m bench.train_dictionary            compare sizes, write nothing
    python -m bench.train_dictionary --write    write handoff/codec/dictionary_1.zdict

Trained on one half of the generated corpus, measured on the other half and on touchpoints that a
person wrote about other businesses in other words (corpus/hand_written.jsonl). A dictionary that
anything was stored with must never change: a better one gets the next number.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import msgspec
import zstandard
from msgspec import Struct

from bench.people import CORPUS, some_uuid
from bench.touchpoints import corpus
from handoff.codec import compression
from handoff.codec.body import pack_body
from handoff.domain.identity import Assurance, Handle, identity
from handoff.domain.touchpoint import (
    Direction,
    Touchpoint,
    Visibility,
    default_direction,
    default_visibility,
)

TARGET = Path(compression.__file__).with_name("dictionary_1.zdict")
SEED = 20261121
SAMPLES = 24_000
SIZES = (8, 16, 32, 64)  # KiB
CHOSEN = 32
"""Larger ones learn our generator's sentences and gain next to nothing on unseen text."""


class Measured(Struct, frozen=True, kw_only=True):
    """The effect of a dictionary on samples: mean bytes before and after, µs per compression."""

    name: str
    before: float
    after: float
    alone: float
    microseconds: float

    def __str__(self) -> str:
        ratio = self.after / self.before
        return (
            f"  {self.name:<24} msgpack {self.before:6.1f} B   zstd alone {self.alone:6.1f} B   "
            f"with dictionary {self.after:6.1f} B = {ratio:.2f}   {self.microseconds:.1f} µs"
        )


def packed(touchpoints: Sequence[Touchpoint]) -> list[bytes]:
    """Uncompressed bodies."""
    return [pack_body(it, conversation=None, amends=None) for it in touchpoints]


def hand_written() -> list[Touchpoint]:
    lines = (CORPUS / "hand_written.jsonl").read_text(encoding="utf-8").splitlines()
    random = Random(SEED)
    return [_hand_written(msgspec.json.decode(line), random) for line in lines]


def _hand_written(stated: dict[str, Any], random: Random) -> Touchpoint:
    type_ = stated["type"]
    stated["direction"] = Direction(stated.get("direction", default_direction(type_)))
    stated["visibility"] = Visibility(stated.get("visibility", default_visibility(type_)))
    stated["attachments"] = tuple(stated.get("attachments", ()))
    stated.pop("amends", None)
    person = Handle(identity("email", "somebody@mail.example"), Assurance.CLAIMED)
    return Touchpoint(
        id_space="hand", event_id=some_uuid(random), occurred_at=0, identities=(person,), **stated
    )


def train(samples: Sequence[bytes], size: int) -> zstandard.ZstdCompressionDict:
    """A dictionary of `size` KiB. k and d are the best of a search over 16 to 2000 and 6 to 8."""
    return zstandard.train_dictionary(size * 1024, list(samples), k=200, d=8, level=compression.LEVEL)


def measure(name: str, samples: Sequence[bytes], dictionary: zstandard.ZstdCompressionDict) -> Measured:
    alone, ours = compression.compressor(None), compression.compressor(dictionary)
    begun = perf_counter()
    sizes = [min(len(ours.compress(raw)), len(raw)) for raw in samples]
    spent = perf_counter() - begun
    count = len(samples)
    return Measured(
        name=name,
        before=sum(map(len, samples)) / count,
        after=sum(sizes) / count,
        alone=sum(min(len(alone.compress(raw)), len(raw)) for raw in samples) / count,
        microseconds=spent / count * 1e6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help=f"write {TARGET.name} ({CHOSEN} KiB)")
    arguments = parser.parse_args()
    made = packed(list(corpus(SEED, SAMPLES)))
    seen, held_out = made[: SAMPLES // 2], made[SAMPLES // 2 :]
    by_hand = packed(hand_written())
    for size in SIZES:
        dictionary = train(seen, size)
        print(f"{size} KiB" + (" (chosen)" if size == CHOSEN else ""))
        print(measure("the corpus's other half", held_out, dictionary))
        print(measure(f"{len(by_hand)} written by hand", by_hand, dictionary))
        if arguments.write and size == CHOSEN:
            TARGET.write_bytes(dictionary.as_bytes())
            print(f"  wrote {TARGET}")


if __name__ == "__main__":
    main()
