"""All statements about identities, made by several processes and compared with a simple model."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from handoff.codec.keyed_hash import EVIDENCE, TOUCHPOINT
from handoff.domain.errors import Conflict, HandoffError
from handoff.domain.evidence import Statement
from handoff.domain.identity import ASSURANCE_RANK, Assurance, Handle, parse_identity, weaker
from handoff.services.customers.assignments import assign
from handoff.services.customers.customer import Customer, by_id, by_key, candidates_of
from handoff.services.customers.links import Attribution, link, mark_shared, split, withdraw
from handoff.services.customers.lookup import Match, find
from handoff.services.customers.portions import read_portions
from handoff.services.customers.spellings import SPELLING
from handoff.services.timeline.pages import read_timeline
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import record
from handoff.store.repositories.components import read_records
from handoff.store.repositories.timelines import Window
from handoff.store.store import Store
from tests.conftest import fresh_tenant, opened
from tests.examples import examples
from tests.identity.model import SPELLINGS, Assigned, IdentityStatement, Model, StatedFact, pairs
from tests.samples import NOON, touchpoint
from tests.store.servers import valkey_server

POOL = (
    "user:anna",
    "user:bert",
    "user@shop2:anna",
    "email:anna@example.com",
    "phone:+358401234567",
    "anonymous:a1",
    "anonymous:a2",
    "chatwoot.contact@1:7",
    "reference:A-1",
    "phone:+5215512345678",
    "phone:+525512345678",
    "whatsapp.user:MX.1",
    "whatsapp.user:MX.2",
)
PROCESSES = 3
BY = Attribution(who="agent:lisa", reason="confirmed by phone")
names = st.sampled_from(POOL)
assurances = st.sampled_from([Assurance.VERIFIED, Assurance.VERIFIED, Assurance.VERIFIED, Assurance.CLAIMED])
Stated = tuple[str, Assurance]
handles = st.tuples(names, assurances)
stated = st.lists(
    st.lists(handles, min_size=1, max_size=2, unique_by=lambda it: it[0]), min_size=1, max_size=3
)
tenants = st.sampled_from([0, 0, 0, 1])
picks = st.integers(0, 2**16)  # a choice among existing items; no draw depends on the store's clock
Result = TypeVar("Result")


class Identities(RuleBasedStateMachine):
    """Two tenants with the same people, three processes on one store."""

    stores: ClassVar[list[Store]]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self.tenants = [fresh_tenant(), fresh_tenant()]
        self.models = [Model(), Model()]
        self.events = 0
        self.turn = 0

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @property
    def store(self) -> Store:
        """Another process each time."""
        self.turn += 1
        return self.stores[self.turn % PROCESSES]

    # --- What happens -------------------------------------------------------------------------

    @initialize(pairs_=st.lists(st.tuples(handles, handles), min_size=3, max_size=7), other=stated)
    def begin(self, pairs_: list[tuple[Stated, Stated]], other: list[list[Stated]]) -> None:
        """Some people to begin with; the other tenant has the same names with different statements."""
        self.touch(0, [list(it) if it[0][0] != it[1][0] else [it[0]] for it in pairs_], 0)
        self.touch(1, other, 0)

    @rule(tenant=tenants, stated=stated, back=st.integers(0, 5))
    def touch(self, tenant: int, stated: list[list[Stated]], back: int) -> None:
        """Touchpoints, several at once through several processes; some of them happened long ago."""
        sent = []
        for handles in stated:
            self.events += 1
            read = [Handle(parse_identity(name), assurance) for name, assurance in handles]
            sent.append(touchpoint(f"e{self.events}", *read, at=NOON + (self.events - back) * 1000))

        async def send() -> None:
            work = [record(self.store, self.tenants[tenant], [it, it]) for it in sent]
            answers = await asyncio.gather(*work)
            assert [[it.status for it in part] for part in answers] == [["accepted", "duplicate"]] * len(sent)

        self.run(send())
        model = self.models[tenant]
        for sent_one in sent:
            model.touchpoints[sent_one.text or ""] = str(sent_one.home.identity)
            model.seen |= {str(handle.identity) for handle in sent_one.identities}
            model.stated[sent_one.text or ""] = StatedFact(
                at=sent_one.occurred_at,
                home=str(sent_one.home.identity),
                sure=frozenset(
                    str(it.identity) for it in sent_one.identities if it.assurance is Assurance.VERIFIED
                ),
            )
            for handle in sent_one.identities[1:]:
                self.learn(tenant, str(sent_one.home.identity), str(handle.identity), sent_one)

    def learn(self, tenant: int, home: str, other: str, touchpoint_: Any) -> None:
        """Add a statement with the time and id from the store: the model has no clock."""
        hashes = self.store.hashes(self.tenants[tenant])
        sure = weaker(
            touchpoint_.home.assurance,
            next(h.assurance for h in touchpoint_.identities if str(h.identity) == other),
        )
        one, two = hashes.identity(parse_identity(home)), hashes.identity(parse_identity(other))
        id_ = hashes.evidence(one, two, Statement.SAME, sure, "test")
        self.add(tenant, home, other, one, id_, verified=sure is Assurance.VERIFIED, agent=False)

    def add(self, tenant: int, home: str, other: str, key: bytes, id_: bytes, **fields: Any) -> None:
        records = self.run(read_records(self.store.connection, self.store.keys, [key]))
        (stored,) = [it for it in records[key].evidence if it.id == id_]
        public = self.store.hashes(self.tenants[tenant]).public(EVIDENCE, key, id_)
        given = {"same": True, "pairs": pairs([home], [other]), **fields}
        self.models[tenant].add(
            IdentityStatement(id=public, one=home, other=other, at=(stored.recorded_at, id_), **given)
        )

    def learn_from_agent(
        self, tenant: int, view_id: str | None, home: str, other: str, **fields: Any
    ) -> None:
        hashes = self.store.hashes(self.tenants[tenant])
        key, id_ = hashes.private(EVIDENCE, view_id or "", 2)
        self.add(tenant, home, other, key, id_, verified=True, agent=True, **fields)

    def customer(self, tenant: int, name: str) -> Customer:
        key = self.store.hashes(self.tenants[tenant]).identity(parse_identity(name))
        return self.run(by_key(self.store, self.tenants[tenant], key))

    # --- What agents do, and take back --------------------------------------------------------

    @rule(tenant=tenants, pick=picks, other=names, undo=st.booleans())
    def link(self, tenant: int, pick: int, other: str, undo: bool) -> None:
        model = self.models[tenant]
        if not model.seen:
            return
        self.link_them(tenant, _picked(sorted(model.seen), pick), other, undo)

    def link_them(self, tenant: int, name: str, other: str, undo: bool) -> None:
        model = self.models[tenant]
        customer = self.customer(tenant, name)
        root = str(customer.members[0].identity)
        new = other not in model.seen
        model.seen.add(other)
        theirs = other in model.customer_of(root)
        before = model.timelines()
        about, over = model.links(root, other)

        async def go() -> Any:
            return await link(
                self.store,
                self.tenants[tenant],
                customer.id,
                parse_identity(other),
                BY,
                assurance=Assurance.VERIFIED,
                dry_run=False,
                now=NOON,
            )

        if "reference" in (parse_identity(root).type, parse_identity(other).type):
            with pytest.raises(Exception, match="never joins"):
                self.run(go())
            model.seen -= {other} if new else set()
            return
        trial = IdentityStatement("trial", root, other, True, True, True, (2**62, b""), about, over)
        model.add(trial)
        allowed = other in model.customer_of(root)
        del model.statements["trial"]
        if not allowed:
            with pytest.raises(Conflict) as refused:
                self.run(go())
            assert refused.value.problem_code == "guard_refused"
            model.seen -= {other} if new else set()
            return
        view = self.run(go())
        assert (view.id is None) == theirs
        if theirs:
            return
        self.learn_from_agent(tenant, view.id, root, other, pairs=about, over=over)
        assert sorted(view.withdrawn) == sorted(over)
        if undo:
            self.take_back(tenant, view.id)
            assert model.timelines() == before

    @rule(tenant=tenants, pick=picks, undo=st.booleans())
    def link_separated_identities(self, tenant: int, pick: int, undo: bool) -> None:
        parted = sorted(sorted(pair) for pair in self.models[tenant].apart())
        if parted:
            one, other = _picked(parted, pick)
            self.link_them(tenant, one, other, undo)

    @rule(tenant=tenants, pick=picks, undo=st.booleans())
    def withdraw(self, tenant: int, pick: int, undo: bool) -> None:
        model = self.models[tenant]
        standing = [it for same in (True, False) for it in model.standing(same)]
        if not standing:
            return
        chosen = _picked(standing, pick)
        before = model.timelines()
        against = self.take_back(tenant, chosen.id)
        if undo and against:
            self.take_back(tenant, against)
            assert model.timelines() == before

    def take_back(self, tenant: int, link_id: str) -> str | None:
        """Withdraw a statement. Returns the id of the statement against it, if it was a `same`."""
        model = self.models[tenant]
        statement = model.statements[link_id]
        customer = self.customer(tenant, statement.one)
        view = self.run(
            withdraw(self.store, self.tenants[tenant], customer.id, link_id, BY, dry_run=False, now=NOON)
        )
        if not statement.same:
            assert view.id is None
            model.take_back(link_id)
            return None
        over = [
            piece.id
            for piece in model.standing(same=True)
            if {piece.one, piece.other} == {statement.one, statement.other}
            and (not statement.agent or piece.agent)
        ]
        self.learn_refusal(tenant, view.id, (statement.one, statement.other), over)
        return view.id

    def learn_refusal(self, tenant: int, view_id: str | None, pair: tuple[str, str], over: list[str]) -> None:
        one, other = pair
        self.learn_from_agent(
            tenant, view_id, one, other, same=False, pairs=pairs([one], [other]), over=frozenset(over)
        )

    @rule(tenant=tenants, old=st.booleans(), undo=st.booleans())
    def refuse_spelling(self, tenant: int, old: bool, undo: bool) -> None:
        """An agent refuses a candidate that only a numbering plan shows."""
        model, hashes = self.models[tenant], self.store.hashes(self.tenants[tenant])
        asked, other = sorted(SPELLINGS, reverse=old)
        if not {asked, other} <= model.seen or model.customer_of(other) not in model.respelt(
            model.customer_of(asked)
        ):
            return
        before = model.timelines()
        names_ = {hashes.identity(parse_identity(it)): it for it in (asked, other)}
        one, two = sorted(names_)
        link_id = hashes.public(EVIDENCE, one, hashes.evidence(one, two, SPELLING))
        customer = self.customer(tenant, asked)
        named = candidates_of(self.store, self.tenants[tenant], customer)
        assert [link_id for it in named if link_id in it.links] == [link_id]
        work = withdraw(self.store, self.tenants[tenant], customer.id, link_id, BY, dry_run=False, now=NOON)
        view = self.run(work)
        claims = [
            it.id for it in model.standing(same=True) if {it.one, it.other} == {asked, other} and not it.agent
        ]
        self.learn_refusal(tenant, view.id, (names_[one], names_[two]), claims)
        if undo:
            self.take_back(tenant, view.id or "")
            assert model.timelines() == before

    @rule(tenant=tenants, pick=picks, others=picks, undo=st.booleans())
    def split(self, tenant: int, pick: int, others: int, undo: bool) -> None:
        model = self.models[tenant]
        large = sorted(sorted(it) for it in model.customers() if len(it) > 1)
        if not large:
            return
        members = _picked(large, pick)
        out = [it for at, it in enumerate(members[1:]) if others >> at & 1] or members[:1]
        before = model.timelines()
        customer = self.customer(tenant, members[0])
        view = self.run(
            split(
                self.store,
                self.tenants[tenant],
                customer.id,
                [parse_identity(it) for it in out],
                BY,
                dry_run=False,
                now=NOON,
            )
        )
        rest = [str(it.identity) for it in customer.members if str(it.identity) not in out]
        self.learn_from_agent(tenant, view.id, rest[0], out[0], same=False, pairs=pairs(out, rest))
        assert all(not model.customer_of(it) & set(rest) for it in out)
        if undo:
            self.take_back(tenant, view.id or "")
            assert model.timelines() == before

    @rule(tenant=tenants, name=names, undo=st.booleans())
    def mark(self, tenant: int, name: str, undo: bool) -> None:
        model = self.models[tenant]
        for shared in (True, False) if undo else (name not in model.marked,):
            self.run(
                mark_shared(
                    self.store, self.tenants[tenant], parse_identity(name), BY, shared=shared, now=NOON
                )
            )
        model.seen.add(name)
        if not undo and name not in model.marked:
            model.marked.add(name)
        else:
            model.marked.discard(name)

    @rule(tenant=tenants, pick=picks, person=names, whole=st.booleans(), undo=st.booleans())
    def assign(self, tenant: int, pick: int, person: str, whole: bool, undo: bool) -> None:
        model, hashes = self.models[tenant], self.store.hashes(self.tenants[tenant])
        shared = model.shared()
        among = sorted(it for it, home in model.touchpoints.items() if home in shared)
        if not among:
            return
        what = _picked(among, pick)
        home = model.touchpoints[what]
        key = hashes.identity(parse_identity(home))
        public = hashes.public(TOUCHPOINT, key, hashes.event("native", what.removeprefix("text of ")))

        async def go() -> Any:
            return await assign(
                self.store, self.tenants[tenant], public, parse_identity(person), BY, whole=whole, now=NOON
            )

        if parse_identity(person).type == "reference" or person in shared:
            with pytest.raises(HandoffError) as refused:
                self.run(go())
            assert refused.value.problem_code in ("reference_never_joins", "ambiguous_identity")
            return
        before = model.timelines()
        new = person not in model.seen
        view = self.run(go())
        model.seen.add(person)
        assert self.run(go()).id == view.id, "repeating it adds nothing"
        if not view.created:
            return
        _home, id_ = hashes.private(EVIDENCE, view.id, 2)
        records = self.run(read_records(self.store.connection, self.store.keys, [key]))
        (stored,) = [it for it in records[key].evidence if it.id == id_]
        at = (stored.recorded_at, id_)
        model.assigned[view.id] = Assigned(view.id, what, home, person, whole, at)
        if undo:
            self.take_assignment_back(tenant, view.id)
            after = model.timelines()
            assert new or after == before

    @rule(tenant=tenants, pick=picks)
    def withdraw_assignment(self, tenant: int, pick: int) -> None:
        standing = sorted(self.models[tenant].assigned)
        if standing:
            self.take_assignment_back(tenant, _picked(standing, pick))

    def take_assignment_back(self, tenant: int, link_id: str) -> None:
        """Withdraw an assignment, through the person's customer or through the shared identity."""
        piece = self.models[tenant].assigned.pop(link_id)
        customer = self.customer(tenant, piece.person if piece.whole else piece.home)
        self.run(
            withdraw(self.store, self.tenants[tenant], customer.id, link_id, BY, dry_run=False, now=NOON)
        )

    # --- What must always be so ---------------------------------------------------------------

    @invariant()
    def customers_match_the_model(self) -> None:
        for tenant, model in zip(self.tenants, self.models, strict=True):
            self.run(self.check(tenant, model))

    async def check(self, tenant: str, model: Model) -> None:
        hashes = self.store.hashes(tenant)
        expected, shared = model.timelines(), model.shared()
        texts: dict[frozenset[str], list[str]] = {}
        for name in sorted(model.seen):
            customer = await by_key(self.store, tenant, hashes.identity(parse_identity(name)))
            members = frozenset(str(it.identity) for it in customer.members)
            assert members == model.customer_of(name), f"asked by {name}"
            assert customer.group.shared == (name in shared)
            if members not in texts:
                texts[members] = await self.words(tenant, customer)
                assert (await by_id(self.store, tenant, customer.id)).group.members == customer.group.members
            named = {it.id for it in candidates_of(self.store, tenant, customer)}
            for other in model.respelt(members):
                key = hashes.identity(parse_identity(min(other)))
                assert (await by_key(self.store, tenant, key)).id in named, f"asked by {name}"
            for spelling in SPELLINGS.get(name, frozenset()) & model.seen - members - shared:
                if model.customer_of(spelling) not in model.respelt(members):
                    key = hashes.identity(parse_identity(spelling))
                    assert (await by_key(self.store, tenant, key)).id not in named, "it was refused"
            await self.check_look_up(tenant, name, customer, name in shared)
        for unseen in SPELLINGS.keys() - model.seen:
            for known in SPELLINGS[unseen] & model.seen - shared:
                found = await find(self.store, tenant, [parse_identity(unseen)])
                assert (found.match, found.assurance) == (Match.ONE, Assurance.INFERRED)
                assert found.customer is not None
                members = frozenset(str(it.identity) for it in found.customer.members)
                assert members == model.customer_of(known)
        assert {members: set(words) for members, words in texts.items()} == expected
        alone = {frozenset({name}) for name in shared}
        persons = [word for members, words in texts.items() if members not in alone for word in words]
        assert len(persons) == len(set(persons)), "no touchpoint is two persons'"
        every = {word for words in texts.values() for word in words}
        assert every == set(model.touchpoints), "every touchpoint can be read"

    async def words(self, tenant: str, customer: Customer) -> list[str]:
        """The customer's timeline without our own bookkeeping."""
        records = {it.key: it for it in customer.members}
        view = await read_timeline(
            self.store,
            self.store.hashes(tenant),
            records,
            Window(limit=1000, ascending=True),
            Filter(),
            given=(await read_portions(self.store, tenant, customer)).given,
        )
        assert view.next is None
        assert view.total == view.returned
        times = [it.occurred_at for it in view.touchpoints]
        assert times == sorted(times)
        return [it.text or "" for it in view.touchpoints if not it.type.startswith("identity.")]

    async def check_look_up(self, tenant: str, name: str, customer: Customer, shared: bool) -> None:
        found = await find(self.store, tenant, [parse_identity(name)])
        loose = shared or parse_identity(name).type == "reference"
        if loose:
            assert found.match is not Match.NONE
            assert (found.customer is None) == (found.match is Match.SEVERAL)
            return
        assert found.match is Match.ONE
        assert found.customer is not None
        assert found.customer.id == customer.id
        sure = await find(self.store, tenant, [parse_identity(name)], Assurance.VERIFIED)
        assert found.assurance is not None
        verified = ASSURANCE_RANK[found.assurance] >= ASSURANCE_RANK[Assurance.VERIFIED]
        assert (sure.match is Match.ONE) == verified


