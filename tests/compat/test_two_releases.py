"""The last release and the current tree on one store: both write, read, hand off, deliver and stream."""

from __future__ import annotations

import asyncio
import tomllib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector

from handoff.store.connection import Connection
from handoff.store.functions.library import Functions
from handoff.store.settings import StoreSettings
from handoff.store.workers import raise_format
from tests import serving as servers
from tests.compat.release_client import DUE, ReleaseClient, differences, everything
from tests.compat.releases import ROOT, Release, last_release, serving
from tests.delivery.subscribers import SECRET, Subscriber, subscriber, until
from tests.store.servers import free_port, valkey_server

PEOPLE = ["user:anna", "email:ben@example.org"]
CONFIG = """
[store]
{store}
"""


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the last release."""
    return last_release(tmp_path_factory.mktemp("last-release"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The configuration of both releases on one external store."""
    with valkey_server() as url:
        yield configured(tmp_path_factory.mktemp("beside"), f'url = "{url}"')


@pytest.fixture(scope="module")
def store_url(place: Path) -> str:
    return str(tomllib.loads(place.read_text())["store"]["url"])


@pytest.fixture(scope="module")
def old(former: Path, place: Path) -> Iterator[Release]:
    with serving("old", former, place) as release:
        yield release


@pytest.fixture(scope="module")
def new(old: Release, place: Path) -> Iterator[Release]:
    """The current tree, started beside the last release."""
    with serving("new", ROOT, place) as release:
        yield release


@pytest.fixture
async def hooks() -> AsyncIterator[Subscriber]:
    async with subscriber() as started:
        yield started


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    # A port may belong to another server by the next request.
    connector = TCPConnector(force_close=True)
    async with ClientSession(timeout=ClientTimeout(total=30), connector=connector) as session:
        yield session


def configured(directory: Path, store: str) -> Path:
    path = directory / "handoff.toml"
    path.write_text(CONFIG.format(store=store))
    return path


@asynccontextmanager
async def subscribed(client: ReleaseClient, hooks: Subscriber) -> AsyncIterator[str]:
    """Subscribe to everything. Yields the subscription's id."""
    subscription = {
        "url": hooks.url,
        "types": ["*"],
        "secret": SECRET,
        "allow_insecure": True,
        "allow_networks": ["127.0.0.0/8"],
    }
    made = await client.ok("POST", "/v1/webhooks", subscription)
    try:
        yield made["id"]
    finally:
        await client.ok("DELETE", f"/v1/webhooks/{made['id']}")


async def once(asked: Callable[[], Awaitable[Any]]) -> None:
    """Repeat until the result is true."""
    async with asyncio.timeout(30):
        while not await asked():  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


async def history(client: ReleaseClient, mark: str) -> None:
    """Record something of every stored kind for two customers, named after `mark`."""
    await client.record(f"{mark}-1", "user:anna", thread=f"t-{mark}", data={"order": 7})
    await client.record(f"{mark}-2", "user:anna", identities=["user:anna", "email:anna@example.org"])
    await client.record(f"{mark}-long", "user:anna", text=f"long {mark} " + "x" * 5000)
    await client.record(f"{mark}-note", "user:anna", type="note.added", visibility="internal")
    await client.record(f"{mark}-gone", "user:anna", thread=f"t-{mark}")
    await client.record(
        f"{mark}-edit", "user:anna", type="message.edited", amends=f"{mark}-1", text=f"edited {mark}"
    )
    await client.record(f"{mark}-del", "user:anna", type="message.deleted", amends=f"{mark}-gone", text=None)
    other = {"participants": [{"type": "user", "value": "anna", "role": "cc"}]}
    await client.record(
        f"{mark}-ben", "email:ben@example.org", channel="email", type="email.received", **other
    )
    anna = await client.customer("user:anna")
    link = {"identity": f"phone:+3584012345{len(mark)}{ord(mark[0]) % 10}", "reason": "confirmed by phone"}
    await client.ok("POST", f"/v1/customers/{anna}/links", link)
    handoff = await client.ask("user:anna", context={"mood": mark}, fallback=[{"queue": "night"}])
    handoff = await client.move(handoff, "offer", agent="erik")
    handoff = await client.move(handoff, "accept", agent="erik")
    await client.ok("POST", f"/v1/handoffs/{handoff['id']}/viewed", {})
    handoff = await client.ok("GET", f"/v1/handoffs/{handoff['id']}")
    await client.move(handoff, "complete", agent="erik")
    promised = {"identity": "user:anna", "phone": "+358401234567", "reason": mark, "due": DUE}
    await client.ok("POST", "/v1/callbacks", promised)


