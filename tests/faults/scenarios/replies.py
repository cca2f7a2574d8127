"""Answers that are lost, late or arrive in pieces: of the store, and of the server."""

from __future__ import annotations

import asyncio

from tests.faults.scenarios.scenario import EVERYTHING, Scenario, Traffic
from tests.faults.scenarios.stage import Stage
from tests.faults.scenarios.stores import embedded_behind_proxy, single_behind_proxy

WHILE_S = 3.0
CUT_SHARE = 0.05
LONGEST_DELAY_S = 0.4
LONGEST_PIECE = 40
THREE_COPIES = Traffic(copies=3, mail=True, handoffs=True)


async def cut(stage: Stage) -> None:
    """Lose a share of all answers: what was asked is done, and the asker does not hear of it."""
    proxy = stage.backing.proxies[0]
    before = proxy.cuts
    proxy.cut_share(CUT_SHARE, stage.dice.getrandbits(32))
    await asyncio.sleep(WHILE_S)
    proxy.cut_answers(0)
    stage.figures.expect(proxy.cuts > before, "no answer was lost: the run shows nothing")


async def delay(stage: Stage) -> None:
    stage.backing.proxies[0].delay(0.0, LONGEST_DELAY_S, stage.dice.getrandbits(32))
    await asyncio.sleep(WHILE_S)
    stage.backing.proxies[0].delay(0.0, 0.0, 0)


async def slice_(stage: Stage) -> None:
    stage.backing.proxies[0].slice(LONGEST_PIECE, stage.dice.getrandbits(32))
    await asyncio.sleep(WHILE_S)
    stage.backing.proxies[0].slice(65536, 0)


SCENARIOS = (
    Scenario(
        key="store-cut",
        title="5 % of the store's answers cut, each touchpoint from 3 senders at once",
        store=single_behind_proxy,
        disturb=cut,
        rounds=2,
        outage_s=1.0,
        traffic=THREE_COPIES,
    ),
    Scenario(
        key="store-delay",
        title="the store's answers delayed by up to 0.4 s",
        store=single_behind_proxy,
        disturb=delay,
        outage_s=2.0,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="store-slice",
        title="the store's answers in pieces of 1 to 40 bytes",
        store=single_behind_proxy,
        disturb=slice_,
        outage_s=1.0,
        traffic=EVERYTHING,
    ),
    Scenario(
        key="server-cut",
        title="5 % of the server's answers cut, each touchpoint from 3 senders at once",
        store=embedded_behind_proxy,
        disturb=cut,
        outage_s=1.0,
        traffic=THREE_COPIES,
    ),
)
