"""A plugged-in summariser is labelled, bounded, and never delays a context."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from handoff.domain.brief import Brief, TimelineItem
from handoff.domain.errors import ConfigurationError
from handoff.services.context.summary import MAX_AT_ONCE, MAX_SUMMARY, Summariser, load_summariser
from tests.briefs import brief_of

BRIEF = brief_of([], now=0)


def installed(where: Path, name: str, code: str, target: str = "summarise") -> None:
    """A package that declares a summariser, as an installer lays it out."""
    (where / f"{name}.py").write_text(code)
    info = where / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[handoff.summarisers]\n{name} = {name}:{target}\n")


async def test_the_summary_names_its_author() -> None:
    def summarise(items: Sequence[TimelineItem], brief: Brief) -> str:
        return f" {len(items)} touchpoints "

    made = await Summariser("house-model", summarise).add([], BRIEF)
    assert made.summary is not None
    assert (made.summary.text, made.summary.by) == ("0 touchpoints", "house-model")
    assert made.summary.machine_made


@pytest.mark.parametrize("answer", [None, 7, "", "  \n", b"bytes"])
async def test_an_answer_that_is_no_text_is_no_summary(answer: object) -> None:
    made = await Summariser("odd", lambda items, brief: answer).add([], BRIEF)  # type: ignore[arg-type, return-value]
    assert made == BRIEF


async def test_a_long_summary_is_cut_and_marked() -> None:
    made = await Summariser("long", lambda items, brief: "x" * 10 * MAX_SUMMARY).add([], BRIEF)
    assert made.summary is not None
    assert len(made.summary.text) == MAX_SUMMARY
    assert made.summary.text.endswith("…")


async def test_one_that_fails_breaks_nothing() -> None:
    def summarise(items: Sequence[TimelineItem], brief: Brief) -> str:
        raise RuntimeError("no model today")

    assert await Summariser("broken", summarise).add([], BRIEF) == BRIEF


async def test_one_that_hangs_is_not_waited_for_and_cannot_pile_up() -> None:
    go, started = threading.Event(), []

    def summarise(items: Sequence[TimelineItem], brief: Brief) -> str:
        started.append(1)
        go.wait(20)
        return "late"

    slow = Summariser("slow", summarise, timeout_s=0.05)
    try:
        for _ in range(MAX_AT_ONCE + 2):
            assert await slow.add([], BRIEF) == BRIEF
        assert len(started) == MAX_AT_ONCE
    finally:
        go.set()
    for _ in range(500):  # until the threads that were given up have ended
        if (await slow.add([], BRIEF)).summary is not None:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the threads never came free")


def test_none_by_default() -> None:
    assert load_summariser() is None


def test_an_installed_one_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "house_summary_a", "def summarise(items, brief):\n    return 'short'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = load_summariser()
    assert found is not None
    assert found.name == "house_summary_a"


def test_two_or_a_broken_one_stop_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path, "house_summary_b", "", target="nothing")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigurationError, match="cannot be loaded"):
        load_summariser()
    installed(tmp_path, "house_summary_c", "summarise = str\n")
    with pytest.raises(ConfigurationError, match="several"):
        load_summariser()
