"""Announcements in sentences, and the quick look at every text that is recorded."""

from __future__ import annotations

import pytest

from handoff.domain.clock import MINUTE
from handoff.domain.said.announcing import announcements, may_announce
from tests.packs import packs
from tests.said.announcements import HALVES, load_announcements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'll call you back in 15 minutes.", [("callback", 15)]),
        ("I'll call you back within the hour.", [("callback", 60)]),
        ("I'll call you back in two hours.", []),
        ("I'll call you back on Friday.", []),
        ("We'll email you the form by tomorrow noon.", []),
        ("I am transferring you, and I have emailed you the form.", [("transfer", None), ("mail", None)]),
        ("I'll transfer you now. Please hold, connecting you to billing.", [("transfer", None)]),
        ("Hello!\n> I'll transfer you to a colleague\nWhat happened then", []),
        ("Rufe Sie gleich zurück", [("callback", None)]),
        ("I'll send the parcel by post today.", []),
        ("I'll connect you. If it rings out, I will call you back.", [("transfer", None)]),
        ("", []),
    ],
)
def test_announcements_have_a_kind_and_perhaps_a_time(
    text: str, expected: list[tuple[str, int | None]]
) -> None:
    found = announcements(text, packs().grammars)
    assert [(it.kind, it.within and it.within // MINUTE) for it in found] == expected


def test_the_quick_look_misses_no_announcement() -> None:
    """It sees the words alone, cut in a simpler way than sentences are."""
    look, grammars = packs().announcing, packs().grammars
    for one in [it for half in HALVES for it in load_announcements(half) if it.announces]:
        for text in (one.text, one.text.upper(), f"Hello Ms. Älg, thank you – {one.text} Bye!"):
            if announcements(text, grammars, note=one.medium == "note"):
                assert may_announce(text, look), text


@pytest.mark.parametrize(
    "text",
    [
        "Your order 12345 was shipped on Monday and arrives on Friday.",
        "Is there anything else I can do for you?",
        "Paketti on matkalla ja saapuu perjantaina.",
        "Der Techniker war heute da und hat das Gerät repariert.",
        "Vi har reparerat din cykel, den är klar.",
    ],
)
def test_the_quick_look_passes_over_most_texts(text: str) -> None:
    assert not may_announce(text, packs().announcing)
