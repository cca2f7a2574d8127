"""A context that is made from a checkpoint equals one that is made without."""

from __future__ import annotations

import random
from typing import Any

import pytest

from handoff.bootstrap.language_packs import load_packs
from handoff.domain.brief import BriefRules, SourceRules
from handoff.domain.clock import DAY, HOUR, MINUTE
from handoff.domain.identity import Assurance
from handoff.domain.touchpoint import Touchpoint
from handoff.services.context import history
from handoff.services.context.remembered.keeping import MIN_KEPT, MIN_UNKEPT, restored
from handoff.services.context.remembered.recollection import Recollection
from handoff.services.customers.link_views import read_links
from handoff.services.customers.links import Attribution, withdraw
from handoff.services.timeline.reading import TimelineEntry
from handoff.store.decoded import RecentBodies
from handoff.store.histories import RecentHistories
from handoff.store.repositories.timelines import Row, Window, read_rows
from handoff.store.store import Store
from tests.samples import NOON, handle, record_all, touchpoint

from .test_recollections import MAIL, context, customer_of

NOW = NOON + 2 * DAY
TEXTS = (
    *("Where is my order A-17?", "hello??", "thanks, that is all!", "It is order A-71, not A-17.", "yes"),
    *("The washing machine leaks again.", "Wo bleibt meine Bestellung B-9? Ich warte seit Montag.", "8"),
    *("I never got the refund for contract 4711 and nobody answers me.", "please cancel it", "?", "ok"),
)
OURS = (
    *("It arrives on Friday.", "One moment please.", "I will call you back tomorrow.", "Which order is it?"),
    *("I will transfer you to my colleague.", "The refund for A-17 is on its way."),
)
MACHINE = {"type": "bot", "name": "Helper"}
AGENT = {"type": "agent", "name": "Mia"}


def drawn(chance: random.Random, name: str, minute: int) -> Touchpoint:
    """A touchpoint of any kind that moves or describes matters."""
    at = NOON + minute * MINUTE
    kind = chance.randrange(12)
    text, ours = chance.choice(TEXTS), chance.choice(OURS)
    channel = chance.choice(("chat", "email"))
    many: dict[int, dict[str, Any]] = {
        0: {"type": "message.sent", "text": ours, "actor": AGENT},
        1: {"type": "message.sent", "text": ours, "actor": MACHINE},
        2: {
            "type": "article.viewed",
            "channel": "web",
            "text": None,
            "data": {"title": f"Help {minute % 5}"},
        },
        3: {"type": "call.ended", "channel": "phone", "text": None, "data": {"duration_s": minute % 60}},
        4: {"type": "conversation.resolved", "text": None},
        5: {"type": "note.added", "text": f"Looked into {minute}", "actor": AGENT},
        6: {"type": "form.submitted", "channel": "web", "text": None, "data": {"fields": {"order": "A-5"}}},
        7: {"type": "callback.requested", "text": "call me", "data": {"callback": f"cb{minute % 3}"}},
        8: {"traits": {"name": f"Anna {minute}", "city": "Bonn"}},
    }
    more = {"text": text, "channel": channel, **many.get(kind, {})}
    if chance.random() < 0.3:
        more |= {"thread": f"t{minute % 4}", "thread_space": "shop"}
    who = ("user:anna",) if chance.random() < 0.9 else (handle("user:anna", Assurance.CLAIMED),)
    return touchpoint(name, *who, at=at, **more)


def many(chance: random.Random, name: str, first: int, count: int) -> list[Touchpoint]:
    return [drawn(chance, f"{name}{n}", first + 7 * n) for n in range(count)]


def amendment(type_: str, amends: str, minute: int, **more: Any) -> Touchpoint:
    return touchpoint(type_, at=NOON + minute * MINUTE, type=type_, amends=amends, **more)


async def homes(store: Store, tenant: str) -> list[bytes]:
    return [it.key for it in (await customer_of(store, tenant)).members]


def forget(store: Store) -> None:
    """As in a worker that has read nothing yet."""
    store.histories, store.decoded = RecentHistories(), RecentBodies()