async def settled(client: ReleaseClient) -> None:
    """Wait until every message so far is delivered; responses change until then."""

    async def empty() -> bool:
        found = (await client.ok("GET", "/v1/webhooks"))["webhooks"]
        return all(it["status"]["pending"] == 0 for it in found)

    await once(empty)


async def test_what_the_last_release_wrote_is_read_unchanged(
    old: Release, hooks: Subscriber, session: ClientSession, request: pytest.FixtureRequest
) -> None:
    older = ReleaseClient(old, session)
    async with subscribed(older, hooks):
        await history(older, "old")
        await settled(older)
        before = await everything(older, PEOPLE)
        newer = ReleaseClient(request.getfixturevalue("new"), session)
        assert differences(before, await everything(newer, PEOPLE)) == []
        await history(newer, "new")
        await settled(newer)
        after = await everything(newer, PEOPLE)
        assert differences(await everything(older, PEOPLE), after) == []
        assert len(after["handoffs"]["handoffs"]) == 2


async def test_the_upgrade_sees_both_releases(old: Release, new: Release, store_url: str) -> None:
    """Each of the two is in the way of a format that neither understands, whichever way it is seen."""
    async with Connection(StoreSettings(url=store_url)) as connection:
        functions = Functions(connection)
        await functions.load()
        found = await raise_format(connection, functions, 99)
    seen = {it.pid for it in found.old}
    assert found.format < 99
    assert new.process.pid in seen
    assert old.process.pid in seen or found.unregistered
    for release in (old, new):
        assert '"level": "error"' not in release.output


@pytest.mark.parametrize("turned", [False, True], ids=["old-writes", "new-writes"])
async def test_both_write_read_link_hand_off_and_stream(
    old: Release, new: Release, hooks: Subscriber, session: ClientSession, turned: bool
) -> None:
    clients = [ReleaseClient(old, session), ReleaseClient(new, session)]
    writer, reader = reversed(clients) if turned else clients
    mark = writer.release.name
    who = f"user:{mark}"
    async with subscribed(writer, hooks):
        await writer.record(f"m-{mark}", who)
        assert await reader.texts(who) == [f"text of m-{mark}"]
        id_ = await reader.customer(who)
        async with AsyncExitStack() as stack:
            people, queues = [], []
            for client in (writer, reader):
                people.append(await stack.enter_async_context(client.watching(f"/v1/customers/{id_}/events")))
                queues.append(await stack.enter_async_context(client.watching("/v1/queues/support/events")))
            await until(lambda: all(it.events for it in queues))  # `ready`
            await writer.record(f"live-{mark}", who)
            await reader.record(f"echo-{mark}", who)
            asked = await writer.ask(who)
            taken = await reader.move(asked, "accept", agent="maria")
            texts = {f"text of live-{mark}", f"text of echo-{mark}"}
            changes = {("handoff.requested", asked["id"]), ("handoff.accepted", asked["id"])}
            await until(lambda: all(texts <= it.texts() for it in people))
            await until(lambda: all(changes <= it.handoffs() for it in queues))
        assert (taken["state"], taken["owner"]) == ("accepted", "maria")
        await writer.move(taken, "complete", agent="maria")
        link = await linked(writer, id_, f"email:{mark}@example.org")
        path = f"/v1/customers/{id_}/links/{link}/withdraw"
        await reader.ok("POST", path, {"reason": "a mistake"})
        earlier, later = clients  # the later release may show more
        assert differences(await everything(earlier, [who]), await everything(later, [who])) == []
        await until(lambda: "handoff.completed" in hooks.types())
        await settled(writer)
        mine = [it for it in hooks.accepted if it.event["subject"] == asked["id"]]
        notifications = Counter(it.event["type"] for it in mine)
        wanted = ("handoff.requested", "handoff.accepted", "handoff.completed")
        assert {type_: notifications[type_] for type_ in wanted} == dict.fromkeys(wanted, 1)
        assert set(Counter(it.id for it in hooks.accepted).values()) == {1}


async def linked(client: ReleaseClient, customer: str, identity: str) -> str:
    """Create a link as an agent and return its id."""
    path = f"/v1/customers/{customer}/links"
    await client.ok("POST", path, {"identity": identity, "reason": "confirmed by phone"})
    links = (await client.ok("GET", path))["links"]
    return str(next(it["id"] for it in links if it["effective"]))


