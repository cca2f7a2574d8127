"""A timeline does not depend on how its touchpoints arrive: compared with a model, on every store."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.codec.member import read_member
from handoff.domain.clock import SECOND, format_time
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Touchpoint
from handoff.services.timeline.reading import Filter
from handoff.services.timeline.recording import record
from handoff.services.timeline.views import TouchpointView
from handoff.store.store import Store
from tests.conftest import fresh_tenant
from tests.examples import examples
from tests.samples import NOON, handle, pages, record_all, timeline, touchpoint

# Tracing triples the cost of these properties, and examples elsewhere run the same lines.
pytestmark = pytest.mark.no_cover

EXAMPLES = settings(
    max_examples=examples(50),
    deadline=None,  # a real server on a shared machine
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(EXAMPLES, max_examples=examples(25))
T = TypeVar("T")
HANDLES = ("user:anna", "email:anna@example.com", "anonymous:a1")

moments = st.integers(0, 3).map(lambda step: NOON + step * SECOND)


def few_or_many(one: st.SearchStrategy[T], *, unique: bool = False) -> st.SearchStrategy[list[T]]:
    """As many as are looked through, or more, which have an index."""
    few = st.lists(one, min_size=1, max_size=12, unique=unique)
    return few | st.lists(one, min_size=17, max_size=22, unique=unique)


places = few_or_many(st.tuples(moments, st.integers(0, 9)), unique=True)  # distinct (occurred_at, sequence)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Touchpoint], list[list[Touchpoint]]]:
    """Touchpoints with distinct (occurred_at, sequence), and one way in which they may come.

    Shuffled, with retries that carry other times and other envelopes, cut into batches.
    """
    originals = [_numbered(number, at, seq) for number, (at, seq) in enumerate(draw(places))]
    queue = draw(st.permutations(originals))
    for again in draw(st.lists(st.sampled_from(originals), max_size=8)):
        after = queue.index(again) + 1
        queue.insert(draw(st.integers(after, len(queue))), _retry(again, draw(st.integers(1, 10**9))))
    batches = []
    while queue:
        size = draw(st.integers(1, len(queue)))
        batches.append(queue[:size])
        queue = queue[size:]
    return originals, batches


def _numbered(number: int, at: int, seq: int | None, home: str = "user:anna") -> Touchpoint:
    return touchpoint(
        f"event{number}",
        home,
        at=at,
        seq=seq,
        subject=f"subject {number}",
        data={"step": number, "sentAt": "first"},
        envelope=("sentAt",),
    )


def _retry(stated: Touchpoint, by: int) -> Touchpoint:
    """The same event as a sender repeats it: later clock, other envelope, other traits and actor."""
    return msgspec.structs.replace(
        stated,
        occurred_at=stated.occurred_at + by,
        data={**stated.data, "sentAt": f"again {by}"},
        traits={"attempt": by},
        actor={"type": "bot"},
        seq=None if stated.seq is None else stated.seq + by,
    )


def _comparable(views: list[TouchpointView]) -> list[dict[str, Any]]:
    """The part that must be the same for any arrival: all but ids, arrival and lateness."""
    differing = ("id", "recorded_at", "late", "conversation_id")
    rows = [msgspec.to_builtins(view) for view in views]
    return [{key: value for key, value in row.items() if key not in differing} for row in rows]


def _names(views: list[TouchpointView]) -> list[str | None]:
    return [view.text for view in views]


# --- Order -----------------------------------------------------------------------------------------


@EXAMPLES
@given(deliveries())
async def test_any_order_duplication_and_batching_gives_the_same_timeline(
    store: Store, case: tuple[list[Touchpoint], list[list[Touchpoint]]]
) -> None:
    originals, batches = case
    straight, tenant = fresh_tenant(), fresh_tenant()
    for stated in sorted(originals, key=lambda stated: (stated.occurred_at, stated.seq)):
        await record_all(store, straight, [stated])
    results = await asyncio.gather(*(record(store, tenant, batch) for batch in batches))

    statuses = [result.status for batch in results for result in batch]
    assert statuses.count("accepted") == len(originals)
    assert set(statuses) <= {"accepted", "duplicate"}
    expected = await timeline(store, straight)
    assert [view.occurred_at for view in expected] == sorted(
        format_time(stated.occurred_at) for stated in originals
    )
    assert _comparable(await timeline(store, tenant)) == _comparable(expected)
    assert not any(view.late for view in expected)


@EXAMPLES
@given(
    few_or_many(st.tuples(moments, st.none() | st.integers(0, 40))),
    st.lists(st.integers(0, 21), max_size=4),
)
async def test_ties_keep_first_arrival_after_those_with_a_sequence(
    store: Store, events: list[tuple[int, int | None]], repeats: list[int]
) -> None:
    tenant = fresh_tenant()
    arrived: list[tuple[tuple[int, bool, int, int], str, bool]] = []
    for number, (at, seq) in enumerate(events):
        stated = _numbered(number, at, seq)
        await record_all(store, tenant, [stated])
        # Equal sequences at one time are ordered by the id, which the model does not know: left out.
        if seq is not None and any(key[0] == at and key[2] == seq and not key[1] for key, _, _ in arrived):
            return
        key = (at, seq is None, seq if seq is not None else number, number)
        late = any(other > key for other, _, _ in arrived)
        arrived.append((key, stated.text or "", late))
        retries = [
            _retry(_numbered(repeat, *events[repeat]), number) for repeat in repeats if repeat < number
        ]
        if retries:
            await record_all(store, tenant, retries)
    views = await timeline(store, tenant)
    assert [(view.text, view.late) for view in views] == [(text, late) for _, text, late in sorted(arrived)]


@EXAMPLES
@given(places, st.data())
async def test_a_customers_timeline_is_the_sort_of_its_identities_timelines(
    store: Store, events: list[tuple[int, int]], data: st.DataObject
) -> None:
    tenant = fresh_tenant()
    homes = data.draw(st.lists(st.sampled_from(HANDLES), min_size=len(events), max_size=len(events)))
    together = touchpoint(
        "login",
        handle("user:anna"),
        handle("email:anna@example.com", Assurance.VERIFIED),
        handle("anonymous:a1"),
        at=NOON - SECOND,
    )
    touchpoints = [
        _numbered(number, at, seq, home)
        for number, ((at, seq), home) in enumerate(zip(events, homes, strict=True))
    ]
    await record_all(store, tenant, data.draw(st.permutations([together, *touchpoints])))
    expected = [
        together,
        *sorted(touchpoints, key=lambda stated: (stated.occurred_at, stated.seq)),
    ]
    for asked in HANDLES:
        views = await timeline(store, tenant, asked)
        assert _names(views) == [stated.text for stated in expected]
        assert [view.identity for view in views] == [str(stated.home.identity) for stated in expected]


# --- First write wins, and nothing is dropped silently ---------------------------------------------

CHANGES: dict[str, dict[str, Any]] = {
    "text": {"text": "something else"},
    "subject": {"subject": "something else"},
    "type": {"type": "message.sent"},
    "data": {"data": {"step": 1}},
    "attachments": {"attachments": ({"name": "a.pdf"},)},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_an_equal_id_with_other_content_is_refused_and_named(
    store: Store, tenant: str, change: str
) -> None:
    first = touchpoint("event")
    (stored,) = await record_all(store, tenant, [first])
    before = await timeline(store, tenant)
    (answer,) = await record(store, tenant, [msgspec.structs.replace(first, **CHANGES[change])])
    assert (answer.status, answer.code, answer.id) == ("rejected", "id_reused", stored.id)
    assert await timeline(store, tenant) == before


@FEW
@given(st.lists(st.integers(0, 2), min_size=2, max_size=10))
async def test_in_one_batch_too_the_first_content_of_an_id_stands(store: Store, versions: list[int]) -> None:
    tenant = fresh_tenant()
    same = [touchpoint("event", text=f"version {version}") for version in versions]
    results = await record(store, tenant, same)
    for version, result in zip(versions[1:], results[1:], strict=True):
        assert result.status == ("duplicate" if version == versions[0] else "rejected")
    (view,) = await timeline(store, tenant)
    assert view.text == f"version {versions[0]}"


async def test_one_event_of_two_id_spaces_is_two_touchpoints(store: Store, tenant: str) -> None:
    await record_all(store, tenant, [touchpoint("e", id_space="chatwoot/1")])
    await record_all(store, tenant, [touchpoint("e", id_space="chatwoot/2", at=NOON + 1)])
    assert len(await timeline(store, tenant)) == 2


async def test_two_at_once_with_one_far_identity_keep_both_links(store: Store, tenant: str) -> None:
    """On a Cluster pointers are written by slot: two homes of one batch may point from one identity."""
    email = handle("email:anna@example.com", Assurance.VERIFIED)
    batch = [
        touchpoint(f"e{number}", handle(f"anonymous:a{number}"), email, at=NOON + number)
        for number in range(8)
    ]
    await record_all(store, tenant, batch)
    assert len(await timeline(store, tenant, "email:anna@example.com")) == 8


# --- Pages -----------------------------------------------------------------------------------------


@FEW
@given(
    st.lists(st.tuples(moments, st.sampled_from(HANDLES)), min_size=1, max_size=25),
    st.integers(1, 30),
    st.booleans(),
)
async def test_pages_forward_and_backward_are_exactly_the_whole(
    store: Store, events: list[tuple[int, str]], limit: int, ascending: bool
) -> None:
    tenant = fresh_tenant()
    together = touchpoint(
        "login", *(handle(stated, Assurance.VERIFIED) for stated in HANDLES), at=NOON + SECOND
    )
    await record_all(
        store, tenant, [together, *(_numbered(n, at, None, home) for n, (at, home) in enumerate(events))]
    )
    whole = await timeline(store, tenant)
    found = await pages(store, tenant, "anonymous:a1", limit=limit, ascending=ascending)
    expected = whole if ascending else whole[::-1]
    assert [view for part in found for view in part] == expected
    assert [len(part) for part in found[:-1]] == [limit] * (len(found) - 1)
    assert 0 < len(found[-1]) <= limit


@FEW
@given(
    st.lists(st.sampled_from(["message.received", "page.viewed", "email.received"]), min_size=1, max_size=25),
    st.integers(1, 10),
    st.booleans(),
)
async def test_filtered_pages_are_exactly_what_passes(
    store: Store, types: list[str], limit: int, ascending: bool
) -> None:
    tenant = fresh_tenant()
    events = [
        touchpoint(f"event{number}", at=NOON + number % 3, type=type_) for number, type_ in enumerate(types)
    ]
    await record_all(store, tenant, events)
    wanted = Filter(types=frozenset({"message.received"}))
    found = await pages(store, tenant, "user:anna", limit=limit, ascending=ascending, filter_=wanted)
    expected = [view for view in await timeline(store, tenant) if view.type == "message.received"]
    assert [view for part in found for view in part] == (expected if ascending else expected[::-1])


# --- Edits and deletions ---------------------------------------------------------------------------


@st.composite
def amended(draw: st.DrawFn) -> list[Touchpoint]:
    """A message with edits and perhaps deletions of it, in any order of arrival."""
    original = touchpoint("message", text="words 0")
    times = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5, unique=True))
    deletions = draw(st.sets(st.sampled_from(times), max_size=2))
    changes = [
        touchpoint(
            f"change{step}",
            at=NOON + step * SECOND,
            type="message.deleted" if step in deletions else "message.edited",
            text=None if step in deletions else f"words {step}",
            amends="message",
        )
        for step in times
    ]
    return draw(st.permutations([original, *changes]))


def _original(views: list[TouchpointView]) -> TouchpointView:
    return next(view for view in views if view.type == "message.received")


@EXAMPLES
@given(amended())
async def test_edits_and_deletions_fold_to_the_same_in_any_order(
    store: Store, came: list[Touchpoint]
) -> None:
    tenant, straight = fresh_tenant(), fresh_tenant()
    for stated in came:
        await record_all(store, tenant, [stated])
    await record_all(store, straight, sorted(came, key=lambda stated: stated.occurred_at))
    view = _original(await timeline(store, tenant))
    deletions = [stated for stated in came if stated.type == "message.deleted"]
    newest = max(
        deletions or [stated for stated in came if stated.amends],
        key=lambda stated: stated.occurred_at,
    )
    assert view.deleted == bool(deletions)
    assert view.text == newest.text
    by = next(stated for stated in await timeline(store, tenant) if stated.id == view.amended_by)
    assert by.occurred_at == format_time(newest.occurred_at)
    assert _comparable_across_tenants(await timeline(store, tenant)) == _comparable_across_tenants(
        await timeline(store, straight)
    )


async def test_a_deleted_touchpoint_has_the_content_of_its_deletion(store: Store, tenant: str) -> None:
    gone = touchpoint("message", source="chat", thread="t1", data={"kept": False})
    deletion = touchpoint(
        "deletion",
        handle("user:anna", Assurance.CLAIMED),
        at=NOON + SECOND,
        source="desk",
        thread="t2",
        type="message.deleted",
        text=None,
        amends="message",
    )
    await record_all(store, tenant, [gone, deletion])
    view = _original(await timeline(store, tenant))
    texts = (view.source, view.thread, view.assurance, view.text, view.data, view.amends)
    assert texts == ("desk", "t2", Assurance.CLAIMED, None, {}, None)


def _comparable_across_tenants(views: list[TouchpointView]) -> list[dict[str, Any]]:
    """As `_comparable`, without the ids that name the tenant."""
    return [
        {key: value for key, value in row.items() if key not in ("amended_by", "amends")}
        for row in _comparable(views)
    ]


@FEW
@given(amended())
async def test_deleted_words_are_gone_from_the_store_whatever_came_first(
    store: Store, came: list[Touchpoint]
) -> None:
    tenant = fresh_tenant()
    for stated in came:
        await record_all(store, tenant, [stated])
    kept = await kept_words(store, tenant)
    if any(stated.type == "message.deleted" for stated in came):
        assert kept == set()
    else:
        assert kept == {stated.text for stated in came}


async def kept_words(store: Store, tenant: str) -> set[str | None]:
    """Every `words n` that is anywhere in what the store holds of anna, read from the raw members."""
    home = store.hashes(tenant).identity(handle("user:anna").identity)
    members = await store.connection.call("ZRANGE", store.keys.timeline(home), 0, -1)
    stored = [read_member(raw, home) for raw in members]
    texts: set[str | None] = {stated.body().text for stated in stored if len(stated.raw) > stated.body_at}
    raw = b"".join(
        [
            await store.connection.call("DUMP", key) or b""
            for key in (store.keys.index(home), store.keys.record(home))
        ]
    )
    assert b"words" not in raw
    return texts - {None}
