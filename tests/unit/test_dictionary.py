"""The compression dictionary: everything stored with it stays readable, and it saves space."""

from __future__ import annotations

from hashlib import sha256
from random import Random

from bench.touchpoints import corpus
from bench.train_dictionary import TARGET, hand_written, packed
from handoff.codec.body import decode_body, encode_body
from handoff.codec.compression import DICTIONARY_1, PLAIN, compress, decompress
from handoff.domain.touchpoint import Touchpoint

SEED = 99  # not the one that the dictionary was trained with
FROZEN = "068c59e88236230660d4ae7c9e110b813b0fac86aafd1979ae0c0e6bffe2d384"


def test_the_dictionary_is_the_one_that_stores_were_written_with() -> None:
    assert sha256(TARGET.read_bytes()).hexdigest() == FROZEN, "make dictionary_2 instead of changing this one"


def test_every_body_comes_back_as_it_was() -> None:
    for sample in [*corpus(SEED, 300), *hand_written()]:
        body = decode_body(*encode_body(sample, conversation=None, amends=None))
        assert (body.source, body.subject, body.text, body.data) == (
            sample.source,
            sample.subject,
            sample.text,
            sample.data,
        )
        assert (body.participants, body.attachments) == (sample.participants, sample.attachments)
        assert (body.handles, body.actor, body.traits) == (sample.identities[1:], sample.actor, sample.traits)


def test_it_saves_a_quarter_of_handwritten_samples() -> None:
    assert _share(hand_written()) < 0.75


def test_it_saves_half_of_what_our_adapters_make() -> None:
    assert _share(list(corpus(SEED, 500))) < 0.5


def test_what_would_grow_is_stored_plain() -> None:
    noise = Random(SEED).randbytes(40)
    assert compress(noise) == (PLAIN, noise)
    assert decompress(PLAIN, noise) == noise


def test_what_shrinks_names_its_dictionary() -> None:
    codec, stored = compress(b"https://www.example.com/help/articles/returns-and-refunds" * 2)
    assert codec == DICTIONARY_1
    assert decompress(codec, stored).count(b"returns") == 2


def _share(touchpoints: list[Touchpoint]) -> float:
    """Stored bytes of the bodies over their msgpack."""
    bodies = packed(touchpoints)
    return sum(len(compress(raw)[1]) for raw in bodies) / sum(map(len, bodies))
