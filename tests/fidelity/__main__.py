"""`python -m tests.fidelity [--write] [--screen | --blind | --more] [NAME …]`: play and measure."""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.agents import browser
from tests.faults.load import serving
from tests.store.servers import free_port

from . import screen, wire
from .grammar import made_journeys
from .journey import BLIND, MORE, Journey, Played, read_journeys
from .measure import Verdict, brief_lines, judge
from .player import play_all
from .report import blind_page, details, more_page, page

SEED = 19  # of a sample
PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"


@contextmanager
def server() -> Iterator[tuple[str, int]]:
    """A server of its own with a source of each vendor: its URL, and the port of its mail listener."""
    with tempfile.TemporaryDirectory(prefix="fidelity-") as folder:
        mail_port = free_port()
        config = Path(folder) / "fidelity.toml"
        config.write_text(wire.CONFIG.replace("MAIL_PORT", str(mail_port)), "utf-8")
        with serving(Path(folder) / "data", None, "--config", str(config)) as process:
            yield process.url, mail_port


def main() -> None:
    ask = argparse.ArgumentParser(description="Measure how much of a customer's history reaches the agent.")
    ask.add_argument("--write", action="store_true", help="write docs/fidelity.md")
    ask.add_argument("--screen", action="store_true", help="measure the panel's first viewport in Chromium")
    ask.add_argument("--sample", type=int, metavar="N", help="with --screen: N journeys, always the same")
    ask.add_argument("--blind", action="store_true", help="play the blind journeys; of half b only the sums")
    ask.add_argument("--more", action="store_true", help="play the journeys in `more`")
    ask.add_argument("names", nargs="*", help="play these journeys only, and print their briefs")
    given = ask.parse_args()
    if given.blind:
        _play_blind(given.names)
        return
    if given.more:
        _play_more(given.names)
        return
    by_hand, made = read_journeys(), made_journeys()
    chosen = [it for it in (*by_hand, *made) if not given.names or it.id in given.names]
    started = time.monotonic()
    if given.screen:
        if given.sample:
            chosen = random.Random(SEED).sample(chosen, min(given.sample, len(chosen)))
        measure_screen(chosen, write=given.write, details_too=bool(given.names))
        print(f"{len(chosen)} journeys in {time.monotonic() - started:.0f} s")
        return
    played = _play(chosen)
    judged = _judged(played)
    for one_played in played if given.names else ():
        _print_brief(
            one_played.journey, brief_lines(one_played.context), one_played.context["brief"]["effort"]["text"]
        )
    for journey, verdict in judged:
        if given.names or not journey.set_aside:
            print(*details(journey, verdict), sep="\n", end="\n" if details(journey, verdict) else "")
    blind, more = (
        [] if given.names else _judged(_play(list(read_journeys(folder)))) for folder in (BLIND, MORE)
    )
    text = page(judged, len(by_hand), blind, more)
    if given.write:
        kept = screen.section_of(PAGE.read_text("utf-8"))
        PAGE.write_text(screen.with_section(text, kept) if kept else text, "utf-8")
    elif not given.names:
        print(text[: text.index("## How to read it")])
    print(f"{len(judged)} journeys in {time.monotonic() - started:.0f} s")


def measure_screen(journeys: list[Journey], *, write: bool, details_too: bool) -> None:
    """Look at every journey's handoff in a browser, and print or write what is on its first screen."""

    async def looked_at(url: str, mail_port: int) -> list[tuple[Journey, screen.FirstViewport]]:
        async with browser() as chromium:
            return await screen.look(chromium, url, mail_port, journeys)

    with server() as (url, mail_port):
        looked = asyncio.run(looked_at(url, mail_port))
    for journey, viewport in looked:
        if details_too or not journey.set_aside:
            for fact in viewport.missing:
                print(f"{journey.id}: not on the screen: {fact}")
    section = screen.section(looked)
    print(section)
    if write:
        PAGE.write_text(screen.with_section(PAGE.read_text("utf-8"), section), "utf-8")


def _play(journeys: list[Journey]) -> list[Played]:
    with server() as (url, mail_port):
        return asyncio.run(play_all(url, mail_port, journeys))


def _judged(played: list[Played]) -> list[tuple[Journey, Verdict]]:
    return sorted(((it.journey, judge(it)) for it in played), key=lambda it: it[0].id)


def _play_blind(names: list[str]) -> None:
    """The details of half a, and the sums of both halves. With names: those of half a, with their briefs."""
    chosen = [it for it in read_journeys(BLIND) if not names or (it.id in names and not it.sealed)]
    played = _play(chosen)
    for one in played if names else ():
        _print_brief(one.journey, brief_lines(one.context), one.context["brief"]["effort"]["text"])
    print(blind_page(_judged(played)))


def _play_more(names: list[str]) -> None:
    """The mistakes and gaps of the journeys in `more`, and their sums. With names: with their briefs."""
    played = _play([it for it in read_journeys(MORE) if not names or it.id in names])
    for one in played if names else ():
        _print_brief(one.journey, brief_lines(one.context), one.context["brief"]["effort"]["text"])
    print(more_page(_judged(played)))


def _print_brief(journey: Journey, lines: list[dict[str, str]], effort: str) -> None:
    print(f"== {journey.id}: {journey.title}")
    print(*(f"   {it['code']:18} {it['text']}" for it in lines), f"   effort: {effort}", sep="\n")


if __name__ == "__main__":
    main()
