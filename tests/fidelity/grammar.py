"""Journeys made from a scenario grammar: one common story, two disturbances in each.

The story: help is sought on the web, the customer asks in chat, a bot answers, a mail adds a detail, and
the bot hands over. Each disturbance changes the story and states what is right about it then.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from .journey import Fact, Journey, Wrong

INDUSTRIES = ("retail", "bank", "telecom", "insurance", "energy", "travel")
LANGUAGES = ("en", "fi", "de")
ROUNDS = 3  # journeys of each industry and language


class Story(Struct, kw_only=True):
    """A journey as it is being made. `words` are those of its language and industry."""

    words: dict[str, str]
    steps: list[dict[str, Any]]
    facts: list[Fact]
    wrong: list[Wrong]
    waiting: str | None = r"waiting (4 h 5\d min|5 h)"
    no_wait: bool = False

    def step(self, at: float, do: str, **more: Any) -> None:
        self.steps.append({"at": at, "do": do, **more})

    def fact(self, kind: str, value: str, **more: Any) -> None:
        self.facts.append(msgspec.convert({"kind": kind, "value": value, **more}, Fact))

    def never(self, why: str, pattern: str) -> None:
        self.wrong.append(Wrong(why=why, pattern=pattern))

    def find(self, do: str) -> dict[str, Any]:
        return next(it for it in self.steps if it["do"] == do)


def made_journeys() -> list[Journey]:
    """The same journeys every time."""
    words = tomllib.loads((Path(__file__).parent / "words.toml").read_text("utf-8"))
    made = []
    combinations = product(range(ROUNDS), LANGUAGES, INDUSTRIES)
    for number, (_round, language, industry) in enumerate(combinations):
        first, second = _chosen(number)
        made.append(_make(number, language, industry, words[language], (first, second)))
    return made


def _chosen(number: int) -> tuple[str, str]:
    """Two disturbances that do not contradict each other."""
    names = list(DISTURBANCES)
    first = names[number % len(names)]
    at = number * 5 + 3
    while True:
        second = names[at % len(names)]
        if second != first and not {first, second} <= _ENDINGS and (first, second) not in _APART:
            return first, second
        at += 1


def _make(
    number: int, language: str, industry: str, words: dict[str, Any], disturbances: tuple[str, str]
) -> Journey:
    common, own = dict(words["common"]), words[industry]
    names = common.pop("name")
    numbers = {"n": str(4100 + number * 7), "m": str(7300 + number * 11)}
    texts = {key: _filled(text, numbers) for key, text in (common | own).items()}
    texts["second_ref"] = _filled(own["ref"], {"n": numbers["m"]})
    texts["language"] = language
    name = names[number % len(names)]
    story = _story(texts, name)
    for disturbance in sorted(disturbances, key=list(DISTURBANCES).index):
        DISTURBANCES[disturbance](story)
    if story.waiting:
        story.fact("waiting", "", pattern=story.waiting)
    return Journey(
        id=f"made-{number:02}-{industry}-{language}",
        title=f"{industry.capitalize()}: {', '.join(disturbances)}",
        industry=industry,
        language=language,
        name=name,
        handoff={"from": "Bot", "to": "people", "reason": texts["why"]},
        steps=tuple(story.steps),
        facts=tuple(story.facts),
        wrong=tuple(story.wrong),
        disturbances=disturbances,
        no_wait=story.no_wait,
    )


def _filled(text: str, numbers: dict[str, str]) -> str:
    for key, value in numbers.items():
        text = text.replace(f"{{{key}}}", value)
    return text


def _story(words: dict[str, str], name: str) -> Story:
    story = Story(words=words, steps=[], facts=[], wrong=[])
    story.step(500, "web.identify")
    story.step(490, "web.search", query=words["query"], results=0)
    story.step(300, "chat.in", text=words["ask"], matter="main")
    story.step(298, "chat.bot", text=words["bot"])
    story.step(
        200, "email.in", subject=f"{words['thing']} {words['ref']}", text=words["detail"], matter="main"
    )
    story.fact("who", name)
    story.fact("why", words["why"])
    story.fact("reference", words["ref"])
    story.fact("wants", words["ask"])
    story.fact("tried", "", pattern=re.escape(words["query"]) + ".*found nothing")
    story.fact("tried", words["bot"])
    story.fact("detail", words["detail"])
    return story


def _late(story: Story) -> None:
    """The question comes after everything that followed it."""
    ask = story.find("chat.in")
    story.steps.remove(ask)
    story.steps.append(ask)


def _duplicate(story: Story) -> None:
    story.find("chat.in")["again"] = True
    story.never("a delivery that came twice is not a repetition", "said the same again")


def _burst(story: Story) -> None:
    story.step(299.8, "chat.in", text=story.words["burst"], matter="main")
    story.step(300.2, "chat.in", text=story.words["hello"])
    story.fact("detail", story.words["burst"])


def _goodbye(story: Story) -> None:
    story.step(150, "chat.agent", by="Mia", text=story.words["answer"])
    story.step(149, "chat.in", text=story.words["close"])
    story.fact("answered", story.words["answer"])
    story.never("the goodbye is quoted as a wish", "“" + re.escape(story.words["close"]))
    story.waiting, story.no_wait = None, True


def _nudge(story: Story) -> None:
    story.step(180, "chat.in", text=story.words["nudge"])
    story.never("the nudge is quoted as a wish", "“" + re.escape(story.words["nudge"]) + "”")


def _correction(story: Story) -> None:
    words = story.words
    story.step(297, "chat.in", text=words["correct"].replace("{ref}", words["second_ref"]), matter="main")
    story.find("email.in")["subject"] = f"{words['thing']} {words['second_ref']}"
    story.fact("reference", words["second_ref"])
    story.fact("reference", "", pattern="before: " + re.escape(words["ref"]))


def _forwarded(story: Story) -> None:
    mail = story.find("email.in")
    mail["subject"] = f"Fwd: {mail['subject']}"


def _two_matters(story: Story) -> None:
    story.step(250, "chat.in", thread=1, text=story.words["second"], matter="second")
    story.step(150, "chat.agent", by="Mia", text=story.words["answer"])
    story.fact("second matter", story.words["second"])
    story.fact("answered", story.words["answer"])
    story.waiting = r"waiting (4 h|4 h \d min|4 h 1\d min)(,|$)"


def _spoof(story: Story) -> None:
    story.step(40, "email.in", subject="IBAN", text=story.words["spoof"], dmarc="fail")
    story.fact("wants", "DE99 1234 5678", assurance="claimed")


def _shared_device(story: Story) -> None:
    number = story.words["ref"]
    story.steps.insert(
        0,
        {
            "at": 700,
            "do": "web.identify",
            "visitor": f"kiosk-{number}",
            "user": f"other-{number}",
            "traits": {"name": "Other Person"},
        },
    )
    story.steps[1]["visitor"] = f"kiosk-{number}"
    story.never("another person at the same device", "Other Person")


def _machine_answer(story: Story) -> None:
    story.step(199, "email.out", subject="Re:", text=story.words["auto"], auto=True, reply=True)


def _callback_missed(story: Story) -> None:
    story.step(140, "phone.callback", reason=story.words["talk"].replace("{ref}", story.words["ref"]), due=60)
    story.step(60, "phone.callback_call", status="no-answer")
    story.fact("promised", "", pattern="call ?back.*missed")


def _callback_kept(story: Story) -> None:
    words = story.words
    story.step(140, "phone.callback", reason=words["talk"].replace("{ref}", words["ref"]), due=90)
    story.step(95, "phone.callback_call", status="completed", seconds=240)
    story.step(30, "chat.in", thread=2, text=words["second"], matter="new")
    kept = [it for it in story.facts if it.kind in ("who", "why", "reference")]
    story.facts[:] = kept
    story.fact("promised", "", pattern="call ?back.*kept")
    story.fact("second matter", "", pattern="solved.*" + re.escape(words["ask"]))
    story.fact("wants", words["second"])
    story.never("a kept callback is missed", "call ?back was missed")
    story.waiting = r"waiting (29|30|31) min"


def _served_elsewhere(story: Story) -> None:
    story.step(120, "email.out", subject="Re:", text=story.words["answer"], by="Mia")
    story.fact("answered", story.words["answer"])
    story.waiting, story.no_wait = None, True


def _bot_promise(story: Story) -> None:
    story.step(296, "chat.bot", text=story.words["promise"])
    story.fact("promised", story.words["promise"])


def _hold(story: Story) -> None:
    story.step(190, "chat.agent", by="Mia", text=story.words["hold"])
    story.fact("answered", "", pattern="Mia has it|An agent has it")


DISTURBANCES: dict[str, Callable[[Story], None]] = {
    "late": _late,
    "duplicate": _duplicate,
    "burst": _burst,
    "nudge": _nudge,
    "correction": _correction,
    "forwarded": _forwarded,
    "machine answer": _machine_answer,
    "hold": _hold,
    "bot promise": _bot_promise,
    "two matters": _two_matters,
    "spoof": _spoof,
    "shared device": _shared_device,
    "callback missed": _callback_missed,
    "callback kept": _callback_kept,
    "goodbye": _goodbye,
    "served elsewhere": _served_elsewhere,
}
_ENDINGS = frozenset({"goodbye", "served elsewhere", "two matters", "callback kept", "callback missed"})
"""Each states how the journey ends."""
_APART = {
    (one, other)
    for pair in (
        ("late", "goodbye"),
        ("late", "served elsewhere"),
        ("late", "two matters"),
        ("late", "callback kept"),
        ("late", "correction"),
        ("correction", "two matters"),
        ("correction", "callback kept"),
        ("correction", "callback missed"),
        ("correction", "goodbye"),
        ("correction", "served elsewhere"),
        ("callback kept", "hold"),
        ("callback kept", "bot promise"),
        ("callback kept", "burst"),
        ("nudge", "callback kept"),
        ("nudge", "goodbye"),
        ("machine answer", "callback kept"),
        ("hold", "goodbye"),
    )
    for one, other in (pair, pair[::-1])
}
"""Pairs whose right answer would have to be argued over."""
