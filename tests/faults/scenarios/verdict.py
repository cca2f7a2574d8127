"""Compares acknowledged touchpoints with the stored ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from aiohttp import ClientError

from tests.faults.load import Ledger, client, send_all_again, timeline, timelines

if TYPE_CHECKING:
    from tests.faults.scenarios.stage import Stage

T = TypeVar("T")
PATIENCE_S = 30.0


async def compare(stage: Stage) -> None:
    """Put lost, repeated and disordered ids, other statuses and outages into the figures."""
    figures, ledger = stage.figures, stage.ledger
    outages(stage)
    figures.count("other_statuses", ledger.wrong)
    figures.acknowledged += len(ledger.acknowledged)
    if stage.gone_before is not None:
        return
    url = stage.url
    reported = touchpoints(stage, ledger, await patiently(lambda: timelines(url, ledger.homes)))
    await patiently(lambda: send_all_again(url, ledger))
    once(stage, ledger, await patiently(lambda: timelines(url, ledger.homes)), reported)
    if stage.mails is not None:
        await _mails(stage)
    if stage.handoffs is not None:
        await stage.handoffs.compare(url, figures, stage.scenario.delivery_s)


async def _mails(stage: Stage) -> None:
    assert stage.mails is not None
    mails, figures, url = stage.mails, stage.figures, stage.url

    async def read() -> list[list[str]]:
        async with client() as session:
            homes = range(mails.ledger.homes)
            return [await timeline(session, url, mails.identity(home)) for home in homes]

    figures.count("other_statuses", mails.ledger.wrong)
    figures.mails += len(mails.ledger.acknowledged)
    reported = touchpoints(stage, mails.ledger, await patiently(read))
    await mails.send_all_again()
    once(stage, mails.ledger, await patiently(read), reported)


def touchpoints(stage: Stage, ledger: Ledger, found: list[list[str]]) -> set[str]:
    """Nothing acknowledged is missing, nothing is stored twice, each sender's order is kept.

    The ids that are lost or stored twice.
    """
    figures = stage.figures
    counts = Counter(id_ for ids in found for id_ in ids)
    lost = ledger.acknowledged.keys() - counts.keys()
    twice = {id_ for id_, count in counts.items() if count > 1}
    figures.count("lost", sorted(lost))
    figures.count("twice", sorted(twice))
    strange = counts.keys() - {it["id"] for it in ledger.sent}
    figures.expect(not strange, f"stored but never sent: {sorted(strange)[:5]}")
    figures.count("disordered", [id_ for ids in found for id_ in disordered(ids, ledger)])
    return lost | twice


def once(stage: Stage, ledger: Ledger, found: list[list[str]], reported: set[str]) -> None:
    """Check after everything was sent again: each id is stored exactly once. Earlier findings are dropped."""
    counts = Counter(id_ for ids in found for id_ in ids)
    stage.figures.count("lost", sorted({it["id"] for it in ledger.sent} - counts.keys() - reported))
    stage.figures.count("twice", sorted({id_ for id_, count in counts.items() if count > 1} - reported))


def disordered(found: Iterable[str], ledger: Ledger) -> list[str]:
    """Acknowledged ids that come before an earlier one of the same sender.

    A sender waits for each acknowledgement and states the same time in all of its touchpoints, so that
    their order is the order of arrival.
    """
    newest: dict[str, int] = {}
    wrong = []
    for id_ in found:
        if id_ not in ledger.acknowledged:
            continue
        sender, _, number = id_.partition("-")
        if int(number) < newest.get(sender, -1):
            wrong.append(id_)
        newest[sender] = max(int(number), newest.get(sender, -1))
    return wrong


def outages(stage: Stage) -> None:
    """The longest time without an acknowledgement: for all, or for customers of a hurt shard and others."""
    scenario, ledger, figures = stage.scenario, stage.ledger, stage.figures
    if scenario.outage_s is None or stage.gone_before is not None:
        return
    if stage.hurt_homes is None:
        figures.measure("outage", longest(ledger.moments(), stage.held), scenario.outage_s)
        return
    gaps = {home: longest(ledger.moments(home), stage.held) for home in range(ledger.homes)}
    others = [gap for home, gap in gaps.items() if home not in stage.hurt_homes]
    figures.measure("outage", max((gaps[home] for home in stage.hurt_homes), default=0.0), scenario.outage_s)
    figures.measure("others", max(others, default=0.0), stage.others_outage_s)


def longest(moments: list[float], held: Iterable[tuple[float, float]]) -> float:
    """The longest gap in seconds. From a gap that meets a held fault only the time after it counts."""
    gaps = [0.0]
    for start, end in pairwise(moments):
        begin = max([start, *(healed for began, healed in held if began < end and healed > start)])
        gaps.append(end - begin)
    return max(gaps)


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """Repeat while the server cannot answer yet, as after a failover."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await work()
        except (AssertionError, ClientError, OSError, TimeoutError):
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(0.2)