PEOPLE = ("user:anna", "user:bert")
DEVICE, MAILBOX = "anonymous:a1", "email:anna@example.com"
visitors = st.sampled_from(("", "", *PEOPLE))
sure = Assurance.VERIFIED


class SharedIdentities(Identities):
    """Two people with one device and one mailbox: what happens there, and whose it is."""

    @initialize(visits=st.lists(st.tuples(visitors, st.integers(0, 9)), min_size=4, max_size=9))
    def begin(self, visits: list[tuple[str, int]]) -> None:  # type: ignore[override]
        for person in PEOPLE:
            self.touch(0, [[(person, sure), (MAILBOX, sure)], [(person, sure), (DEVICE, sure)]], 0)
        for person, back in visits:
            self.visit(person, back)
        self.touch(0, [[(MAILBOX, sure)], [(MAILBOX, sure)]], 0)

    @rule(person=visitors, back=st.integers(0, 9))
    def visit(self, person: str, back: int) -> None:
        """Somebody uses the device, logged in or not, now or some time ago."""
        handles = [(DEVICE, sure)]
        self.touch(0, [[(person, sure), *handles] if person else handles], back)

    @rule(pick=st.integers(0, 2), person=st.sampled_from(PEOPLE), whole=st.booleans())
    def assign_again(self, pick: int, person: str, whole: bool) -> None:
        """The same few touchpoints, again and again."""
        self.assign(0, pick, person, whole, undo=False)


def _picked(among: Sequence[Result], pick: int) -> Result:
    return among[pick % len(among)]


@pytest.fixture(scope="module")
def machine() -> Iterator[type[Identities]]:
    """The machine over three processes' stores on one server."""
    with valkey_server(appendonly="no") as url, asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_all() -> list[Store]:
            return [await stack.enter_async_context(opened(url)) for _ in range(PROCESSES)]

        Identities.runner = runner
        Identities.stores = runner.run(open_all())
        yield Identities
        runner.run(stack.aclose())


@pytest.mark.hypothesis
@pytest.mark.no_cover
def test_who_is_who_follows_the_model(machine: type[Identities]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(10),
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.hypothesis
@pytest.mark.no_cover
def test_whose_it_is_on_shared_identities_follows_the_model(machine: type[Identities]) -> None:
    del machine  # the subclass uses its stores
    run_state_machine_as_test(
        SharedIdentities,
        settings=settings(
            max_examples=examples(12),
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