async def kept(store: Store, tenant: str) -> bytes | None:
    (found,) = await store.connection.answers([store.checkpoints.question((await homes(store, tenant))[0])])
    return bytes(found) if found else None


async def with_checkpoint(store: Store, tenant: str, *, now: int = NOW) -> bytes:
    forget(store)
    made = await context(store, tenant, now=now)
    await store.behind.done()
    return made


async def without(store: Store, tenant: str, *, now: int = NOW) -> bytes:
    """The context of a worker that has read nothing, while no checkpoint is stored; it is put back."""
    (first, *_others), before = await homes(store, tenant), await kept(store, tenant)
    await store.checkpoints.drop([first])
    forget(store)
    made = await context(store, tenant, now=now)
    await store.behind.aclose()
    if before is not None:
        await store.checkpoints.put(first, before, 0)
    forget(store)
    return made


async def check(store: Store, tenant: str, what: str, *, now: int = NOW) -> None:
    expected = await without(store, tenant, now=now)
    assert await with_checkpoint(store, tenant, now=now) == expected, what
    again = await context(store, tenant, now=now)
    assert again == expected, f"{what}, again"


PACKS = load_packs()


@pytest.fixture
def store(own_store: Store) -> Store:
    own_store.brief_rules = BriefRules(packs=PACKS)
    return own_store


@pytest.mark.parametrize("seed", range(4))
async def test_contexts_are_the_same_with_a_checkpoint(store: Store, tenant: str, seed: int) -> None:
    chance = random.Random(seed)
    await record_all(store, tenant, many(chance, "m", 0, MIN_KEPT + chance.randrange(40)))
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) is not None
    end = 7 * (MIN_KEPT + 40)
    for step in range(6):
        await record_all(store, tenant, many(chance, f"s{step}-", end, chance.randrange(4)))
        await check(store, tenant, f"later {step}")
        end += 60
    late = chance.randrange(end)
    await record_all(store, tenant, [drawn(chance, "late", late)])
    await check(store, tenant, "late")
    for now in (NOW + 20 * DAY, NOW + 100 * DAY, NOW + 400 * DAY, NOW):
        await check(store, tenant, f"time passes {now}", now=now)
    await record_all(
        store, tenant, [touchpoint("join", "user:anna", handle(MAIL, Assurance.VERIFIED), at=NOON)]
    )
    await check(store, tenant, "linked")
    mails = [
        touchpoint(f"mail{n}", MAIL, at=NOON + n * HOUR, type="email.received", text=TEXTS[n])
        for n in range(5)
    ]
    await record_all(store, tenant, mails)
    await check(store, tenant, "mails")
    customer = await customer_of(store, tenant)
    (joint, *_more) = [it for it in await read_links(store, tenant, customer) if MAIL in it.identities]
    by = Attribution(who="agent:lisa", reason="somebody else")
    await withdraw(store, tenant, customer.id, joint.id, by, dry_run=False, now=NOW)
    await check(store, tenant, "unlinked")
    edited = touchpoint(
        "edit", at=NOON + end * MINUTE, type="message.edited", amends="m1", text="Something else."
    )
    await record_all(store, tenant, [edited])
    await check(store, tenant, "edited")
    await record_all(
        store, tenant, [touchpoint("gone", at=NOON, type="message.deleted", text=None, amends="m2")]
    )
    await check(store, tenant, "deleted")


async def test_the_first_look_of_another_worker_decodes_what_it_shows(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(1), "m", 0, MIN_KEPT + 30))
    await with_checkpoint(store, tenant)
    forget(store)
    await context(store, tenant)
    assert 50 <= len(store.decoded._kept) <= 55  # the page, and a few that may have copies on it


async def test_a_deletion_locks_earlier_checkpoints(store: Store, tenant: str) -> None:
    """The text of a deleted touchpoint cannot be read from a checkpoint that was made before."""

    async def unlocked(checkpoint: bytes) -> bool:
        members = (await customer_of(store, tenant)).members
        episodes = {it.key: it.episodes for it in members}
        page = await read_rows(store.connection, store.keys, list(episodes), Window(limit=1_000))
        read = Recollection(episodes=episodes, rows=page.rows)
        return await restored(store, tenant, read, checkpoint, never) is not None

    def never(_row: Row) -> TimelineEntry:
        raise AssertionError("nothing is decoded")

    await record_all(store, tenant, many(random.Random(2), "m", 0, MIN_KEPT + 15))
    await with_checkpoint(store, tenant)
    before = await kept(store, tenant)
    assert before is not None
    assert b"washing" not in before
    assert await unlocked(before)
    await record_all(store, tenant, [amendment("message.deleted", "m2", 0, text=None)])
    assert not await unlocked(before)
    await check(store, tenant, "deleted")


