"""A language pack with a mistake is refused when it is read, with its name and the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.bootstrap.language_packs import load_packs
from handoff.domain.errors import ConfigurationError

PACK = 'language = "nl"\nname = "Dutch"\nfunction_words = ["de", "het"]\nfillers = []\n'


def load(folder: Path, text: str) -> None:
    (folder / "nl.toml").write_text(PACK + text, encoding="utf-8")
    load_packs(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[speech]\ncomplaints = ["{trouble} again"]\n', "no list named 'trouble'"),
        ('[speech]\npromises.call = ["ik|{we} bel"]\n', "no list named 'we'"),
        ('[speech]\nlists = { a = [] }\nends = ["{a}"]\n', "no list named 'a', or it is empty"),
        ('[speech]\nlists = { a = ["{b}"], b = ["{a}"] }\nends = ["{a}"]\n', "more than 3 lists"),
        ('[speech]\nlists = { a = ["{c} * x"] }\nends = ["{a}"]\n', "no list named 'c'"),
        ('[speech]\nends = ["[a] * [b]"]\n', "needs no word"),
        ('[speech]\nends = [""]\n', "needs no word"),
        ('[speech]\npromises.cal = ["ik bel"]\n', "cal"),
        ('[speech]\nendings = ["dag"]\n', "endings"),
        ('[dates]\nweekdays = ["maandag"]\n', "weekdays are seven"),
        ('[dates]\nparts = { nigth = ["nacht"] }\n', "nigth"),
        ('[dates]\nunits = { days = ["dagen"] }\n', "days"),
        ('[dates]\nends = { end_of_year = ["jaareinde"] }\n', "end_of_year"),
        ('[dates]\nboth = { "today nigth" = ["vannacht"] }\n', "today nigth"),
        ('[dates]\nspans = { "half hour" = ["halfuur"] }\n', "half hour"),
        ('[dates]\nshifts = { half = ["half"] }\n', "'half' is not a number of minutes"),
        ('[dates]\nglued = ["avond"]\n', "'avond'"),
        ('phrases = { close = ["..."] }\n', "'...' has no word"),
        ("[dates\n", "Expected"),
    ],
)
def test_a_mistake_is_named_at_the_start(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^language pack nl\.toml: ") as refused:
        load(tmp_path, text if text.startswith("phrases") else "phrases = {}\n" + text)
    assert words in str(refused.value)
