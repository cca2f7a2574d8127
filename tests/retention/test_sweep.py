"""Sweeps leave exactly the touchpoints inside the horizons, even if they are interrupted."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from handoff.bootstrap.background.sweeps import audit_entries
from handoff.codec.member import OTHER_CHANNEL, Member, read_member
from handoff.domain.clock import DAY, HOUR, Micros
from handoff.domain.errors import AuditUnavailable
from handoff.domain.identity import Assurance, Identity, parse_identity
from handoff.domain.retention.rules import RetentionRule, class_of, days_of
from handoff.domain.touchpoint import CHANNELS, Participant, Touchpoint, Visibility
from handoff.services.retention.policy import RetentionPolicy
from handoff.services.retention.sweep import Sweeper, SweepSettings, SweepState
from handoff.services.timeline.participation import refer
from handoff.services.timeline.recording import record
from handoff.store.repositories.identities import IdentityRecord, as_mapping, read_record
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.examples import examples
from tests.samples import handle, record_all, timeline, touchpoint

PEOPLE = ("user:anna", "email:anna@example.com", "user:otto")
DECLARED = "sms"
OWNER = "worker"
EXAMPLES = settings(
    max_examples=examples(25),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a sweep goes over the whole store: shrinking takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
STEPWISE = SweepSettings(every_s=0.0, share=0.0)


def policy_of(tenant: str, *rules: RetentionRule) -> RetentionPolicy:
    return RetentionPolicy(rules, [tenant], [*CHANNELS, DECLARED])


def days_ago(days: float) -> Micros:
    return time.time_ns() // 1000 - int(days * DAY)


async def swept(store: Store, policy: RetentionPolicy) -> SweepState:
    """Sweep to the end, as workers do: turn by turn."""
    sweeper = Sweeper(store, policy, OWNER, STEPWISE)
    while True:
        state = await sweeper.turn()
        assert state is not None
        if state.finished_at is not None:
            return state


async def members_of(store: Store, tenant: str, identity: str) -> list[Member]:
    home = store.hashes(tenant).identity(parse_identity(identity))
    raws = await store.connection.call(b"ZRANGE", store.keys.timeline(home), 0, -1)
    return [read_member(raw, home) for raw in raws]


async def record_of(store: Store, tenant: str, identity: str) -> IdentityRecord | None:
    home = store.hashes(tenant).identity(parse_identity(identity))
    fields = as_mapping(await store.connection.call(b"HGETALL", store.keys.record(home)))
    return read_record(home, fields, store.keys.sealing)


async def check_consistent(store: Store, tenant: str, identity: str) -> None:
    """Head, counters, and index say what the timeline has."""
    home = store.hashes(tenant).identity(parse_identity(identity))
    members = await members_of(store, tenant, identity)
    fields = as_mapping(await store.connection.call(b"HGETALL", store.keys.record(home)))
    record = read_record(home, fields, store.keys.sealing)
    if record is None:
        assert members == []
        assert not await store.connection.call(b"EXISTS", store.keys.index(home))
        return
    head = fields.get(b"h", bytes(22))
    assert int.from_bytes(head[8:12], "big") == len(members)
    counts: dict[tuple[str, int], int] = {}
    references: dict[bytes, int] = {}
    for member in members:
        if member.reference is not None:
            references[member.reference] = references.get(member.reference, 0) + 1
        else:
            which = member.type, member.channel_number
            counts[which] = counts.get(which, 0) + 1
    assert record.counts == counts
    assert record.references == references
    index = as_mapping(await store.connection.call(b"HGETALL", store.keys.index(home)))
    assert bool(index) == (head[21:22] == b"1")
    if index:
        assert {name for name in index if len(name) == 16} == {it.id for it in members}
        ids = {it.id for it in members}
        for name, value in index.items():
            if len(name) == 17:
                assert name[1:] in ids or value[16:32] in ids or value[33:] in ids


async def test_a_channel_that_is_no_longer_configured_is_still_swept(store: Store) -> None:
    """The configuration drops a channel long before the last touchpoint on it is outdated."""
    tenant = fresh_tenant()
    old = touchpoint("old", channel=DECLARED, at=days_ago(20.5))
    young = touchpoint("young", channel=DECLARED, at=days_ago(5.5))
    await record_all(store, tenant, [old, young])
    rule = RetentionRule(days=10)
    await swept(store, policy_of(tenant, RetentionRule(days=30)))
    assert len(await members_of(store, tenant, PEOPLE[0])) == 2
    without = RetentionPolicy([rule], [tenant], CHANNELS)
    counted = await Sweeper(store, without, OWNER).sweep(dry_run=True)
    assert counted.deleted.touchpoints == {f"{DECLARED}/messages": 1}
    await swept(store, without)
    (left,) = await members_of(store, tenant, PEOPLE[0])
    assert left.occurred_at == young.occurred_at


ages = st.integers(0, 40).map(lambda day: day + 0.5)
rule_sets = st.lists(
    st.builds(
        RetentionRule,
        days=st.integers(1, 40),
        channels=st.lists(st.sampled_from([*CHANNELS, DECLARED]), max_size=2, unique=True),
        types=st.lists(st.sampled_from(["web", "messages", "calls"]), max_size=2, unique=True),
    ),
    min_size=1,
    max_size=3,
)


@st.composite
def histories(draw: st.DrawFn) -> list[Touchpoint]:
    """Touchpoints of three people, with edits, deletions, links, and participants; in any order."""
    found: list[Touchpoint] = []
    size = draw(st.sampled_from([6, 12, 30]))
    for number in range(size):
        age = draw(ages)
        home = draw(st.sampled_from(PEOPLE))
        channel = draw(st.sampled_from(["web", "chat", DECLARED]))
        type_ = draw(st.sampled_from(["page.viewed", "message.received", "call.ended"]))
        extra: list[Any] = draw(st.lists(st.sampled_from(PEOPLE), max_size=1))
        fields: dict[str, Any] = {"channel": channel, "type": type_, "at": days_ago(age)}
        if draw(st.booleans()):
            guest = Participant(parse_identity(draw(st.sampled_from(PEOPLE))), "cc")
            fields["participants"] = (guest,)
        others = [it for it in extra if it != home]
        found.append(touchpoint(f"e{number}", home, *others, seq=number, **fields))
        if type_ == "message.received":
            for edit in range(draw(st.integers(0, 3))):
                kind = draw(st.sampled_from(["message.edited", "message.edited", "message.deleted"]))
                later = draw(st.floats(0, age - 0.1).map(lambda it: round(it * 2) / 2 + 0.25))
                found.append(
                    touchpoint(
                        f"e{number}a{edit}",
                        home,
                        at=days_ago(min(later, age)),
                        seq=1000 + number * 4 + edit,
                        channel=channel,
                        type=kind,
                        amends=f"e{number}",
                    )
                )
    return draw(st.permutations(found))


def kept_by(tenant: str, rules: list[list[RetentionRule]], one: Touchpoint) -> bool:
    """Whether a touchpoint is inside all horizons that ever applied to it."""
    for some in rules:
        days = days_of(some, tenant, one.channel, class_of(one.type))
        if days is not None and one.occurred_at < days_ago(days):
            return False
    return True


async def file(store: Store, tenant: str, touchpoints: list[Touchpoint]) -> list[str]:
    """Record, and file the references of participants, as the relay does."""
    results = await record(store, tenant, touchpoints)
    hashes = store.hashes(tenant)
    for one in touchpoints:
        id_ = hashes.event(one.id_space, one.event_id)
        await refer(store, tenant, hashes.identity(one.home.identity), id_)
    return [it.status for it in results]


async def interrupt(store: Store, policy: RetentionPolicy, after: int) -> None:
    """Begin a sweep and end its worker after some turns of the event loop."""
    task = asyncio.create_task(Sweeper(store, policy, OWNER, STEPWISE).turn())
    for _ in range(after):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@EXAMPLES
@given(
    histories(),
    st.lists(rule_sets, min_size=1, max_size=2),
    st.lists(st.integers(0, 60), max_size=3),
    st.data(),
)
async def test_what_is_left_is_inside_the_horizons(
    own_store: Store,
    events: list[Touchpoint],
    rules: list[list[RetentionRule]],
    interruptions: list[int],
    data: st.DataObject,
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    await check_what_is_left(own_store, fresh_tenant(), events, cut, rules, interruptions)


async def check_what_is_left(
    store: Store,
    tenant: str,
    events: list[Touchpoint],
    cut: int,
    rules: list[list[RetentionRule]],
    interruptions: list[int],
) -> None:
    """Sweep between the events before and after the cut, and compare what is left with the rules."""
    early, late = events[:cut], events[cut:]
    await file(store, tenant, early)
    for number, some in enumerate(rules):
        policy = policy_of(tenant, *some)
        for after in interruptions if number == 0 else ():
            await interrupt(store, policy, after)
        await swept(store, policy)
    statuses = await file(store, tenant, late)
    again = await record(store, tenant, early)  # retries bring nothing back
    assert {it.status for it in again} <= {"duplicate", "expired"}
    for one, status in zip(late, statuses, strict=True):
        assert (status == "expired") == (not kept_by(tenant, rules, one)), (one.event_id, status)
    for some in rules:
        assert (await swept(store, policy_of(tenant, *some))).deleted.touchpoints == {}

    kept = [it for it in events if kept_by(tenant, rules, it)]
    found = [it for who in PEOPLE for it in await members_of(store, tenant, who) if it.reference is None]
    hashes = store.hashes(tenant)
    # The channel of deleted content may be unknown once its deletion is gone, too: it stays the longest.
    named = {it.id for it in found if not (it.blanked and it.channel_number == OTHER_CHANNEL)}
    expected = {hashes.event(it.id_space, it.event_id) for it in kept}
    assert named <= expected <= {it.id for it in found}
    for who in PEOPLE:
        await check_consistent(store, tenant, who)
    await _compare_with_the_kept_alone(store, tenant, kept)


async def _compare_with_the_kept_alone(store: Store, tenant: str, kept: list[Touchpoint]) -> None:
    """The timelines are those of a store that only ever had what is kept, save for deleted content."""
    other = fresh_tenant()
    await file(store, other, kept)
    for who in {str(it.home.identity) for it in kept}:
        ours = {it.text: it for it in await timeline(store, tenant, who) if it.text}
        theirs = {it.text: it for it in await timeline(store, other, who) if it.text}
        assert ours.keys() <= theirs.keys()


async def test_nothing_is_deleted_without_rules(own_store: Store) -> None:
    tenant = fresh_tenant()
    await record_all(own_store, tenant, [touchpoint("e", at=days_ago(3000))])
    assert await Sweeper(own_store, policy_of(tenant), OWNER).turn() is None
    assert len(await members_of(own_store, tenant, "user:anna")) == 1


async def test_the_store_refuses_what_a_worker_would_not(own_store: Store) -> None:
    """A worker that does not know a new horizon yet cannot store what is before it."""
    tenant = fresh_tenant()
    policy = policy_of(tenant, RetentionRule(days=10))
    await swept(own_store, policy)
    own_store.horizons._known = {}  # as in a worker that has not read it yet
    old, new = touchpoint("old", at=days_ago(11)), touchpoint("new", at=days_ago(9))
    assert [it.status for it in await record(own_store, tenant, [old, new])] == ["expired", "accepted"]
    assert len(await members_of(own_store, tenant, "user:anna")) == 1


async def test_horizons_never_fall(own_store: Store) -> None:
    tenant = fresh_tenant()
    await swept(own_store, policy_of(tenant, RetentionRule(days=10)))
    await swept(own_store, policy_of(tenant, RetentionRule(days=100)))
    (result,) = await record(own_store, tenant, [touchpoint("old", at=days_ago(50))])
    assert result.status == "expired"


async def test_an_identity_goes_with_its_last_touchpoint_unless_its_link_is_in_use(own_store: Store) -> None:
    tenant = fresh_tenant()
    verified = [handle(it, Assurance.VERIFIED) for it in ("user:anna", "email:anna@example.com")]
    await record_all(own_store, tenant, [touchpoint("both", *verified, at=days_ago(20))])
    await record_all(own_store, tenant, [touchpoint("mail", verified[1], at=days_ago(5))])
    longest = everything_is_old(policy_of(tenant, RetentionRule(days=10)))
    await swept(own_store, longest)
    assert await members_of(own_store, tenant, "user:anna") == []
    assert await record_of(own_store, tenant, "user:anna") is not None
    assert len(await timeline(own_store, tenant, "user:anna")) == 1  # still one customer
    await swept(own_store, everything_is_old(policy_of(tenant, RetentionRule(days=1))))
    for who in ("user:anna", "email:anna@example.com"):
        assert await record_of(own_store, tenant, who) is None
        await check_consistent(own_store, tenant, who)


class _EverythingIsOld(RetentionPolicy):
    """A policy under which records that were just written count as old."""

    def longest(self, tenant: str, now: Micros) -> Micros | None:
        return now + HOUR

    def ended_before(self, tenant: str, now: Micros) -> Micros | None:
        return now + HOUR


def everything_is_old(policy: RetentionPolicy) -> RetentionPolicy:
    return _EverythingIsOld(policy.rules, policy.tenants, policy.channels)


@pytest.mark.parametrize("count", [300, 1200])
async def test_a_long_timeline_is_deleted_in_steps(own_store: Store, count: int) -> None:
    tenant = fresh_tenant()
    events = [touchpoint(f"e{it}", at=days_ago(20 + it / 1000), seq=it) for it in range(count)]
    await record_all(own_store, tenant, [*events, touchpoint("new", at=days_ago(1.5))])
    state = await swept(own_store, policy_of(tenant, RetentionRule(days=10, types=["messages"])))
    assert state.deleted.touchpoints == {"chat/messages": count}
    await check_consistent(own_store, tenant, "user:anna")
    home = own_store.hashes(tenant).identity(parse_identity("user:anna"))
    assert not await own_store.connection.call(b"EXISTS", own_store.keys.arrivals(home))


async def test_the_scan_meets_every_identity_of_a_tenant(store: Store) -> None:
    tenant = fresh_tenant()
    names = [f"user:u{it}" for it in range(700)]
    await record_all(store, tenant, [touchpoint(f"e{it}", it) for it in names])
    hashes, found, place = store.hashes(tenant), set[str](), None
    from handoff.store.repositories.retention.scan import ScanPlace

    place = ScanPlace()
    while place is not None:
        step = await store.identities.step(place, 100)
        place = step.next
        for scanned in step.records:
            identity = Identity(*msgspec.msgpack.decode(scanned.plain)[:3])
            if hashes.owns(scanned.home, identity):
                found.add(str(identity))
    assert found == set(names)


async def test_an_identity_that_was_erased_once_goes_with_its_last_touchpoint(own_store: Store) -> None:
    """Only the time of the erasure stays of it."""
    tenant, at = fresh_tenant(), days_ago(20)
    await record_all(own_store, tenant, [touchpoint("before", at=at)])
    home = own_store.hashes(tenant).identity(parse_identity("user:anna"))
    await own_store.graves.bury(home, b"j" * 16, at + 1)
    verified = [handle(it, Assurance.VERIFIED) for it in ("user:anna", "email:anna@example.com")]
    await record_all(own_store, tenant, [touchpoint("after", *verified, at=days_ago(15))])
    assert await record_of(own_store, tenant, "user:anna") is not None
    state = await swept(own_store, everything_is_old(policy_of(tenant, RetentionRule(days=10))))
    assert state.deleted.identities == 2
    for who in ("user:anna", "email:anna@example.com"):
        assert await record_of(own_store, tenant, who) is None
    (tombstone,) = await own_store.graves.tombstones([home])
    assert tombstone is not None
    assert tombstone.erased_at == at + 1
    assert (
        await swept(own_store, everything_is_old(policy_of(tenant, RetentionRule(days=10))))
    ).deleted.identities == 0


async def test_an_expired_touchpoint_leaves_no_pointer(own_store: Store) -> None:
    """A worker that does not know a new horizon yet writes pointers before the store refuses."""
    tenant = fresh_tenant()
    await swept(own_store, policy_of(tenant, RetentionRule(days=10)))
    own_store.horizons._known = {}
    verified = [handle(it, Assurance.VERIFIED) for it in ("user:anna", "email:anna@example.com")]
    (result,) = await record(own_store, tenant, [touchpoint("old", *verified, at=days_ago(11))])
    assert result.status == "expired"
    assert await record_of(own_store, tenant, "email:anna@example.com") is None


async def test_a_sweep_counts_by_tenant(own_store: Store) -> None:
    one, other = fresh_tenant(), fresh_tenant()
    for tenant, count in ((one, 3), (other, 2)):
        events = [touchpoint(f"e{it}", at=days_ago(20), seq=it) for it in range(count)]
        await record_all(own_store, tenant, [*events, touchpoint("new", at=days_ago(1.5))])
    policy = RetentionPolicy([RetentionRule(days=10)], [one, other, fresh_tenant()], CHANNELS)
    state = await swept(own_store, policy)
    assert state.deleted.by_tenant == {one: 3, other: 2}
    assert {it.tenant: it.reason for it in audit_entries(state, "retention")} == {
        one: "3 deleted",
        other: "2 deleted",
    }


async def test_a_sweep_that_cannot_be_audited_is_not_over(own_store: Store) -> None:
    tenant, failed = fresh_tenant(), False
    await record_all(own_store, tenant, [touchpoint("e", at=days_ago(20))])

    async def fail_once(_state: SweepState) -> None:
        nonlocal failed
        if not failed:
            failed = True
            raise AuditUnavailable()

    policy = policy_of(tenant, RetentionRule(days=10))
    sweeper = Sweeper(own_store, policy, OWNER, STEPWISE, before_end=fail_once)
    state = None
    while state is None or state.finished_at is None:
        with suppress(AuditUnavailable):
            state = await sweeper.turn()
    assert failed
    assert state.deleted.by_tenant == {tenant: 1}


def transcript(event: str, of: str, days: float, **more: Any) -> Touchpoint:
    return touchpoint(
        event,
        type="text.derived",
        at=days_ago(days),
        visibility=Visibility.INTERNAL,
        amends=of,
        data={"of": of, "kind": "transcript", "by": "tests"},
        **more,
    )


@pytest.mark.parametrize("many", [0, 30])
async def test_what_was_derived_does_not_outlive_its_original(store: Store, many: int) -> None:
    """Also where the derived text itself is young. The list of an original forgets texts that are gone."""
    tenant = fresh_tenant()
    await record_all(store, tenant, [touchpoint(f"m{it}", at=days_ago(1)) for it in range(many)])
    await record_all(
        store,
        tenant,
        [
            touchpoint("voice", at=days_ago(20.5)),
            transcript("late", "voice", 2),
            transcript("later", "voice", 1),
            touchpoint("kept", at=days_ago(5.5)),
            transcript("outdated", "kept", 15),
            transcript("young", "kept", 3),
        ],
    )
    await swept(store, policy_of(tenant, RetentionRule(days=10)))
    left = [it for it in await timeline(store, tenant) if not it.text or "text of m" not in it.text]
    assert [it.text for it in left] == ["text of kept", "text of young"]
    assert [it.text for it in left[0].derived or ()] == ["text of young"]
    await check_consistent(store, tenant, PEOPLE[0])