async def test_other_rules_open_no_checkpoint(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(3), "m", 0, MIN_KEPT + 15))
    await with_checkpoint(store, tenant)
    store.brief_rules = BriefRules(packs=load_packs(), sources={"test": SourceRules(outbound="bot")})
    await check(store, tenant, "other declarations of sources")


@pytest.mark.parametrize("broken", [b"", b"\1", b"\2" + bytes(100), b"\1" + bytes(100)])
async def test_what_is_no_checkpoint_is_passed_over(store: Store, tenant: str, broken: bytes) -> None:
    await record_all(store, tenant, many(random.Random(4), "m", 0, MIN_KEPT + 10))
    expected = await without(store, tenant)
    await store.checkpoints.put((await homes(store, tenant))[0], broken, 0)
    assert await with_checkpoint(store, tenant) == expected


async def test_a_checkpoint_with_a_changed_byte_is_passed_over(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(5), "m", 0, MIN_KEPT + 10))
    expected = await with_checkpoint(store, tenant)
    stored = await kept(store, tenant)
    assert stored is not None
    for at in (5, 40, len(stored) // 2, len(stored) - 1):
        changed = stored[:at] + bytes((stored[at] ^ 1,)) + stored[at + 1 :]
        await store.checkpoints.put((await homes(store, tenant))[0], changed, 0)
        assert await with_checkpoint(store, tenant) == expected, at


async def test_checkpoints_are_written_now_and_then(store: Store, tenant: str) -> None:
    chance = random.Random(6)
    await record_all(store, tenant, many(chance, "m", 0, MIN_KEPT - 1))
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) is None
    await record_all(store, tenant, many(chance, "n", 2000, 1))
    await with_checkpoint(store, tenant)
    first = await kept(store, tenant)
    assert first is not None
    await record_all(store, tenant, many(chance, "o", 3000, MIN_UNKEPT - 1))
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) == first
    await record_all(store, tenant, many(chance, "p", 5000, 1))
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) not in (None, first)


async def test_checkpoints_of_a_person_and_of_everybody_can_be_dropped(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(7), "m", 0, MIN_KEPT + 10))
    await with_checkpoint(store, tenant)
    await store.checkpoints.drop(await homes(store, tenant))
    assert await kept(store, tenant) is None
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) is not None
    await store.checkpoints.drop_all()
    assert await kept(store, tenant) is None


async def test_none_is_kept_while_memory_is_scarce(store: Store, tenant: str) -> None:
    await record_all(store, tenant, many(random.Random(8), "m", 0, MIN_KEPT + 10))
    store.health.memory.share = 0.76
    await with_checkpoint(store, tenant)
    assert await kept(store, tenant) is None


async def test_the_oldest_touchpoint_of_a_long_history_stays_for_a_while(store: Store, tenant: str) -> None:
    """The brief of a long history is made of what a checkpoint has, and of the new touchpoints."""
    long = [touchpoint(f"m{n}", at=NOON + n * 1_000_000, text=f"Where is A-{n % 7}?") for n in range(1_150)]
    await record_all(store, tenant, long)
    assert history.briefed(1_150) == 1_050
    await check(store, tenant, "long")
    await record_all(store, tenant, many(random.Random(9), "n", 30, 3))
    await check(store, tenant, "more")
    await record_all(store, tenant, many(random.Random(9), "o", 60, 60))
    await check(store, tenant, "the oldest fell out")


def test_a_brief_is_made_of_a_thousand_touchpoints_and_a_few() -> None:
    totals = (5, 1_000, 1_099, 1_100, 9_950)
    assert [history.briefed(it) for it in totals] == [1_000, 1_000, 1_099, 1_000, 1_050]
