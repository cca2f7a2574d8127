"""Any order of confirming, dismissing, keeping, and breaking leaves the state of a simple model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from handoff.domain.brief import BriefRules
from handoff.domain.brief.sections.candidates import promise_candidates
from handoff.domain.clock import HOUR, SECOND
from handoff.domain.errors import Conflict
from handoff.domain.ledger.entry import PROMISE
from handoff.services.customers.customer import by_key
from handoff.services.ledger.deciding import Decision, decide
from handoff.services.ledger.entries import entries_of, public_entry_id
from handoff.services.ledger.settling import LedgerRules, read_customer_story, settle
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.examples import examples
from tests.packs import packs
from tests.samples import record_all, touchpoint

SENTENCES = ("I will call you back.", "I will send you the contract.", "I will write to you tomorrow.")
RULES = LedgerRules()
which = st.integers(0, len(SENTENCES) - 1)
T = TypeVar("T")


class Promises(RuleBasedStateMachine):
    """One customer with three sentences of ours."""

    store: ClassVar[Store]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.tenant = fresh_tenant()
        self.home = self.store.hashes(self.tenant).identity(touchpoint("x").home.identity)
        self.ids: list[str] = []
        self.decided: dict[int, tuple[str, str]] = {}
        """By sentence: the decision, and its touchpoint."""
        self.ended: dict[int, str] = {}
        self.count = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def now(self) -> int:
        return await self.store.of(self.tenant).clock()

    @initialize()
    def talk(self) -> None:
        async def talk() -> list[str]:
            start = await self.now() - HOUR
            agent = {"type": "message.sent", "actor": {"type": "agent", "name": "Mia"}, "thread": "t"}
            messages = [
                touchpoint(f"s{at}", at=start + at * SECOND, text=text, **agent)
                for at, text in enumerate(SENTENCES)
            ]
            await record_all(self.store, self.tenant, messages)
            customer = await by_key(self.store, self.tenant, self.home)
            story = await read_customer_story(self.store, self.tenant, customer, await self.now())
            return [str(it.id) for it in promise_candidates(story)]

        self.ids = self.do(talk())
        assert len(self.ids) == len(SENTENCES)

    def _decide(self, number: int, *, confirm: bool) -> None:
        async def run() -> str:
            customer = await by_key(self.store, self.tenant, self.home)
            decision = Decision(kind=PROMISE, confirm=confirm, by="mia")
            made = await decide(
                self.store, self.tenant, customer, self.ids[number], decision, RULES, await self.now()
            )
            return made.touchpoint

        wanted = "confirmed" if confirm else "dismissed"
        before = self.decided.get(number)
        if before is not None and before[0] != wanted:
            with pytest.raises(Conflict) as refused:
                self.do(run())
            assert refused.value.problem_code == f"already_{before[0]}"
            return
        touchpoint_id = self.do(run())
        assert before is None or before[1] == touchpoint_id
        self.decided[number] = (wanted, touchpoint_id)

    @rule(number=which)
    def confirm(self, number: int) -> None:
        self._decide(number, confirm=True)

    @rule(number=which)
    def dismiss(self, number: int) -> None:
        self._decide(number, confirm=False)

    @rule(number=which, state=st.sampled_from(["kept", "broken"]))
    def report(self, number: int, state: str) -> None:
        """A report, perhaps before anybody confirmed the promise."""
        self.count += 1

        async def run() -> None:
            one = touchpoint(
                f"r{self.count}",
                at=await self.now(),
                type=f"promise.{state}",
                text=None,
                data={"promise": self.ids[number]},
            )
            await record_all(self.store, self.tenant, [one])
            await settle(self.store, self.tenant, self.home, RULES)

        self.do(run())
        if self.decided.get(number, ("", ""))[0] == "confirmed" and self.ended.get(number) != "kept":
            self.ended[number] = state

    @rule()
    def relay_repeats(self) -> None:
        assert not self.do(settle(self.store, self.tenant, self.home, RULES))

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        part = self.store.of(self.tenant)
        entries = self.do(entries_of(part, [self.home]))
        hashes = self.store.hashes(self.tenant)
        found = {public_entry_id(hashes, it): str(it.state) for it in entries.values()}
        assert found == {
            id_: self.ended.get(number, "open")
            for number, (decision, id_) in self.decided.items()
            if decision == "confirmed"
        }


@pytest.fixture
def machine(valkey: str) -> Iterator[type[Promises]]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        store = runner.run(stack.enter_async_context(opened(valkey)))
        store.use_rules(BriefRules(packs=packs()))
        Promises.store, Promises.runner = store, runner
        try:
            yield Promises
        finally:
            runner.run(stack.aclose())


def test_decisions_and_reports_in_any_order(machine: type[Promises]) -> None:
    chosen = settings(
        max_examples=examples(30),
        stateful_step_count=10,
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    run_state_machine_as_test(machine, settings=chosen)