async def test_timers_keys_and_sessions_are_shared(
    old: Release, new: Release, hooks: Subscriber, session: ClientSession
) -> None:
    older, newer = ReleaseClient(old, session), ReleaseClient(new, session)
    async with subscribed(newer, hooks):
        asked = []
        for client, mark in ((older, "timer-old"), (newer, "timer-new")):
            await client.record(f"m-{mark}", f"user:{mark}")
            asked.append((await client.ask(f"user:{mark}", deadline_s=1.0))["id"])
        for maker, other in ((older, newer), (newer, older)):
            await share(maker, other)
        for id_ in asked:
            await until(lambda id_=id_: ("handoff.expired", id_) in notified(hooks))
        await settled(newer)
        for client in (older, newer):
            states = [(await client.ok("GET", f"/v1/handoffs/{id_}"))["state"] for id_ in asked]
            assert states == ["expired", "expired"]
        assert {notified(hooks)["handoff.expired", id_] for id_ in asked} == {1}


def notified(hooks: Subscriber) -> Counter[tuple[str, str]]:
    return Counter((it.event["type"], it.event["subject"]) for it in hooks.accepted)


async def share(maker: ReleaseClient, other: ReleaseClient) -> None:
    """Each release can use what the other stored: idempotency keys, callbacks, sessions."""
    mark = maker.release.name
    promised = {"identity": f"user:timer-{mark}", "phone": "+358401234567", "reason": mark}
    made = await maker.ok("POST", "/v1/callbacks", promised, Idempotency_Key=mark)
    if maker.release.name == "old":
        # The last release filed answers by the token's name; another credential may have that name.
        status, refused, _ = await other.call("POST", "/v1/callbacks", promised, Idempotency_Key=mark)
        assert (status, refused["code"]) == (409, "idempotency_key_outdated")
    status, again, headers = await maker.call("POST", "/v1/callbacks", promised, Idempotency_Key=mark)
    assert (status, again["id"], headers.get("Idempotent-Replayed")) == (201, made["id"], "true")
    due = {"due": "2031-02-02T10:00:00Z"}
    moved = await other.ok("POST", f"/v1/callbacks/{made['id']}/reschedule", due)
    assert (await maker.ok("GET", f"/v1/callbacks/{made['id']}"))["version"] == moved["version"] == 2
    opened = await maker.ok("POST", "/v1/sessions", {"agent": "maria"})
    bearer = {"Authorization": f"Bearer {opened['token']}"}
    assert (await other.ok("GET", "/v1/sessions/current", **bearer))["agent"] == "maria"


async def test_the_releases_take_turns_on_an_embedded_store(
    former: Path, session: ClientSession, tmp_path: Path
) -> None:
    config = configured(tmp_path, f'data_dir = "{tmp_path / "data"}"')
    port = free_port()
    with serving("old", former, config, port=port) as old:
        await history(ReleaseClient(old, session), "old")
        before = await everything(ReleaseClient(old, session), PEOPLE)
    with serving("new", ROOT, config, port=port) as new:
        assert differences(before, await everything(ReleaseClient(new, session), PEOPLE)) == []
        await history(ReleaseClient(new, session), "new")
        after = await everything(ReleaseClient(new, session), PEOPLE)
    with serving("again", former, config, port=port) as old:
        assert differences(await everything(ReleaseClient(old, session), PEOPLE), after) == []


async def test_the_last_release_does_not_start_on_a_sealed_store(
    former: Path, session: ClientSession, tmp_path: Path
) -> None:
    """And while it runs, the store cannot be sealed. It would show, and store, values in clear."""
    with valkey_server() as url:
        config = configured(tmp_path, f'url = "{url}"')
        sealed = tmp_path / "sealed.toml"
        master = f'keys = "{"m" * 32}"\nkey_file = "{tmp_path}/keys.json"'
        sealed.write_text(f"{config.read_text()}\n[privacy.sealing]\n{master}\n")
        with serving("new", ROOT, config) as new:
            await ReleaseClient(new, session).record("clear", "user:anna")
            with serving("old", former, config):
                refused = await asyncio.to_thread(started, ROOT, sealed)
                assert "cannot read sealed data" in refused
        with serving("sealed", ROOT, sealed) as new:
            client = ReleaseClient(new, session)
            await client.record("sealed", "user:anna")
            assert set(await client.texts("user:anna")) == {"text of clear", "text of sealed"}
            assert "layout 2" in await asyncio.to_thread(started, former, config)
            assert await client.texts("user:anna")


def started(tree: Path, config: Path) -> str:
    """The output of a server that must refuse to start."""
    log = config.with_suffix(".refused.log")
    arguments = ("--config", str(config), "--port", str(free_port()))
    with servers.process(log, *arguments, tree=tree, wait=False) as process:
        assert process.wait(30) == 1
    return log.read_text()
